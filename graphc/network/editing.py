"""``BS.Network.Edit``: a network with some of its nodes replaced, beside the old one (language.md 8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from graphc.diagnostics import Diagnostic, DiagnosticError, Span
from graphc.network.cloning import Links, below, copy_of, nodes_of
from graphc.network.network import Network, NetworkNode
from graphc.script.host import HostRecord
from graphc.script.values import FunctionValue, RecordValue, describe, flatten

Replace = Callable[[NetworkNode], NetworkNode]


def edited_roots(record: HostRecord, span: Span, links: Links) -> list[NetworkNode]:
    """Where the edited network grows from: the old roots and groups, and the additional roots, relinked.

    Raises `DiagnosticError`. Nothing of the old network changes: what reads a replaced node is copied.
    """
    model = record.lookup("inputModel")
    if not isinstance(model, Network):
        message = f"inputModel is {describe(model)}, not a network"
        raise DiagnosticError(Diagnostic("GC0414", message, record.own_span("inputModel")))
    additional = nodes_of(record, "additionalRoots")
    replaced = _followed(_replaced(model, _functions(record)), span)
    edit = _Edit(model, replaced, links)
    edit.copy_users([*model, *additional])
    edit.relink()
    return list(dict.fromkeys(map(edit.current, [*_roots(model), *additional])))


def _functions(record: HostRecord) -> list[Replace]:
    """The edit functions as functions of nodes."""
    assert isinstance(record, RecordValue)
    evaluator, place = record.evaluator, record.own_span("editFunctions")
    found = flatten(record.lookup("editFunctions"), place)
    for function in found:
        if not isinstance(function, FunctionValue):
            message = f"editFunctions holds {describe(function)}, not only functions"
            raise DiagnosticError(Diagnostic("GC0417", message, place))

    def calling(function: FunctionValue) -> Replace:
        def replace(node: NetworkNode) -> NetworkNode:
            value = evaluator.apply(function, [node], node.name)
            if not isinstance(value, NetworkNode):
                message = f"the edit function gives {describe(value)} for {node.name}, not a node"
                raise DiagnosticError(Diagnostic("GC0417", message, function.span))
            return value

        return replace

    return [calling(function) for function in found]


def _replaced(model: Network, functions: Iterable[Replace]) -> dict[NetworkNode, NetworkNode]:
    """Replacements by node: what the first function makes of it that makes anything else."""
    calls = list(functions)
    found: dict[NetworkNode, NetworkNode] = {}
    for node in model:
        other = next((new for new in (call(node) for call in calls) if new is not node), None)
        if other is not None:
            found[node] = other
    return found


def _followed(replaced: Mapping[NetworkNode, NetworkNode], span: Span) -> dict[NetworkNode, NetworkNode]:
    """A replacement may itself be a node that is replaced."""
    found = {}
    for node in replaced:
        seen, last = [node], replaced[node]
        while last in replaced:
            if last in seen:
                chain = " by ".join(n.name for n in [*seen, last])
                raise DiagnosticError(Diagnostic("GC0417", f"nodes are replaced by each other: {chain}", span))
            seen.append(last)
            last = replaced[last]
        found[node] = last
    return found


def _roots(model: Network) -> list[NetworkNode]:
    """What nothing reads, and the members of the groups."""
    read = {source for node in model for source in node.inputs}
    members = [node for group in model.groups.values() for node in group]
    return list(dict.fromkeys([*members, *(node for node in model if node not in read)]))


@dataclass
class _Edit:
    model: Network
    replaced: Mapping[NetworkNode, NetworkNode]
    links: Links
    copies: dict[NetworkNode, NetworkNode] = field(default_factory=dict)
    # node → the replaced nodes that it goes on reading, because it is part of what stands in their place
    _spared: dict[NetworkNode, set[NetworkNode]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        old = set(self.model)
        for node, new in self.replaced.items():
            for part in below([new], self.links, stop=old):
                if part not in old:
                    self._spared.setdefault(part, set()).add(node)

    def copy_users(self, roots: Iterable[NetworkNode]) -> None:
        """Copy everything that reads, however indirectly, what is replaced."""
        users: dict[NetworkNode, list[NetworkNode]] = {}
        for node in below([*roots, *self.replaced.values()], self.links):
            for source in node.inputs:
                users.setdefault(source, []).append(node)
        pending = list(self.replaced)
        while pending:
            source = pending.pop()
            for user in users.get(source, ()):
                if user in self.copies or user in self.replaced or source in self._spared.get(user, ()):
                    continue
                self.copies[user] = copy_of(user, user.name, user.op, user.span)
                pending.append(user)

    def relink(self) -> None:
        for node, copy in self.copies.items():
            spared = self._spared.get(node, ())
            copy.inputs = [s if s in spared else self.current(s) for s in node.inputs]
        for node in self.model:
            for group in node.tags if node in self.replaced else ():
                new = self.current(node)
                if group not in new.tags:
                    new.tags = (*new.tags, group)

    def current(self, node: NetworkNode) -> NetworkNode:
        """What stands for a node in the edited network."""
        new = self.replaced.get(node, node)
        return self.copies.get(new, new)
