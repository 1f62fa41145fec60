"""Whether a backend computes whole graphs as the reference does, where rounding leaves anything to compare.

Backends keep values between operators in forms of their own, which no test of one operator sees. But a random graph can
magnify rounding without limit. So the reference also computes it from inputs that are a little shaken: a result may be
off by what that changes, and one that it changes a lot, or of which it chooses other frames, is not compared.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from graphc.backend import Backend, load
from graphc.ir import ElementType, Graph
from graphc.testing.choices import Seeded
from graphc.testing.counterexample import Counterexample, blamed_on
from graphc.testing.drawing import Drawing
from graphc.testing.generate import graph_of
from graphc.testing.lengths import Layout, environment_of, random_lengths, real_frames
from graphc.testing.runs import options
from graphc.testing.values import Style, random_feeds, random_parameters, shaken

_PADDING = 1
# how far inputs are shaken and how far results may be off where that changes nothing, by element type
_SHAKING = {ElementType.FLOAT32: 1e-6, ElementType.FLOAT64: 1e-13}
_ROOM = {ElementType.FLOAT32: 1e-4, ElementType.FLOAT64: 1e-10}
_SHAKES = 4
_MOST_OPERATORS = 8


def check_whole_graphs(backend: Backend, count: int) -> None:
    """Fail unless the backend's values of random graphs are the reference's.

    There are as many graphs of each element type; half of them are computed in inference, half in training.
    """
    for element, training in product(ElementType, (False, True)):
        drawing = Drawing(Seeded.of(options().seed), element, constants=True)
        roots, updates = {}, []
        # many in one program, because compiling is what takes time; the graphs share nothing
        for index in range(training, count, 2):
            drawing.begin(Seeded.of(options().seed, element.value, index))
            graph = graph_of(drawing, _MOST_OPERATORS)
            roots |= {f"{name} of {index}": node for name, node in graph.roots.items()}
            updates.extend(graph.updates)
        if roots:
            compare_whole(backend, Graph(roots, updates=tuple(updates) if training else ()), training=training)


def compare_whole(backend: Backend, graph: Graph, *, training: bool) -> None:
    """Fail unless every root and update that rounding leaves alone is the reference's."""
    element = next(iter(graph.roots.values())).type.element
    reference = load("reference").function(graph, training=training)
    layout = Layout.PACKED if training else Layout.APART
    expected = _run(reference, graph, layout)
    others = [_run(reference, graph, layout, _SHAKING[element], seed) for seed in range(_SHAKES)]
    with blamed_on(graph):
        found = _run(backend.compile(graph, training=training), graph, layout)
    for name, value in expected.items():
        if any(other[name].shape != value.shape for other in others):
            continue
        part = graph.select([name]) if name in graph.roots else graph
        if np.shape(found[name]) != value.shape:
            raise Counterexample(f"{name} is {found[name]}, the reference computes {value}", part)
        with np.errstate(all="ignore"):
            spread = np.max([np.abs(other[name] - value) for other in others], axis=0)
            scale = np.max(np.abs(value), initial=1.0, where=np.isfinite(value))
            is_near = np.abs(found[name] - value) <= _ROOM[element] * scale + 50 * spread
        if not np.all(is_near | ~np.isfinite(spread) | (found[name] == value)):
            raise Counterexample(f"{name} is {found[name]}, the reference computes {value}", part)


def _run(function: Any, graph: Graph, layout: Layout, shaking: float = 0.0, seed: int = 0) -> dict[str, Any]:
    lengths = random_lengths(graph, options().seed, layout)
    feeds = random_feeds(graph, options().seed, frames=lengths, padding=_PADDING, style=Style.DISTINCT)
    parameters = random_parameters(graph, options().seed, style=Style.DISTINCT)
    given = (shaken(part, shaking, seed) for part in (parameters, feeds))
    results = function(*given, environment_of(lengths, layout, _PADDING))
    outputs = {
        name: np.asarray(results.outputs[name])[: real_frames(node.type, results.frames)]
        for name, node in graph.roots.items()
    }
    return {**outputs, **{f"update of {name}": np.asarray(value) for name, value in results.updates.items()}}
