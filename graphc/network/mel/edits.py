"""What the commands do to nodes: copies, links, names and properties."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from graphc.diagnostics import Diagnostic, DiagnosticError, Span
from graphc.ir import GROUPS, Op, ShapeError, check_arity
from graphc.network.cloning import below, frozen
from graphc.network.mel.open_links import Nothing, open_link
from graphc.network.network import Network, NetworkNode
from graphc.ops.normalization import BatchNormalization
from graphc.ops.sources import LearnableParameter

Pairs = Sequence[tuple[NetworkNode, str]]


def copied_network(network: Network) -> Network:
    """A network of its own with the same nodes; parameters start with the values that these do."""
    result = Network(network.element)
    copies = {node: _twin(node, node.name) for node in network}
    for node, copy in copies.items():
        result.add(copy)
        copy.is_called_by_name = True
        copy.inputs = [copies.get(source, source) for source in node.inputs]
    for group, members in network.groups.items():
        for node in members:
            result.join(copies[node], group)
    return result


def copy_nodes(pairs: Pairs, source: Network, target: Network, span: Span) -> None:
    """Copy nodes with their links: to one another, within a network also to what is not copied."""
    copies = _copied_values(pairs, target, span)
    made = {node: copy for (node, _), copy in zip(pairs, copies, strict=True)}
    stays = source is target
    for (node, _), copy in zip(pairs, copies, strict=True):
        copy.inputs = [made.get(s, s if stays else open_link(s, span)) for s in node.inputs]


def copy_values(pairs: Pairs, target: Network, span: Span) -> None:
    """Copy nodes as they are but for their links: those of new nodes lead nowhere yet."""
    existing = [target.get(name) is not None for _, name in pairs]
    for (node, _), copy, exists in zip(pairs, _copied_values(pairs, target, span), existing, strict=True):
        if not exists:
            copy.inputs = [open_link(s, span) for s in node.inputs]


def subtree(roots: Iterable[NetworkNode], prefix: str) -> list[tuple[NetworkNode, str]]:
    """The roots and all below them with the names that their copies get."""
    found = below(roots, lambda node: node.inputs)
    return [(node, f"{prefix}{node.name}") for node in found if not isinstance(node.op, Nothing)]


def copy_links(pairs: Pairs, network: Network, span: Span) -> None:
    """Let existing nodes read what others read."""
    for node, name in pairs:
        target = network.get(name)
        if target is None:
            message = f"{name} does not exist, so it cannot get the inputs of {node.name}"
            raise DiagnosticError(Diagnostic("GC0433", message, span, hint="CopyNode makes a node with its inputs"))
        set_inputs(target, node.inputs, span)


def set_inputs(node: NetworkNode, inputs: Sequence[NetworkNode], span: Span) -> None:
    _require_arity(node, len(inputs), span)
    node.inputs = list(inputs)
    node.span = span


def set_input(node: NetworkNode, index: int, source: NetworkNode, span: Span) -> None:
    """Replace the input of that index, or add one behind the last where the operation takes more."""
    count = len(node.inputs)
    if not 0 <= index <= count:
        inputs = f"has inputs 0 to {count - 1}" if count else "has no inputs"
        raise DiagnosticError(Diagnostic("GC0433", f"{node.name} {inputs}, not {index}", span))
    _require_arity(node, max(count, index + 1), span)
    node.inputs = [*node.inputs[:index], source, *node.inputs[index + 1 :]]
    node.span = span


def remove(nodes: Iterable[NetworkNode], network: Network, span: Span) -> None:
    """Take nodes out of the network: what they were read by reads nothing until it is given something."""
    gone = set(nodes)
    for node in gone:
        network.remove(node)
    for node in network:
        if not gone.isdisjoint(node.inputs):
            node.inputs = [open_link(s, span) if s in gone else s for s in node.inputs]


def rename(pairs: Pairs, network: Network, span: Span) -> None:
    for node, name in pairs:
        taken = network.get(name)
        if taken not in (None, node):
            message = f"{node.name} cannot be called {name}: there is a node of that name"
            raise DiagnosticError(Diagnostic("GC0402", message, span))
        if node.stored is None:
            # the numbers that a parameter is drawn depend on the name under which it was made
            node.original = _first(node)
        network.rename(node, name)


def set_group(node: NetworkNode, network: Network, group: str, is_member: bool) -> None:
    assert group in GROUPS, group
    if is_member:
        network.join(node, group)
    else:
        network.leave(node, group)
    node.tags = tuple(g for g in GROUPS if node in network.groups[g])


def set_rate(node: NetworkNode, rate: float) -> bool:
    """How fast a parameter learns, 0 for not at all; whether the node is one."""
    if not isinstance(node.op, LearnableParameter):
        return False
    kept = frozen(node.op) if rate == 0.0 and _has_values(node) else node.op
    node.op = replace(kept, learning_rate_multiplier=rate)  # pyright: ignore[reportArgumentType, reportCallIssue]
    return True


def freeze(node: NetworkNode, is_frozen: bool) -> bool:
    """Keep what training would change of the node as it is, or let a parameter learn again; whether it owns any."""
    if isinstance(node.op, BatchNormalization):
        node.op = frozen(node.op) if is_frozen else node.op
        return True
    return set_rate(node, 0.0 if is_frozen else 1.0)


def revise(node: NetworkNode, initial: Op) -> None:
    """Let a parameter have the values that another initializer gives."""
    assert isinstance(node.op, LearnableParameter)
    # its own initializer stays, as it does in training; a frozen one would else be taken for the values
    node.op = node.op if node.is_trained else replace(node.op, is_state=True)
    node.original, node.stored = NetworkNode(node.name, initial, []), None


def _copied_values(pairs: Pairs, target: Network, span: Span) -> list[NetworkNode]:
    """The nodes of these names, made or overwritten."""
    for node, name in pairs:
        _require_fit(node, name, target.get(name), span)
    copies = []
    for node, name in pairs:
        copy = target.get(name)
        if copy is None:
            copy = _twin(node, name)
            copy.tags = ()
            target.add(copy)
        else:
            copy.op, copy.stored, copy.original = node.op, node.stored, _twin(node, name).original
            target.add(copy)
        copy.span = span
        copies.append(copy)
    return copies


def _require_fit(node: NetworkNode, name: str, taken: NetworkNode | None, span: Span) -> None:
    if taken is node:
        raise DiagnosticError(Diagnostic("GC0433", f"{name} would be copied to itself", span))
    if taken is not None and taken.operation != node.operation:
        message = (
            f"{node.name} is a {node.operation} and {taken.name} a {taken.operation}: neither is a copy of the other"
        )
        raise DiagnosticError(Diagnostic("GC0433", message, span, hint="only nodes of one operation are copied over"))


def _twin(node: NetworkNode, name: str) -> NetworkNode:
    """A node of the same operation and values."""
    original = _first(node) if isinstance(node.op, LearnableParameter) and node.stored is None else None
    op: Any = node.op
    return NetworkNode(name, op, list(node.inputs), node.span, node.tags, node.type, node.stored, original)


def _first(node: NetworkNode) -> NetworkNode:
    """What says which values a parameter is drawn: itself as it is now, however it is changed later."""
    return node.original or NetworkNode(node.name, node.op, [])


def _has_values(node: NetworkNode) -> bool:
    """Whether its values may be others than those that its own initializer gives."""
    return node.stored is not None or node.original is not None


def _require_arity(node: NetworkNode, count: int, span: Span) -> None:
    try:
        check_arity(node.op, count)
    except ShapeError as error:
        raise DiagnosticError(Diagnostic("GC0433", f"{node.name}: {error.message}", span, hint=error.hint)) from None
