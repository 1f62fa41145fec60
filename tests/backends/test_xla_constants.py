"""Traced programs hold no large constants: XLA would fold them when it compiles, and a cached program carry them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.extend.core
import numpy as np
import pytest

from graphc.backend import Environment, load
from graphc.backends.xla import forms
from graphc.backends.xla.random import CounterStream
from graphc.ir import Graph, Node
from graphc.ops import convolution, criteria, pooling, products, reductions, regions, softmax, tables, unpooling
from graphc.ops.sources import InputValue, LearnableParameter
from tests.backends.test_xla_operators import CASES, Case, case

XLA: Any = load("xla")
FRAMES = 300
MOST_BYTES = 1024

conv, pool = convolution.Convolution, pooling.Pooling
# what could write down its geometry or its classes
LARGE = [
    case(conv((3, 3), (8,)), "3 3 2 8", "64 48 2 *"),
    case(conv((3, 3), (8,), groups=8), "3 3 1 8", "64 48 8 *"),
    case(conv((3, 3, 2), (2,), stride=(1, 1, 1), auto_padding=(True, True, False)), "3 3 2 2", "64 48 3 *"),
    case(conv((3, 3), (8,)), "3 3 2 8", "64 48 2"),
    case(conv((3, 3, 2), (5,), transpose=True, auto_padding=(False,)), "3 3 2 5", "64 48 5 *"),
    *(case(pool(kind, (3, 3), (2,)), "64 48 2 *") for kind in ("max", "average")),
    *(case(pool(kind, (2, 2, 2), (2,), (False,)), "64 48 4 *") for kind in ("max", "average")),
    case(unpooling.MaxUnpooling((3, 2), (2, 1)), "32 48 2 *", "64 48 2 *"),
    case(regions.ROIPooling((2, 3), 1.0), "64 48 2 *", "4 3 *"),
    case(softmax.Hardmax(), "5000 *"),
    case(criteria.ClassificationError(), "5000 *", "5000 *"),
    case(criteria.CrossEntropyWithSoftmax(), "5000 *", "5000 *"),
    case(products.Times(), "3 5000", "5000 *"),
    case(tables.LookupTable(), "3 5000", "5000 *"),
    case(reductions.ReduceElements("Mean"), "5000 *"),
]


def node_of(at: int, shape: str) -> Node:
    *dims, last = shape.split()
    if last == "*":
        return InputValue(f"x{at}", tuple(map(int, dims)))()
    return LearnableParameter(f"x{at}", tuple(map(int, shape.split())))()


@pytest.mark.parametrize("c", [*CASES, *LARGE], ids=str)
def test_no_large_constants(c: Case) -> None:
    check(c)


@pytest.mark.parametrize("choose", [0, -1], ids=["plain form", "last form"])
@pytest.mark.parametrize("c", LARGE, ids=str)
def test_no_large_constants_in_any_form(c: Case, choose: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "fastest", lambda platform, operator, part, facts, choices: list(choices)[choose])
    check(c)


def check(c: Case) -> None:
    sources = [node_of(i, shape) for i, shape in enumerate(c.shapes)]
    function = XLA.function(Graph({"y": c.op(*sources)}), training=True)
    arguments: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    for i, node in enumerate(sources):
        lead = (FRAMES,) if node.type.axis else ()
        shape = jax.ShapeDtypeStruct((*lead, *reversed(node.type.dims)), np.float32)
        arguments[node.type.axis is not None][f"x{i}"] = shape

    def total(given: Any, rate: Any) -> Any:
        environment = Environment(FRAMES - 1, {**c.settings, "dropout_rate": rate}, CounterStream.of(1))
        return function(*given, environment).outputs["y"].sum()

    traced = jax.make_jaxpr(jax.value_and_grad(total))(arguments, np.float32(0.5))
    large = [value for value in constants(traced) if value.nbytes > MOST_BYTES]
    assert not large, [(value.shape, value.dtype) for value in large]


def constants(value: Any) -> Iterator[np.ndarray]:
    """Constants of a closed jaxpr and of those inside its equations, literals included."""
    if isinstance(value, jax.extend.core.ClosedJaxpr):
        yield from (np.asarray(c) for c in value.consts if hasattr(c, "nbytes"))
        yield from constants(value.jaxpr)
    elif isinstance(value, jax.extend.core.Jaxpr):
        for equation in value.eqns:
            yield from (np.asarray(v.val) for v in equation.invars if isinstance(v, jax.extend.core.Literal))
            for parameter in equation.params.values():
                yield from constants(parameter)
    elif isinstance(value, tuple | list):
        for each in value:
            yield from constants(each)


def test_constants_are_found_wherever_they_are() -> None:
    table = np.arange(1000.0, dtype=np.float32)

    @jax.jit
    def inner(x: Any) -> Any:
        return jax.lax.cond(x > 0, lambda: table * x, lambda: table + x)

    assert max(c.nbytes for c in constants(jax.make_jaxpr(inner)(1.0))) == table.nbytes
