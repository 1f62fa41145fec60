"""What must be true of every graph between two stages; a violation is a bug of the compiler, never of its user."""

from __future__ import annotations

from collections.abc import Iterator

from graphc.ir.graph import Graph, topological
from graphc.ir.node import Node, Op, check_arity
from graphc.ir.region import Region
from graphc.ir.text import regions_of
from graphc.ir.types import ShapeError


class VerificationError(Exception):
    """A graph breaks an invariant; the message lists every violation, one a line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def verify(graph: Graph) -> None:
    """Raise `VerificationError` unless the graph keeps its invariants.

    - every node's type is what its operator infers from its inputs' types, and is complete;
    - no two names differ in case only, and none stands for two nodes;
    - operators with an identity have distinct ones;
    - an update sets a parameter, each one once, to a value of its type;
    - groups list names that exist;
    - the bodies of loops keep the first and third of these, and know what goes in and round.

    Nodes are frozen and made from existing ones, so a cycle cannot be built.
    """
    if problems := [*_node_problems(graph), *_name_problems(graph), *_update_problems(graph)]:
        raise VerificationError(problems)


def _node_problems(graph: Graph) -> Iterator[str]:
    identities: dict[str, Op] = {}
    for node in topological([*graph.nodes, *graph.names.values()]):
        yield from _type_problems(graph, node)
        for region in regions_of(node.op):
            yield from _region_problems(region)
        if not node.op.identified:
            continue
        name: str = getattr(node.op, "name", "")
        if not name:
            yield f"{_show(graph, node)} has no name of its own"
        elif identities.setdefault(name, node.op) is not node.op and identities[name] != node.op:
            yield f"two different operators are called {name}: {identities[name]} and {node.op}"


def _region_problems(region: Region) -> Iterator[str]:
    yield from _node_problems(region.body)
    for name in (*region.steps, *region.constants):
        if name not in region.body.names and name not in region.body.roots:
            yield f"a loop has the operand {name}, which its body does not know"
    for carry in region.carries:
        for name in (carry.name, carry.value):
            if name not in region.body.roots:
                yield f"a loop carries {name}, which is no root of its body"


def _type_problems(graph: Graph, node: Node) -> Iterator[str]:
    operands = [source.type for source in node.inputs]
    try:
        check_arity(node.op, len(operands))
        inferred = node.op.infer(*operands)
        node.op.check(*operands)
    except ShapeError as error:
        yield f"{_show(graph, node)} cannot be applied to {', '.join(map(str, operands))}: {error.message}"
        return
    if inferred != node.type:
        yield f"{_show(graph, node)} has the type {node.type!r}, but its operator infers {inferred!r}"
    if not node.type.is_complete:
        yield f"{_show(graph, node)} has an unknown dimension: {node.type}"


def _name_problems(graph: Graph) -> Iterator[str]:
    folded: dict[str, str] = {}
    for table in (graph.roots, graph.names):
        for name in table:
            other = folded.setdefault(name.lower(), name)
            if not name:
                yield "a node has an empty name"
            elif other != name:
                yield f"the names {other} and {name} differ in case only"
    for name in graph.roots.keys() & graph.names.keys():
        if graph.roots[name] is not graph.names[name]:
            yield f"the name {name} stands for two nodes"
    for group, members in graph.groups.items():
        for name in members:
            if name not in graph.roots and name not in graph.names:
                yield f"the group {group} lists {name}, which is no name"


def _update_problems(graph: Graph) -> Iterator[str]:
    seen: set[Node] = set()
    for parameter, value in graph.updates:
        if parameter.inputs or not parameter.op.identified or parameter.type.axis is not None:
            yield f"an update sets {_show(graph, parameter)}, which is no parameter"
        elif value.type.axis is not None or value.type.dims != parameter.type.dims:
            yield f"an update sets {_show(graph, parameter)} to {value.type}"
        if parameter in seen:
            yield f"two updates set {_show(graph, parameter)}"
        seen.add(parameter)


def _show(graph: Graph, node: Node) -> str:
    name = graph.name_of.get(node)
    place = f" at {node.span}" if node.span else ""
    return f"{node.op.names[0]} {name or '(no name)'}{place}"
