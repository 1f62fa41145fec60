"""The text of a graph: one line a node, inputs before users; it parses back to an equal graph.

::

    features = InputValue(shape=(784,)) : float32[784 x *]
    W = LearnableParameter(shape=(10, 784)) : float32[10 x 784]
    %1 = Times(W, features) : float32[10 x *]
    z = Plus(%1, b) : float32[10 x *]
    root z
    output z

The body of a loop stands before its first use, between ``region`` and ``end``::

    region r1
        x = InputValue(shape=(4,)) : float32[4 x *]
        before = InputValue(shape=(4,)) : float32[4 x *]
        h = Plus(x, before) : float32[4 x *]
        update before = PastValue(h, timeStep=1, default=0.1)
        root h
        steps x
    end r1
    h = Scan(x, region=r1, output="h") : float32[4 x *]

`graphc.ir.notation` describes the notation. Where the author's text names no roots, the definitions that nothing uses
are the roots, in order.
"""

from __future__ import annotations

from collections.abc import Iterator

from graphc.diagnostics import SourceFile
from graphc.ir.attributes import format_attributes, format_value
from graphc.ir.graph import Graph, topological
from graphc.ir.node import Node, Op
from graphc.ir.notation import format_name, format_type
from graphc.ir.region import Region


def format_graph(graph: Graph) -> str:
    """The text of the graph, names without a root included; ends with a newline."""
    return "".join(f"{line}\n" for line in _lines(graph))


def parse_graph(text: str, name: str = "<graph>") -> Graph:
    """The graph of a text; raises `DiagnosticError` with everything that is wrong. ``name`` stands in diagnostics."""
    from graphc.ir.builder import build_graph  # loads lark, which printing does not need

    return build_graph(SourceFile(name, text))


def equal_graphs(a: Graph, b: Graph) -> bool:
    """Whether both have the same nodes, roots in the same order, names, updates and groups. Spans do not count.

    Nodes are interned, so this is a comparison of the tables only.
    """
    return (
        list(a.roots.items()) == list(b.roots.items())
        and {**a.names, **a.roots} == {**b.names, **b.roots}
        and a.updates == b.updates
        and {g: v for g, v in a.groups.items() if v} == {g: v for g, v in b.groups.items() if v}
    )


def _lines(graph: Graph) -> Iterator[str]:
    names = _names_by_node(graph)
    shown: dict[Node, str] = {}
    regions: dict[Region, str] = {}
    count = 0
    for node in _print_order(graph):
        yield from _new_regions(node, regions)
        first, *others = names.get(node, [None])
        if first is None:
            count += 1
        shown[node] = target = f"%{count}" if first is None else format_name(first)
        yield f"{target} = {_call(node, first, shown, regions)} : {format_type(node.type)}"
        for other in others:
            assert other is not None
            yield f"{format_name(other)} = {target}"
    for parameter, value in graph.updates:
        yield f"update {shown[parameter]} = {shown[value]}"
    yield " ".join(["root", ", ".join(map(format_name, graph.roots))]).rstrip()
    for group, members in graph.groups.items():
        if members:
            yield f"{group} {', '.join(map(format_name, members))}"


def _new_regions(node: Node, regions: dict[Region, str]) -> Iterator[str]:
    for region in regions_of(node.op):
        if region not in regions:
            regions[region] = name = f"r{len(regions) + 1}"
            yield f"region {name}"
            yield from (f"    {line}" for line in _region_lines(region))
            yield f"end {name}"


def _region_lines(region: Region) -> Iterator[str]:
    *nodes, root = _lines(region.body)
    yield from nodes
    for carry in region.carries:
        delay = "FutureValue" if region.backward else "PastValue"
        attributes = [f"timeStep={carry.time_step}", f"default={format_value(carry.default)}"]
        if carry.initial is not None:
            attributes.append(f"initial={carry.initial}")
        yield f"update {format_name(carry.name)} = {delay}({format_name(carry.value)}, {', '.join(attributes)})"
    yield root
    yield " ".join(["steps", ", ".join(map(format_name, region.steps))])
    if region.constants:
        yield " ".join(["constants", ", ".join(map(format_name, region.constants))])


def regions_of(op: Op) -> Iterator[Region]:
    """The bodies that an operator has."""
    region = getattr(op, "region", None)
    if isinstance(region, Region):
        yield region


def _call(node: Node, name: str | None, shown: dict[Node, str], regions: dict[Region, str]) -> str:
    named = node.op.identified and name is not None and getattr(node.op, "name", None) == name
    attributes = format_attributes(node.op, omit=frozenset({"region", *(["name"] if named else [])}))
    bodies = [f"region={regions[region]}" for region in regions_of(node.op)]
    arguments = [*(shown[source] for source in node.inputs), *bodies]
    return f"{node.op.names[0]}({', '.join([*arguments, attributes] if attributes else arguments)})"


def _names_by_node(graph: Graph) -> dict[Node, list[str | None]]:
    """Names of each node; the one that the operator carries itself comes first."""
    found: dict[Node, list[str | None]] = {}
    for name, node in {**graph.roots, **graph.names}.items():
        own = node.op.identified and getattr(node.op, "name", None) == name
        found.setdefault(node, []).insert(0 if own else len(found[node]), name)
    return found


def _print_order(graph: Graph) -> list[Node]:
    """Needed nodes, then those that only have a name: an order that reading the text back does not change."""
    needed = graph.nodes
    every = topological([*needed, *graph.names.values()])
    used = {source for node in every for source in node.inputs}.union(needed)
    unused = sorted(name for name, node in graph.names.items() if node not in used)
    return topological([*needed, *(graph.names[name] for name in unused)])
