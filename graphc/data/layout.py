"""The dynamic axis of a minibatch: its sequences one behind the other, and laid out in lanes for recurrences."""

from __future__ import annotations

from dataclasses import dataclass

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
    """Sequence numbers of each lane: a sequence goes into the first lane that has room for it."""
    lanes: list[list[int]] = []
    room: list[int] = []
    for number, length in enumerate(np.asarray(lengths).tolist()):
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
    count, total = int(lengths.sum()), len(lengths)
    starts = np.cumsum(lengths, dtype=np.int32) - lengths
    ids = np.full(room.frames, room.sequences, np.int32)
    ids[:count] = np.repeat(np.arange(total, dtype=np.int32), lengths)
    positions = np.zeros(room.frames, np.int32)
    positions[:count] = np.arange(count, dtype=np.int32) - np.repeat(starts, lengths)
    first, size = np.zeros((2, room.sequences), np.int32)
    first[:total], size[:total] = starts, lengths
    lanes = _lanes(lengths, starts, room, may_be_regular and _is_regular(lengths, room))
    sequences = Sequences(ids, positions, first, size, np.int32(total), room.time, lanes)
    if lanes.is_regular:
        return Frames(np.int32(count), None, sequences)
    return Frames(np.int32(count), (np.arange(room.frames) < count).astype(np.float32), sequences)


def _is_regular(lengths: Ints, room: Room) -> bool:
    fills = len(lengths) == room.sequences == room.lanes and int(lengths.sum()) == room.frames
    return fills and bool((lengths == room.time).all())


def _lanes(lengths: Ints, starts: Ints, room: Room, is_regular: bool) -> Lanes:
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
