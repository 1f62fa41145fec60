"""The dynamic axis of a minibatch: its sequences one behind the other, and laid out in lanes for recurrences."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from graphc.ir import Frames, Lanes, Sequences

Ints = npt.NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Room:
    """Sizes of the arrays that describe an axis: frames, sequences, and the lanes' ``time`` and ``lanes``."""

    frames: int
    sequences: int
    time: int
    lanes: int

    @staticmethod
    def for_lengths(lengths: Ints) -> Room:
        """Just enough room."""
        time = max(int(lengths.max(initial=1)), 1)
        return Room(max(int(lengths.sum()), 1), max(len(lengths), 1), time, max(len(pack(lengths, time)), 1))


def pack(lengths: Ints, time: int) -> list[list[int]]:
    """Sequence numbers of each lane: the longest sequence first, each goes into the first lane that has room for it."""
    lanes: list[list[int]] = []
    room: list[int] = []
    for number in np.argsort(-np.asarray(lengths, np.int64), kind="stable").tolist():
        length = int(lengths[number])
        assert length <= time, (length, time)
        lane = next((at for at, free in enumerate(room) if free >= length), None)
        if lane is None:
            lanes.append([number])
            room.append(time - length)
        else:
            lanes[lane].append(number)
            room[lane] -= length
    return lanes


def layout(lengths: Ints, room: Room | None = None, *, may_be_regular: bool = True) -> Frames:
    """The axis of sequences of these lengths, with padding up to ``room``.

    Sequences of one length that fill the room need neither mask nor tables, so a program for them is another one:
    without ``may_be_regular`` they are like any others, and minibatches that now and then happen to be so share theirs.
    """
    lengths = np.asarray(lengths, np.int32)
    room = room or Room.for_lengths(lengths)
    return _regular(room) if may_be_regular and _is_regular(lengths, room) else _laid_out(lengths, room)


@lru_cache(maxsize=32)
def _regular(room: Room) -> Frames:
    """The axis of sequences of one length that fill the room: the same object for all minibatches."""
    return _laid_out(np.full(room.sequences, room.time, np.int32), room, is_regular=True)


def _laid_out(lengths: Ints, room: Room, *, is_regular: bool = False) -> Frames:
    return _frames(_sequences(lengths, room, _lanes(lengths, room, is_regular)), int(lengths.sum()), room)


def layout_rows(lengths: Ints, rows: Ints, begins: Ints, room: Room) -> Frames:
    """The axis of pieces of sequences, which stand one behind the other in rows of ``room.time`` frames.

    ``rows`` is the row of each piece, which is its lane; ``begins`` are the frames of its sequence that are gone.
    """
    lengths, rows = np.asarray(lengths, np.int32), np.asarray(rows, np.int32)
    count = int(lengths.sum())
    # rows come in their order, so what stands before a frame and not in its row are the rows above
    of_frames = np.repeat(rows, lengths)
    above = np.cumsum(np.bincount(rows, lengths, room.lanes)).astype(np.int32)
    times = np.arange(count, dtype=np.int32) - np.concatenate([[0], above[:-1]]).astype(np.int32)[of_frames]
    frames, places = np.zeros((room.time, room.lanes), np.int32), np.zeros(room.frames, np.int32)
    frames[times, of_frames] = np.arange(count)
    places[:count] = times * room.lanes + of_frames
    gone = np.zeros(room.sequences, np.int32)
    gone[: len(begins)] = begins
    sequences = _sequences(lengths, room, Lanes(frames, places))
    return _frames(replace(sequences, begins=gone), count, room)


def _sequences(lengths: Ints, room: Room, lanes: Lanes) -> Sequences:
    count, total = int(lengths.sum()), len(lengths)
    starts = np.cumsum(lengths, dtype=np.int32) - lengths
    ids = np.full(room.frames, room.sequences, np.int32)
    ids[:count] = np.repeat(np.arange(total, dtype=np.int32), lengths)
    positions = np.zeros(room.frames, np.int32)
    positions[:count] = np.arange(count, dtype=np.int32) - np.repeat(starts, lengths)
    first, size = np.zeros((2, room.sequences), np.int32)
    first[:total], size[:total] = starts, lengths
    return Sequences(ids, positions, first, size, np.int32(total), room.time, lanes)


def _frames(sequences: Sequences, count: int, room: Room) -> Frames:
    if sequences.lanes is not None and sequences.lanes.is_regular:
        return Frames(np.int32(count), None, sequences)
    return Frames(np.int32(count), (np.arange(room.frames) < count).astype(np.float32), sequences)


def _is_regular(lengths: Ints, room: Room) -> bool:
    fills = len(lengths) == room.sequences == room.lanes and int(lengths.sum()) == room.frames
    return fills and bool((lengths == room.time).all())


def _lanes(lengths: Ints, room: Room, is_regular: bool) -> Lanes:
    starts = np.cumsum(lengths, dtype=np.int32) - lengths
    frames = np.zeros((room.time, room.lanes), np.int32)
    places = np.zeros(room.frames, np.int32)
    for lane, members in enumerate(pack(lengths, room.time)):
        t = 0
        for number in members:
            length, start = int(lengths[number]), int(starts[number])
            frames[t : t + length, lane] = np.arange(start, start + length)
            places[start : start + length] = np.arange(t, t + length) * room.lanes + lane
            t += length
    return Lanes(frames, places, is_regular)
