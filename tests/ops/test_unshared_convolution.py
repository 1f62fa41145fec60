"""Convolutions whose kernels are not shared by windows, against loops over every output."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from graphc.backend import Environment
from graphc.backends.reference import FLOAT64
from graphc.ir import Graph
from graphc.ops.convolution import Convolution
from graphc.ops.sources import InputValue, LearnableParameter

# kernel, maps, sharing, stride, automatic padding, image
CASES = {
    "both axes": ((2, 3), 2, (False,), (1,), (True,), (4, 5, 2)),
    "the first axis": ((2, 3), 2, (False, True), (2,), (False,), (5, 4, 2)),
    "the second axis": ((2, 2), 3, (True, False), (1, 2), (True, False), (3, 4, 1)),
    "channels too": ((2, 2), 2, (True, True, False), (1,), (True, True, False), (3, 3, 2)),
    "a row": ((3,), 2, (False,), (1,), (True,), (5,)),
}


@pytest.mark.parametrize("case", CASES)
def test_each_window_has_its_kernels(case: str) -> None:
    kernel, maps, sharing, stride, padding, image = CASES[case]
    op = Convolution(kernel, (maps,), stride, sharing, padding)
    x = InputValue("x", image)()
    axes = op.geometry(x.type)
    w = LearnableParameter("w", op.kernel_shape(x.type))()
    numbers = np.random.default_rng(1)
    images = numbers.normal(size=(2, *reversed(image)))
    weights = numbers.normal(size=tuple(reversed(w.type.dims)))
    graph = Graph({"y": op(w, x)})
    found = FLOAT64.function(graph)({"w": weights}, {"x": images}, Environment()).outputs["y"]

    # the memory of CNTK: kernel after kernel, each with its first axis fastest; the place of the window is its number's
    # fastest part, the map its slowest
    memory = weights.reshape(-1)
    shared = [*sharing, *[sharing[-1]] * (len(kernel) - len(sharing)), *[True] * len(image)][: len(image)]
    size = int(np.prod([a.kernel for a in axes]))
    expected = np.zeros((2, maps, *(a.windows for a in reversed(axes))))
    for m, *place in itertools.product(range(maps), *(range(a.windows) for a in axes)):
        number, step = 0, 1
        for at, is_shared, axis in zip(place, shared, axes, strict=True):
            if not is_shared:
                number, step = number + at * step, step * axis.windows
        own = memory[(m * step + number) * size :][:size].reshape([a.kernel for a in reversed(axes)])
        for element in itertools.product(*(range(a.kernel) for a in axes)):
            position = [p * a.stride - a.low + j for p, j, a in zip(place, element, axes, strict=True)]
            if all(0 <= q < a.size for q, a in zip(position, axes, strict=True)):
                weight = own[tuple(reversed(element))]
                expected[(slice(None), m, *reversed(place))] += weight * images[(slice(None), *reversed(position))]
    np.testing.assert_allclose(found.reshape(-1), expected.reshape(-1), rtol=1e-12, atol=1e-12)
