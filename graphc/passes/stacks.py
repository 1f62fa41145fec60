"""A stack of like operations is one operation on stacks.

Law: values stay what they were; gradients but for the order of sums.

- ``RowStack (W1 * x, W2 * x, …)`` is ``RowStack (W1, W2, …) * x``.
- ``RowStack (a1 + b1, a2 + b2, …)`` is ``RowStack (a1, a2, …) + RowStack (b1, b2, …)``; so for differences.

Only where nothing else reads the operations, which would have to be done twice then. Gates that `pack` made one leave
such stacks in front of their loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphc.ir import Graph, Node, equal_graphs, readers
from graphc.ops.elementwise import Minus, Plus
from graphc.ops.products import Times
from graphc.ops.shaping import RowStack
from graphc.passes.loops import is_column


def stacks(graph: Graph) -> Graph:
    # stacks of operands may be such stacks again
    while not equal_graphs(graph, after := _merged_once(graph)):
        graph = after
    return graph


def _merged_once(graph: Graph) -> Graph:
    read = readers(graph)
    merged = {node for node in graph.nodes if isinstance(node.op, RowStack) and _is_mergeable(node, read)}

    def transform(node: Node, inputs: tuple[Node, ...]) -> Node:
        if node in merged:
            return _on_stacks(inputs, node)
        return node if inputs == node.inputs else node.op(*inputs, span=node.span)

    return graph.rebuild(transform) if merged else graph


def _is_mergeable(stack: Node, read: Mapping[Node, Sequence[Node | None]]) -> bool:
    first, *others = parts = stack.inputs
    if not others or not is_column(stack.type) or stack.op != RowStack() or any(part.op != first.op for part in parts):
        return False
    if len(set(parts)) < len(parts) or any(read[part] != [stack] for part in parts):
        return False
    match first.op:
        case Times(output_rank=1):
            return len({part.inputs[1] for part in parts}) == 1 and all(_is_plain_product(part) for part in parts)
        case Plus() | Minus():
            alike = all(len({part.inputs[i].type.axis for part in parts}) == 1 for i in range(2))
            return alike and all(x.type.shape == part.type.shape for part in parts for x in part.inputs)
        case _:
            return False


def _is_plain_product(node: Node) -> bool:
    matrix, vector = node.inputs
    return matrix.type.axis is None and matrix.type.dims == (node.type.size, vector.type.size)


def _on_stacks(parts: Sequence[Node], stack: Node) -> Node:
    first = parts[0]
    firsts, seconds = zip(*(part.inputs for part in parts), strict=True)
    second = first.inputs[1] if isinstance(first.op, Times) else RowStack()(*seconds)
    return first.op(RowStack()(*firsts), second, span=stack.span)
