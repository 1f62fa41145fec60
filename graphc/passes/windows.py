"""A window of frames is looked up in one go.

Law: values stay what they were; gradients but for the order of sums.

``RowStack (GatherPacked (i, x), GatherPacked (i, PastValue (x)), …)`` has the frames around each that ``i`` names, as
`BS.Sequences.PastValueWindow` for attention. As one operation it moves only these, where each delay moves all frames,
and a window of 20 frames takes no longer to compile than one of 2.
"""

from __future__ import annotations

from graphc.ir import Graph, Node, Storage, rewrite, rule
from graphc.ops.delays import Delay
from graphc.ops.sequences import GatherPacked
from graphc.ops.shaping import Reshape, RowStack
from graphc.ops.windows import GatherWindow


@rule(RowStack)
def gather_window(node: Node) -> Node | None:
    if node.op != RowStack() or not all(isinstance(part.op, GatherPacked) for part in node.inputs):
        return None
    indices, columns = zip(*(part.inputs for part in node.inputs), strict=True)
    x = next((each.inputs[0] for each in columns if _is_plain_delay(each)), None)
    if x is None or len(set(indices)) > 1 or not _is_vector(x):
        return None
    if any(each is not x and not (_is_plain_delay(each) and each.inputs[0] is x) for each in columns):
        return None
    delays = [None if each is x else each.op for each in columns]
    outside = {op.default_hidden_activation for op in delays if isinstance(op, Delay)}
    if len(outside) > 1:
        return None
    offsets = tuple(op.direction * op.time_step if isinstance(op, Delay) else 0 for op in delays)
    window = GatherWindow(offsets, *outside)(indices[0], x, span=node.span)
    return Reshape((node.type.size,))(window, span=node.span)


def windows(graph: Graph) -> Graph:
    return rewrite(graph, (gather_window,))


def _is_plain_delay(node: Node) -> bool:
    return isinstance(node.op, Delay) and len(node.inputs) == 1


def _is_vector(node: Node) -> bool:
    """Of which stacks are one behind the other, and which a window does not have to make dense."""
    return node.type.rank == 1 and node.type.axis is not None and node.type.storage is Storage.DENSE
