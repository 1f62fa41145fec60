"""How to apply the criteria on whole sequences: drawings have frames only, so every frame is a sequence."""

from __future__ import annotations

from graphc.ir import Node, Op
from graphc.ops.transcription import LAST_TOKEN, EditDistanceError, ForwardBackward
from graphc.testing.drawing import Drawing


def forward_backward(d: Drawing, cls: type[Op]) -> Node:
    c, scores = d.choices, d.anything(frames=True)
    labels = d.same_sample(scores.type, frames=True, sparse=True)
    blank = LAST_TOKEN if c.flag() else c.integer(0, scores.type.size - 1)
    return ForwardBackward(blank, c.integer(-1, 2))(labels, scores)


def edit_distance(d: Drawing, cls: type[Op]) -> Node:
    c, a = d.choices, d.anything(frames=True)
    penalties = [c.one_of((1.0, 0.5, 2.5)) for _ in range(3)]
    ignored = (c.integer(0, a.type.size - 1),) if c.flag() else ()
    op = EditDistanceError(*penalties, squash_inputs=c.flag(), tokens_to_ignore=ignored)
    return op(a, d.same_sample(a.type, frames=True, sparse=True))
