"""A value that a loop hands on from frame to frame is repeated.

Law: values stay what they were where a product with 0 is 0, as it is not for infinite factors; gradients are sums over
the frames, as before.

`BS.Sequences.BroadcastSequenceAs` puts a value of one frame a sequence into the first frame and copies it by a loop:
``z = If (IsFirst, Scatter (IsFirst, y), PastValue (z))``. That is a ReconcileDynamicAxis of y.
"""

from __future__ import annotations

from graphc.ir import DynamicAxis, Graph, Node, rewrite, rule
from graphc.ops.delays import PastValue
from graphc.ops.elementwise import ElementTimes, If
from graphc.ops.recurrence import Scan
from graphc.ops.reductions import SumColumnElements
from graphc.ops.rules import is_one_frame
from graphc.ops.sequences import PackedIndex, ReconcileDynamicAxis, ScatterPacked, Where
from graphc.ops.shaping import Slice
from graphc.ops.sources import InputValue
from graphc.passes.constants import constant
from graphc.passes.loops import Loop

# the library's zeroes are three operations deep
_DEEPEST = 8


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
                return ReconcileDynamicAxis()(y, _source(onto), span=node.span)
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
    match node:
        case Node(PastValue(time_step=1, default_hidden_activation=1.0), (x,)):
            return _is_zero(x, _DEEPEST)
        case _:
            return False


def _is_zero(node: Node, depth: int) -> bool:
    """Whether the value is 0 whatever the data, as that of ``BS.Constants.ZeroesLike``."""
    if constant(node) == 0:
        return True
    if depth == 0:
        return False
    match node.op:
        case SumColumnElements() | Slice():
            return _is_zero(node.inputs[0], depth - 1)
        case ElementTimes():
            return any(_is_zero(source, depth - 1) for source in node.inputs)
        case _:
            return False


def _is_one_a_sequence(axis: DynamicAxis | None) -> bool:
    return axis is None or is_one_frame(axis)


def _source(node: Node) -> Node:
    """What the node has its frames from."""
    while below := [source for source in node.inputs if source.type.axis == node.type.axis]:
        node = below[0]
    return node
