"""A value that a loop hands on from frame to frame is repeated.

Law: values stay what they were; gradients are sums over the frames, as before.

`BS.Sequences.BroadcastSequenceAs` puts a value of one frame a sequence into the first frame and copies it by a loop:
``z = If (IsFirst, Scatter (IsFirst, y), PastValue (z))``, in which `masks` has found IsFirst. That is a
ReconcileDynamicAxis of y.
"""

from __future__ import annotations

from graphc.ir import DynamicAxis, Graph, Node, rewrite, rule
from graphc.ops.elementwise import If
from graphc.ops.recurrence import Scan
from graphc.ops.rules import is_one_frame
from graphc.ops.sequences import PackedIndex, ReconcileDynamicAxis, ScatterPacked, Where
from graphc.ops.sources import InputValue
from graphc.ops.windows import BorderFrames
from graphc.passes.loops import Loop
from graphc.passes.masks import frames_from


@rule(Scan)
def repeat_scattered_value(node: Node) -> Node | None:
    found = _copied(node)
    if found is None:
        return None
    flags, scattered = found
    match scattered:
        case Node(ScatterPacked(), (onto, Node(PackedIndex(), (target, Node(Where(), (chosen,)))), y)):
            axes = {n.type.axis for n in (flags, onto, target, chosen)}
            is_first = axes == {node.type.axis} and _marks_first(flags) and _marks_first(chosen)
            if is_first and _is_one_a_sequence(y.type.axis) and y.type.shape == node.type.shape:
                return ReconcileDynamicAxis()(y, frames_from(onto), span=node.span)
    return None


def repeats(graph: Graph) -> Graph:
    return rewrite(graph, (repeat_scattered_value,))


def _copied(node: Node) -> tuple[Node, Node] | None:
    """Of ``z = If (flags, x, PastValue (z))``: flags and x."""
    assert isinstance(node.op, Scan)
    region = node.op.region
    if region.backward or len(region.carries) != 1 or region.carries[0].time_step != 1:
        return None
    (carry,) = region.carries
    value, before = region.body.roots[carry.value], region.body.roots[carry.name]
    steps = Loop.of(region, node.inputs).steps
    match value:
        case Node(If(), (Node(InputValue(name=flags)), Node(InputValue(name=x)), copy)) if copy is before:
            is_result = region.body.roots[node.op.output] is value
            return (steps[flags], steps[x]) if is_result and flags in steps and x in steps else None
        case _:
            return None


def _marks_first(node: Node) -> bool:
    return node.op == BorderFrames(-1)


def _is_one_a_sequence(axis: DynamicAxis | None) -> bool:
    return axis is None or is_one_frame(axis)
