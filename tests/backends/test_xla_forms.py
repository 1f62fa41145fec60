"""Every form in which XLA can be given an operator computes the reference's values and gradients."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest

from graphc.backend import Environment, load
from graphc.backends.reference import gradients
from graphc.backends.reference.evaluate import FLOAT64
from graphc.backends.xla import argmax, convolution, depthwise, forms, pooling
from graphc.ir import ElementType, Graph, Op, Storage
from graphc.ops.convolution import Convolution
from graphc.ops.geometry import Windows
from graphc.ops.pooling import Pooling
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.ops.tables import LookupTable

XLA: Any = load("xla")
FRAMES, REAL = 4, 3


def conv(kernel: tuple[int, ...], maps: int, **more: Any) -> Convolution:
    return Convolution(kernel, (maps,), **more)


# an operator and the shape of its images, last the channels
CONVOLUTIONS = [
    (conv((3, 3), 4, groups=4), (5, 6, 4)),
    (conv((3, 3), 8, groups=4, stride=(2,)), (5, 6, 4)),
    (conv((3, 2), 6, groups=3, stride=(2, 1), auto_padding=(False,)), (7, 5, 3)),
    (conv((3,), 4, groups=2, dilation=(2,)), (7, 4)),
    (conv((3,), 4, groups=4, dilation=(2,), stride=(2,)), (8, 4)),
    (conv((3, 3), 6, groups=2), (5, 4, 4)),
    (conv((2, 3), 6, groups=2, stride=(3, 2), auto_padding=(False,)), (8, 7, 4)),
    (conv((3,), 4, groups=2, auto_padding=(False,), lower_pad=(2,), upper_pad=(1,)), (6, 4)),
    (conv((2, 2, 2), 2, groups=2), (4, 3, 3, 2)),
    (conv((3, 3), 4), (5, 6, 1)),
    (conv((5, 3), 3, stride=(2, 3)), (9, 7, 1)),
    (conv((3, 3), 3, dilation=(2, 1)), (6, 5, 2)),
    (conv((3,), 3, auto_padding=(False,), lower_pad=(1,), upper_pad=(2,)), (6, 3)),
    (conv((1, 1), 3, stride=(3,)), (5, 4, 4)),
    (conv((3, 2), 2, groups=2, dilation=(3, 2), stride=(2, 3)), (7, 5, 2)),
    (conv((2, 1), 6, groups=3, stride=(3, 2), auto_padding=(False,)), (5, 4, 3)),
    (conv((5,), 2, groups=2, auto_padding=(False,), lower_pad=(4,), upper_pad=(8,), stride=(3,)), (5, 2)),
    (conv((1, 2, 2), 2, groups=2, stride=(2, 2, 1)), (2, 3, 4, 2)),
]
POOLINGS = [
    (Pooling(kind, kernel, stride, (auto,), low, high, ceil_out_dim=ceil, include_pad=include), (7, 8, 2))
    for kind in ("max", "average")
    for kernel, stride, auto, low, high, ceil, include in (
        ((7, 2), (7, 2), False, (0,), (0,), False, False),
        ((2, 2), (2,), False, (0,), (0,), True, False),
        ((3, 2), (2,), True, (0,), (0,), False, False),
        ((3, 3), (1,), True, (0,), (0,), False, True),
        ((4, 3), (3, 2), False, (0,), (0,), True, False),
        ((2, 2), (3,), False, (0,), (0,), False, False),
        ((3, 2), (2, 3), False, (1, 0), (1, 0), False, False),
        ((2, 2, 2), (2,), False, (0,), (0,), True, False),
    )
]
OPERATORS: list[tuple[Op, tuple[int, ...]]] = [*CONVOLUTIONS, *POOLINGS]
OF_GRADIENTS = {name for forms in depthwise.GRADIENTS.values() for name in forms}
# forms of a value and of gradients that one program tests
TOGETHER = [("shifts", "turned", "sums"), ("edges", "running sums")]
ALONE = sorted({*pooling.MAXIMUM, *pooling.SUM, "convolution", "rows", "split", "filled"})
NAMES = [*((name,) for name in ALONE), *TOGETHER]


def force(monkeypatch: pytest.MonkeyPatch, names: Sequence[str]) -> list[str]:
    """Choose these forms wherever they are there; what was chosen is added to the list as the program is traced."""
    used: list[str] = []

    def chosen(platform: str, operator: str, part: str, facts: forms.Facts, choices: forms.Forms) -> str:
        used.append(next((name for name in choices if name in names), next(iter(choices))))
        return used[-1]

    monkeypatch.setattr(forms, "fastest", chosen)
    return used


def graph_of(op: Op, shape: tuple[int, ...], element: ElementType) -> Graph:
    image = InputValue("x", shape, element=element)()
    if not isinstance(op, Convolution):
        return Graph({"y": op(image)})
    return Graph({"y": op(LearnableParameter("W", op.kernel_shape(image.type), element=element)(), image)})


def values_of(graph: Graph, rng: np.random.Generator, whole: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    found: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    for node in graph.nodes:
        if isinstance(node.op, InputValue | LearnableParameter):
            lead = (FRAMES,) if node.type.axis else ()
            x = rng.uniform(-2, 2, (*lead, *reversed(node.type.dims)))
            x = np.round(x) if whole and node.type.axis else x
            found[node.type.axis is not None][node.op.name] = x.astype(node.type.element.value)
    return found


@pytest.mark.parametrize(("op", "shape"), OPERATORS, ids=lambda v: str(v.attributes()) if isinstance(v, Op) else "")
def test_every_form_is_the_reference(op: Op, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    check(op, shape, ElementType.FLOAT64, monkeypatch)


@pytest.mark.parametrize(("op", "shape"), [*CONVOLUTIONS[1:6:4], *POOLINGS[2::8]], ids=str)
def test_every_form_keeps_single_precision(op: Op, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    check(op, shape, ElementType.FLOAT32, monkeypatch)


def check(op: Op, shape: tuple[int, ...], element: ElementType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values and gradients, with frames that are padding and, where equal elements matter, some that are equal."""
    graph = graph_of(op, shape, element)
    parameters, feeds = values_of(graph, np.random.default_rng(1), not isinstance(op, Convolution))
    environment, exact = Environment(REAL), element is ElementType.FLOAT64
    expected = np.asarray(FLOAT64.function(graph, training=True)(parameters, feeds, environment).outputs["y"])[:REAL]
    weight = np.random.default_rng(2).uniform(0.5, 1.5, expected.shape)
    wanted = wanted_gradients(graph, parameters, feeds, environment, weight)
    tested: set[str] = set()
    for names in NAMES:
        used = force(monkeypatch, names)
        if tested and not names_of_forms(op, graph).intersection(names):
            continue
        with XLA.precision(graph):
            value, found = program(graph, weight.astype(element.value))(parameters, feeds)
        tested.update(used)
        assert value.dtype == element.value
        np.testing.assert_allclose(
            np.asarray(value)[:REAL], expected, 1e-12 if exact else 2e-5, 1e-12 if exact else 2e-5
        )
        for key, g in wanted.items():
            # the reference's are differences where the operator has no gradient of its own
            np.testing.assert_allclose(found[key], g, 1e-8 if exact else 1e-4, 1e-8 if exact else 1e-4, err_msg=key)
    assert tested == names_of_forms(op, graph)


@pytest.mark.parametrize(("rows", "numbers"), [(1, 1), (3, 1), (4, 20), (8, 8192)])
def test_running_sums_in_steps(rows: int, numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depthwise, "_MOST_ROWS", rows)
    monkeypatch.setattr(depthwise, "_MOST_SUMS", numbers)
    axes = Windows((3, 2), (2, 1), (True,)).axes((13, 3), (3, 2), (1, 1))
    draw = np.random.default_rng(0).normal
    x, g, kernel = draw(size=(6, 13, 3, 2)), draw(size=(6, *(a.windows for a in axes), 2)), np.zeros((3, 2, 1, 2))
    found, expected = (jax.jit(partial(f, axes, 2))(x, kernel, g) for f in (depthwise.running_sums, depthwise.sums))
    np.testing.assert_allclose(found, expected, 1e-5, 1e-5)


def names_of_forms(op: Op, graph: Graph) -> set[str]:
    if isinstance(op, Convolution):
        (kernel,) = (n.type.dims for n in graph.nodes if isinstance(n.op, LearnableParameter))
        found = set(convolution.available(np.empty(kernel), op.groups))
        return found | (OF_GRADIENTS if "shifts" in found else set())
    assert isinstance(op, Pooling)
    return set(pooling.MAXIMUM if op.is_max else pooling.SUM)


def wanted_gradients(
    graph: Graph, parameters: Any, feeds: Any, environment: Environment, weight: Any
) -> Mapping[str, Any]:
    padded = np.concatenate([weight, np.zeros((FRAMES - len(weight), *weight.shape[1:]))])
    names = [*parameters, *feeds]
    return gradients(graph, "y", names, parameters, feeds, environment, training=True, cotangent=padded)


def program(graph: Graph, weight: Any) -> Any:
    run = XLA.function(graph, training=True)

    def weighted(given: Any) -> tuple[Any, Any]:
        y = run(*given, Environment(REAL)).outputs["y"]
        return (y[:REAL] * weight).sum(), y

    def value_and_gradients(parameters: Any, feeds: Any) -> tuple[Any, dict[str, Any]]:
        (_, y), found = jax.value_and_grad(weighted, has_aux=True)((parameters, feeds))
        return y, {**found[0], **found[1]}

    return jax.jit(value_and_gradients)


@pytest.mark.parametrize("name", list(argmax.ARGMAX))
def test_forms_of_argmax(name: str) -> None:
    x = np.array([[1, 3, 3], [-np.inf] * 3, [2, np.nan, np.nan], [np.inf, 1, np.inf]], np.float32)
    np.testing.assert_array_equal(jax.jit(argmax.ARGMAX[name])(x), x.argmax(axis=-1))


def test_every_row_of_the_table_is_about_forms_that_exist() -> None:
    assert forms.measurements()["cpu"].keys() == {"convolution", "max pooling", "average pooling", "argmax"}
    axes = Windows((3, 3), (1,)).axes((8, 8), (8, 8), (1, 1))
    kernel, image = np.zeros((3, 3, 1, 2)), np.zeros((1, 8, 8, 2))
    keys = {
        "convolution": convolution.facts(image, kernel, axes, 2).keys(),
        "max pooling": pooling.facts(image, axes).keys(),
        "average pooling": pooling.facts(image, axes).keys(),
        "argmax": {"elements"},
    }
    known = {*itertools.chain(*NAMES), *argmax.ARGMAX}
    for operators in forms.measurements().values():
        for operator, rows in operators.items():
            for row in rows:
                assert row.facts.keys() == keys[operator]
                for times in row.microseconds.values():
                    assert set(times) <= known and next(iter(times)) in ("convolution", "windows", "argmax")


def test_the_fastest_form_at_the_nearest_shape_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        forms.Measurement({"kind": "a", "size": 8}, {"value": {"plain": 2.0, "other": 1.0}}),
        forms.Measurement({"kind": "a", "size": 64}, {"value": {"plain": 1.0, "other": 2.0}}),
        forms.Measurement({"kind": "b", "size": 1000}, {"value": {"plain": 3.0, "third": 1.0}}),
    ]
    monkeypatch.setattr(forms, "measurements", lambda: {"cpu": {"o": rows}})
    choices = {"plain": abs, "other": abs}

    def fastest(kind: str, size: int, platform: str = "cpu", part: str = "value") -> str:
        return forms.fastest(platform, "o", part, {"kind": kind, "size": size}, choices)

    assert [fastest("a", n) for n in (1, 8, 22, 23, 4096)] == ["other", "other", "other", "plain", "plain"]
    assert fastest("b", 1000) == "plain"  # the third form is not to be had at this shape
    assert fastest("c", 8) == fastest("a", 8, platform="cuda") == fastest("a", 8, part="gradient") == "plain"


def test_platforms_that_were_not_measured_get_the_plain_form() -> None:
    graph = graph_of(conv((3, 3), 4, groups=4), (5, 6, 4), ElementType.FLOAT32)
    assert "feature_group_count = 4" in XLA.lowered_text(graph, platforms=("cuda",), training=True)
    assert "stablehlo.convolution" not in XLA.lowered_text(graph, platforms=("cpu",), training=True)
    graph = graph_of(Pooling("max", (3, 3), (2,)), (12, 12, 4), ElementType.FLOAT32)
    assert "stablehlo.reduce_window" in XLA.lowered_text(graph, platforms=("tpu",), training=True)
    assert "stablehlo.reduce_window" not in XLA.lowered_text(graph, platforms=("cpu",), training=True)


@pytest.mark.parametrize("storage", [Storage.ONEHOT, Storage.SPARSE], ids=str)
def test_rows_of_a_table_are_gathered(storage: Storage) -> None:
    table = LearnableParameter("E", (3, 5))()
    value = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    index = np.array([4, 0, 4, -1], np.int32)
    fed: Any = index if storage is Storage.ONEHOT else (index[:, None], np.full((4, 1), 2.0, np.float32))
    dense = np.eye(5, dtype=np.float32)[index] * (index >= 0)[:, None] * (1 if storage is Storage.ONEHOT else 2)

    def run(storage: Storage, fed: Any) -> Any:
        f = XLA.function(Graph({"y": LookupTable()(table, InputValue("x", (5,), storage=storage)())}))
        return jax.value_and_grad(lambda e: (f({"E": e}, {"x": fed}).outputs["y"] ** 2).sum())(value)

    for a, b in zip(run(storage, fed), run(Storage.DENSE, dense), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    graph = Graph({"y": LookupTable()(table, InputValue("x", (5,), storage=storage)())})
    assert "stablehlo.gather" in XLA.lowered_text(graph, frames=4)


def test_several_vectors_behind_one_another_choose_rows_of_a_table() -> None:
    graph = Graph({"y": LookupTable()(LearnableParameter("E", (3, 5))(), InputValue("x", (10,))())})
    e = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    x = np.eye(5, dtype=np.float32)[[[1, 4], [0, 2]]].reshape(2, 10)
    found = XLA.function(graph)({"E": e}, {"x": x}).outputs["y"]
    np.testing.assert_array_equal(found, e[[[1, 4], [0, 2]]].reshape(2, 6))
