"""Recurrences by their definition: one sequence after the other, one frame after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.backend import Environment
from graphc.ir import Carry, Context, Node, Region
from graphc.ir.layout import array_shape
from graphc.ops.frames import sequences_of
from graphc.ops.recurrence import Scan


@dataclass(frozen=True)
class Frame:
    """One step of a loop: the frame it is at, its evaluation, and the value of each node of the body."""

    at: int
    step: Any
    values: Mapping[Node, Any]


def run_loop(op: Scan, step: Any, c: Context, operands: Sequence[Any]) -> np.ndarray:
    """The result of a loop at every frame; padding frames are 0. ``step`` is the evaluation that it is part of."""
    top = op.region.body.roots[op.output]
    made: np.ndarray | None = None
    for _, frames in unrolled(op, step, c, operands):
        for frame in frames:
            value = frame.values[top]
            made = np.zeros((operands[0].shape[0], *value.shape[1:]), value.dtype) if made is None else made
            made[frame.at] = value[0]
    assert made is not None, "a loop over nothing"
    return made


def unrolled(op: Scan, step: Any, c: Context, operands: Sequence[Any]) -> Iterator[tuple[int, list[Frame]]]:
    """The number of each sequence, and its frames in the order in which the loop comes to them."""
    region = op.region
    body = region.one_step((op.output,))
    sequences = sequences_of(c, region.axis, operands[0].shape[0])
    constants = dict(zip(region.constants, operands[len(region.steps) :], strict=False))
    for number in range(int(sequences.count)):
        start, length = int(sequences.starts[number]), int(sequences.lengths[number])
        history: list[Frame] = []
        for t in range(length):
            frame = start + (length - 1 - t if region.backward else t)
            feeds = {name: operands[i][frame : frame + 1] for i, name in enumerate(region.steps)}
            for carry in region.carries:
                feeds[carry.name] = _carried(region, carry, history, number, c, operands)
            inner = _inner(step, constants, feeds)
            history.append(Frame(frame, inner, inner.values(body)))
        yield number, history


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
