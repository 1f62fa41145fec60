"""What asks whether a frame is at the border of its sequence does so without reading values.

Law: values stay what they were where a product with 0 is 0, as it is not for infinite factors.

``PastValue (0 .* x, defaultHiddenActivation=1)`` is 1 in the first frame and 0 in all others. So `BS.Loop.IsFirst` and
its like are written, and what is made of them, as `BS.Sequences.First`.
"""

from __future__ import annotations

from graphc.ir import Graph, Node, rewrite, rule
from graphc.ops.delays import Delay, FutureValue, PastValue
from graphc.ops.elementwise import ElementTimes
from graphc.ops.reductions import SumColumnElements
from graphc.ops.shaping import Slice
from graphc.ops.windows import BorderFrames
from graphc.passes.constants import constant

# the library's zeroes are three operations deep
_DEEPEST = 8


@rule(PastValue, FutureValue)
def border_of_zeroes(node: Node) -> Node | None:
    op = node.op
    assert isinstance(op, Delay)
    match node.inputs:
        case (x,) if op.default_hidden_activation == 1 and node.type.dims == (1,) and _is_zero(x, _DEEPEST):
            return BorderFrames(op.direction * op.time_step)(frames_from(x), span=node.span)
        case _:
            return None


def masks(graph: Graph) -> Graph:
    return rewrite(graph, (border_of_zeroes,))


def frames_from(node: Node) -> Node:
    """What the node has its frames from."""
    while below := [source for source in node.inputs if source.type.axis == node.type.axis]:
        node = below[0]
    return node


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
