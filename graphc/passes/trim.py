"""Leave out of loops what nobody reads: results, delays, what only these need, and operands.

Law: the results of a loop that something reads stay what they were, as do all gradients but those of 0 for operands
that go. A loop keeps one operand with frames, which says how many there are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from graphc.ir import Carry, Graph, Node, Region, topological
from graphc.ops.recurrence import Scan
from graphc.passes.loops import Loop, change_loops, names_of
from graphc.passes.prune import prune


def trim(graph: Graph) -> Graph:
    if not any(isinstance(node.op, Scan) for node in graph.nodes):
        return graph
    outputs: dict[Region, set[str]] = {}
    for node in graph.nodes:
        if isinstance(node.op, Scan):
            outputs.setdefault(node.op.region, set()).add(node.op.output)
    # names of what is not read would keep it
    return prune(change_loops(prune(graph), lambda loop: _trimmed(loop, outputs[loop.region])))


def _trimmed(loop: Loop, outputs: set[str]) -> Loop:
    region, body = loop.region, loop.body
    carries = _living(region, outputs)
    wanted = outputs.union(*((carry.name, carry.value) for carry in carries))
    roots = {name: node for name, node in body.roots.items() if name in wanted}
    nodes = topological(roots.values())
    read = names_of(nodes)
    steps = {name: value for name, value in loop.steps.items() if name in read} or dict([*loop.steps.items()][:1])
    constants = {name: value for name, value in loop.constants.items() if name in read}
    used = {carry.initial for carry in carries}
    initials = {number: value for number, value in loop.initials.items() if number in used}
    living = {*nodes, *(body.names[name] for name in (*steps, *constants) if name in body.names)}
    names = {name: node for name, node in body.names.items() if node in living}
    before = body.roots, body.names, region.carries, loop.steps, loop.constants, loop.initials
    after = roots, names, carries, steps, constants, initials
    if [len(each) for each in before] == [len(each) for each in after]:
        return loop
    body = replace(
        body, roots=roots, names=names, spans={n: s for n, s in body.spans.items() if n in names or n in roots}
    )
    # where nothing is handed on, no direction is better
    region = replace(region, body=body, carries=carries, backward=region.backward and bool(carries))
    return replace(loop, region=region, steps=steps, constants=constants, initials=initials)


def _living(region: Region, outputs: Iterable[str]) -> tuple[Carry, ...]:
    """The delays that some of these results depend on, over any number of steps."""
    by_name = {carry.name: carry for carry in region.carries}
    delays = {region.body.roots[name]: carry for name, carry in by_name.items()}
    living: set[str] = set()
    waiting: list[Node] = [region.body.roots[name] for name in outputs]
    while waiting:
        reached = [delays[node].name for node in topological(waiting) if node in delays]
        new = [name for name in reached if name not in living]
        living.update(new)
        waiting = [region.body.roots[by_name[name].value] for name in new]
    return tuple(carry for carry in region.carries if carry.name in living)
