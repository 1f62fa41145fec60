"""Stacks of recurrent layers against their definition, one sequence and one frame after the other; XLA against both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest

from graphc.backend import Environment, load
from graphc.data.layout import Room, layout
from graphc.ir import ElementType, Graph
from graphc.ops.recurrent_stack import RECURRENT_GATES, OptimizedRNNStack
from graphc.ops.sources import InputValue, LearnableParameter

HIDDEN, INPUTS = 2, 3
# lengths, and the room that they have beside what they need
LENGTHS = {"ragged": [3, 1, 4], "regular": [3, 3], "many": [2, 1, 5, 1, 1, 3, 2]}
ROOM = Room(19, 9, 6, 5)

# the input x, the weights W and, if there are any, the initial states S; or their gradients
Given = Mapping[str, np.ndarray]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def step(kind: str, w: np.ndarray, u: np.ndarray, x: Any, h: Any, c: Any) -> tuple[Any, Any]:
    """Gate by gate, from sums of the input's and the state's parts with their biases."""
    if kind == "rnnReLU":
        return np.maximum(w[0] + u[0], 0), c
    if kind == "rnnTanh":
        return np.tanh(w[0] + u[0]), c
    if kind == "gru":
        r, z = sigmoid(w[0] + u[0]), sigmoid(w[1] + u[1])
        return (1 - z) * np.tanh(w[2] + r * u[2]) + z * h, c
    i, f, new, o = w + u
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(new)
    return sigmoid(o) * np.tanh(c), c


def defined(op: OptimizedRNNStack, weights: np.ndarray, x: np.ndarray, initial: Any = None) -> np.ndarray:
    """States of the last layer for one sequence ``(time, inputs)``; weights in the order of memory."""
    columns = op.num_layers * (1 + op.bidirectional)
    initial = np.zeros((2 * columns, HIDDEN)) if initial is None else initial
    directions, gates, given = 1 + op.bidirectional, RECURRENT_GATES[op.recurrent_op], list(weights.reshape(-1))

    def taken(*shape: int) -> np.ndarray:
        size = int(np.prod(shape))
        part, given[:size] = given[:size], []
        return np.array(part).reshape(shape)

    def matrices() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for layer in range(op.num_layers):
            for _ in range(directions):
                width = directions * HIDDEN if layer else x.shape[1]
                yield taken(gates, HIDDEN, width), taken(gates, HIDDEN, HIDDEN)

    pairs = list(matrices())
    biases = [(taken(gates, HIDDEN), taken(gates, HIDDEN)) for _ in pairs]
    assert not given
    for layer in range(op.num_layers):
        states = np.zeros((len(x), directions * HIDDEN))
        for direction in range(directions):
            (w, u), (b, d) = (parts[layer * directions + direction] for parts in (pairs, biases))
            number = layer * directions + direction
            # of cells that hide nothing there is no second half
            h, c = initial[number], initial[(number + columns) % len(initial)]
            for t in range(len(x))[:: -1 if direction else 1]:
                h, c = step(op.recurrent_op, w @ x[t] + b, u @ h + d, x[t], h, c)
                states[t, direction * HIDDEN : (direction + 1) * HIDDEN] = h
        x = states
    return x


STACKS = [*(OptimizedRNNStack(HIDDEN, 2, True, kind) for kind in RECURRENT_GATES), OptimizedRNNStack(HIDDEN, 3)]


@pytest.mark.parametrize("case", LENGTHS)
@pytest.mark.parametrize("op", STACKS, ids=lambda op: f"{op.recurrent_op}-{op.num_layers}-{op.bidirectional}")
def test_layers_over_frames(op: OptimizedRNNStack, case: str) -> None:
    check(op, case, np.random.default_rng(0))


@pytest.mark.parametrize("case", ["regular", "many"])
@pytest.mark.parametrize(("kind", "columns"), [("lstm", 8), ("gru", 4)])
def test_states_may_begin_anywhere(kind: str, columns: int, case: str) -> None:
    numbers = np.random.default_rng(3)
    check(OptimizedRNNStack(HIDDEN, 2, True, kind), case, numbers, S=numbers.normal(size=(columns, HIDDEN)))


def check(op: OptimizedRNNStack, case: str, numbers: np.random.Generator, **states: np.ndarray) -> None:
    """Values on both backends, and XLA's gradients of input, weights and, where there are any, of initial states."""
    lengths = LENGTHS[case]
    x = InputValue("x", (INPUTS,), element=ElementType.FLOAT64)()
    shape = dict(op.offers(x.type.with_axis(None).with_shape((None, None)), x.type))[0]
    assert None not in shape
    given = {"W": numbers.normal(size=shape[::-1]), **states}
    parameters = [LearnableParameter(n, v.shape[::-1], element=ElementType.FLOAT64)() for n, v in given.items()]
    graph = Graph({"z": op(parameters[0], x, *parameters[1:])})
    frames = numbers.normal(size=(sum(lengths), INPUTS))
    expected = defined_frames(op, {**given, "x": frames}, lengths)
    exact = Environment(frames={"*": layout(np.array(lengths))})
    reference = load("reference").function(graph)(given, {"x": frames}, exact).outputs["z"]
    np.testing.assert_allclose(reference, expected, rtol=1e-10, atol=1e-12)
    wide = np.concatenate([frames, np.full((ROOM.frames - len(frames), INPUTS), 7.0)])
    padded = Environment(frames={"*": layout(np.array(lengths), ROOM)})
    layouts = {
        "ragged": [(frames, exact)],
        "regular": [(frames, exact)],
        "many": [(wide, padded), (wide, one_a_lane(padded))],
    }
    for feed, environment in layouts[case]:
        found, gradients = values_on_xla(graph, {**given, "x": feed}, environment, len(frames))
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
        assert not gradients["x"][len(frames) :].any()
        assert_are_derivatives(op, {**given, "x": frames}, lengths, {**gradients, "x": gradients["x"][: len(frames)]})


def defined_frames(op: OptimizedRNNStack, given: Given, lengths: list[int]) -> np.ndarray:
    parts = np.split(given["x"], np.cumsum(lengths)[:-1])
    return np.concatenate([defined(op, given["W"], part, given.get("S")) for part in parts])


def one_a_lane(environment: Environment) -> Environment:
    """As for an axis that only the run knows."""
    (name, frames), *_ = environment.frames.items()
    assert frames.sequences is not None
    return Environment(frames={name: replace(frames, sequences=replace(frames.sequences, lanes=None))})


def values_on_xla(graph: Graph, given: Given, environment: Environment, count: int) -> tuple[Any, Given]:
    """The states of ``count`` frames, and the gradients of their squares' sum."""
    engine: Any = load("xla")
    with engine.precision(graph):
        run = engine.function(graph, training=True)

        def total(given: Any) -> Any:
            parameters = {name: value for name, value in given.items() if name != "x"}
            states = run(parameters, {"x": given["x"]}, environment).outputs["z"][:count]
            return (states**2).sum(), states

        (_, states), gradients = jax.jit(jax.value_and_grad(total, has_aux=True))(given)
    return np.asarray(states), {name: np.asarray(gradient) for name, gradient in gradients.items()}


def assert_are_derivatives(op: OptimizedRNNStack, given: Given, lengths: list[int], gradients: Given) -> None:
    random, h = np.random.default_rng(1), 1e-5
    for name, gradient in gradients.items():
        step = h * random.normal(size=gradient.shape)
        near = ({**given, name: given[name] + way * step} for way in (1, -1))
        more, less = ((defined_frames(op, each, lengths) ** 2).sum() for each in near)
        np.testing.assert_allclose((gradient * step).sum(), (more - less) / 2, rtol=1e-6, err_msg=name)


def test_layers_over_the_second_axis_of_samples() -> None:
    op = OptimizedRNNStack(HIDDEN, 1, True, "gru", 2)
    numbers = np.random.default_rng(2)
    x = InputValue("x", (INPUTS, 4), element=ElementType.FLOAT64)()
    shape = dict(op.offers(x.type.with_axis(None).with_shape((None, None)), x.type))[0]
    graph = Graph({"z": op(LearnableParameter("W", shape, element=ElementType.FLOAT64)(), x)})
    weights, frames = numbers.normal(size=shape[::-1]), numbers.normal(size=(5, 4, INPUTS))
    expected = np.stack([defined(op, weights, frame) for frame in frames])
    for backend in ("reference", "xla"):
        run = load(backend).compile(graph)
        found = np.asarray(run({"W": weights}, {"x": frames}, Environment()).outputs["z"])
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
