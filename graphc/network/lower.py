"""From a network to a graph: typed, acyclic, immutable, with only what the requested roots need."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence

from graphc.diagnostics import Diagnostic, DiagnosticError, Span, did_you_mean
from graphc.ir import Carry, Graph, Node, Op, Region, Storage, TensorType
from graphc.network.network import Network, NetworkNode
from graphc.network.recurrence import Loop, components, is_loop, loop_of
from graphc.network.truncation import require_pieces
from graphc.ops.delays import Delay
from graphc.ops.elementwise import Plus
from graphc.ops.legacy_reshape import LegacyReshape
from graphc.ops.recurrence import Scan
from graphc.ops.rules import is_one_frame
from graphc.ops.sequences import ReconcileDynamicAxis
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.ops.statistics import EpochAccumulator, EpochMean, epoch_updates


def to_graph(
    network: Network,
    roots: Sequence[str] | None = None,
    *,
    storages: Mapping[str, Storage] | None = None,
    updates: bool = True,
    taps: Collection[str] = (),
    truncated: bool = False,
) -> Graph:
    """Graph of an inferred network; without ``roots``, of its criteria, evaluations and outputs.

    ``storages`` says how the reader delivers inputs that are not dense. With ``updates`` the graph also computes the
    new values of state; what an epoch accumulates it always does. To the values of ``taps``, names of nodes, something
    is added (`tap_name`), the gradient of which is that of the value. ``truncated``: minibatches will have pieces of
    sequences. Then every delay is a loop, because loops are what carries values from one to the next. Raises
    `DiagnosticError`.
    """
    chosen = network.roots if roots is None else [_find(network, name) for name in roots]
    if truncated:
        require_pieces(chosen)
    of_inputs = {node.op.axis for node in network if isinstance(node.op, InputValue)}
    lowering = _Lowering({name.lower(): storage for name, storage in (storages or {}).items()}, taps, of_inputs)
    order: list[NetworkNode] = []
    for component in components(chosen):
        if is_loop(component) or (truncated and component[0].is_delay):
            loop = loop_of(component)
            lowering.add_loop(loop)
            order.extend(loop.nodes)
        else:
            lowering.add(component[0])
            order.extend(component)
    made = lowering.made
    groups = {g: tuple(n.name for n in nodes if n in made) for g, nodes in network.groups.items()}
    graph = Graph(
        roots={node.name: made[node] for node in chosen},
        names={node.name: made[node] for node in order},
        updates=lowering.updates(),
        groups={g: names for g, names in groups.items() if names},
        spans={node.name: node.span for node in order if node.span is not None},
    )
    return graph if updates else dataclasses.replace(graph, updates=epoch_updates(graph))


def tap_name(name: str) -> str:
    """The input, or where a value has no frames the parameter, that is added to a node."""
    return f"gradient of {name}"


def _find(network: Network, name: str) -> NetworkNode:
    node = network.get(name)
    if node is None:
        hint = did_you_mean(name, network.names)
        raise DiagnosticError(Diagnostic("GC0413", f"no node named '{name}'", hint=hint))
    return node


class _Lowering:
    def __init__(self, storages: Mapping[str, Storage], taps: Collection[str], of_inputs: Collection[str]) -> None:
        self._storages = storages
        self._taps = frozenset(taps)
        # names of the axes that minibatches have, with as much room for each sequence of one frame
        self._of_inputs = of_inputs
        self.made: dict[NetworkNode, Node] = {}
        # parameter that is state → its value after the nodes made so far: uses of one state follow each other
        self._current: dict[Node, Node] = {}

    def add(self, node: NetworkNode) -> None:
        op = self._stored(node)
        inputs = () if node.is_statistic else self._on_one_axis(node, [self.made[source] for source in node.inputs])
        if isinstance(op, EpochAccumulator):
            op, inputs = EpochMean(), (*inputs, *_accumulated(node))
        if isinstance(op, LegacyReshape) and op.changes_frames(_type(node.inputs[0])):
            op = op.restacking(_type(node.inputs[0]))
        made = op(*inputs, span=node.span)
        self.made[node] = Plus()(made, _tap(node).op()) if node.name in self._taps else made
        self._advance(op, inputs, node)

    def add_loop(self, loop: Loop) -> None:
        """Every node of a recurrence, as a result of the loop over its frames."""
        members = set(loop.nodes)
        read = [*(s for n in loop.nodes for s in _read_in_body(n)), *(n.inputs[0] for n in loop.delays)]
        outer = dict.fromkeys(source for source in read if source not in members)
        # what is constant is better known inside
        inside = {node: self.made[node] for node in outer if _is_constant(node)}
        taps = {node: _tap(node) for node in loop.nodes if node.name in self._taps and not node.is_delay}
        self.made |= {tap: tap.op() for tap in taps.values()}
        steps = [*(node for node in outer if _type(node).axis is not None), *taps.values()]
        constants = [node for node in outer if _type(node).axis is None and node not in inside]
        body = {**inside, **{n: _step_input(n.name, _type(n).with_axis(loop.axis)) for n in [*steps, *loop.delays]}}
        body |= {node: _constant_input(node) for node in constants}
        for node in loop.nodes:
            if not node.is_delay:
                body[node] = node.op(*(body[source] for source in node.inputs), span=node.span)
            if node in taps:
                body[node] = Plus()(body[node], body[taps[node]])
        operands = [*steps, *constants]
        values = [node.inputs[0] for node in loop.delays]
        region = Region(
            Graph(
                {node.name: body[node] for node in dict.fromkeys([*loop.nodes, *values])},
                names={node.name: body[node] for node in operands},
                spans={node.name: node.span for node in loop.nodes if node.span is not None},
            ),
            loop.axis,
            loop.backward,
            tuple(node.name for node in steps),
            tuple(node.name for node in constants),
            tuple(_carries(loop.delays, operands)),
        )
        inputs = [self.made[node] for node in operands]
        # types that agree come from some operand
        own = next((each for each in inputs if each.type.axis == loop.axis), None)
        if own is not None:
            inputs[: len(steps)] = [self._beside(own, each, loop.delays[0].span) for each in inputs[: len(steps)]]
        for node in loop.nodes:
            self.made[node] = Scan(region, node.name)(*inputs, span=node.span)

    def _on_one_axis(self, node: NetworkNode, inputs: Sequence[Node]) -> tuple[Node, ...]:
        """Operands of one frame a sequence on the axis of the first."""
        first = next((each for each in inputs if each.type.axis is not None), None)
        if first is None or node.op.family == "sequences":
            return tuple(inputs)
        return tuple(self._beside(first, each, node.span) for each in inputs)

    def _beside(self, first: Node, other: Node, span: Span | None) -> Node:
        """The other on the first's axis where one of both is a selection: that may have more room than it needs."""
        axes = {first.type.axis, other.type.axis}
        if None in axes or len(axes) < 2 or all(a.name in self._of_inputs or is_one_frame(a) for a in axes if a):
            return other
        return ReconcileDynamicAxis(exact=True)(other, first, span=span)

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


def _tap(node: NetworkNode) -> NetworkNode:
    type, name = _type(node).dense(), tap_name(node.name)
    if type.axis is None:
        op: Op = LearnableParameter(name, type.shape, 0.0, element=type.element, is_state=True)
    else:
        op = InputValue(name, type.shape, type.axis.name, type.element)
    tap = NetworkNode(name, op, [], node.span)
    tap.type = type
    return tap


def _accumulated(node: NetworkNode) -> tuple[Node, Node]:
    """The mean and the number of frames so far; a point and a digit end no name that the author can give."""
    type = _type(node)
    shapes = type.shape, (1,)
    mean, frames = (
        LearnableParameter(f"{node.name}.{at}", shape, 0.0, element=type.element, is_state=True)()
        for at, shape in enumerate(shapes)
    )
    return mean, frames


def _read_in_body(node: NetworkNode) -> list[NetworkNode]:
    """What one step reads; a delay's operands belong to the border between steps."""
    return [] if node.is_delay else node.inputs


def _carries(delays: Sequence[NetworkNode], operands: list[NetworkNode]) -> Iterator[Carry]:
    """The delays of a loop; their initial states join the operands."""
    initials: list[NetworkNode] = []
    for node in delays:
        op = node.op
        assert isinstance(op, Delay)
        value, *states = node.inputs
        initials += [state for state in states if state not in initials]
        at = len(operands) + initials.index(states[0]) if states else None
        yield Carry(node.name, value.name, op.time_step, op.default_hidden_activation, at)
    operands += initials


def _type(node: NetworkNode) -> TensorType:
    assert node.type is not None, node
    return node.type


def _is_constant(node: NetworkNode) -> bool:
    return isinstance(node.op, LearnableParameter) and node.op.constant is not None


def _step_input(name: str, type: TensorType) -> Node:
    assert type.axis is not None, name
    return InputValue(name, type.shape, type.axis.name, type.element)()


def _constant_input(node: NetworkNode) -> Node:
    type = _type(node)
    return LearnableParameter(node.name, type.shape, element=type.element)()
