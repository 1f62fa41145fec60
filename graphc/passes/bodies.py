"""The passes on the bodies of loops.

Law: a loop's results and gradients stay what they were; its operands and results keep their names.
"""

from __future__ import annotations

from dataclasses import replace

from graphc.ir import Graph, Node
from graphc.ops.recurrence import Scan
from graphc.passes.canonicalise import canonicalise
from graphc.passes.fold import fold
from graphc.passes.simplify import simplify

# what these passes do for a body they do in one or two rounds: it is small
_ROUNDS = 3


def bodies(graph: Graph) -> Graph:
    regions = {node.op.region for node in graph.nodes if isinstance(node.op, Scan)}
    better = {region: region.with_body(_optimised) for region in regions}
    if all(after == before for before, after in better.items()):
        return graph

    def transform(node: Node, inputs: tuple[Node, ...]) -> Node:
        op = node.op
        if isinstance(op, Scan):
            op = replace(op, region=better.get(op.region, op.region))
        return node if op is node.op and inputs == node.inputs else op(*inputs, span=node.span)

    return graph.rebuild(transform)


def _optimised(body: Graph) -> Graph:
    for _ in range(_ROUNDS):
        for each in (canonicalise, fold, simplify):
            body = each(body)
    return body
