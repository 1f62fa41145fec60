"""Recurrences by their definition: one sequence, or piece of one, after the other, one frame after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.backend import Environment
from graphc.ir import Carry, Context, Node, Region, Sequences
from graphc.ir.layout import array_shape
from graphc.ops.frames import sequences_of
from graphc.ops.recurrence import History, Scan, history_of


@dataclass(frozen=True)
class Frame:
    """One step of a loop: the frame it is at, its evaluation, and the value of each node of the body."""

    at: int
    step: Any
    values: Mapping[Node, Any]


def run_loop(op: Scan, step: Any, c: Context, operands: Sequence[Any]) -> tuple[np.ndarray, History]:
    """The result of a loop at every frame, and what the next minibatch goes on from; padding frames are 0.

    ``step`` is the evaluation that it is part of.
    """
    top = op.region.body.roots[op.output]
    made: np.ndarray | None = None
    rows = _Rows.of(op.region, step, c, operands)
    for number, frames in unrolled(op, step, c, operands):
        for frame in frames:
            value = frame.values[top]
            made = np.zeros((operands[0].shape[0], *value.shape[1:]), value.dtype) if made is None else made
            made[frame.at] = value[0]
        rows.end(number, frames)
    assert made is not None, "a loop over nothing"
    return made, rows.after


def unrolled(op: Scan, step: Any, c: Context, operands: Sequence[Any]) -> Iterator[tuple[int, list[Frame]]]:
    """The number of each sequence, and its frames in the order in which the loop comes to them."""
    region = op.region
    body = region.one_step((op.output,))
    sequences = sequences_of(c, region.axis, operands[0].shape[0])
    constants = dict(zip(region.constants, operands[len(region.steps) :], strict=False))
    rows = _Rows.of(region, step, c, operands)
    for number in range(int(sequences.count)):
        start, length = int(sequences.starts[number]), int(sequences.lengths[number])
        history: list[Frame] = []
        for t in range(length):
            frame = start + (length - 1 - t if region.backward else t)
            feeds = {name: operands[i][frame : frame + 1] for i, name in enumerate(region.steps)}
            for carry in region.carries:
                if is_in_piece_before(sequences, carry, number, t):
                    feeds[carry.name] = rows.value(carry, number, t)
                else:
                    feeds[carry.name] = _carried(region, carry, history, number, c, operands)
            inner = _inner(step, constants, feeds)
            history.append(Frame(frame, inner, inner.values(body)))
        yield number, history


def is_in_piece_before(sequences: Sequences, carry: Carry, number: int, t: int) -> bool:
    """Whether step ``t`` of a piece of a sequence looks at a frame that an earlier minibatch had."""
    begins = sequences.begins
    return begins is not None and t < carry.time_step <= t + int(begins[number])


@dataclass(frozen=True, eq=False)
class _Rows:
    """What sequences that are cut into pieces find of themselves in their row of the minibatch before, and leave.

    ``before`` is none where sequences are whole.
    """

    region: Region
    sequences: Sequences
    before: History | None
    after: History

    @staticmethod
    def of(region: Region, step: Any, c: Context, operands: Sequence[Any]) -> _Rows:
        before = history_of(region, step.environment.carried)
        after = {name: tuple(np.array(x) for x in values) for name, values in (before or {}).items()}
        return _Rows(region, sequences_of(c, region.axis, operands[0].shape[0]), before, after)

    def value(self, carry: Carry, number: int, t: int) -> np.ndarray:
        assert self.before is not None, "a piece of a sequence whose beginning nobody has kept"
        row = self._row(number)
        return np.asarray(self.before[carry.name][t][row : row + 1])

    def end(self, number: int, frames: Sequence[Frame]) -> None:
        """Keep what the next piece of the sequence will look for; later pieces in the row overwrite it."""
        if self.before is None:
            return
        row, roots = self._row(number), self.region.body.roots
        for carry in self.region.carries:
            shape = array_shape(roots[carry.name].type, 1)
            kept = [np.asarray(x[row : row + 1]) for x in self.before[carry.name]]
            values = (aligned(frame.values[roots[carry.value]], len(shape)) for frame in frames)
            kept += [np.broadcast_to(value, shape) for value in values]
            for target, value in zip(self.after[carry.name], kept[-carry.time_step :], strict=True):
                target[row] = value[0]

    def _row(self, number: int) -> int:
        lanes = self.sequences.lanes
        assert lanes is not None
        return int(lanes.places[int(self.sequences.starts[number])]) % lanes.frames.shape[1]


def _carried(
    region: Region, carry: Carry, history: Sequence[Frame], number: int, c: Context, operands: Sequence[Any]
) -> np.ndarray:
    """What a delay gives in the step behind ``history`` of sequence ``number``."""
    shape, t = array_shape(region.body.roots[carry.name].type, 1), len(history)
    if t >= carry.time_step:
        value = history[t - carry.time_step].values[region.body.roots[carry.value]]
        return np.broadcast_to(aligned(value, len(shape)), shape)
    if carry.initial is None:
        return np.full(shape, carry.default)
    initial = operands[carry.initial]
    if c.operands[carry.initial].axis is None:
        return np.broadcast_to(initial, shape)
    frame = initial_frame(region, carry, t, number, c, initial.shape[0])
    return np.broadcast_to(aligned(initial[frame : frame + 1], len(shape)), shape)


def initial_frame(region: Region, carry: Carry, t: int, number: int, c: Context, total: int) -> int:
    """The frame of an initial state with an axis of its own that step ``t`` of sequence ``number`` finds."""
    assert carry.initial is not None
    source = sequences_of(c, c.operands[carry.initial].axis, total)
    first, count = int(source.starts[number]), int(source.lengths[number])
    offset = carry.time_step - 1 - t if region.backward else count - carry.time_step + t
    return first + min(max(offset, 0), count - 1)


def aligned(x: np.ndarray, rank: int) -> np.ndarray:
    """``x``, which has frames, with axes of 1 up to that rank of the array."""
    return x.reshape(x.shape[:1] + (1,) * (rank - x.ndim) + x.shape[1:])


def _inner(step: Any, constants: Mapping[str, Any], feeds: Mapping[str, Any]) -> Any:
    environment = Environment(settings=step.environment.settings, random=step.environment.random)
    return type(step)(constants, feeds, environment, training=step.training, element=step.element)
