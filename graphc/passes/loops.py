"""Loops as passes change them: the region of one and what it reads, together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from graphc.diagnostics import Span
from graphc.ir import Graph, Node, Region, TensorType
from graphc.ops.recurrence import Scan
from graphc.ops.sources import InputValue, LearnableParameter


@dataclass(frozen=True, eq=False)
class Loop:
    """A region and its operands: nodes of the graph around it, by the body's name of each.

    ``initials`` are by the number that the region's carries have for them.
    """

    region: Region
    steps: Mapping[str, Node]
    constants: Mapping[str, Node]
    initials: Mapping[int, Node]

    @staticmethod
    def of(region: Region, inputs: tuple[Node, ...]) -> Loop:
        first, second = len(region.steps), len(region.steps) + len(region.constants)
        return Loop(
            region,
            dict(zip(region.steps, inputs, strict=False)),
            dict(zip(region.constants, inputs[first:], strict=False)),
            dict(enumerate(inputs[second:], second)),
        )

    @property
    def body(self) -> Graph:
        return self.region.body

    @property
    def operands(self) -> Mapping[str, Node]:
        return {**self.steps, **self.constants}

    @property
    def varying(self) -> frozenset[Node]:
        """Nodes of the body that depend on what a step hands to the next."""
        found = {self.body.roots[carry.name] for carry in self.region.carries}
        for node in self.body.nodes:
            if not found.isdisjoint(node.inputs):
                found.add(node)
        return frozenset(found)

    def with_body(self, body: Graph) -> Loop:
        return replace(self, region=replace(self.region, body=body))

    def with_constant(self, like: str, value: Node) -> tuple[Loop, Node]:
        """The loop with one more operand, and what the body calls it: a name made of ``like``."""
        name = self._free_name(like)
        node = LearnableParameter(name, value.type.shape, element=value.type.element)()
        body = replace(self.body, names={**self.body.names, name: node})
        return replace(self.with_body(body), constants={**self.constants, name: value}), node

    def with_step(self, like: str, value: Node) -> tuple[Loop, Node]:
        name = self._free_name(like)
        assert value.type.axis is not None
        node = InputValue(name, value.type.shape, value.type.axis.name, value.type.element)()
        body = replace(self.body, names={**self.body.names, name: node})
        return replace(self.with_body(body), steps={**self.steps, name: value}), node

    def _free_name(self, like: str) -> str:
        taken = {*self.body.names, *self.body.roots}
        number, name = 1, like
        while name in taken:
            number += 1
            name = f"{like}{number}"
        return name

    def result(self, output: str, span: Span | None) -> Node:
        """A result of the loop; one that is an operand needs no loop."""
        source = self.body.roots[output]
        for name, operand in self.operands.items():
            if self.body.names.get(name) is source and operand.type == source.type:
                return operand
        first = len(self.steps) + len(self.constants)
        numbers = {old: new for new, old in enumerate(self.initials, first)}
        carries = tuple(c if c.initial is None else replace(c, initial=numbers[c.initial]) for c in self.region.carries)
        region = replace(self.region, steps=tuple(self.steps), constants=tuple(self.constants), carries=carries)
        inputs = (*self.steps.values(), *self.constants.values(), *self.initials.values())
        return Scan(region, output)(*inputs, span=span)


def change_loops(graph: Graph, change: Callable[[Loop], Loop]) -> Graph:
    """The graph with every loop changed; ``change`` gives the loop itself where it has nothing to say."""
    found: dict[tuple[Region, tuple[Node, ...]], Loop | None] = {}

    def transform(node: Node, inputs: tuple[Node, ...]) -> Node:
        if isinstance(node.op, Scan):
            key = node.op.region, inputs
            if key not in found:
                before = Loop.of(*key)
                after = change(before)
                found[key] = None if after is before else after
            if (loop := found[key]) is not None:
                return loop.result(node.op.output, node.span)
        return node if inputs == node.inputs else node.op(*inputs, span=node.span)

    changed = graph.rebuild(transform)
    return changed if any(found.values()) else graph


def replaced(graph: Graph, replacement: Mapping[Node, Callable[[], Node]]) -> Graph:
    """The graph with nodes replaced; what replaces them is made of nodes that stay."""

    def transform(node: Node, inputs: tuple[Node, ...]) -> Node:
        if node in replacement:
            return replacement[node]()
        return node if inputs == node.inputs else node.op(*inputs, span=node.span)

    return graph.rebuild(transform)


def known_before(loop: Loop) -> Mapping[Node, Node]:
    """What each node of the body that no step hands to the next would be before the loop; random ones have no place."""
    varying = loop.varying
    found: dict[Node, Node] = {}
    for node in loop.body.nodes:
        name = getattr(node.op, "name", None)
        if node in varying or node.op.family == "random":
            continue
        if not node.inputs:
            found[node] = loop.operands.get(name, node) if name else node
        elif all(source in found for source in node.inputs):
            found[node] = node.op(*(found[source] for source in node.inputs), span=node.span)
    return found


def is_column(type: TensorType) -> bool:
    """Whether values are vectors, or have further axes of 1, as that of a beam is in training."""
    return type.rank > 0 and type.size == type.dims[0]


def names_of(nodes: Iterable[Node]) -> set[str]:
    """Names of the sources among the nodes."""
    return {n.op.name for n in nodes if isinstance(n.op, InputValue | LearnableParameter)}
