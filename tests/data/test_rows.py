"""Rows of truncated sequences: which frames each minibatch has, in CNTK's order."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphc.config.schedule import rows_of
from graphc.data.columns import DenseColumn, Stream
from graphc.data.rows import RowBatches, RowMinibatch, row_minibatches

LENGTHS = st.lists(st.integers(1, 9), min_size=1, max_size=12)


def packed(lengths: list[int], rows: int, length: int) -> list[RowMinibatch]:
    return list(row_minibatches(np.arange(len(lengths)), np.array(lengths), rows, length))


def drawn(minibatch: RowMinibatch, rows: int, length: int) -> list[str]:
    """A row as text: a letter a frame, capital where a sequence begins, dots for gaps."""
    found = ["" for _ in range(rows)]
    pieces = zip(minibatch.sequences, minibatch.rows, minibatch.begins, minibatch.lengths, strict=True)
    for sequence, row, begin, size in pieces:
        letters = chr(ord("a") + sequence) * size
        found[row] += letters.capitalize() if begin == 0 else letters
    return [row.ljust(length, ".") for row in found]


@pytest.mark.parametrize(
    ("lengths", "rows", "length", "expected"),
    [
        # a row takes sequences as long as it has no more than it gives next, so here the first takes two
        ([3, 2, 4], 1, 3, ["Aaa", "BbC", "ccc"]),
        ([5, 3, 4, 2], 2, 4, ["Aaaa BbbC", "aDd. ccc."]),
        ([4, 4, 4, 4], 2, 4, ["Aaaa Cccc", "Bbbb Dddd"]),
        ([10, 2], 2, 4, ["Aaaa Bb..", "aaaa ....", "aa.. ...."]),
        ([1, 1, 1], 2, 4, ["ABC. ...."]),
        ([7], 3, 7, ["Aaaaaaa ....... ......."]),
    ],
)
def test_rows_fill_in_order(lengths: list[int], rows: int, length: int, expected: list[str]) -> None:
    assert [" ".join(drawn(m, rows, length)) for m in packed(lengths, rows, length)] == expected


@given(LENGTHS, st.integers(1, 4), st.integers(1, 8))
def test_every_sequence_goes_on_in_its_row(lengths: list[int], rows: int, length: int) -> None:
    minibatches = packed(lengths, rows, length)
    places = defaultdict(list)
    for number, minibatch in enumerate(minibatches):
        assert minibatch.columns == rows * length and minibatch.samples == minibatch.lengths.sum()
        used = np.zeros(rows, int)
        pieces = zip(minibatch.sequences, minibatch.rows, minibatch.begins, minibatch.lengths, strict=True)
        for sequence, row, begin, size in pieces:
            assert begin == len(places[sequence])
            places[sequence] += [(row, number * length + used[row] + t) for t in range(size)]
            used[row] += size
        # a row that is not full has run dry
        later = {row for m in minibatches[number + 1 :] for row in m.rows.tolist()}
        assert all(used[row] == length for row in later) and (used <= length).all()
    assert sorted(places) == list(range(len(lengths)))
    for sequence, length in enumerate(lengths):
        found = places[sequence]
        assert len({row for row, _ in found}) == 1
        assert [time - found[0][1] for _, time in found] == list(range(length))


def longest_row(minibatch: RowMinibatch) -> int:
    frames = {row: 0 for row in minibatch.rows.tolist()}
    for row, size in zip(minibatch.rows.tolist(), minibatch.lengths.tolist(), strict=True):
        frames[row] += size
    return max(frames.values())


@pytest.mark.parametrize(("rows", "length"), [(1, 2_000_000_000), (2_000_000_000, 1), (30_000, 30_000)])
def test_rows_beyond_all_data_take_no_memory(rows: int, length: int) -> None:
    (first, *_) = minibatches = packed([3, 1, 4], rows, length)
    stream = Stream(DenseColumn(np.zeros((8, 1))), np.array([0, 3, 4, 8]))
    room = RowBatches(minibatches, {"*": stream}).room
    assert room.frames <= 12 and room.lanes <= 3 and first.columns == rows * length


@given(LENGTHS, st.integers(1, 4), st.integers(1, 8))
def test_batches_have_the_frames_of_the_pieces(lengths: list[int], rows: int, length: int) -> None:
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    stream = Stream(DenseColumn(np.zeros((offsets[-1], 1))), offsets)
    minibatches = packed(lengths, rows, length)
    batches = RowBatches(minibatches, {"*": stream})
    # rows that get no sequence, and frames that no row reaches, take no room
    rows = 1 + max(int(m.rows.max()) for m in minibatches)
    length = min(length, max(longest_row(m) for m in minibatches))
    taken = []
    for number, minibatch in enumerate(minibatches):
        batch = batches[number]
        frames = batch.frames["*"]
        sequences, count = frames.sequences, int(frames.count)
        assert frames.mask is not None and frames.mask.sum() == count == minibatch.samples
        assert sequences is not None and sequences.lanes is not None and sequences.begins is not None
        ids, lanes = sequences.ids[:count], sequences.lanes
        real = minibatch.sequences[ids]
        in_sequence = sequences.begins[ids] + sequences.positions[:count]
        assert (offsets[real] + in_sequence == batch.samples["*"][:count]).all()
        # the table of places is the inverse of that of frames, and rows are lanes
        assert (lanes.frames.reshape(-1)[lanes.places[:count]] == np.arange(count)).all()
        assert (lanes.places[:count] % rows == minibatch.rows[ids]).all()
        assert lanes.frames.shape == (length, rows)
        taken += batch.samples["*"][:count].tolist()
    assert sorted(taken) == list(range(offsets[-1]))
    use = batches.use()
    assert use.real == offsets[-1] and use.frames == len(minibatches) * rows * length and len(use.shapes) == 1


@pytest.mark.parametrize(("size", "length", "rows"), [(20, 5, 4), (19, 5, 3), (4, 5, 1), (5, 5, 1)])
def test_as_many_rows_as_fit(size: int, length: int, rows: int) -> None:
    assert rows_of(size, length) == rows
