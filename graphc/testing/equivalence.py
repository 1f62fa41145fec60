"""Whether two graphs compute the same, judged by the reference backend on random values."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphc.backend import Environment, Feeds, Parameters, load
from graphc.ir import Graph, Op, equal_graphs, format_graph, parse_graph, verify
from graphc.ir.layout import array_shape
from graphc.ops.sources import LearnableParameter
from graphc.testing.counterexample import blamed_on
from graphc.testing.runs import examples, for_all, replayed
from graphc.testing.values import Style, random_feeds, random_parameters

# random graphs that a pass is tried on unless the caller says otherwise
_GRAPHS = 200


def assert_equivalent(before: Graph, after: Graph, *, gradients: bool = True, seed: int = 0, frames: int = 3) -> None:
    """Fail unless both have roots and updates of the same names and types, and these the same values.

    In training and in inference, on finite values and on infinite ones and NaN. With ``gradients``, those of every
    trained parameter agree too, on finite values.
    """
    with blamed_on(before):
        _require_same_roots(before, after)
        for style in (Style.TIES, Style.SPECIAL):
            parameters = random_parameters(before, seed, style=style)
            feeds = random_feeds(before, seed, frames=frames, style=style)
            for training in (False, True):
                expected = _results(before, parameters, feeds, seed, training)
                _assert_close(_results(after, parameters, feeds, seed, training), expected)
        if gradients:
            for root in before.roots:
                expected = _gradients(before, root, seed, frames, before)
                _assert_close(_gradients(after, root, seed, frames, before), expected, rtol=1e-5, atol=1e-6)


def check_pass(
    transform: Callable[[Graph], Graph],
    graph: Graph | None = None,
    *,
    gradients: bool = True,
    max_nodes: int = 12,
    operators: Sequence[type[Op]] | None = None,
) -> None:
    """Fail unless the pass keeps every law of passes: on ``graph``, or on random ones of up to ``max_nodes`` operators.

    Naming the ``operators`` that it looks at makes its patterns come up often.

    The result verifies, computes what the graph computed (`assert_equivalent`), has the same parameters, can be written
    as text, and the pass finds nothing to do in it. A counter-example is made small before it is shown.
    """
    graph = graph or replayed()
    if graph is not None:
        checked(transform, graph, gradients=gradients)
        return
    from graphc.testing.strategies import graphs  # loads hypothesis

    def check(graph: Graph) -> None:
        checked(transform, graph, gradients=gradients)

    for_all(graphs(max_nodes, operators=operators), check, count=examples(_GRAPHS))


def checked(transform: Callable[[Graph], Graph], graph: Graph, *, gradients: bool = True) -> Graph:
    """What the pass makes of the graph; fails as `check_pass` does."""
    with blamed_on(graph):
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


def _require_same_roots(before: Graph, after: Graph) -> None:
    assert list(before.roots) == list(after.roots), (list(before.roots), list(after.roots))
    for name, node in before.roots.items():
        assert node.type == after.roots[name].type, f"{name}: {node.type} became {after.roots[name].type}"


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
