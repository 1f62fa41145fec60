"""Recurrences by their definition: one sequence after the other, one frame after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc.backend import Environment
from graphc.ir import Carry, Context, Graph, Region
from graphc.ir.layout import array_shape
from graphc.ops.frames import sequences_of
from graphc.ops.recurrence import Scan
from graphc.ops.sources import InputValue


def run_loop(op: Scan, step: Any, c: Context, operands: Sequence[Any]) -> np.ndarray:
    """The result of a loop at every frame; padding frames are 0. ``step`` is the evaluation that it is part of."""
    region = op.region
    body = region.one_step((op.output,))
    total = operands[0].shape[0]
    sequences = sequences_of(c, region.axis, total)
    constants = dict(zip(region.constants, operands[len(region.steps) :], strict=False))
    made: np.ndarray | None = None
    for number in range(int(sequences.count)):
        start, length = int(sequences.starts[number]), int(sequences.lengths[number])
        history: list[Mapping[str, Any]] = []
        for t in range(length):
            frame = start + (length - 1 - t if region.backward else t)
            feeds = {name: operands[i][frame : frame + 1] for i, name in enumerate(region.steps)}
            for carry in region.carries:
                feeds[carry.name] = _carried(region, carry, history, t, length, number, c, operands)
            history.append(_one_step(step, body, constants, feeds))
            value = history[-1][op.output]
            made = np.zeros((total, *value.shape[1:]), value.dtype) if made is None else made
            made[frame] = value[0]
    assert made is not None, "a loop over nothing"
    return made


def _carried(
    region: Region,
    carry: Carry,
    history: Sequence[Mapping[str, Any]],
    t: int,
    length: int,
    number: int,
    c: Context,
    operands: Sequence[Any],
) -> np.ndarray:
    """What a delay gives in step ``t`` of a sequence."""
    shape = array_shape(_type_of(region.body, carry.name), 1)
    if t >= carry.time_step:
        value = history[t - carry.time_step][carry.value]
        return np.broadcast_to(_aligned(value, len(shape)), shape)
    if carry.initial is None:
        return np.full(shape, carry.default)
    initial, type = operands[carry.initial], c.operands[carry.initial]
    if type.axis is None:
        return np.broadcast_to(initial, shape)
    source = sequences_of(c, type.axis, initial.shape[0])
    first, count = int(source.starts[number]), int(source.lengths[number])
    offset = carry.time_step - 1 - t if region.backward else count - carry.time_step + t
    frame = first + min(max(offset, 0), count - 1)
    return np.broadcast_to(_aligned(initial[frame : frame + 1], len(shape)), shape)


def _aligned(x: np.ndarray, rank: int) -> np.ndarray:
    return x.reshape(x.shape[:1] + (1,) * (rank - x.ndim) + x.shape[1:])


def _type_of(body: Graph, name: str) -> Any:
    return next(n.type for n in body.nodes if isinstance(n.op, InputValue) and n.op.name == name)


def _one_step(step: Any, body: Graph, constants: Mapping[str, Any], feeds: Mapping[str, Any]) -> dict[str, Any]:
    environment = Environment(settings=step.environment.settings, random=step.environment.random)
    inner = type(step)(constants, feeds, environment, training=step.training, element=step.element)
    values = inner.values(body)
    return {name: values[node] for name, node in body.roots.items()}
