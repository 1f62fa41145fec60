"""Compute now what depends on constants only.

Law: values stay what they were: they are computed by the reference meaning of the operators, in the graph's own element
type. There were no gradients. Roots keep their nodes.

Only results that are one finite number everywhere are folded, because a constant is a frozen parameter with a uniform
first value; others would move data into the program.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphc.ir import Context, Graph, Node, Op, equal_graphs
from graphc.ir.layout import align, array_shape
from graphc.passes.constants import constant, make_constant, mark_state

# elements of the largest value that is computed here; all of it is done on the host
_LARGEST = 4096


def fold(graph: Graph) -> Graph:
    graph = mark_state(graph)
    roots = set(graph.roots.values())

    def replacement(node: Node, inputs: tuple[Node, ...]) -> Node:
        current = node if inputs == node.inputs else node.op(*inputs, span=node.span)
        value = None if node in roots else _value(current)
        return current if value is None else make_constant(value, current.type)

    folded = graph.rebuild(replacement)
    return graph if equal_graphs(graph, folded) else folded


def _value(node: Node) -> float | None:
    """The number that the node is everywhere, by evaluating it."""
    operands = [constant(source) for source in node.inputs]
    if not operands or None in operands or not _is_pure(node.op) or node.type.axis is not None:
        return None
    if max(t.size for t in (node.type, *(source.type for source in node.inputs))) > _LARGEST:
        return None
    types = tuple(source.type for source in node.inputs)
    arrays = [np.full(array_shape(t), v, t.element.value) for t, v in zip(types, operands, strict=True)]
    context = Context(np, types, node.type)
    if node.op.aligned:
        arrays = [align(x, t, node.type.rank) for x, t in zip(arrays, types, strict=True)]
    with np.errstate(all="ignore"):
        result: Any = node.op.evaluate(context, *arrays)
    value = float(result.flat[0])
    return value if math.isfinite(value) and bool((result == result.flat[0]).all()) else None


def _is_pure(op: Op) -> bool:
    """Whether the value depends on the operands alone, and the operator can be evaluated here."""
    return not op.identified and not op.updates() and type(op).evaluate is not Op.evaluate
