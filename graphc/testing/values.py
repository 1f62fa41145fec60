"""Values for the inputs and parameters of a graph, from a seed and the names of both: every process draws the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

import numpy as np

from graphc.backend import Environment, Feeds, Parameters
from graphc.ir import Graph, Node, Storage, users
from graphc.ir.layout import array_shape
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.passes.constants import mark_state
from graphc.testing import domains
from graphc.testing.lengths import Lengths, laid_out, lengths_of
from graphc.testing.recipes import wish_of

# values at which operators are easily wrong, among harmless ones
_SPECIAL = (0.0, 1.0, -1.0, np.inf, -np.inf, np.nan)
# how many of the indices of onehot and sparse values lie outside the sample
_OUTSIDE = 0.125


class RandomFeeds(dict[str, Any]):
    """Values for the inputs of a graph, and the lengths of the sequences that their frames form."""

    def __init__(self, values: Feeds, lengths: Lengths) -> None:
        super().__init__(values)
        self.lengths = lengths

    def __repr__(self) -> str:
        return f"{super().__repr__()} with sequences of {dict(self.lengths)} frames"

    def environment(self, **others: Any) -> Environment:
        """What a backend is given with them; ``others`` are further members."""
        return Environment(frames=laid_out(self.lengths), **others)


class Style(Enum):
    """What the numbers are like. Those of labels, probabilities, positions, … are of their kind in every style."""

    # halves: many are equal or 0, and sums of them are exact in any order
    TIES = "ties"
    # no two are alike and none is near to a kink, so that derivatives exist
    DISTINCT = "distinct"
    # halves, some of them infinite or not a number
    SPECIAL = "special"


def random_feeds(
    graph: Graph, seed: int = 0, *, frames: int | Lengths = 3, padding: int = 0, style: Style = Style.TIES
) -> Feeds:
    """A value for every input of the graph; what reads it decides on labels, probabilities, …

    ``frames`` are the lengths of the sequences of each axis, or how many sequences of one frame there are;
    ``padding`` frames follow, which hold numbers like the others.
    """
    readers = users(graph.nodes)
    lengths = lengths_of(graph, frames)
    return {
        node.op.name: _feed(node, readers.get(node, []), seed, (*lengths[node.op.axis], *(1,) * padding), style)
        for node in graph.nodes
        if isinstance(node.op, InputValue)
    }


def random_parameters(graph: Graph, seed: int = 0, *, style: Style = Style.TIES) -> Parameters:
    """A value for every parameter of the graph but its constants."""
    marked = mark_state(graph)
    readers = users(marked.nodes)
    return {
        node.op.name: _dense(node, readers.get(node, []), seed, array_shape(node.type), style)
        for node in marked.nodes
        if isinstance(node.op, LearnableParameter) and node.op.constant is None
    }


def _feed(node: Node, readers: list[Node], seed: int, lengths: Sequence[int], style: Style) -> Any:
    numbers, frames = _numbers(seed, node), sum(lengths)
    match node.type.storage:
        case Storage.DENSE:
            values = _dense(node, readers, seed, array_shape(node.type, frames), style)
            return domains.one_in_each(values, lengths) if _chooses_frames(node, readers) else values
        case Storage.ONEHOT:
            return _indices(numbers, node, readers, (frames,))
        case Storage.SPARSE:
            # two places a frame, which may be the same; shares of labels add up to 1
            indices = _indices(numbers, node, readers, (frames, 2))
            values = np.full((frames, 2), 0.5) if wish_of(node, readers) else _any(numbers, indices.shape, style)
            return indices, values.astype(node.type.element.value)


def _indices(numbers: np.random.Generator, node: Node, readers: list[Node], shape: tuple[int, ...]) -> np.ndarray:
    """Places in a sample; some lie before its first or behind its last, which is no entry, unless readers want one."""
    inside = numbers.integers(0, node.type.size, shape, dtype=np.int32)
    if wish_of(node, readers):
        return inside
    outside = numbers.choice(np.array([-1, node.type.size], np.int32), shape)
    return np.where(numbers.random(shape) < _OUTSIDE, outside, inside)


def shaken(values: Mapping[str, Any], by: float, seed: int) -> dict[str, Any]:
    """The numbers a little off, relative to each; whole ones are labels, positions, … and stay."""
    numbers = np.random.default_rng(seed)

    def moved(x: Any) -> Any:
        if isinstance(x, tuple):
            return x[0], moved(x[1])
        if x.dtype.kind != "f":
            return x
        return np.where(x == np.round(x), x, x * (1 + by * numbers.uniform(-1, 1, x.shape))).astype(x.dtype)

    return {name: moved(x) for name, x in values.items()}


def _chooses_frames(node: Node, readers: list[Node]) -> bool:
    wish = wish_of(node, readers)
    return wish is not None and wish[0] is domains.chosen


def _dense(node: Node, readers: list[Node], seed: int, shape: tuple[int, ...], style: Style) -> np.ndarray:
    numbers, wish = _numbers(seed, node), wish_of(node, readers)
    if wish is None:
        values = _any(numbers, shape, style)
    else:
        domain, reader = wish
        values = domain(_spread(numbers, shape, style), node, reader)
    return values.astype(node.type.element.value)


def _any(numbers: np.random.Generator, shape: tuple[int, ...], style: Style) -> np.ndarray:
    if style is Style.DISTINCT:
        return -2.0 + 4.0 * _spread(numbers, shape, style)
    values = numbers.integers(-4, 5, shape) / 2
    if style is Style.TIES:
        return values
    return np.where(numbers.random(shape) < 0.2, numbers.choice(_SPECIAL, shape), values)


def _spread(numbers: np.random.Generator, shape: tuple[int, ...], style: Style) -> np.ndarray:
    """Numbers in [0, 1): eighths, or one from the middle of each of as many equal parts as there are numbers."""
    if style is not Style.DISTINCT:
        return numbers.integers(0, 8, shape) / 8
    size = int(np.prod(shape))
    places = numbers.permutation(size) + numbers.uniform(0.2, 0.8, size)
    return (places / max(size, 1)).reshape(shape)


def _numbers(seed: int, node: Node) -> np.random.Generator:
    return np.random.default_rng([seed, *getattr(node.op, "name", "").encode()])
