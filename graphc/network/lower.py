"""From a network to a graph: typed, acyclic, immutable, with only what the requested roots need."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from graphc.diagnostics import Diagnostic, DiagnosticError, did_you_mean
from graphc.ir import Graph, Node, Op, Storage
from graphc.network import explain
from graphc.network.network import Network, NetworkNode, needed
from graphc.ops.sources import InputValue, LearnableParameter


def to_graph(
    network: Network,
    roots: Sequence[str] | None = None,
    *,
    storages: Mapping[str, Storage] | None = None,
    updates: bool = True,
) -> Graph:
    """Graph of an inferred network; without ``roots``, of its criteria, evaluations and outputs.

    ``storages`` says how the reader delivers inputs that are not dense. With ``updates`` the graph also computes the
    new values of state. Raises `DiagnosticError`.
    """
    chosen = network.roots if roots is None else [_find(network, name) for name in roots]
    order = needed(chosen)
    delay = next((node for node in order if node.is_delay), None)
    if delay is not None:
        raise DiagnosticError(explain.unlowered_recurrence(delay))
    lowering = _Lowering({name.lower(): storage for name, storage in (storages or {}).items()})
    for node in order:
        lowering.add(node)
    made = lowering.made
    groups = {g: tuple(n.name for n in nodes if n in made) for g, nodes in network.groups.items()}
    return Graph(
        roots={node.name: made[node] for node in chosen},
        names={node.name: made[node] for node in order},
        updates=lowering.updates() if updates else (),
        groups={g: names for g, names in groups.items() if names},
        spans={node.name: node.span for node in order if node.span is not None},
    )


def _find(network: Network, name: str) -> NetworkNode:
    node = network.get(name)
    if node is None:
        hint = did_you_mean(name, network.names)
        raise DiagnosticError(Diagnostic("GC0413", f"no node named '{name}'", hint=hint))
    return node


class _Lowering:
    def __init__(self, storages: Mapping[str, Storage]) -> None:
        self._storages = storages
        self.made: dict[NetworkNode, Node] = {}
        # parameter that is state → its value after the nodes made so far: uses of one state follow each other
        self._current: dict[Node, Node] = {}

    def add(self, node: NetworkNode) -> None:
        op = self._stored(node)
        inputs = () if node.is_statistic else tuple(self.made[source] for source in node.inputs)
        self.made[node] = op(*inputs, span=node.span)
        self._advance(op, inputs, node)

    def _stored(self, node: NetworkNode) -> Op:
        """The operator; an input as the reader stores it, a statistic as the parameter that holds it."""
        if node.is_statistic:
            assert node.type is not None, node
            return LearnableParameter(node.name, node.type.dims, 0.0, element=node.type.element, is_state=True)
        if not isinstance(node.op, InputValue):
            return node.op
        return dataclasses.replace(node.op, storage=self._storages.get(node.name.lower(), node.op.storage))

    def _advance(self, op: Op, inputs: tuple[Node, ...], node: NetworkNode) -> None:
        changed = op.updates()
        if not changed:
            return
        operands = tuple(self._current.get(n, n) for n in inputs)
        new = {inputs[i]: update(*operands, span=node.span) for i, update in changed.items()}
        self._current.update(new)

    def updates(self) -> tuple[tuple[Node, Node], ...]:
        return tuple(self._current.items())
