"""How the frames of generated values form sequences, and how a minibatch lays them out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

import numpy as np

from graphc.backend import Environment
from graphc.data.layout import Room, layout
from graphc.ir import Frames, Graph, TensorType
from graphc.ops.sources import InputValue

# Lengths of the sequences of each dynamic axis that inputs have, by name of the axis; all have as many sequences.
Lengths = Mapping[str, Sequence[int]]

_MOST_SEQUENCES = 3
_LONGEST = 4


def real_frames(type: TensorType, axes: Mapping[str, Frames]) -> int | None:
    """How many frames of a value are not padding; none where it has no frames."""
    return None if type.axis is None else int(axes[type.axis.name].count)


class Layout(Enum):
    """How sequences stand in a minibatch."""

    # in one lane, one behind the other, with room for more
    PACKED = "packed"
    # in a lane each, with room for more
    APART = "apart"
    # of equal lengths, without any padding
    REGULAR = "regular"
    # none: every frame is a sequence, and a frame is padding
    FRAMES = "frames"


def input_axes(graph: Graph) -> list[str]:
    """Names of the axes of the graph's inputs."""
    return list(dict.fromkeys(node.op.axis for node in graph.nodes if isinstance(node.op, InputValue)))


def lengths_of(graph: Graph, frames: int | Lengths) -> dict[str, tuple[int, ...]]:
    """Of each axis that inputs have: those given, or as many sequences of one frame as are given."""
    if isinstance(frames, int):
        return dict.fromkeys(input_axes(graph), (1,) * frames)
    return {axis: tuple(frames[axis]) for axis in input_axes(graph)}


def random_lengths(graph: Graph, seed: int = 0, kind: Layout = Layout.APART) -> dict[str, tuple[int, ...]]:
    """Lengths of a few sequences for each axis that inputs have."""
    numbers = np.random.default_rng([seed, 3])
    if kind is Layout.FRAMES:
        return lengths_of(graph, 2)
    # in one lane, what stands behind another sequence shall have one behind it as well
    least = _MOST_SEQUENCES if kind is Layout.PACKED else 1
    count = int(numbers.integers(least, _MOST_SEQUENCES, endpoint=True))
    found = {}
    for axis in input_axes(graph):
        own = np.random.default_rng([seed, *axis.encode()])
        lengths = own.integers(1, _LONGEST, count, endpoint=True)
        found[axis] = tuple(np.repeat(lengths[:1], count).tolist() if kind is Layout.REGULAR else lengths.tolist())
    return found


def environment_of(lengths: Lengths, kind: Layout, padding: int, **others: Any) -> Environment:
    """What a step is told of these sequences, the frames behind them, and other things."""
    if kind is not Layout.FRAMES:
        return Environment(frames=laid_out(lengths, kind, padding=padding), **others)
    counts = {sum(each) for each in lengths.values()}
    assert len(counts) <= 1, lengths
    return Environment(np.int32(*counts) if padding and counts else None, **others)


def laid_out(lengths: Lengths, kind: Layout = Layout.APART, *, padding: int = 0) -> dict[str, Frames]:
    """The axes of sequences of these lengths, with ``padding`` frames behind; none for `Layout.FRAMES`."""
    if kind is Layout.FRAMES:
        return {}
    return {axis: layout(np.array(each), _room(np.array(each), kind, padding)) for axis, each in lengths.items()}


def _room(lengths: np.ndarray, kind: Layout, padding: int) -> Room:
    total, count, longest = int(lengths.sum()), len(lengths), int(lengths.max())
    match kind:
        case Layout.PACKED:
            return Room(total + padding, count + 1, total + 1, 1)
        case Layout.REGULAR:
            return Room(total + padding, count, longest, count)
        case _:
            return Room(total + padding, count + 1, longest + 1, count + 1)
