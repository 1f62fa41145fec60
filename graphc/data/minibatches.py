"""Cuts the endless line of sweeps into epochs and minibatches by CNTK's rule, counted in samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from graphc.data.columns import Ints
from graphc.data.randomize import Randomizer


@dataclass(frozen=True, slots=True, eq=False)
class Minibatch:
    """Sequences to take, in this order.

    ``columns`` is CNTK's width of the packed minibatch, gaps included; ``lengths`` are the samples of each sequence.
    Where every sequence is one sample, ``sequences`` index the samples of every column too.
    """

    sequences: Ints
    lengths: Ints
    samples: int
    columns: int


@dataclass(frozen=True, eq=False)
class Segment:
    """The part of an epoch within one sweep: minibatch k takes sequences ``cuts[k]`` to ``cuts[k + 1] - 1``."""

    sequences: Ints
    cuts: Ints

    def __len__(self) -> int:
        return len(self.cuts) - 1


@dataclass(frozen=True, eq=False)
class Timeline:
    """All sweeps over a data set, one after the other.

    ``lengths`` are the samples that a sequence counts for; ``stream_lengths`` those of each stream as far as streams
    differ, for the width of minibatches.
    """

    randomizer: Randomizer
    lengths: Ints
    stream_lengths: Sequence[Ints] = ()
    _latest: dict[int, tuple[Ints, Ints]] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def sweep(self) -> int:
        """Samples of a sweep."""
        return int(self.lengths.sum())

    @cached_property
    def _is_frames(self) -> bool:
        return all(bool((lengths == 1).all()) for lengths in (self.lengths, *self.stream_lengths))

    def segments(self, epoch: int, minibatch_size: int, epoch_size: int = 0) -> Iterator[Segment]:
        """The epoch sweep by sweep; ``epoch_size`` 0 is one sweep.

        An epoch has the sequences that begin in it, so its last may reach into the next.
        """
        size = epoch_size or self.sweep
        begin, end = epoch * size, (epoch + 1) * size
        for sweep in range(begin // self.sweep, -(-end // self.sweep)):
            order, starts = self._order(sweep)
            first, last = np.searchsorted(starts, (begin - sweep * self.sweep, end - sweep * self.sweep)).tolist()
            if first < last:
                chosen = order[first:last]
                yield Segment(chosen, _cuts(self.lengths[chosen], minibatch_size))

    def _order(self, sweep: int) -> tuple[Ints, Ints]:
        """The sequences of a sweep and where each begins in it, kept for epochs shorter than a sweep."""
        if sweep not in self._latest:
            order = self.randomizer.order(sweep)
            lengths = self.lengths[order]
            self._latest.clear()
            self._latest[sweep] = order, np.cumsum(lengths) - lengths
        return self._latest[sweep]

    def minibatches(self, epoch: int, minibatch_size: int, epoch_size: int = 0, first: int = 0) -> Iterator[Minibatch]:
        """The minibatches of an epoch from number ``first`` on."""
        skip = first
        for segment in self.segments(epoch, minibatch_size, epoch_size):
            for number in range(min(skip, len(segment)), len(segment)):
                yield self._minibatch(segment.sequences[segment.cuts[number] : segment.cuts[number + 1]])
            skip = max(skip - len(segment), 0)

    def count(self, epoch: int, minibatch_size: int, epoch_size: int = 0) -> int:
        """Minibatches of an epoch."""
        return sum(len(segment) for segment in self.segments(epoch, minibatch_size, epoch_size))

    def _minibatch(self, sequences: Ints) -> Minibatch:
        lengths = self.lengths[sequences]
        samples = int(lengths.sum())
        if self._is_frames:
            return Minibatch(sequences, lengths, samples, samples)
        widths = [packed_columns(each[sequences]) for each in self.stream_lengths or (self.lengths,)]
        return Minibatch(sequences, lengths, samples, max(widths))


def minibatches_of(sequences: Ints, lengths: Ints, minibatch_size: int) -> list[Minibatch]:
    """Some sequences of these lengths, in their order, cut by the same rule."""
    cuts = _cuts(lengths, minibatch_size)[1:-1]
    parts = zip(np.split(sequences, cuts), np.split(lengths, cuts), strict=True)
    return [Minibatch(numbers, each, int(each.sum()), packed_columns(each)) for numbers, each in parts]


def packed_columns(lengths: Ints) -> int:
    """Rows times longest sequence, each sequence put into the first row that still has room for it."""
    if not len(lengths):
        return 0
    longest = int(lengths.max())
    if int(lengths.min()) == longest:
        return longest * len(lengths)
    room: list[int] = []
    for length in lengths.tolist():
        row = next((r for r, free in enumerate(room) if free >= length), None)
        if row is None:
            room.append(longest - length)
        else:
            room[row] -= length
    return len(room) * longest


def _cuts(lengths: Ints, minibatch_size: int) -> Ints:
    """Where minibatches begin and the last ends: as many sequences as fit into the size, and at least one."""
    count = len(lengths)
    if bool((lengths == 1).all()):
        return np.append(np.arange(0, count, max(minibatch_size, 1)), count)
    ends = np.cumsum(lengths)
    cuts = [0]
    while cuts[-1] < count:
        first = cuts[-1]
        before = int(ends[first - 1]) if first else 0
        fit = int(np.searchsorted(ends, before + minibatch_size, side="right"))
        cuts.append(max(fit, first + 1))
    return np.array(cuts, dtype=np.int64)
