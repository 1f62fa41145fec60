"""Stacks of recurrent layers against their definition, one sequence and one frame after the other; XLA against both."""

from __future__ import annotations

from collections.abc import Iterator
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
LENGTHS = [3, 1, 4]
ROOM = Room(11, 5, 6, 3)


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


def defined(op: OptimizedRNNStack, weights: np.ndarray, x: np.ndarray) -> np.ndarray:
    """States of the last layer for one sequence ``(time, inputs)``; weights in the order of memory."""
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
            h, c = np.zeros(HIDDEN), np.zeros(HIDDEN)
            for t in range(len(x))[:: -1 if direction else 1]:
                h, c = step(op.recurrent_op, w @ x[t] + b, u @ h + d, x[t], h, c)
                states[t, direction * HIDDEN : (direction + 1) * HIDDEN] = h
        x = states
    return x


STACKS = [*(OptimizedRNNStack(HIDDEN, 2, True, kind) for kind in RECURRENT_GATES), OptimizedRNNStack(HIDDEN, 3)]


@pytest.mark.parametrize("op", STACKS, ids=lambda op: f"{op.recurrent_op}-{op.num_layers}-{op.bidirectional}")
def test_layers_over_frames(op: OptimizedRNNStack) -> None:
    numbers = np.random.default_rng(0)
    x = InputValue("x", (INPUTS,), element=ElementType.FLOAT64)()
    shape = dict(op.offers(x.type.with_axis(None).with_shape((None, None)), x.type))[0]
    assert None not in shape
    graph = Graph({"z": op(LearnableParameter("W", shape, element=ElementType.FLOAT64)(), x)})
    weights, frames = numbers.normal(size=shape[::-1]), numbers.normal(size=(sum(LENGTHS), INPUTS))
    parts = np.split(frames, np.cumsum(LENGTHS)[:-1])
    expected = np.concatenate([defined(op, weights, part) for part in parts])
    exact = Environment(frames={"*": layout(np.array(LENGTHS))})
    reference = load("reference").function(graph)({"W": weights}, {"x": frames}, exact).outputs["z"]
    np.testing.assert_allclose(reference, expected, rtol=1e-10, atol=1e-12)
    wide = np.concatenate([frames, np.full((ROOM.frames - len(frames), INPUTS), 7.0)])
    padded = Environment(frames={"*": layout(np.array(LENGTHS), ROOM)})
    for feed, environment in ((frames, exact), (wide, padded)):
        found, gradient = values_on_xla(graph, weights, feed, environment)
        np.testing.assert_allclose(found[: len(expected)], expected, rtol=1e-10, atol=1e-12)
        assert_is_derivative(op, weights, parts, gradient)


def values_on_xla(graph: Graph, weights: np.ndarray, feed: np.ndarray, environment: Environment) -> tuple[Any, Any]:
    """The states, and the gradient of their squares' sum by the weights."""
    engine: Any = load("xla")
    with engine.precision(graph):
        run = engine.function(graph, training=True)

        def total(weights: Any) -> Any:
            states = run({"W": weights}, {"x": feed}, environment).outputs["z"][: sum(LENGTHS)]
            return (states**2).sum(), states

        (_, states), gradient = jax.jit(jax.value_and_grad(total, has_aux=True))(weights)
    return np.asarray(states), np.asarray(gradient)


def assert_is_derivative(op: OptimizedRNNStack, weights: np.ndarray, parts: list[Any], gradient: np.ndarray) -> None:
    direction = np.random.default_rng(1).normal(size=weights.shape)

    def total(h: float) -> float:
        return sum((defined(op, weights + h * direction, part) ** 2).sum() for part in parts)

    h = 1e-5
    np.testing.assert_allclose((gradient * direction).sum(), (total(h) - total(-h)) / (2 * h), rtol=1e-6)


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
