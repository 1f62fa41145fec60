"""Minibatches of sequences as arrays: which samples of a column they take, in a bounded set of shapes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from graphc.data.columns import Stream
from graphc.data.layout import Room, layout, pack
from graphc.data.minibatches import Minibatch
from graphc.ir import Frames

# shapes for which a step is compiled; more of them waste less on padding and cost more compilations
MOST_SHAPES = 8
# share of all work that is worth one compilation less
_NEXT_TO_NOTHING = 0.01
# how much more work a minibatch may be if that spares a shape of its own
_MOST_WASTE = 4
# how much longer than its longest sequence lanes may be, which on other devices than CPUs costs so much more time
_MOST_LENGTHENED = 1.25

# the room of a minibatch on every dynamic axis
Shape = tuple[Room, ...]


@dataclass(frozen=True, eq=False)
class Batch:
    """One minibatch. For each dynamic axis the samples that its frames are, and how they form sequences."""

    samples: Mapping[str, npt.NDArray[np.int32]]
    frames: Mapping[str, Frames]


@dataclass(frozen=True, slots=True)
class FrameUse:
    """How much of what minibatches compute is real: frames of all axes among those of arrays and of lanes.

    ``shapes`` are those that the minibatches have.
    """

    real: int
    frames: int
    places: int
    shapes: frozenset[Shape]

    @property
    def of_frames(self) -> float:
        return self.real / max(self.frames, 1)

    @property
    def of_lanes(self) -> float:
        return self.real / max(self.places, 1)


@dataclass(frozen=True, eq=False)
class Batches:
    """The minibatches of an epoch; each is laid out when it is asked for.

    ``axes`` has one stream for every dynamic axis: all streams of an axis have the same sequences. ``shapes`` are tried
    first, in their order; a minibatch that fits into none of them gets one that holds these too, or its own.
    """

    minibatches: Sequence[Minibatch]
    axes: Mapping[str, Stream]
    shapes: tuple[Shape, ...] = ()
    _chosen: dict[int, Shape] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.minibatches)

    def __getitem__(self, number: int) -> Batch:
        sequences = self.minibatches[number].sequences
        samples: dict[str, npt.NDArray[np.int32]] = {}
        frames: dict[str, Frames] = {}
        for (axis, stream), room, regular in zip(self.axes.items(), self.shape(number), self._is_regular, strict=True):
            lengths = stream.lengths[sequences]
            samples[axis] = samples_of(stream.sequence_offsets[sequences], lengths, room.frames)
            frames[axis] = layout(lengths, room, may_be_regular=regular)
        return Batch(samples, frames)

    def shape(self, number: int) -> Shape:
        if number not in self._chosen:
            self._chosen[number] = self._fitting(self._lengths(number))
        return self._chosen[number]

    def use(self) -> FrameUse:
        """Of all minibatches together."""
        shapes = [self.shape(number) for number in range(len(self))]
        rooms = [room for shape in shapes for room in shape]
        real = sum(int(each.sum()) for number in range(len(self)) for each in self._lengths(number))
        places = sum(room.time * room.lanes for room in rooms)
        return FrameUse(real, sum(room.frames for room in rooms), places, frozenset(shapes))

    def _fitting(self, lengths: Sequence[npt.NDArray[np.integer]]) -> Shape:
        found = next((s for s in self.shapes if _holds(s, lengths)), None)
        if found is not None or not self.shapes:
            return found or self._own_shape(lengths)
        # what is a little larger in one respect is rarely alone: one shape for all of them
        own = self._own_shape(lengths)
        shared = _joined([own, *self.shapes])
        return shared if _cost(shared) <= _MOST_WASTE * _cost(own) else own

    def _own_shape(self, lengths: Sequence[npt.NDArray[np.integer]]) -> Shape:
        """Where all sequences have one length there is nothing to round, to pad, or to look up in tables."""
        rules = (Room.for_lengths if regular else _rounded for regular in self._is_regular)
        rooms = [rule(each) for rule, each in zip(rules, lengths, strict=True)]
        # one frame of each sequence, chosen on one axis, meets data of one frame a sequence on another
        slots = max(room.sequences for room in rooms)
        return tuple(
            Room(slots, slots, 1, slots) if single else replace(room, sequences=slots)
            for room, single in zip(rooms, self._is_single, strict=True)
        )

    @cached_property
    def _is_single(self) -> list[bool]:
        return [bool((stream.lengths == 1).all()) for stream in self.axes.values()]

    @cached_property
    def _is_regular(self) -> list[bool]:
        return [bool((stream.lengths == stream.lengths[0]).all()) for stream in self.axes.values()]

    def _lengths(self, number: int) -> list[npt.NDArray[np.integer]]:
        sequences = self.minibatches[number].sequences
        return [stream.lengths[sequences] for stream in self.axes.values()]

    @cached_property
    def best_shapes(self) -> tuple[Shape, ...]:
        """At most `MOST_SHAPES` shapes for these minibatches and others like them: few compilations, little padding."""
        wanted = Counter(self._own_shape(self._lengths(number)) for number in range(len(self)))
        sizes = np.array([[astuple(room) for room in shape] for shape in wanted])
        merged = _merged(sizes, np.array([*wanted.values()]))
        return tuple(sorted((tuple(Room(*room) for room in shape) for shape in merged.tolist()), key=_cost))


def _joined(shapes: Sequence[Shape]) -> Shape:
    """Room for whatever one of them has room for."""
    largest = np.array([[astuple(room) for room in shape] for shape in shapes]).max(0)
    return tuple(Room(*room) for room in largest.tolist())


def _merged(sizes: npt.NDArray[np.integer], counts: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
    """``sizes`` (shapes, axes, 4) with those joined that cost least together, until few enough are left.

    And further, as long as it costs next to nothing.
    """
    sizes, counts, cost = sizes.copy(), counts.copy(), _costs(sizes)
    is_left = np.ones(len(sizes), bool)

    def losses(one: int) -> npt.NDArray[np.integer]:
        """What joining each with ``one`` costs."""
        joined = _costs(np.maximum(sizes[one], sizes))
        loss = joined * (counts[one] + counts) - cost[one] * counts[one] - cost * counts
        return np.where(is_left & (np.arange(len(sizes)) != one), loss, np.iinfo(loss.dtype).max)

    loss = np.array([losses(one) for one in range(len(sizes))])
    nearest = loss.argmin(1)
    rows = np.arange(len(sizes))
    while (left := int(is_left.sum())) > 1:
        at = int(loss[rows, nearest].argmin())
        if left <= MOST_SHAPES and loss[at, nearest[at]] > _NEXT_TO_NOTHING * (cost * counts)[is_left].sum():
            break
        one, other = sorted((at, int(nearest[at])))
        sizes[one], counts[one] = np.maximum(sizes[one], sizes[other]), counts[one] + counts[other]
        cost[one], is_left[other] = _costs(sizes[one]), False
        loss[other] = loss[:, other] = np.iinfo(loss.dtype).max
        loss[one] = loss[:, one] = losses(one)
        is_nearer = loss[:, one] < loss[rows, nearest]
        nearest[is_nearer] = one
        stale = np.isin(nearest, (one, other)) | (rows == one)
        nearest[stale] = loss[stale].argmin(1)
    return sizes[is_left]


def _costs(sizes: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
    """As `_cost`, of many shapes."""
    return (sizes[..., 0] + sizes[..., 2] * sizes[..., 3]).sum(-1)


def samples_of(starts: npt.NDArray[np.integer], lengths: npt.NDArray[np.integer], room: int) -> npt.NDArray[np.int32]:
    """Numbers of the samples of sequences, then of the first one again as padding."""
    found = np.full(room, starts[0], np.int32)
    ends = np.cumsum(lengths)
    found[: ends[-1]] = np.arange(ends[-1]) + np.repeat(starts - ends + lengths, lengths)
    return found


def _rounded(lengths: npt.NDArray[np.integer]) -> Room:
    """A room from a coarse grid, so that minibatches of similar lengths have the same."""
    time, lanes = min(_lanes_of(lengths), key=lambda found: found[0] * _cost_of_step(found[1]))
    return Room(_grid(int(lengths.sum()), 16), _grid(len(lengths), 4), time, lanes)


def _lanes_of(lengths: npt.NDArray[np.integer]) -> Iterator[tuple[int, int]]:
    """Lanes as long as the longest sequence, and a little longer ones, of which fewer do: their length and number."""
    least = _grid(int(lengths.max()), 4)
    time = least
    while time <= _MOST_LENGTHENED * least:
        yield time, _grid(len(pack(lengths, time)), 8)
        time = _grid(time + 1, 8)


def _cost_of_step(lanes: int) -> int:
    """What a step of a loop with a large matrix takes, about, in one lane's (benchmarks/recurrence): a backward pass
    multiplies eight columns at a time."""
    columns = lanes if lanes <= 4 else -(-lanes // 8) * 8
    return 5 + lanes + columns


def _grid(size: int, steps: int) -> int:
    """The next number on a grid that has so many points from one power of 2 to the next."""
    step = max((1 << (max(size, 1) - 1).bit_length()) // (2 * steps), 1)
    return -(-size // step) * step


def _holds(shape: Shape, lengths: Sequence[npt.NDArray[np.integer]]) -> bool:
    return all(_room_holds(room, each) for room, each in zip(shape, lengths, strict=True))


def _room_holds(room: Room, lengths: npt.NDArray[np.integer]) -> bool:
    if len(lengths) > room.sequences or int(lengths.sum()) > room.frames or int(lengths.max()) > room.time:
        return False
    return len(pack(lengths, room.time)) <= room.lanes


def _cost(shape: Shape) -> int:
    """What computing a minibatch of that shape takes, about: frames of both layouts."""
    return sum(room.frames + room.time * room.lanes for room in shape)
