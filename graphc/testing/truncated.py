"""Whether a backend goes on in the next minibatch where the one before stopped, as truncated back-propagation asks.

The reference computes whole sequences; the same loops on pieces of them, one minibatch after the other, must give the
same, by the reference and by the backend. (Gradients end where pieces do: `tests/recurrences` derives those.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphc.backend import Backend, Environment, Feeds, Function, Parameters, load
from graphc.data.columns import DenseColumn, Stream
from graphc.data.rows import RowBatches, row_minibatches
from graphc.ir import DEFAULT_AXIS, ElementType, Graph, Node, topological
from graphc.ops.recurrence import Scan, empty_history
from graphc.testing.choices import Seeded
from graphc.testing.counterexample import Counterexample, blamed_on
from graphc.testing.drawing import Drawing
from graphc.testing.lengths import laid_out
from graphc.testing.recipes_sequences import loop
from graphc.testing.runs import options
from graphc.testing.values import Style, random_feeds, random_parameters

# rows of a minibatch and the frames of each, in turn: pieces of one frame, several sequences in a row, one row alone
_CUTS = ((1, 1), (2, 3), (1, 4), (3, 2))
_MOST_SEQUENCES = 5
_LONGEST = 9
_ROOM = 1e-9


def check_truncated(backend: Backend, count: int) -> None:
    """Fail unless random loops give on pieces of sequences what they give on whole ones; ``count`` of each cut."""
    for number, (rows, length) in enumerate(_CUTS):
        drawing = Drawing(Seeded.of(options().seed), ElementType.FLOAT64)
        # many in one program, because compiling is what takes time; they share nothing
        found = (_drawn(drawing, Seeded.of(options().seed, "pieces", number, index)) for index in range(count))
        roots = {f"loop {index}": node for index, node in enumerate(found) if node is not None}
        if roots:
            compare_pieces(backend, Graph(roots), rows, length)


def compare_pieces(backend: Backend, graph: Graph, rows: int, length: int) -> None:
    """Fail unless the loops of a graph, which look at the past only, go on from minibatch to minibatch."""
    numbers = np.random.default_rng([options().seed, rows, length])
    lengths = {DEFAULT_AXIS.name: tuple(numbers.integers(1, _LONGEST, _MOST_SEQUENCES, endpoint=True).tolist())}
    parameters = random_parameters(graph, options().seed, style=Style.DISTINCT)
    feeds = random_feeds(graph, options().seed, frames=lengths, style=Style.DISTINCT)
    whole = load("reference").function(graph)(parameters, feeds, Environment(frames=laid_out(lengths)))
    batches = _cut(np.array(lengths[DEFAULT_AXIS.name]), rows, length)
    functions = {"the reference": load("reference").function(graph), "it": backend.compile(graph)}
    for name, function in functions.items():
        with blamed_on(graph):
            found = _run(function, graph, parameters, feeds, batches)
        for root, value in found.items():
            expected = whole.outputs[root]
            if not np.allclose(value, expected, rtol=_ROOM, atol=_ROOM):
                message = f"{root}: on pieces {name} computes {value}, whole sequences give {expected}"
                raise Counterexample(message, graph.select([root]))


def _drawn(drawing: Drawing, choices: Seeded) -> Node | None:
    """A loop that pieces allow: it looks back, and begins with nothing that has frames of its own."""
    drawing.begin(choices, None)
    node = loop(drawing, Scan)
    axes = {each.type.axis for each in topological([node])} - {None}
    assert isinstance(node.op, Scan)
    return None if node.op.region.backward or axes != {DEFAULT_AXIS} else node


def _cut(lengths: np.ndarray, rows: int, length: int) -> RowBatches:
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    stream = Stream(DenseColumn(np.zeros((offsets[-1], 1))), offsets)
    found = row_minibatches(np.arange(len(lengths)), lengths, rows, length)
    return RowBatches(list(found), {DEFAULT_AXIS.name: stream})


def _run(
    function: Function, graph: Graph, parameters: Parameters, feeds: Feeds, batches: RowBatches
) -> Mapping[str, np.ndarray]:
    """Every root at every frame, in the order of the feeds."""
    found: dict[str, np.ndarray] = {}
    carried: Any = empty_history(np, graph, batches.room.lanes)
    for number in range(len(batches)):
        batch = batches[number]
        samples, frames = batch.samples[DEFAULT_AXIS.name], batch.frames
        taken = {name: _frames_of(x, samples) for name, x in feeds.items()}
        results = function(parameters, taken, Environment(frames=frames, carried=carried))
        carried, count = results.carried, int(frames[DEFAULT_AXIS.name].count)
        for name, value in results.outputs.items():
            total = int(batches.axes[DEFAULT_AXIS.name].lengths.sum())
            into = found.setdefault(name, np.zeros((total, *np.shape(value)[1:])))
            into[samples[:count]] = np.asarray(value)[:count]
    return found


def _frames_of(feed: Any, samples: np.ndarray) -> Any:
    """Of sparse samples both indices and values."""
    return tuple(part[samples] for part in feed) if isinstance(feed, tuple) else feed[samples]
