"""States of recurrences whose operands have other ranks, axes of 1 or dimensions to be inferred: shapes and values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from graphc.backend import Environment, load
from graphc.backends.reference.gradients import gradients
from graphc.data.layout import layout
from graphc.diagnostics import DiagnosticError, Diagnostics, SourceText
from graphc.network.build import build_network
from graphc.network.lower import to_graph
from graphc.network.network import Network
from graphc.network.session import Session
from graphc.ops.sources import LearnableParameter

LENGTHS = [3, 1, 4]
Array = np.ndarray
Step = Callable[[Array, Array, dict[str, Array]], Array]


def broadcast(*operands: Array) -> list[Array]:
    """Axes are aligned at the first; those behind the last are 1."""
    rank = max(x.ndim for x in operands)
    return [x.reshape(*x.shape, *(1,) * (rank - x.ndim)) for x in operands]


def plus(*operands: Array) -> Array:
    return np.asarray(sum(broadcast(*operands)))


def times(a: Array, b: Array) -> Array:
    a, b = broadcast(a, b)
    return a * b


def product(a: Array, b: Array) -> Array:
    return np.tensordot(a, b, 1)


def plain(x: Array, h: Array, p: dict[str, Array]) -> Array:
    return np.tanh(plus(product(p["W"], x), product(p["R"], h)))


def hooked(x: Array, k: Array, p: dict[str, Array]) -> Array:
    """What is remembered is already scaled, but for the value before a sequence."""
    return times(plain(x, k, p), p["hook"])


HOOKED = "h = Tanh (W * x + R * PastValue (0, h)) .* hook ; hook = {}"
INITIAL = "h = Tanh (W * x + R * PastValue (0, h, initialState = s)) ; s = {}"
BIASED = "h = Tanh (W * x + b + R * PastValue (0, h)) ; b = {}"
STANDING = "h = NewReshape (W * x, 3:1) + PastValue (0, h) .* hook ; hook = {}"
SCALED = "h = PastValue (0, h) .* hook + x ; hook = {}"


def biased(x: Array, h: Array, p: dict[str, Array]) -> Array:
    return np.tanh(plus(product(p["W"], x), p["b"], product(p["R"], h)))


def standing(x: Array, h: Array, p: dict[str, Array]) -> Array:
    return plus(product(p["W"], x)[:, None], times(h, p["hook"]))


def scaled(x: Array, h: Array, p: dict[str, Array]) -> Array:
    return plus(times(h, p["hook"]), x)


# network → shape of the state, and shapes that parameters have found; what a step computes from x [2] and the state
SHAPES: dict[str, tuple[str, dict[str, str], Step]] = {
    BIASED.format("ParameterTensor {1}"): ("[3 x *]", {"b": "[1]"}, biased),
    BIASED.format("ParameterTensor {(1:1)}"): ("[3 x 1 x *]", {"b": "[1 x 1]"}, biased),
    BIASED.format("ParameterTensor {(3:1)}"): ("[3 x 1 x *]", {"b": "[3 x 1]"}, biased),
    BIASED.format("ParameterTensor {(1:4)}"): ("[3 x 4 x *]", {"b": "[1 x 4]"}, biased),
    BIASED.format("ParameterTensor {0}"): ("[3 x *]", {"b": "[3]"}, biased),
    BIASED.format("ParameterTensor {Inferred}"): ("[3 x *]", {"b": "[3]"}, biased),
    HOOKED.format("Constant (0.5)"): ("[3 x 1 x *]", {}, hooked),
    HOOKED.format("ParameterTensor {1}"): ("[3 x *]", {"hook": "[1]"}, hooked),
    HOOKED.format("ParameterTensor {(1:1)}"): ("[3 x 1 x *]", {"hook": "[1 x 1]"}, hooked),
    HOOKED.format("ParameterTensor {(1:2)}"): ("[3 x 2 x *]", {"hook": "[1 x 2]"}, hooked),
    HOOKED.format("ParameterTensor {(3:1)}"): ("[3 x 1 x *]", {"hook": "[3 x 1]"}, hooked),
    HOOKED.format("ParameterTensor {0}"): ("[3 x *]", {"hook": "[3]"}, hooked),
    INITIAL.format("ParameterTensor {1}"): ("[3 x *]", {"s": "[1]"}, plain),
    INITIAL.format("ParameterTensor {(1:1)}"): ("[3 x 1 x *]", {"s": "[1 x 1]"}, plain),
    INITIAL.format("ParameterTensor {(3:1)}"): ("[3 x 1 x *]", {"s": "[3 x 1]"}, plain),
    INITIAL.format("ParameterTensor {(1:2)}"): ("[3 x 2 x *]", {"s": "[1 x 2]"}, plain),
    INITIAL.format("ParameterTensor {Inferred}"): ("[3 x *]", {"s": "[3]"}, plain),
    INITIAL.format("Constant (2)"): ("[3 x 1 x *]", {}, plain),
    STANDING.format("ParameterTensor {1}"): ("[3 x 1 x *]", {"hook": "[1]"}, standing),
    STANDING.format("ParameterTensor {(1:1)}"): ("[3 x 1 x *]", {"hook": "[1 x 1]"}, standing),
    STANDING.format("ParameterTensor {(3:1)}"): ("[3 x 1 x *]", {"hook": "[3 x 1]"}, standing),
    STANDING.format("ParameterTensor {(1:4)}"): ("[3 x 4 x *]", {"hook": "[1 x 4]"}, standing),
    STANDING.format("ParameterTensor {(Inferred:1)}"): ("[3 x 1 x *]", {"hook": "[3 x 1]"}, standing),
    STANDING.format("ParameterTensor {3}"): ("[3 x 1 x *]", {"hook": "[3]"}, standing),
    STANDING.format("Constant (0.5)"): ("[3 x 1 x *]", {}, standing),
    SCALED.format("Constant (0.5)"): ("[2 x 1 x *]", {}, scaled),
    SCALED.format("ParameterTensor {1}"): ("[2 x *]", {"hook": "[1]"}, scaled),
    SCALED.format("ParameterTensor {(1:1)}"): ("[2 x 1 x *]", {"hook": "[1 x 1]"}, scaled),
    SCALED.format("ParameterTensor {(1:3)}"): ("[2 x 3 x *]", {"hook": "[1 x 3]"}, scaled),
    SCALED.format("ParameterTensor {Inferred}"): ("[2 x *]", {"hook": "[2]"}, scaled),
    "h = 0.5 * PastValue (0, h) + x": ("[2 x *]", {}, lambda x, h, p: 0.5 * h + x),
    "h = PastValue (0, h) * 0.5 + x": ("[2 x *]", {}, lambda x, h, p: 0.5 * h + x),
    "h = (PastValue (0, h) + u) .* hook ; u = Slice (0, 1, x) ; hook = ParameterTensor {3}": (
        "[3 x *]",
        {"hook": "[3]"},
        lambda x, h, p: (h + x[:1]) * p["hook"],
    ),
    "h = ReduceSum (x + PastValue (0, h))": ("[1 x *]", {}, lambda x, h, p: (x + h).sum(keepdims=True)),
    "h = x + ReduceSum (PastValue (0, h))": ("[2 x *]", {}, lambda x, h, p: x + h.sum(keepdims=True)),
    "h = BS.Boolean.If (u, PastValue (0, h), c) ; u = Slice (0, 1, x) ; c = ParameterTensor {3}": (
        "[3 x *]",
        {"c": "[3]"},
        lambda x, h, p: h if x[0] else p["c"],
    ),
    "h = Tanh (W * x + R * PastValue ((3:1), h))": ("[3 x *]", {}, plain),
    "h = Tanh (W * x + R * PastValue (7, h))": ("[3 x *]", {}, plain),
}
# those of the networks above, where they are none of their parameters
CONSTANTS = {"hook": np.full((1, 1), 0.5), "s": np.full((1, 1), 2.0)}
# what has no shape, and what is said
SHAPELESS = {
    BIASED.format("ParameterTensor {(Inferred:1)}"): "the shape [? x 1] of the parameter b cannot be inferred",
    "h = Tanh (W * x + R * PastValue (0, h * hook)) ; hook = Constant (0.5)": "does not settle",
    "h = Tanh (W * x + R * PastValue (0, h) * hook) ; hook = ParameterTensor {(1:1)}": "does not settle",
    "h = RowStack (x : PastValue (0, h))": "grows without end",
    "h = Tanh (V * PastValue (0, h)) + W * x ; V = ParameterTensor {(0:0)}": "the shape [? x 3]",
    "h = (PastValue (0, h) + W * x) .* hook ; hook = ParameterTensor {2}": "do not fit: axis 1 is",
}


def network_of(line: str) -> Network:
    matrices = "".join(f"{name} = ParameterTensor {{(3:Inferred)}} ; " for name in "WR" if f"{name} * " in line)
    source = SourceText.from_string(f"{{ x = Input {{2}} ; {matrices}{line} ; outputNodes = (h) }}", "state.bs")
    return build_network(source, precision="double", session=Session(), diagnostics=Diagnostics())


@pytest.mark.parametrize("line", SHAPES)
def test_states_have_the_shape_and_the_values_of_their_equation(line: str) -> None:
    shape, found, _ = SHAPES[line]
    network = network_of(line)
    assert str(network["h"].type) == shape
    assert {name: str(network[name].type) for name in found} == found
    graph = to_graph(network, ["h"])
    random = np.random.default_rng(0)
    trained = {n.op.name: n.type.dims for n in graph.nodes if isinstance(n.op, LearnableParameter) and n.op.is_trained}
    # by their authors' axes, of which arrays have the last first
    parameters = {name: random.normal(0, 0.5, dims) for name, dims in trained.items()}
    x = random.normal(size=(sum(LENGTHS), 2))
    x[::2, 0] = 0
    named = {**CONSTANTS, **parameters}
    dims = graph.roots["h"].type.dims
    expected = np.concatenate([unrolled(line, part, named, dims) for part in np.split(x, np.cumsum(LENGTHS)[:-1])])
    given = {name: value.T for name, value in parameters.items()}
    environment = Environment(frames={"*": layout(np.array(LENGTHS))})
    engine: Any = load("xla")
    weights = random.normal(size=expected.shape)
    run = engine.function(graph, training=True)
    with engine.precision(graph):

        def total(given: Any) -> Any:
            states = run(given, {"x": x}, environment).outputs["h"]
            return (states * weights).sum(), states

        (_, on_xla), of_xla = jax.jit(jax.value_and_grad(total, has_aux=True))(given)
    reference = load("reference").function(graph)(given, {"x": x}, environment).outputs["h"]
    for states in (reference, on_xla):
        np.testing.assert_allclose(states, expected, rtol=1e-10, atol=1e-12)
    of_reference = gradients(graph, "h", list(given), given, {"x": x}, environment, cotangent=weights)
    for name, gradient in of_reference.items():
        np.testing.assert_allclose(of_xla[name], gradient, rtol=1e-8, atol=1e-9)


def unrolled(line: str, x: Array, parameters: dict[str, Array], dims: tuple[int, ...]) -> Array:
    """The states of one sequence as arrays have them, frame after frame."""
    before = parameters["s"] if "initialState" in line else np.array(0.1)
    state, states = np.broadcast_to(broadcast(before, np.zeros(dims))[0], dims), []
    for frame in x:
        state = np.broadcast_to(broadcast(SHAPES[line][2](frame, state, parameters), np.zeros(dims))[0], dims)
        states.append(state.T)
    return np.stack(states)


@pytest.mark.parametrize("line", SHAPELESS)
def test_states_without_a_shape_are_told(line: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        network_of(line)
    (found,) = caught.value.diagnostics
    assert SHAPELESS[line] in found.message and found.span is not None
