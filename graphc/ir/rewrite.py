"""The one worklist rewriter: applies local rules, inputs before users, until none has anything to say."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from graphc.ir.graph import Graph, topological
from graphc.ir.node import Node, Op

Rewriting = Callable[[Node], Node | None]


@dataclass(frozen=True)
class Rule:
    """A local rewriting and the operators that it looks at.

    Called with a node it gives one that computes the same with the same type, or none when it has nothing to say.
    """

    name: str
    ops: tuple[type[Op], ...]
    rewriting: Rewriting

    def __call__(self, node: Node) -> Node | None:
        return self.rewriting(node)


class Trace(Protocol):
    """Told of every rewriting that happened."""

    def __call__(self, rule: Rule, before: Node, after: Node, /) -> None: ...


class RewriteError(Exception):
    """A rule broke its contract: a bug of the compiler."""


def rule(*ops: type[Op]) -> Callable[[Rewriting], Rule]:
    """Make a rule of a function; it is called with nodes of these operators only."""
    assert ops, "a rule names the operators that it looks at"

    def decorate(rewriting: Rewriting) -> Rule:
        return Rule(getattr(rewriting, "__name__", "rule"), ops, rewriting)

    return decorate


def rewrite(graph: Graph, rules: Iterable[Rule], *, trace: Trace | None = None) -> Graph:
    """The graph with the rules applied to a fixpoint.

    A node's inputs are rewritten before the node; what a rule gives is rewritten in turn, its new inputs first. Names,
    roots and updates follow their nodes. Raises `RewriteError` where a rule changes a type or rules go in circles.
    """
    return _Rewriter(_by_operator(rules), trace).graph(graph)


def _by_operator(rules: Iterable[Rule]) -> dict[type[Op], list[Rule]]:
    table: dict[type[Op], list[Rule]] = {}
    for each in rules:
        for cls in each.ops:
            table.setdefault(cls, []).append(each)
    return table


# Rewritings that a node of the graph may cause, on average, with all that comes of it.
_BUDGET = 100


class _Rewriter:
    def __init__(self, rules: dict[type[Op], list[Rule]], trace: Trace | None) -> None:
        self.rules = rules
        self.trace = trace
        # every node seen → its final form; a final form maps to itself
        self.done: dict[Node, Node] = {}
        # nodes whose final form waits for that of another
        self.active: set[Node] = set()
        self.budget = 0

    def graph(self, graph: Graph) -> Graph:
        before = topological([*graph.nodes, *graph.names.values()])
        self.budget = _BUDGET * (len(before) + 10)
        for node in before:
            self._settle(node)
        if all(self.done[node] is node for node in before):
            return graph
        return replace(
            graph,
            roots={name: self.done[node] for name, node in graph.roots.items()},
            names={name: self.done[node] for name, node in graph.names.items()},
            updates=tuple((self.done[a], self.done[b]) for a, b in graph.updates),
        )

    def _settle(self, root: Node) -> None:
        """Find the final form of a node; the stack holds what waits for the final form of something else.

        With a node stands what became it: all of that has the same final form.
        """
        stack: list[tuple[Node, list[Node]]] = [(root, [])]
        while stack:
            node, former = stack[-1]
            if node not in self.done:
                self.active.add(node)
                if waiting := [source for source in node.inputs if source not in self.done]:
                    stack.extend((self._inactive(source), []) for source in waiting)
                    continue
            stack.pop()
            after = self.done.get(node) or self._step(node)
            if after is node:
                self._finish([*former, node], node)
            elif after in self.done:
                self._finish([*former, node, after], self.done[after])
            else:
                former.append(node)
                stack.append((self._inactive(after), former))

    def _inactive(self, node: Node) -> Node:
        if node in self.active:
            raise RewriteError(f"rules go in circles: the final form of {node} depends on itself")
        return node

    def _finish(self, nodes: list[Node], final: Node) -> None:
        for node in nodes:
            self.done[node] = final
        self.active.difference_update(nodes)

    def _step(self, node: Node) -> Node:
        """The node on the final forms of its inputs or, where they are that, what the first rule makes of it."""
        inputs = tuple(self.done[source] for source in node.inputs)
        if inputs != node.inputs:
            return node.op(*inputs, span=node.span)
        return self._apply(node)

    def _apply(self, node: Node) -> Node:
        for each in self.rules.get(type(node.op), ()):
            after = each(node)
            if after is None or after is node:
                continue
            if after.type != node.type:
                raise RewriteError(f"the rule {each.name} made {after} of {node}: another type")
            self.budget -= 1
            if self.budget < 0:
                raise RewriteError(f"the rule {each.name} is still at work on {node} after too many rewritings")
            if self.trace is not None:
                self.trace(each, node, after)
            return after
        return node
