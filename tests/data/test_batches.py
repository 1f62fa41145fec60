"""Minibatches of sequences as arrays: all samples are there, in a bounded set of shapes with little padding."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.data.batches import MOST_SHAPES, Batches
from graphc.data.columns import DenseColumn, Stream
from graphc.data.layout import Room, layout, pack
from graphc.data.minibatches import Minibatch


def stream(lengths: np.ndarray) -> Stream:
    total = int(lengths.sum())
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Stream(DenseColumn(np.arange(total, dtype=np.float32)[:, None]), offsets)


def minibatches(lengths: np.ndarray, size: int, seed: int = 0) -> list[Minibatch]:
    order = np.random.default_rng(seed).permutation(len(lengths))
    found, taken = [], []
    for number in order:
        if taken and lengths[[*taken, number]].sum() > size:
            found.append(np.array(taken))
            taken = []
        taken.append(number)
    found.append(np.array(taken))
    return [Minibatch(m, lengths[m], int(lengths[m].sum()), 0) for m in found]


def ragged(count: int = 2000, seed: int = 1) -> np.ndarray:
    """Lengths as those of spoken queries: a mean of 13, at most 48."""
    return np.clip(np.random.default_rng(seed).gamma(4.0, 3.4, count).astype(int), 2, 48)


@pytest.mark.parametrize("size", [64, 512])
def test_every_sample_is_there_once_and_in_order(size: int) -> None:
    lengths = ragged(200)
    batches = Batches(minibatches(lengths, size), {"*": stream(lengths)})
    for number, minibatch in enumerate(batches.minibatches):
        batch = batches[number]
        sequences = batch.frames["*"].sequences
        assert sequences is not None and int(sequences.count) == len(minibatch.sequences)
        for at, sequence in enumerate(minibatch.sequences):
            start, length = int(sequences.starts[at]), int(sequences.lengths[at])
            first = int(lengths[:sequence].sum())
            assert batch.samples["*"][start : start + length].tolist() == list(range(first, first + length))
            assert sequences.ids[start : start + length].tolist() == [at] * length
            assert sequences.positions[start : start + length].tolist() == list(range(length))


@pytest.mark.parametrize(("size", "frames", "lanes"), [(512, 0.97, 0.92), (2048, 0.97, 0.94)])
def test_few_shapes_waste_little(size: int, frames: float, lanes: float) -> None:
    lengths = ragged()
    first = Batches(minibatches(lengths, size), {"*": stream(lengths)})
    shapes = first.best_shapes
    later = Batches(minibatches(lengths, size, seed=7), first.axes, shapes)
    used = [later.shape(number)[0] for number in range(len(later))]
    assert len(shapes) <= MOST_SHAPES and len(set(used)) <= MOST_SHAPES
    real = int(lengths.sum())
    assert real / sum(room.frames for room in used) >= frames
    assert real / sum(room.time * room.lanes for room in used) >= lanes


@pytest.mark.parametrize(
    ("lengths", "time", "lanes"),
    [
        # ten lanes of 64 steps would do as well
        ([58, 58, 53, 51, 51, 47, 33, 31, 28, 27, 22, 20, 19, 18, 13, 6], 72, 8),
        ([60, 58, 53, 52, 51, 48, 47, 33, 31, 28, 27, 22, 20, 19, 18, 13], 80, 8),
        ([32] * 7 + [31], 32, 8),
        ([40, 39, 38], 40, 3),
        ([64], 64, 1),
    ],
)
def test_lanes_are_longer_where_fewer_do(lengths: list[int], time: int, lanes: int) -> None:
    """Products go by eight columns."""
    found = np.array(lengths)
    (room,) = Batches([Minibatch(np.arange(len(found)), found, int(found.sum()), 0)], {"*": stream(found)}).shape(0)
    assert (room.time, room.lanes) == (time, lanes)


def test_what_fits_nowhere_shares_a_shape() -> None:
    """Unless that were much more work, as for a few frames that are far longer than all others."""
    groups = [[4, 5, 3, 5] * 3, [5, 4] * 5, [6, *[5] * 8], [6, 6, *[3] * 7], [40]]
    lengths = np.array([length for group in groups for length in group])
    ends = np.cumsum([len(group) for group in groups])
    numbers = np.split(np.arange(len(lengths)), ends[:-1])
    found = [Minibatch(m, lengths[m], int(lengths[m].sum()), 0) for m in numbers]
    planned = Batches(found[:2], {"*": stream(lengths)}).best_shapes
    batches = Batches(found, {"*": stream(lengths)}, planned)
    assert all(batches.shape(number) in planned for number in (0, 1))
    assert batches.shape(2) == batches.shape(3) != planned[-1]
    assert batches.shape(4)[0].lanes == 1


def test_lanes_hold_every_frame_once() -> None:
    found = layout(np.array([3, 2, 5, 1]), Room(16, 6, 6, 3)).sequences
    assert found is not None and found.lanes is not None
    assert pack(np.array([3, 2, 5, 1]), 6) == [[2, 3], [0, 1]]
    places = found.lanes.places[:11]
    assert len(set(places.tolist())) == 11
    assert found.lanes.frames.reshape(-1)[places].tolist() == list(range(11))


def test_sequences_of_one_length_need_no_tables() -> None:
    lengths = np.full(8, 4)
    batches = Batches(minibatches(lengths, 16), {"*": stream(lengths)})
    frames = batches[0].frames["*"]
    assert frames.mask is None and frames.sequences is not None and frames.sequences.lanes is not None
    assert frames.sequences.lanes.is_regular


def test_axes_of_a_minibatch_have_room_for_the_same_sequences() -> None:
    lengths = ragged(300)
    single = np.ones(300, int)
    batches = Batches(minibatches(lengths, 256), {"*": stream(lengths), "labels": stream(single)})
    for number in range(len(batches)):
        words, labels = batches.shape(number)
        assert words.sequences == labels.sequences == labels.frames
