"""A typed, acyclic, immutable graph: roots, symbol table, state updates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from graphc.diagnostics import Span
from graphc.ir.node import Node

# node groups of a network, in the order in which they are written
GROUPS = ("feature", "label", "criterion", "evaluation", "output")


@dataclass(frozen=True, eq=False, repr=False)
class Graph:
    """What is computed (``roots``, ordered, by name) and what else has a name (``names``; several may share a node).

    ``updates`` are pairs (parameter, new value): after a training step the parameter takes that value.
    ``groups`` are the network's node groups, names only. ``spans`` tell where the names were defined.
    """

    roots: Mapping[str, Node]
    names: Mapping[str, Node] = field(default_factory=dict)
    updates: tuple[tuple[Node, Node], ...] = ()
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    spans: Mapping[str, Span] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<Graph {', '.join(self.roots)}: {len(self.nodes)} nodes>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        # notebooks and hypothesis would descend into the fields of a dataclass
        printer.text(repr(self))

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Every node that a root or an update needs, inputs before users, in a stable order."""
        return tuple(topological([*self.roots.values(), *(n for pair in self.updates for n in pair)]))

    @cached_property
    def name_of(self) -> Mapping[Node, str]:
        """First name of each named node."""
        found: dict[Node, str] = {}
        for name, node in [*self.roots.items(), *self.names.items()]:
            found.setdefault(node, name)
        return found

    def span_of(self, node: Node) -> Span | None:
        name = self.name_of.get(node)
        return node.span or (self.spans.get(name) if name else None)

    def select(self, roots: Sequence[str], *, updates: bool = True) -> Graph:
        """The part that computes the named nodes; raises `KeyError` for an unknown name."""
        chosen = {name: self.roots[name] if name in self.roots else self.names[name] for name in roots}
        return replace(self, roots=chosen, updates=self.updates if updates else ())

    def rebuild(self, transform: Callable[[Node, tuple[Node, ...]], Node]) -> Graph:
        """A new graph with every node replaced by ``transform(node, new inputs)``, inputs first; names follow."""
        new: dict[Node, Node] = {}
        for node in topological([*self.nodes, *self.names.values()]):
            new[node] = transform(node, tuple(new[i] for i in node.inputs))
        return replace(
            self,
            roots={name: new[node] for name, node in self.roots.items()},
            names={name: new[node] for name, node in self.names.items()},
            updates=tuple((new[a], new[b]) for a, b in self.updates),
        )


def topological(roots: Iterable[Node]) -> list[Node]:
    """Every node below the roots, inputs before users: depth first, inputs left to right, without recursion."""
    order: list[Node] = []
    done: set[Node] = set()
    for root in roots:
        stack: list[tuple[Node, int]] = [(root, 0)]
        while stack:
            node, at = stack.pop()
            if node in done:
                continue
            if at < len(node.inputs):
                stack.append((node, at + 1))
                if node.inputs[at] not in done:
                    stack.append((node.inputs[at], 0))
            else:
                done.add(node)
                order.append(node)
    return order


def users(nodes: Iterable[Node]) -> dict[Node, list[Node]]:
    """Node → nodes that read it, each once per use."""
    found: dict[Node, list[Node]] = {}
    for node in nodes:
        for source in node.inputs:
            found.setdefault(source, []).append(node)
    return found


def readers(graph: Graph) -> dict[Node, list[Node | None]]:
    """Node → what reads it; none stands for the graph's own results."""
    found: dict[Node, list[Node | None]] = {node: list(by) for node, by in users(graph.nodes).items()}
    for node in [*graph.roots.values(), *(value for _, value in graph.updates)]:
        found.setdefault(node, []).append(None)
    return found
