"""The order in which a sweep visits the sequences: CNTK's block randomizer, and file order.

Everything follows from the seed and the number of the sweep, so an order is never stored and a run resumes anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from graphc.data.mersenne import MT19937_64

Order = npt.NDArray[np.int64]


class Randomizer(Protocol):
    """Gives the order of the sequences in a sweep."""

    def order(self, sweep: int) -> Order: ...


@dataclass(frozen=True, eq=False)
class NoRandomizer:
    """Sequences in file order, sweep after sweep."""

    sequences: int

    def order(self, sweep: int) -> Order:
        return np.arange(self.sequences, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class BlockRandomizer:
    """Shuffles the chunks, then the sequences within a window of chunks around each.

    ``chunk_starts`` is the first sequence of every chunk and, last, the number of sequences; ``lengths`` are samples a
    sequence. ``window`` counts chunks, or samples where ``sample_based``.
    """

    chunk_starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    window: int
    sample_based: bool = False
    seed: int = 0

    def order(self, sweep: int) -> Order:
        seed = self.seed + sweep
        chunks = self._chunk_order(seed)
        sizes = np.diff(self.chunk_starts)[chunks]
        laid_out = _concatenated_ranges(self.chunk_starts[:-1][chunks], sizes)
        begin, end = self._windows(chunks)
        if begin[-1] == 0 and end[0] == len(chunks):
            return _shuffled_freely(laid_out, seed)
        return _shuffled_in_windows(laid_out, sizes, begin, end, seed)

    def _chunk_order(self, seed: int) -> Order:
        n = len(self.chunk_starts) - 1
        return _shuffled_freely(np.arange(n, dtype=np.int64), seed)

    @cached_property
    def _chunk_samples(self) -> npt.NDArray[np.int64]:
        ends = np.concatenate(([0], np.cumsum(self.lengths)))
        return np.diff(ends[self.chunk_starts])

    def _windows(self, chunks: Order) -> tuple[list[int], list[int]]:
        """First chunk, and chunk behind the last, that the sequences of each position in the order may go to."""
        if self.sample_based:
            return _sample_windows(self._chunk_samples[chunks].tolist(), self.window)
        return _chunk_windows(len(chunks), self.window)


def _chunk_windows(n: int, window: int) -> tuple[list[int], list[int]]:
    half, width = window // 2, max(window, 1)
    begin = [max(i - half, 0) for i in range(n)]
    end = [b + width for b in begin]
    for i in range(n):
        if end[i] > n:
            begin[i], end[i] = max(n - width, 0), n
    return begin, end


def _sample_windows(samples: list[int], window: int) -> tuple[list[int], list[int]]:
    half, n = window // 2, len(samples)
    start = [0]
    for count in samples:
        start.append(start[-1] + count)
    begin, end = [], []
    b, e = 0, 1
    for i in range(n):
        while start[i] - start[b] > half:
            b += 1
        b, e = min(b, i), max(e, i + 1)
        while e < n and start[e + 1] - start[i] < half:
            e += 1
        begin.append(b)
        end.append(e)
    return begin, end


def _shuffled_freely(items: Order, seed: int) -> Order:
    """Each position in turn changes places with any: not Fisher and Yates' shuffle, which would draw from the rest."""
    n = len(items)
    draws = (MT19937_64(seed).next_u64(n) % np.uint64(max(n, 1))).tolist()
    shuffled = items.tolist()
    for i, j in enumerate(draws):
        shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
    return np.array(shuffled, dtype=np.int64)


def _shuffled_in_windows(
    items: Order, sizes: npt.NDArray[np.int64], begin: list[int], end: list[int], seed: int
) -> Order:
    """Swap every position with one of its window, drawn again until both sequences stay within theirs."""
    shuffled = items.tolist()
    place = np.repeat(np.arange(len(sizes)), sizes).tolist()  # chunk that a position belongs to
    origin = list(place)  # chunk that the sequence now at a position came from
    first = np.concatenate(([0], np.cumsum(sizes))).tolist()
    draw = _draws(seed)
    for t, chunk in enumerate(place):
        low, high = begin[chunk], end[chunk]
        base, span = first[low], first[high] - first[low]
        while True:
            j = base + next(draw) % span
            if low <= origin[j] < high and begin[place[j]] <= origin[t] < end[place[j]]:
                break
        shuffled[t], shuffled[j] = shuffled[j], shuffled[t]
        origin[t], origin[j] = origin[j], origin[t]
    return np.array(shuffled, dtype=np.int64)


def _draws(seed: int) -> Iterator[int]:
    generator = MT19937_64(seed)
    while True:
        yield from generator.next_u64(4096).tolist()


def _concatenated_ranges(starts: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64]) -> Order:
    """``start, start + 1, ...`` (``size`` numbers) for each pair, one after the other."""
    total = int(sizes.sum())
    first = np.cumsum(sizes) - sizes
    return np.arange(total, dtype=np.int64) + np.repeat(starts - first, sizes)
