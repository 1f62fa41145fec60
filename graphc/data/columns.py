"""Data in memory: one column of samples a stream, immutable, with the sequences as offsets into it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from graphc.diagnostics import Diagnostic

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating]  # 32 or 64 bits


@dataclass(frozen=True, eq=False)
class DenseColumn:
    """``values[sample]`` are the ``dim`` numbers of a sample, first axis of its tensor fastest."""

    values: Floats

    @property
    def samples(self) -> int:
        return self.values.shape[0]

    @property
    def dim(self) -> int:
        return self.values.shape[1]

    @cached_property
    def is_onehot(self) -> bool:
        """Whether every sample is a single 1 among zeros."""
        nonzero = np.count_nonzero(self.values, axis=1)
        return bool((nonzero == 1).all() and np.count_nonzero(self.values == 1) == self.samples)

    def onehot_indices(self) -> npt.NDArray[np.int32]:
        """Where the 1 of each sample is; only for a column that `is_onehot`."""
        return self.values.argmax(axis=1).astype(np.int32)

    def dense(self) -> Floats:
        return self.values


@dataclass(frozen=True, eq=False)
class SparseColumn:
    """Entries ``offsets[sample]`` to ``offsets[sample + 1]`` of ``indices`` and ``values`` are a sample's."""

    indices: npt.NDArray[np.int32]
    values: Floats
    offsets: Ints
    dim: int

    @property
    def samples(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def is_onehot(self) -> bool:
        """Whether every sample has exactly one entry and that is 1."""
        return len(self.values) == self.samples and bool(
            (np.diff(self.offsets) == 1).all() and (self.values == 1).all()
        )

    def onehot_indices(self) -> npt.NDArray[np.int32]:
        """Where the 1 of each sample is; only for a column that `is_onehot`."""
        return self.indices

    def dense(self) -> Floats:
        """The samples as rows with their zeros; entries of one index add up."""
        rows = np.zeros((self.samples, self.dim), dtype=self.values.dtype)
        owner = np.repeat(np.arange(self.samples), np.diff(self.offsets))
        np.add.at(rows, (owner, self.indices), self.values)
        return rows


Column = DenseColumn | SparseColumn


@dataclass(frozen=True, eq=False)
class Stream:
    """A column and, for each sequence, where its samples begin (and, last, the number of samples)."""

    column: Column
    sequence_offsets: Ints

    @property
    def dim(self) -> int:
        return self.column.dim

    @cached_property
    def lengths(self) -> Ints:
        """Samples of each sequence."""
        return np.diff(self.sequence_offsets)


@dataclass(frozen=True, eq=False)
class Dataset:
    """All sequences of a file, in its order, by name of the stream.

    ``lengths`` is what the timeline counts (spec/training.md 7.4), ``keys`` are the author's sequence ids, ``places``
    and ``byte_sizes`` are where each sequence begins in the file and how long its lines are.
    """

    streams: Mapping[str, Stream]
    keys: npt.NDArray[np.uint64]
    lengths: Ints
    places: Ints
    byte_sizes: Ints
    warnings: tuple[Diagnostic, ...] = ()

    @property
    def sequences(self) -> int:
        return len(self.lengths)

    @cached_property
    def samples(self) -> int:
        """Length of a sweep."""
        return int(self.lengths.sum())

    @cached_property
    def is_frames(self) -> bool:
        """Whether every sequence has one sample in every stream, so that sample and sequence numbers agree."""
        return all(bool((s.lengths == 1).all()) for s in self.streams.values())

    def chunk_starts(self, chunk_size: int) -> Ints:
        """First sequence of each chunk and, last, the number of sequences.

        A chunk takes sequences while its span in the file stays within ``chunk_size`` bytes, and at least one.
        """
        # Behind how many bytes of the file each sequence but the first would fill its chunk; never decreasing.
        reach = self.places[:-1] + self.byte_sizes[:-1] + self.byte_sizes[1:]
        starts = [0]
        while starts[-1] < self.sequences:
            first = starts[-1]
            last = int(np.searchsorted(reach, self.places[first] + chunk_size, side="right"))
            starts.append(max(first, last) + 1)
        return np.array(starts, dtype=np.int64)


def frozen(array: npt.NDArray) -> npt.NDArray:
    """The array itself, which can no longer be written to."""
    array.flags.writeable = False
    return array
