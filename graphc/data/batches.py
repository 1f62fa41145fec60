"""Minibatches of sequences as arrays: which samples of a column they take, in a bounded set of shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from graphc.data.columns import Stream
from graphc.data.layout import Room, layout, pack
from graphc.data.minibatches import Minibatch
from graphc.ir import Frames

# shapes for which a step is compiled; more of them waste less on padding and cost more compilations
MOST_SHAPES = 8

Rooms = tuple[Room, ...]


@dataclass(frozen=True, eq=False)
class Batch:
    """One minibatch. For each dynamic axis the samples that its frames are, and how they form sequences."""

    samples: Mapping[str, npt.NDArray[np.int32]]
    frames: Mapping[str, Frames]


@dataclass(frozen=True, eq=False)
class Batches:
    """The minibatches of an epoch; each is laid out when it is asked for.

    ``axes`` has one stream for every dynamic axis: all streams of an axis have the same sequences.
    """

    minibatches: Sequence[Minibatch]
    axes: Mapping[str, Stream]
    shapes: Shapes

    def __len__(self) -> int:
        return len(self.minibatches)

    def __getitem__(self, number: int) -> Batch:
        sequences = self.minibatches[number].sequences
        samples: dict[str, npt.NDArray[np.int32]] = {}
        frames: dict[str, Frames] = {}
        for (axis, stream), room in zip(self.axes.items(), self.rooms[number], strict=True):
            lengths = stream.lengths[sequences]
            samples[axis] = _samples(stream.sequence_offsets[sequences], lengths, room.frames)
            frames[axis] = layout(lengths, room)
        return Batch(samples, frames)

    @cached_property
    def rooms(self) -> list[Rooms]:
        """The shape of each minibatch, for every axis."""
        needed = [
            tuple(Room.for_lengths(stream.lengths[each.sequences]) for stream in self.axes.values())
            for each in self.minibatches
        ]
        return self.shapes.fit(needed, [self._fits(each) for each in self.minibatches])

    def _fits(self, minibatch: Minibatch) -> _Fits:
        lengths = [stream.lengths[minibatch.sequences] for stream in self.axes.values()]
        return lambda rooms: all(_holds(room, each) for room, each in zip(rooms, lengths, strict=True))

    def useful(self) -> tuple[float, float]:
        """Share of real frames among all that are computed, in frames and in lanes, over all axes."""
        real = [int(s.lengths[m.sequences].sum()) for m in self.minibatches for s in self.axes.values()]
        frames = [room.frames for rooms in self.rooms for room in rooms]
        lanes = [room.time * room.lanes for rooms in self.rooms for room in rooms]
        return sum(real) / max(sum(frames), 1), sum(real) / max(sum(lanes), 1)
