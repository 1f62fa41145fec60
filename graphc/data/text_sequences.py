"""From lines to sequences: which lines belong together, whether each stream fits, what maxErrors forgives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from graphc.data.columns import Column, Dataset, DenseColumn, Ints, SparseColumn, Stream, frozen
from graphc.data.text_rows import Finding, Grade, Rows, Samples, TextInput


@dataclass(frozen=True, eq=False)
class Sequences:
    """Grouping of all lines: the sequence of each line (-1 where it is left out) and what the index knows of each."""

    of_line: Ints
    first_line: Ints
    last_line: Ints
    keys: npt.NDArray[np.uint64]
    lengths: Ints


def group_lines(rows: Rows, *, by_line: bool, first_number: int) -> Sequences:
    """One sequence a line, or one for every run of lines of the same id; without those that lack the main stream."""
    count = len(rows.starts)
    if by_line:
        opens = np.ones(count, dtype=np.bool_)
        keys = np.arange(first_number, first_number + count, dtype=np.uint64)
    else:
        with_id = np.flatnonzero(rows.has_id)
        changed = np.concatenate(([True], np.diff(rows.ids[with_id].astype(np.int64)) != 0))
        opens = np.zeros(count, dtype=np.bool_)
        opens[with_id[changed[: len(with_id)]]] = True
        keys = rows.ids[opens]
    group = np.cumsum(opens) - 1
    lengths = np.bincount(group[rows.mentions], minlength=len(keys)).astype(np.int64)
    first = np.flatnonzero(opens)
    last = np.append(first[1:], count) - 1
    kept = lengths > 0
    renumbered = np.where(kept, np.cumsum(kept) - 1, -1)
    return Sequences(renumbered[group], first[kept], last[kept], keys[kept], lengths[kept])


def check_sequences(rows: Rows, sequences: Sequences, inputs: Sequence[TextInput]) -> list[Finding]:
    """What is wrong with lines and then with whole sequences, sequence by sequence."""
    counts = [_samples_of(s, sequences) for s in rows.streams]
    main = [c for c, i in zip(counts, inputs, strict=True) if i.defines_mb_size] or counts
    longest = np.max(main, axis=0)
    found = [(int(sequences.of_line[f.line]), f) for f in rows.findings]
    found = [(number, f) for number, f in found if number >= 0]
    causes: dict[int, Finding] = {}
    for number, finding in found:
        if finding.grade is Grade.ERROR:
            causes.setdefault(number, finding)
    for number in np.flatnonzero(np.min(counts, axis=0) == 0).tolist():
        names = [i.name for c, i in zip(counts, inputs, strict=True) if c[number] == 0]
        found += [(number, _empty(sequences, number, name, causes.get(number))) for name in names]
    for number in np.flatnonzero(longest != sequences.lengths).tolist():
        found.append((number, _misfit(sequences, number, int(longest[number]), causes.get(number))))
    return [finding for _, finding in sorted(found, key=lambda entry: entry[0])]


def _samples_of(samples: Samples, sequences: Sequences) -> Ints:
    owner = sequences.of_line[samples.line]
    return np.bincount(owner[owner >= 0], minlength=len(sequences.keys))


def _empty(sequences: Sequences, number: int, name: str, cause: Finding | None) -> Finding:
    message = f"stream '{name}' has no sample in sequence {sequences.keys[number]}"
    if cause is None:
        return Finding(int(sequences.first_line[number]), 0, -1, Grade.FATAL, "GC0604", message)
    message = f"{message}: {cause.message}"
    return Finding(cause.line, cause.start, cause.end, Grade.FATAL, "GC0604", message, cause.hint, derived=True)


def _misfit(sequences: Sequences, number: int, longest: int, cause: Finding | None) -> Finding:
    expected, key = int(sequences.lengths[number]), sequences.keys[number]
    lines = f"{expected} line{'s' if expected != 1 else ''}"
    if longest > expected:
        message = f"sequence {key} contains more samples than expected: {longest} on {lines}"
    else:
        message = f"number of samples of sequence {key} is less than expected: {longest} on {lines}"
    first = int(sequences.first_line[number])
    return Finding(first, 0, -1, Grade.ERROR, "GC0605", message, derived=cause is not None)


def assemble(
    rows: Rows, sequences: Sequences, inputs: Sequence[TextInput], dtype: npt.DTypeLike, origin: int, size: int
) -> Dataset:
    """The data of the kept sequences. ``origin`` is the place of the first row in a file of ``size`` bytes."""
    places = rows.starts[sequences.first_line]
    ends = np.append(rows.starts, size - origin)[sequences.last_line + 1]
    return Dataset(
        {i.name: _stream(s, sequences, i, dtype) for i, s in zip(inputs, rows.streams, strict=True)},
        frozen(sequences.keys),
        frozen(sequences.lengths),
        frozen(places + origin),
        frozen(ends - places),
    )


def _stream(samples: Samples, sequences: Sequences, input: TextInput, dtype: npt.DTypeLike) -> Stream:
    kept = sequences.of_line[samples.line] >= 0
    offsets = _offsets(_samples_of(samples, sequences))
    column: Column
    with np.errstate(over="ignore"):  # a number beyond the type is infinite, as in CNTK
        if samples.counts is None or samples.indices is None:
            values = samples.values if kept.all() else samples.values[kept]
            column = DenseColumn(frozen(values.astype(dtype)))
        else:
            entries = np.repeat(kept, samples.counts)
            indices, values = samples.indices[entries], samples.values[entries].astype(dtype)
            column = SparseColumn(frozen(indices), frozen(values), _offsets(samples.counts[kept]), input.dim)
    return Stream(column, offsets)


def _offsets(counts: Ints) -> Ints:
    return frozen(np.concatenate(([0], np.cumsum(counts, dtype=np.int64))))
