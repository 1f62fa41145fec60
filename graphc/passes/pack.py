"""One product for all gates: in loops, products of several matrices with one vector become one with their stack.

Law: values stay what they were; gradients but for the order of sums. Parameters stay themselves: the stack is an
operation of the graph around the loop, done once for all steps.

- ``W1 * h``, ``W2 * h``, … become slices of ``RowStack (W1, W2, …) * h``.
- Sums of all slices of a value with terms known before the loop become slices of one sum with the stack of these terms,
  so that gates stay together up to where they differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from graphc.ir import Graph, Node, readers
from graphc.ops.elementwise import Plus
from graphc.ops.products import Times
from graphc.ops.shaping import RowStack, Slice
from graphc.ops.sources import LearnableParameter
from graphc.passes.loops import Loop, change_loops, is_column, known_before


def pack(graph: Graph) -> Graph:
    return change_loops(graph, _packed)


def _packed(loop: Loop) -> Loop:
    # each packing makes fewer products or fewer sums
    while (after := _with_one_product(loop) or _with_one_sum(loop)) is not None:
        loop = after
    return loop


def _with_one_product(loop: Loop) -> Loop | None:
    varying = loop.varying
    groups: dict[Node, list[Node]] = {}
    for node in loop.body.nodes:
        if _is_gate(node, loop) and node.inputs[1] in varying:
            groups.setdefault(node.inputs[1], []).append(node)
    group = next((group for group in groups.values() if len(group) > 1), None)
    if group is None:
        return None
    names = [_matrix(product) for product in group]
    loop, stack = loop.with_constant(f"{names[0]}.stack", RowStack()(*(loop.constants[name] for name in names)))
    return _as_slices(loop, group, lambda _, inputs: Times()(stack, inputs[1]))


def _is_gate(node: Node, loop: Loop) -> bool:
    if type(node.op) is not Times or node.op.output_rank != 1 or not is_column(node.type):
        return False
    matrix, vector = node.inputs
    is_operand = isinstance(matrix.op, LearnableParameter) and matrix.op.name in loop.constants
    is_plain = matrix.type.dims == (node.type.size, vector.type.size) and node.type.dims[1:] == vector.type.dims[1:]
    return is_operand and is_plain


def _matrix(product: Node) -> str:
    op = product.inputs[0].op
    assert isinstance(op, LearnableParameter)
    return op.name


@dataclass(frozen=True)
class _Sum:
    """A sum of a slice, its operand number ``place``, with a term known before the loop."""

    node: Node
    place: int

    @property
    def term(self) -> Node:
        return self.node.inputs[1 - self.place]


def _with_one_sum(loop: Loop) -> Loop | None:
    read, known = readers(loop.body), known_before(loop)
    for source, slices in _partitions(loop.body).items():
        if source in known or len(read[source]) > len(slices):
            continue
        sums = [sum for each in slices if (sum := _sum(each, read[each], known)) is not None]
        if len(sums) == len(slices) and len({sum.term.type.axis for sum in sums}) == 1:
            return _summed(loop, sums)
    return None


def _summed(loop: Loop, sums: Sequence[_Sum]) -> Loop:
    stack = RowStack()(*(sum.term for sum in sums))
    places = {sum.node: sum.place for sum in sums}
    return _as_slices(loop, [*places], lambda node, inputs: Plus()(inputs[places[node]].inputs[0], stack))


def _sum(slice: Node, readers: Sequence[Node | None], known: Mapping[Node, Node]) -> _Sum | None:
    match readers:
        case [Node(Plus(), (x, y)) as node] if (x is slice) != (y is slice):
            sum = _Sum(node, 0 if x is slice else 1)
            return sum if sum.term in known and sum.term.type.shape == node.type.shape == slice.type.shape else None
        case _:
            return None


def _partitions(body: Graph) -> dict[Node, list[Node]]:
    """Columns of the body of which several slices, one behind the other, are everything: these slices."""
    found: dict[Node, list[Node]] = {}
    for node in body.nodes:
        if isinstance(node.op, Slice) and is_column(node.type) and 0 <= node.op.begin < node.op.end:
            found.setdefault(node.inputs[0], []).append(node)
    for slices in found.values():
        slices.sort(key=lambda node: node.op.begin)  # pyright: ignore[reportAttributeAccessIssue]
    return {source: slices for source, slices in found.items() if len(slices) > 1 and _is_partition(source, slices)}


def _is_partition(source: Node, slices: Sequence[Node]) -> bool:
    bounds = [0]
    for node in slices:
        assert isinstance(node.op, Slice)
        if node.op.begin != bounds[-1] or node.op.axis != 1:
            return False
        bounds.append(node.op.end)
    return bounds[-1] == source.type.size


def _as_slices(loop: Loop, group: Sequence[Node], whole: Callable[[Node, tuple[Node, ...]], Node]) -> Loop:
    """The loop with the nodes of a group as slices, one behind the other, of what ``whole`` makes of a node and inputs.

    Any member of the group will do for that: all of them read the same.
    """
    ends = [0]
    for node in group:
        ends.append(ends[-1] + node.type.size)
    bounds = {node: (begin, end) for node, begin, end in zip(group, ends, ends[1:], strict=False)}
    made: list[Node] = []

    def transform(node: Node, inputs: tuple[Node, ...]) -> Node:
        if node not in bounds:
            return node if inputs == node.inputs else node.op(*inputs, span=node.span)
        if not made:
            made.append(whole(node, inputs))
        begin, end = bounds[node]
        return Slice(begin, end)(made[0], span=node.span)

    return loop.with_body(loop.body.rebuild(transform))
