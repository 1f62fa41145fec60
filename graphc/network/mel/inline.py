"""Network description inside scripts of edits: single lines, snippets in brackets, and snippets in files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from graphc.diagnostics import Diagnostic, DiagnosticError, Diagnostics, SourceText, Span, did_you_mean
from graphc.ir import ElementType
from graphc.network import explain
from graphc.network.mel import edits
from graphc.network.ndl.build import NDLScript, described_network, give_seed
from graphc.network.ndl.execution import Execution
from graphc.network.ndl.scopes import Scope
from graphc.network.network import Network, NetworkNode
from graphc.network.session import Session
from graphc.syntax.configuration import read_source
from graphc.syntax.configuration_text import strip_comments
from graphc.syntax.ndl import parse_script, section_text, split_items

_UNNAMED = re.compile(r"(?:.*\.)?unnamed[0-9]{1,9}")


@dataclass(eq=False)
class Description:
    """The lines that a script has for one model: variables stay known from one line to the next.

    Lines wait, because a line may use a node that a later one makes, until a command needs the model.
    """

    waiting: list[SourceText] = field(default_factory=list)
    scope: Scope = field(default_factory=Scope)

    def take(self, network: Network, macros: tuple[SourceText, ...], session: Session, found: Diagnostics) -> None:
        """Add what the waiting lines describe to the network."""
        lines, self.waiting = self.waiting, []
        if not lines:
            return
        execution = Execution(network.element, session, found, network)
        self.scope.made = execution.scope.made
        execution.scope = self.scope
        for text in macros:
            execution.macros.define(parse_script(text, found))
        names = {node: node.name for node in network}
        execution.run([part for line in lines for part in parse_script(line, found)])
        _take_names_back(names, network, lines[-1].span())
        for node in execution.nodes:
            _add(node, network, session, found)
        _require_inputs(execution.nodes, network, found)
        for node, group in execution.groups:
            if network.get(node.name) is node:
                edits.set_group(node, network, group, is_member=True)


def described(
    body: SourceText, macros: tuple[SourceText, ...], element: ElementType, session: Session, found: Diagnostics
) -> Network:
    """The network of a snippet, its shapes still unknown."""
    return described_network(NDLScript(macros, (body,)), element, session, found)


def snippet_of_file(path: SourceText, section: str) -> SourceText:
    """A section of a file of network description, or all of it; raises `DiagnosticError`."""
    file = read_source(Path(path.text), asked=path.span())
    text = strip_comments(SourceText.of(file))
    if not section:
        return text
    bodies = {i.head.text.lower(): i.value or i.group for i in split_items(text) if i.group is None or i.value is None}
    body = bodies.get(section.lower())
    if body is None:
        message = f"there is no section {section} in {path}"
        raise DiagnosticError(Diagnostic("GC0506", message, path.span(), hint=did_you_mean(section, bodies)))
    return section_text(body)


def _take_names_back(names: dict[NetworkNode, str], network: Network, place: Span) -> None:
    """Let the network know of the nodes that a line such as ``b = a`` has renamed."""
    for node, old in names.items():
        if node.name != old:
            new, node.name = node.name, old
            edits.rename([(node, new)], network, place)


def _add(node: NetworkNode, network: Network, session: Session, found: Diagnostics) -> None:
    if _UNNAMED.fullmatch(node.name):
        # their numbers begin anew with each command between the lines
        _make_unique(node, network)
    taken = network.get(node.name)
    if taken is not None:
        found.add(explain.duplicate(node.name, taken, node, node.span))
        return
    give_seed(node, session)
    network.add(node)


def _make_unique(node: NetworkNode, network: Network) -> None:
    stem = node.name.rstrip("0123456789")
    number = int(node.name[len(stem) :])
    while f"{stem}{number}" in network:
        number += 1
    node.name = f"{stem}{number}"


def _require_inputs(nodes: Sequence[NetworkNode], network: Network, found: Diagnostics) -> None:
    """A variable may still know a node that a command has removed."""
    # one whose name was taken is told already
    there = {*network, *nodes}
    for node in nodes:
        for source in node.inputs:
            if source not in there:
                found.add(Diagnostic("GC0413", f"No node named '{source.name}': it was removed", node.span))
