"""Whether two graphs compute the same, judged by the reference backend on random values."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.backend import Environment, Feeds, Parameters, load
from graphc.ir import Graph, Node, Storage, equal_graphs, format_graph, parse_graph, verify
from graphc.ir.layout import array_shape
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.passes.constants import mark_state

# values at which operators are easily wrong, among harmless ones
_SPECIAL = (0.0, 1.0, -1.0, np.inf, -np.inf, np.nan)


def random_feeds(graph: Graph, seed: int = 0, *, frames: int = 3, special: bool = False) -> Feeds:
    """A value for every input of the graph; with ``special`` some are infinite or not a number."""
    return {n.op.name: _feed(n, seed, frames, special) for n in graph.nodes if isinstance(n.op, InputValue)}


def random_parameters(graph: Graph, seed: int = 0, *, special: bool = False) -> Parameters:
    """A value for every parameter of the graph but its constants."""
    found = {}
    for node in mark_state(graph).nodes:
        if isinstance(node.op, LearnableParameter) and node.op.constant is None:
            numbers = _numbers(seed, node.op.name)
            found[node.op.name] = _values(numbers, array_shape(node.type), special).astype(node.type.element.value)
    return found


def assert_equivalent(before: Graph, after: Graph, *, gradients: bool = False, seed: int = 0, frames: int = 3) -> None:
    """Fail unless both have roots and updates of the same names and types, and these the same values.

    In training and in inference, on finite values and on infinite ones and NaN. With ``gradients``, those of every
    trained parameter agree too, on finite values.
    """
    assert list(before.roots) == list(after.roots), (list(before.roots), list(after.roots))
    for name, node in before.roots.items():
        assert node.type == after.roots[name].type, f"{name}: {node.type} became {after.roots[name].type}"
    for special in (False, True):
        parameters = random_parameters(before, seed, special=special)
        feeds = random_feeds(before, seed, frames=frames, special=special)
        for training in (False, True):
            expected = _results(before, parameters, feeds, seed, training)
            _assert_close(_results(after, parameters, feeds, seed, training), expected)
    if gradients:
        for root in before.roots:
            expected = _gradients(before, root, seed, frames, before)
            _assert_close(_gradients(after, root, seed, frames, before), expected, rtol=1e-5, atol=1e-6)


def check_pass(transform: Callable[[Graph], Graph], graph: Graph, *, gradients: bool = False) -> Graph:
    """Apply a pass and return its result; fail unless it keeps every law of passes on this graph."""
    after = transform(graph)
    verify(after)
    assert_equivalent(graph, after, gradients=gradients)
    again = transform(after)
    assert equal_graphs(again, after), f"not idempotent:\n{format_graph(after)}became\n{format_graph(again)}"
    assert equal_graphs(parse_graph(format_graph(after)), after), format_graph(after)
    for name, node in after.names.items():
        if name in graph.names and isinstance(graph.names[name].op, LearnableParameter):
            assert isinstance(node.op, LearnableParameter), f"{name} was a parameter"
    return after


def _numbers(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng([seed, *name.encode()])


def _values(numbers: np.random.Generator, shape: tuple[int, ...], special: bool) -> np.ndarray:
    # quarters: sums of them are exact in any order, and nothing is too near to a kink
    finite = numbers.integers(-8, 9, shape) / 4
    if not special:
        return finite
    return np.where(numbers.random(shape) < 0.2, numbers.choice(_SPECIAL, shape), finite)


def _feed(node: Node, seed: int, frames: int, special: bool) -> Any:
    numbers = _numbers(seed, getattr(node.op, "name", ""))
    dtype = node.type.element.value
    if node.type.storage is Storage.DENSE:
        return _values(numbers, array_shape(node.type, frames), special).astype(dtype)
    if node.type.storage is Storage.ONEHOT:
        return numbers.integers(0, node.type.size, frames, dtype=np.int32)
    shape = (frames, 2)
    return numbers.integers(0, node.type.size, shape, dtype=np.int32), _values(numbers, shape, special).astype(dtype)


def _reference() -> Any:
    # by name, as every backend: nothing under graphc/ imports one
    return importlib.import_module("graphc.backends.reference")


def _environment(seed: int) -> Environment:
    return Environment(settings={"dropout_rate": 0.5}, random=_reference().PhiloxStream(seed))


def _results(graph: Graph, parameters: Parameters, feeds: Feeds, seed: int, training: bool) -> dict[str, Any]:
    run = load("reference").function(graph, training=training)
    results = run(parameters, feeds, _environment(seed))
    return {**results.outputs, **{f"update of {name}": value for name, value in results.updates.items()}}


def _gradients(graph: Graph, root: str, seed: int, frames: int, original: Graph) -> dict[str, Any]:
    nodes = original.nodes
    trained = [n.op.name for n in nodes if isinstance(n.op, LearnableParameter) and n.op.is_trained]
    parameters = random_parameters(original, seed)
    feeds = random_feeds(original, seed, frames=frames)
    found = _reference().gradients(graph, root, trained, parameters, feeds, _environment(seed))
    shapes = {n.op.name: n for n in nodes if isinstance(n.op, LearnableParameter)}
    # a parameter that a pass found to be without influence has the gradient 0
    return {
        f"gradient of {root} by {name}": found.get(name, np.zeros(array_shape(shapes[name].type))) for name in trained
    }


def _assert_close(found: dict[str, Any], expected: dict[str, Any], *, rtol: float = 1e-6, atol: float = 1e-30) -> None:
    assert found.keys() == expected.keys(), (sorted(found), sorted(expected))
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=rtol, atol=atol, equal_nan=True, err_msg=name)
