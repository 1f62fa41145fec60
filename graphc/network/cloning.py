"""``BS.Network.CloneFunction``: a part of a network as a function, each call of which makes a copy (language.md 8)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from graphc.diagnostics import Diagnostic, DiagnosticError, Span
from graphc.ir import Op
from graphc.network import reading
from graphc.network.network import NetworkNode
from graphc.ops.normalization import NEVER, BatchNormalization
from graphc.ops.sources import LearnableParameter
from graphc.script.host import HostRecord
from graphc.script.values import NativeFunction, RecordValue, describe, flatten

Links = Callable[[NetworkNode], Iterable[NetworkNode]]
Enter = Callable[[NetworkNode], NetworkNode]


class Treatment(Enum):
    """What becomes of parameters: a copy to train, a copy that stays as it is, or no copy."""

    LEARNABLE = "learnable"
    CONSTANT = "constant"
    SHARED = "shared"


def clone_function(record: HostRecord, span: Span, links: Links, enter: Enter) -> NativeFunction:
    """The function that the record describes; raises `DiagnosticError`.

    ``links`` gives what a node reads, ``enter`` makes a node known to its builder.
    """
    inputs = nodes_of(record, "inputNodes")
    outputs = _outputs(record)
    treatment = _treatment(record)
    copied = _copied(inputs, outputs.values(), treatment, links, span)
    clone = _Clone(tuple(inputs), outputs, treatment, tuple(copied), enter)
    return NativeFunction("CloneFunction", tuple(f"input_{i}" for i in range(len(inputs))), clone, span)


def nodes_of(record: HostRecord, name: str) -> list[NetworkNode]:
    """The nodes of a member that holds one or a nested array of them; raises `DiagnosticError`."""
    span = record.own_span(name)
    found = flatten(record.lookup(name), span)
    for value in found:
        if not isinstance(value, NetworkNode):
            raise DiagnosticError(Diagnostic("GC0404", f"{name} holds {describe(value)}, not only nodes", span))
    return found


@dataclass(frozen=True)
class _Clone:
    """What a call does. ``outputs``: by member name, or one under the empty name."""

    inputs: tuple[NetworkNode, ...]
    outputs: Mapping[str, NetworkNode]
    treatment: Treatment
    # inputs before users, except where a delay closes a cycle
    copied: tuple[NetworkNode, ...]
    enter: Enter

    def __call__(self, arguments: Sequence[Any], path: str, span: Span) -> Any:
        given = reading.operands_of(arguments, "the cloned function", span)
        found = dict(zip(self.inputs, given, strict=True))
        for node in self.copied:
            name = f"{path}.{node.name}" if path else node.name
            found[node] = copy_of(node, name, self._operator(node.op), span)
        for node in self.copied:
            found[node].inputs = [found.get(source, source) for source in node.inputs]
            self.enter(found[node])
        results = {name: found.get(node, node) for name, node in self.outputs.items()}
        return results[""] if "" in results else RecordValue(results, None, span)

    def _operator(self, op: Op) -> Op:
        return frozen(op) if self.treatment is Treatment.CONSTANT else op


def copy_of(node: NetworkNode, name: str, op: Op, span: Span | None) -> NetworkNode:
    """A node that computes the same from the same inputs; the copy of a parameter starts with its values."""
    original = node.original or node if isinstance(op, LearnableParameter) else None
    return NetworkNode(name, op, list(node.inputs), span, node.tags, node.type, node.stored, original)


def frozen(op: Op) -> Op:
    """The operator with what training changes kept as it is."""
    match op:
        case LearnableParameter(is_trained=True):
            # its values are no longer those that its initializer names
            return replace(op, learning_rate_multiplier=0.0, is_state=True)
        case BatchNormalization():
            return replace(op, normalization_time_constant=NEVER, blend_time_constant=NEVER)
        case _:
            return op


def _outputs(record: HostRecord) -> dict[str, NetworkNode]:
    value, span = record.lookup("outputNodes"), record.own_span("outputNodes")
    if isinstance(value, NetworkNode):
        return {"": value}
    if not isinstance(value, RecordValue):
        message = f"outputNodes is {describe(value)}, not a node or a record of nodes"
        raise DiagnosticError(Diagnostic("GC0404", message, span))
    found = {name: value.lookup(name) for name in value.own_names()}
    if not found:
        raise DiagnosticError(Diagnostic("GC0417", "outputNodes must hold at least one node", span))
    for name, node in found.items():
        if not isinstance(node, NetworkNode):
            message = f"{name} in outputNodes is {describe(node)}, not a node"
            raise DiagnosticError(Diagnostic("GC0404", message, value.own_span(name)))
    return found


def _treatment(record: HostRecord) -> Treatment:
    value = record.lookup("parameters")
    try:
        return Treatment(value)
    except ValueError:
        message = f"parameters is {describe(value)}, not 'learnable', 'constant' or 'shared'"
        raise DiagnosticError(Diagnostic("GC0417", message, record.own_span("parameters"))) from None


def _copied(
    inputs: Collection[NetworkNode], outputs: Iterable[NetworkNode], treatment: Treatment, links: Links, span: Span
) -> list[NetworkNode]:
    """What a call copies; raises `DiagnosticError` where the inputs do not cut it off from the rest."""
    roots = list(outputs)
    everything = set(below(roots, links))
    for node in inputs:
        if node not in everything:
            message = f"no output of the function depends on its input {node.name}"
            raise DiagnosticError(Diagnostic("GC0417", message, span))
    inner = below(roots, links, stop=frozenset(inputs))
    copied = _dependents(inner, inputs, treatment)
    for node in inputs:
        inside = next((n for n in below([node], links) if n is not node and n in copied), None)
        if inside is not None:
            message = f"the input {node.name} of the function depends on {inside.name}, which is inside of it"
            raise DiagnosticError(Diagnostic("GC0417", message, span))
    return [node for node in inner if node in copied]


def _dependents(
    nodes: Sequence[NetworkNode], inputs: Collection[NetworkNode], treatment: Treatment
) -> set[NetworkNode]:
    """Those of the nodes that depend on an input or, where parameters are copied, own some or depend on them."""
    users: dict[NetworkNode, list[NetworkNode]] = {}
    for node in nodes:
        for source in node.inputs:
            users.setdefault(source, []).append(node)
    owners = [] if treatment is Treatment.SHARED else [n for n in nodes if _owns_parameters(n)]
    found = dict.fromkeys(n for n in owners if n not in inputs)
    pending = [*inputs, *found]
    while pending:
        for user in users.get(pending.pop(), ()):
            if user not in found and user not in inputs:
                found[user] = None
                pending.append(user)
    return set(found)


def _owns_parameters(node: NetworkNode) -> bool:
    return isinstance(node.op, LearnableParameter | BatchNormalization)


def below(roots: Iterable[NetworkNode], links: Links, stop: Collection[NetworkNode] = frozenset()) -> list[NetworkNode]:
    """The roots and everything that they read, inputs first, delays included; not through those in ``stop``."""
    order: list[NetworkNode] = []
    entered: set[NetworkNode] = set()
    for root in roots:
        stack = [(root, iter(()) if root in stop else iter(links(root)))] if root not in entered else []
        entered.add(root)
        while stack:
            node, sources = stack[-1]
            source = next((s for s in sources if s not in entered), None)
            if source is None:
                order.append(node)
                stack.pop()
                continue
            entered.add(source)
            stack.append((source, iter(()) if source in stop else iter(links(source))))
    return order
