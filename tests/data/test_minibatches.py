"""Epochs and minibatches on the endless line of sweeps (spec/training.md 7.2 to 7.4)."""

import numpy as np
import pytest

from graphc.data.minibatches import Timeline, minibatches_of, packed_columns
from graphc.data.randomize import BlockRandomizer, NoRandomizer
from graphc.data.text_format import TextOptions, parse_text_format
from graphc.data.text_rows import TextInput

CTF = "".join(f"{s} |x {10 * s + t}\n" for s in range(24) for t in range(s % 3 + 1))
SWEEPS = {
    128: (
        "1 18 21 13 22 6 11 10 9 19 17 7 20 12 4 23 16 15 3 8 0 5 14 2",
        "23 9 1 19 4 11 3 16 2 20 13 0 5 10 22 21 8 15 12 6 17 7 18 14",
    ),
    2: (
        "7 18 17 16 8 9 12 11 10 3 1 0 2 13 15 14 5 4 6 23 22 21 19 20",
        "14 13 22 15 23 9 7 8 5 6 4 11 12 10 20 21 19 3 0 1 2 17 16 18",
    ),
}


def timeline(window: int = 128) -> Timeline:
    data = parse_text_format(CTF.encode(), "order.ctf", [TextInput("x", 1)], TextOptions())
    return Timeline(BlockRandomizer(data.chunk_starts(60), data.lengths, window), data.lengths)


def in_order(*lengths: int) -> Timeline:
    return Timeline(NoRandomizer(len(lengths)), np.array(lengths))


def taken(line: Timeline, epoch: int, size: int, epoch_size: int = 0) -> list[list[int]]:
    return [m.sequences.tolist() for m in line.minibatches(epoch, size, epoch_size)]


@pytest.mark.parametrize("window", SWEEPS)
@pytest.mark.parametrize("sweep", [0, 1])
def test_recorded_order_of_sweeps(window: int, sweep: int) -> None:
    assert " ".join(str(s) for m in taken(timeline(window), sweep, 4) for s in m) == SWEEPS[window][sweep]


def test_recorded_minibatch_sizes() -> None:
    sizes = [m.samples for m in timeline().minibatches(0, 4)]
    assert sizes == [4, 4, 4, 3, 2, 3, 2, 4, 2, 3, 4, 4, 3, 3, 3]


@pytest.mark.parametrize(
    "lengths, size, expected",
    [
        ((1, 1, 1, 1, 1), 2, [[0, 1], [2, 3], [4]]),
        ((1, 1), 100, [[0, 1]]),
        ((5, 1, 1), 2, [[0], [1, 2]]),
        ((1, 5, 1), 2, [[0], [1], [2]]),
        ((2, 2, 1), 4, [[0, 1], [2]]),
        ((3, 3), 3, [[0], [1]]),
    ],
)
def test_a_minibatch_is_filled_but_never_empty(lengths: tuple[int, ...], size: int, expected: list[list[int]]) -> None:
    assert taken(in_order(*lengths), 0, size) == expected


def test_an_epoch_takes_the_sequences_that_begin_in_it() -> None:
    line = in_order(2, 2, 2)
    assert [taken(line, epoch, 100, 3) for epoch in range(5)] == [[[0, 1]], [[2]], [[0, 1]], [[2]], [[0, 1]]]


def test_a_minibatch_never_crosses_a_sweep() -> None:
    assert taken(in_order(1, 1, 1), 0, 2, 7) == [[0, 1], [2], [0, 1], [2], [0]]
    assert taken(in_order(1, 1, 1), 1, 2, 7) == [[1, 2], [0, 1], [2], [0, 1]]


def test_short_epochs_cut_one_permutation() -> None:
    whole = [s for m in taken(timeline(), 0, 100) for s in m]
    pieces = [s for epoch in range(0, 48, 1) for m in taken(timeline(), epoch, 100, 1) for s in m]
    assert pieces == whole


@pytest.mark.parametrize("epoch, size, epoch_size", [(0, 4, 0), (3, 4, 0), (2, 5, 70), (1, 7, 31)])
def test_an_epoch_continues_where_it_stopped(epoch: int, size: int, epoch_size: int) -> None:
    whole = taken(timeline(), epoch, size, epoch_size)
    assert timeline().count(epoch, size, epoch_size) == len(whole)
    for first in (0, 1, len(whole) // 2, len(whole) - 1, len(whole), len(whole) + 3):
        rest = timeline().minibatches(epoch, size, epoch_size, first)
        assert [m.sequences.tolist() for m in rest] == whole[first:]


@pytest.mark.parametrize(
    "lengths, columns",
    [((), 0), ((1, 1, 1), 3), ((5,), 5), ((3, 3), 6), ((5, 2, 3), 10), ((2, 3, 5), 10), ((4, 3, 1, 2, 1), 12)],
)
def test_columns_by_first_fit(lengths: tuple[int, ...], columns: int) -> None:
    assert packed_columns(np.array(lengths, dtype=np.int64)) == columns


def test_the_widest_stream_counts() -> None:
    line = Timeline(NoRandomizer(2), np.array([1, 3]), [np.array([1, 3]), np.array([4, 4])])
    (minibatch,) = line.minibatches(0, 10)
    assert (minibatch.samples, minibatch.columns, minibatch.lengths.tolist()) == (4, 8, [1, 3])


def test_a_frame_minibatch_has_no_gaps() -> None:
    assert [(m.samples, m.columns) for m in in_order(1, 1, 1).minibatches(0, 2)] == [(2, 2), (1, 1)]


def test_some_sequences_are_cut_as_all_are() -> None:
    found = minibatches_of(np.array([4, 9, 2, 7]), np.array([3, 2, 6, 1]), 5)
    assert [each.sequences.tolist() for each in found] == [[4, 9], [2], [7]]
    assert [(each.samples, each.columns) for each in found] == [(5, 6), (6, 6), (1, 1)]
