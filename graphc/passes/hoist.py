"""Move out of loops what no step hands to the next.

Law: values and gradients stay what they were, but for the order of sums.

What depends only on operands is computed for all frames at once before the loop: one product instead of one a step, and
the gradients of its parameters are summed outside. Before that, sums are regrouped so that terms known before the loop
meet: ``(h + b) + x`` becomes ``h + (b + x)``. Random operators stay, because each step draws anew, and so do constants,
which are best known where they are used.
"""

from __future__ import annotations

from collections.abc import Mapping

from graphc.ir import Graph, Node, readers
from graphc.ops.elementwise import Plus
from graphc.passes.constants import constant
from graphc.passes.loops import Loop, change_loops, known_before


def hoist(graph: Graph) -> Graph:
    return change_loops(graph, lambda loop: _moved(_regrouped(loop)))


def _moved(loop: Loop) -> Loop:
    known, read = known_before(loop), readers(loop.body)
    # a result is read by the graph around, everything else by a step
    moved = [n for n in known if n.inputs and any(reader not in known for reader in read.get(n, ()))]
    if not moved:
        return loop
    sources: dict[Node, Node] = {}
    for node in moved:
        like = f"{_name(node, loop)}.known"
        add = loop.with_constant if known[node].type.axis is None else loop.with_step
        loop, sources[node] = add(like, known[node])

    def transform(node: Node, inputs: tuple[Node, ...]) -> Node:
        if node in sources:
            return sources[node]
        return node if inputs == node.inputs else node.op(*inputs, span=node.span)

    return loop.with_body(loop.body.rebuild(transform))


def _name(node: Node, loop: Loop) -> str:
    """The name of the node or, where it has none, of the first named node below."""
    while node not in loop.body.name_of and node.inputs:
        node = node.inputs[0]
    return loop.body.name_of.get(node, "constant")


def _regrouped(loop: Loop) -> Loop:
    known, read = known_before(loop), readers(loop.body)
    regrouped: dict[Node, tuple[Node, Node, Node]] = {}
    for node in loop.body.nodes:
        terms = _terms(node, known)
        inner = None if terms is None else _terms(terms[0], known)
        if terms is None or inner is None or len(read[terms[0]]) > 1 or inner[0].type.shape != node.type.shape:
            continue
        if constant(terms[1]) is None or constant(inner[1]) is None:
            regrouped[node] = (*inner, terms[1])
    if not regrouped:
        return loop

    def transform(node: Node, inputs: tuple[Node, ...]) -> Node:
        if node not in regrouped:
            return node if inputs == node.inputs else node.op(*inputs, span=node.span)
        varying, first, second = regrouped[node]
        return Plus()(new[varying], Plus()(new[first], new[second]), span=node.span)

    new: dict[Node, Node] = {}

    def remembered(node: Node, inputs: tuple[Node, ...]) -> Node:
        new[node] = transform(node, inputs)
        return new[node]

    return loop.with_body(loop.body.rebuild(remembered))


def _terms(node: Node, known: Mapping[Node, Node]) -> tuple[Node, Node] | None:
    """Of a sum of what a step computes and something known before the loop: these two, in this order."""
    if not isinstance(node.op, Plus) or node in known:
        return None
    x, y = node.inputs
    if (x in known) == (y in known):
        return None
    return (y, x) if x in known else (x, y)
