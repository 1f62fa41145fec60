"""Whether two graphs compute the same, judged by the reference backend on random values."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graphc.backend import Environment, Feeds, Parameters, load
from graphc.ir import Frames, Graph, Op, equal_graphs, format_graph, parse_graph, verify
from graphc.ir.layout import array_shape
from graphc.ops.lengths import has_sequences
from graphc.ops.recurrence import Scan
from graphc.ops.sources import LearnableParameter
from graphc.testing.counterexample import blamed_on
from graphc.testing.lengths import Lengths, laid_out, lengths_of, random_lengths, real_frames
from graphc.testing.runs import examples, for_all, replayed
from graphc.testing.values import Style, random_feeds, random_parameters, shaken

# random graphs that a pass is tried on unless the caller says otherwise
_GRAPHS = 200

# how far values are off to see what rounding does, how often, and how much more a sum in another order may do
_SHAKING, _SHAKES, _MAGNIFIED = 1e-13, 3, 50


@dataclass(frozen=True)
class Values:
    """What a graph is evaluated on."""

    parameters: Parameters
    feeds: Feeds
    frames: Mapping[str, Frames]

    @staticmethod
    def of(graph: Graph, seed: int, frames: int | Lengths, style: Style) -> Values:
        axes = {} if isinstance(frames, int) else laid_out(lengths_of(graph, frames))
        feeds = random_feeds(graph, seed, frames=frames, style=style)
        return Values(random_parameters(graph, seed, style=style), feeds, axes)

    def shaken(self, seed: int) -> Values:
        parameters, feeds = (shaken(part, _SHAKING, seed) for part in (self.parameters, self.feeds))
        return replace(self, parameters=parameters, feeds=feeds)

    def environment(self, seed: int) -> Environment:
        random = _reference().PhiloxStream(seed)
        return Environment(settings={"dropout_rate": 0.5}, random=random, frames=self.frames)


def assert_equivalent(
    before: Graph, after: Graph, *, gradients: bool = True, seed: int = 0, frames: int | Lengths | None = None
) -> None:
    """Fail unless both have roots and updates of the same names and types, and these the same values.

    In training and in inference, on finite values and on infinite ones and NaN. With ``gradients``, those of every
    trained parameter agree too, on finite values. ``frames`` are the lengths of the sequences of each axis, or a number
    of sequences of one frame; unless it is given, sequences are as many and as long as the seed says.
    """
    with blamed_on(before):
        _require_same_roots(before, after)
        if frames is None:
            frames = random_lengths(before, seed + len(before.nodes)) if has_sequences(before) else 3
        for style in (Style.TIES, Style.SPECIAL):
            values = Values.of(before, seed, frames, style)
            for training in (False, True):
                _require_equal(lambda g, v, t=training: _results(g, v, seed, t), before, after, values)
        if gradients:
            values = Values.of(before, seed, frames, Style.TIES)
            for root in before.roots:
                _require_equal(
                    lambda g, v, r=root: _gradients(g, r, seed, before, v), before, after, values, rtol=1e-5, atol=1e-6
                )


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
        assert isinstance(after, Graph), f"the pass gives {type(after).__name__}, not a Graph"
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
    assert list(before.roots) == list(after.roots), f"the roots {[*before.roots]} became {[*after.roots]}"
    for name, node in before.roots.items():
        assert node.type == after.roots[name].type, f"{name}: {node.type} became {after.roots[name].type}"


def _reference() -> Any:
    # by name, as every backend: nothing under graphc/ imports one
    return importlib.import_module("graphc.backends.reference")


def _require_equal(
    compute: Callable[[Graph, Values], dict[str, Any]],
    before: Graph,
    after: Graph,
    values: Values,
    *,
    rtol: float = 1e-6,
    atol: float = 1e-30,
) -> None:
    expected, found = compute(before, values), compute(after, values)
    if not _has_loops(before):
        _assert_close(found, expected, rtol=rtol, atol=atol)
        return
    # passes on loops change the order of sums; how much rounding matters, values show that are a little off
    others = [compute(before, values.shaken(each)) for each in range(_SHAKES)]
    _require_same_names(found, expected)
    for name, value in expected.items():
        with np.errstate(all="ignore"):
            spread = np.max([np.abs(other[name] - value) for other in others], axis=0)
            scale = np.max(np.abs(value), initial=1.0, where=np.isfinite(value))
            is_near = np.abs(found[name] - value) <= rtol * scale + _MAGNIFIED * spread
        is_equal = is_near | (found[name] == value) | ~np.isfinite(spread)
        assert np.all(is_equal), f"{name} became {found[name]}, it was {value}"


def _has_loops(graph: Graph) -> bool:
    return any(isinstance(node.op, Scan) for node in graph.nodes)


def _results(graph: Graph, values: Values, seed: int, training: bool) -> dict[str, Any]:
    # beside loops, equal graphs do the same in the same order
    backend = _reference().FLOAT64 if _has_loops(graph) else load("reference")
    results = backend.function(graph, training=training)(values.parameters, values.feeds, values.environment(seed))
    outputs = {
        name: results.outputs[name][: real_frames(node.type, results.frames)] for name, node in graph.roots.items()
    }
    return {**outputs, **{f"update of {name}": value for name, value in results.updates.items()}}


def _gradients(graph: Graph, root: str, seed: int, original: Graph, values: Values) -> dict[str, Any]:
    nodes = original.nodes
    trained = [n.op.name for n in nodes if isinstance(n.op, LearnableParameter) and n.op.is_trained]
    given = values.parameters, values.feeds, values.environment(seed)
    found = _reference().gradients(graph, root, trained, *given)
    shapes = {n.op.name: n for n in nodes if isinstance(n.op, LearnableParameter)}
    # a parameter that a pass found to be without influence has the gradient 0
    return {
        f"gradient of {root} by {name}": found.get(name, np.zeros(array_shape(shapes[name].type))) for name in trained
    }


def _assert_close(found: dict[str, Any], expected: dict[str, Any], *, rtol: float, atol: float) -> None:
    _require_same_names(found, expected)
    for name, value in expected.items():
        told = f"{name} (DESIRED) became another value (ACTUAL)"
        np.testing.assert_allclose(found[name], value, rtol=rtol, atol=atol, equal_nan=True, err_msg=told)


def _require_same_names(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    assert found.keys() == expected.keys(), f"what is computed, {sorted(expected)}, became {sorted(found)}"
