"""Recurrences of a network: its strongly connected components, each the body of one loop."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from graphc.diagnostics import Diagnostic, DiagnosticError, Label
from graphc.ir import DynamicAxis
from graphc.network import explain
from graphc.network.network import NetworkNode
from graphc.ops.delays import Delay
from graphc.ops.sequences import GatherPacked, ReconcileDynamicAxis
from graphc.ops.word_criteria import CosDistanceWithNegativeSamples


@dataclass(frozen=True, eq=False)
class Loop:
    """Nodes that depend on each other through delays; all on one dynamic axis, all delays in one direction.

    ``nodes`` are in an order in which a step can compute them: delays first, inputs before users.
    """

    nodes: tuple[NetworkNode, ...]
    axis: DynamicAxis
    backward: bool

    @property
    def delays(self) -> list[NetworkNode]:
        return [node for node in self.nodes if node.is_delay]


def components(roots: Iterable[NetworkNode]) -> list[tuple[NetworkNode, ...]]:
    """Strongly connected components below the roots, each after those that it reads; order of nodes as visited.

    Nothing below a statistic is needed. In a network without cycles this is depth first, inputs left to right.
    (R. E. Tarjan, Depth-first search and linear graph algorithms, 1972, without recursion.)
    """
    found: list[tuple[NetworkNode, ...]] = []
    index: dict[NetworkNode, int] = {}
    low: dict[NetworkNode, int] = {}
    open_nodes: list[NetworkNode] = []
    is_open: set[NetworkNode] = set()
    for root in roots:
        stack: list[tuple[NetworkNode, int]] = [(root, 0)] if root not in index else []
        while stack:
            node, at = stack.pop()
            inputs = [] if node.is_statistic else node.inputs
            if at == 0:
                index[node] = low[node] = len(index)
                open_nodes.append(node)
                is_open.add(node)
            else:
                if inputs[at - 1] in is_open:
                    low[node] = min(low[node], low[inputs[at - 1]])
            while at < len(inputs) and inputs[at] in index:
                if inputs[at] in is_open:
                    low[node] = min(low[node], index[inputs[at]])
                at += 1
            if at < len(inputs):
                stack.append((node, at + 1))
                stack.append((inputs[at], 0))
            elif low[node] == index[node]:
                first = _last_place(open_nodes, node)
                members = tuple(open_nodes[first:])
                del open_nodes[first:]
                is_open.difference_update(members)
                found.append(members)
    return found


def _last_place(nodes: list[NetworkNode], node: NetworkNode) -> int:
    at = len(nodes) - 1
    while nodes[at] is not node:
        at -= 1
    return at


def is_loop(component: tuple[NetworkNode, ...]) -> bool:
    first, *others = component
    return bool(others) or first in first.inputs


def loop_of(component: tuple[NetworkNode, ...]) -> Loop:
    """The loop of a component with a cycle, or of a delay alone; raises `DiagnosticError` for what none can compute."""
    _require_known_beginnings(component)
    members = set(component)
    delays = [node for node in component if node.is_delay and (node.inputs[0] in members or len(component) == 1)]
    delays.sort(key=lambda node: node.span.start if node.span else 0)
    # what leaves the axis, as the last frame does, looks both ways for reasons that its author did not write
    _require_one_axis(component)
    _require_one_direction(delays)
    _require_no_state(component)
    _require_single_frames(component)
    op, type = delays[0].op, delays[0].type
    assert isinstance(op, Delay) and type is not None
    if type.axis is None:
        message = f"the recurrence of {explain.title(delays[0])} depends on no input, so it has no frames to run over"
        raise DiagnosticError(Diagnostic("GC0408", message, delays[0].span))
    return Loop(tuple(_step_order(component)), type.axis, op.direction > 0)


def faults(roots: Iterable[NetworkNode]) -> list[Diagnostic]:
    """What is wrong with the recurrences below the roots, of which all types are known."""
    found: list[Diagnostic] = []
    for component in components(roots):
        if is_loop(component):
            try:
                loop_of(component)
            except DiagnosticError as error:
                found += error.diagnostics
    return found


def _step_order(component: tuple[NetworkNode, ...]) -> list[NetworkNode]:
    members = set(component)
    order = [node for node in component if node.is_delay]
    done = set(order)
    for root in component:
        stack: list[tuple[NetworkNode, int]] = [(root, 0)]
        while stack:
            node, at = stack.pop()
            if node in done:
                continue
            if at < len(node.inputs):
                stack.append((node, at + 1))
                if node.inputs[at] in members and node.inputs[at] not in done:
                    stack.append((node.inputs[at], 0))
            else:
                done.add(node)
                order.append(node)
    return order


def _require_one_direction(delays: list[NetworkNode]) -> None:
    first = delays[0]
    other = next((node for node in delays if type(node.op) is not type(first.op)), None)
    if other is not None:
        message = f"one recurrence looks both ways: {explain.title(first)} and {explain.title(other)}"
        labels = tuple(Label(f"{explain.title(n)} is {n.operation}", n.span) for n in (first, other))
        hint = "a loop runs from the first frame to the last or back; what looks the other way must not depend on it"
        raise DiagnosticError(Diagnostic("GC0408", message, first.span, labels, hint))


def _require_one_axis(component: tuple[NetworkNode, ...]) -> None:
    first, *_ = component
    for node in component:
        assert node.type is not None and first.type is not None
        if node.type.axis != first.type.axis:
            types = [f"{explain.title(n)} is {n.type}" for n in (first, node)]
            message = f"a recurrence leaves its dynamic axis: {', '.join(types)}"
            labels = tuple(Label(text, n.span) for text, n in zip(types, (first, node), strict=True))
            hint = "what a loop computes must have the frames that its delays look at"
            raise DiagnosticError(Diagnostic("GC0408", message, node.span, labels, hint))


def _require_no_state(component: tuple[NetworkNode, ...]) -> None:
    node = next((node for node in component if node.op.updates()), None)
    if node is not None:
        message = f"{explain.title(node)} keeps running statistics ({node.operation}), which a recurrence cannot"
        hint = "normalize what goes into the loop or comes out of it"
        raise DiagnosticError(Diagnostic("GC0408", message, node.span, hint=hint))


def _require_known_beginnings(component: tuple[NetworkNode, ...]) -> None:
    members = set(component)
    for delay in (node for node in component if node.is_delay):
        for state in delay.inputs[1:]:
            if state in members:
                message = f"the initial state of {explain.title(delay)} depends on the recurrence that it begins"
                labels = (Label(f"{explain.title(state)} is the initial state", state.span),)
                hint = "an initial state must be known before the first frame"
                raise DiagnosticError(Diagnostic("GC0408", message, delay.span, labels, hint))


def _require_single_frames(component: tuple[NetworkNode, ...]) -> None:
    """Nothing but delays may look at other frames, which a step does not have."""
    node = next((node for node in component if not (node.is_delay or _sees_one_frame(node))), None)
    if node is not None:
        message = f"{explain.title(node)} looks at many frames ({node.operation}), of which a recurrence has one"
        hint = "in a recurrence only PastValue and FutureValue see other frames"
        raise DiagnosticError(Diagnostic("GC0408", message, node.span, hint=hint))


def _sees_one_frame(node: NetworkNode) -> bool:
    axes = [source.type.axis for source in node.inputs if source.type is not None]
    match node.op:
        case GatherPacked():
            return axes[1] is None
        case ReconcileDynamicAxis():
            return axes[0] in (None, axes[1])
        case CosDistanceWithNegativeSamples():
            return False
        case op:
            return op.family != "sequences"
