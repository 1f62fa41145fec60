"""Truncated back-propagation: minibatches of rows, each of which goes on where the one before it stopped."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from graphc.data.batches import Batch, FrameUse, samples_of
from graphc.data.columns import Ints, Stream
from graphc.data.layout import Room, layout_rows
from graphc.data.minibatches import Minibatch


@dataclass(frozen=True, slots=True, eq=False)
class RowMinibatch(Minibatch):
    """Pieces of sequences, row after row and in a row one behind the other.

    ``lengths`` are those of the pieces. ``rows`` is the row of each, ``begins`` how many frames of its sequence earlier
    minibatches had. Gaps are only behind the last piece of a row that has run dry.
    """

    rows: Ints
    begins: Ints


def row_minibatches(sequences: Ints, lengths: Ints, rows: int, length: int) -> Iterator[RowMinibatch]:
    """Minibatches of ``rows`` × ``length`` frames, until the sequences are used up; ``lengths`` are of these sequences.

    CNTK's order: before each minibatch every row in turn takes sequences until it has more than it is about to give.
    """
    waiting = iter(zip(sequences.tolist(), lengths.tolist(), strict=True))
    # no row more can get a sequence
    queues = [_Row() for _ in range(min(rows, len(sequences)))]
    while True:
        for queue in queues:
            queue.fill(waiting, length)
        pieces = [(row, *piece) for row, queue in enumerate(queues) for piece in queue.take(length)]
        if not pieces:
            return
        of_rows, taken, begins, sizes = np.array(pieces, np.int64).T
        yield RowMinibatch(taken, sizes, int(sizes.sum()), rows * length, of_rows, begins)


@dataclass
class _Row:
    """Sequences that wait in a row, as pairs of number and length; ``begin`` frames of the first are gone."""

    queue: deque[tuple[int, int]] = field(default_factory=deque)
    frames: int = 0
    begin: int = 0

    def fill(self, waiting: Iterator[tuple[int, int]], length: int) -> None:
        while self.frames <= length and (sequence := next(waiting, None)) is not None:
            self.queue.append(sequence)
            self.frames += sequence[1]

    def take(self, length: int) -> Iterator[tuple[int, int, int]]:
        """Sequence, first frame and size of the pieces of the next ``length`` frames."""
        while length and self.queue:
            sequence, whole = self.queue[0]
            size = min(whole - self.begin, length)
            yield sequence, self.begin, size
            length -= size
            self.frames -= size
            self.begin += size
            if self.begin == whole:
                self.queue.popleft()
                self.begin = 0


@dataclass(frozen=True, eq=False)
class RowBatches:
    """The minibatches of an epoch, all of one shape; each is laid out when it is asked for.

    ``axes`` has one stream for every dynamic axis; in truncated sequences all have the same lengths.
    """

    minibatches: Sequence[RowMinibatch]
    axes: Mapping[str, Stream]

    def __len__(self) -> int:
        return len(self.minibatches)

    def __getitem__(self, number: int) -> Batch:
        minibatch = self.minibatches[number]
        frames = layout_rows(minibatch.lengths, minibatch.rows, minibatch.begins, self.room)
        samples: dict[str, npt.NDArray[np.int32]] = {}
        for axis, stream in self.axes.items():
            starts = stream.sequence_offsets[minibatch.sequences] + minibatch.begins
            samples[axis] = samples_of(starts, minibatch.lengths, self.room.frames)
        return Batch(samples, dict.fromkeys(self.axes, frames))

    @cached_property
    def room(self) -> Room:
        """As many rows and frames as the minibatches use, at most all of them.

        With places for as many pieces as the shortest sequence of the data lets a row have.
        """
        lanes = max((int(m.rows.max()) + 1 for m in self.minibatches), default=1)
        time = max((int(np.bincount(m.rows, m.lengths).max()) for m in self.minibatches), default=1)
        shortest = min((int(stream.lengths.min(initial=time)) for stream in self.axes.values()), default=1)
        pieces = min(-(-time // max(shortest, 1)) + 1, time)
        return Room(lanes * time, lanes * pieces, time, lanes)

    def use(self) -> FrameUse:
        """Of all minibatches together."""
        real, axes = sum(minibatch.samples for minibatch in self.minibatches), len(self.axes)
        places = len(self) * self.room.frames * axes
        return FrameUse(real * axes, places, places, frozenset([(self.room,) * axes] if len(self) else []))
