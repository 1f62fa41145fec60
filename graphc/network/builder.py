"""The one way in: everything that describes a network makes its nodes here."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import graphc.ops  # noqa: F401  (fills the registry)
from graphc.diagnostics import Diagnostic, DiagnosticError, Diagnostics, Span, did_you_mean, placing
from graphc.files import why
from graphc.ir import DEFAULT_AXIS, ElementType, Op, ShapeError, Storage, check_arity
from graphc.ir.node import registered_names
from graphc.network import explain, parameters, reading
from graphc.network.assembly import Assembly
from graphc.network.cloning import clone_function
from graphc.network.editing import edited_roots
from graphc.network.inference import known_type
from graphc.network.network import Network, NetworkNode
from graphc.network.operations import UNSUPPORTED
from graphc.network.saved import loaded_network
from graphc.network.session import Session
from graphc.network.special import AxisSource, network_operator
from graphc.ops.delays import Delay
from graphc.ops.products import QuantizedTimes
from graphc.ops.sources import EnvironmentInput, InputValue
from graphc.script.host import HostRecord
from graphc.script.values import describe

# Twice as many as a ResNet of 1,000 layers has. A recursion that doubles them at every step is told within two seconds.
MOST_NODES = 24_000
# A chain of n operators in one expression has names of n² characters.
_MOST_NAME_CHARACTERS = 1 << 27


class NetworkBuilder:
    """Makes nodes and networks of one element type; the `graphc.script.host.Host` of scripts.

    ``assembled`` are the networks as far as they could be put together, those with errors included.
    """

    empty_path_types = frozenset(
        {"ComputationNode", "ComputationNetwork", "ComputationNetworkFromFile", "ComputationNetworkWithEdits"}
    )
    types = empty_path_types | {"CloneFunctionConfigLambda"}

    def __init__(self, element: ElementType, session: Session, diagnostics: Diagnostics) -> None:
        self.element = element
        self.session = session
        self.diagnostics = diagnostics
        self.assembled: list[Network] = []
        # what a delay reads is known only when everything else is; until then this gives its inputs
        self._deferred: dict[NetworkNode, Callable[[], list[NetworkNode]]] = {}
        # inputs that name an axis by its node, whose own name is final only after assembly
        self._axes: dict[NetworkNode, NetworkNode] = {}
        # constants for numbers between nodes: nobody named them, so they make way for those that somebody did
        self._implicit: set[NetworkNode] = set()
        self._made = 0
        self._name_characters = 0

    # --- Host

    def is_node(self, value: Any) -> bool:
        return isinstance(value, NetworkNode)

    def constant(self, value: float, path: str, span: Span) -> NetworkNode:
        node = self._enter(NetworkNode(path, parameters.constant(path, value, self.element), [], span))
        self._implicit.add(node)
        return node

    def operation(
        self, name: str, inputs: Sequence[Any], attributes: Mapping[str, Any], path: str, span: Span
    ) -> NetworkNode:
        cls = _operator(name, span)
        op = reading.converted(cls, attributes, path, None, span)
        return self._enter(NetworkNode(path, op, _checked(op, list(inputs), span), span))

    def create(self, type_name: str, record: HostRecord, path: str, span: Span) -> Any:
        match type_name:
            case "ComputationNode":
                return self._node(record, path, span)
            case "ComputationNetwork":
                return self._network(record)
            case "ComputationNetworkFromFile":
                return self._loaded(record)
            case "ComputationNetworkWithEdits":
                return self._edited(record, span)
            case _:
                assert type_name == "CloneFunctionConfigLambda", type_name
                return clone_function(record, span, self._links, self._enter)

    # --- nodes

    def _node(self, record: HostRecord, path: str, span: Span) -> NetworkNode:
        name = reading.scalar(record, "operation", str, "")
        tags = reading.tags(record)
        match name:
            case "InputValue" | "SparseInputValue":
                return self._input(name, record, path, span, tags)
            case "DynamicAxis":
                return self._enter(NetworkNode(path, AxisSource(path, self.element), [], span, tags))
            case "LearnableParameter" | "Parameter":
                op = parameters.parameter(path, record, span, self.element, self.session, self.diagnostics)
                return self._enter(NetworkNode(path, op, [], span, tags))
            case "EnvironmentInput":
                given = {**reading.attributes(EnvironmentInput, record), "element": self.element}
                op = reading.converted(EnvironmentInput, given, path, record, span)
                return self._enter(NetworkNode(path, op, [], span, tags))
        # operands come first: parameters are constructed in the order in which inputs name them
        cls = network_operator(name)
        if cls is not None and issubclass(cls, Delay):
            return self._delay(cls, record, path, span, tags)
        value = _inputs(record, name, span)
        cls = _operator(name, span)
        inputs = reading.operands(value, name, record, span)
        op = reading.converted(cls, reading.attributes(cls, record), path, record, span)
        if isinstance(op, QuantizedTimes):
            self.diagnostics.add(explain.not_quantized(path, span))
        return self._enter(NetworkNode(path, op, _checked(op, inputs, span), span, tags))

    def _input(self, operation: str, record: HostRecord, path: str, span: Span, tags: tuple[str, ...]) -> NetworkNode:
        shape = reading.shape(record, "shape")
        if None in shape:
            message = "the dimensions of an input must be known, one of them is 0"
            raise DiagnosticError(Diagnostic("GC0406", message, record.own_span("shape")))
        axis = _axis(record)
        storage = Storage.SPARSE if operation == "SparseInputValue" else Storage.DENSE
        name = axis if isinstance(axis, str) else axis.name
        op = InputValue(path, shape, name or DEFAULT_AXIS.name, self.element, storage)
        node = self._enter(NetworkNode(path, op, [], span, tags))
        if isinstance(axis, NetworkNode):
            self._axes[node] = axis
        return node

    def _delay(self, cls: type[Op], record: HostRecord, path: str, span: Span, tags: tuple[str, ...]) -> NetworkNode:
        op = reading.converted(cls, reading.attributes(cls, record), path, record, span)
        node = self._enter(NetworkNode(path, op, [], span, tags))
        force = record.defer("inputs")
        self._deferred[node] = lambda: _checked(op, reading.operands(force(), cls.names[0], record, span), span)
        return node

    def _enter(self, node: NetworkNode) -> NetworkNode:
        self._made += 1
        self._name_characters += len(node.name)
        if self._made > MOST_NODES:
            message = f"the script makes more than {MOST_NODES:,} nodes"
            raise DiagnosticError(Diagnostic("GC0312", message, node.span))
        if self._name_characters > _MOST_NAME_CHARACTERS:
            message = f"the names of the {self._made:,} nodes that the script makes are too long to be kept"
            hint = "a node is named by the way to it, so a long chain is better built with an array: h[i:1..n] = …"
            raise DiagnosticError(Diagnostic("GC0312", message, node.span, hint=hint))
        node.type = known_type(node, self.element)
        return node

    # --- networks

    def _network(self, record: HostRecord) -> Network:
        return self._assembled(record, Assembly.run)

    def _edited(self, record: HostRecord, span: Span) -> Network:
        roots = edited_roots(record, span, self._links)
        return self._assembled(record, lambda assembly: assembly.run_from(roots))

    def _assembled(self, record: HostRecord, run: Callable[[Assembly], None]) -> Network:
        network = Network(self.element)
        self.assembled.append(network)
        assembly = Assembly(network, record, self.diagnostics, self._implicit, self._links)
        run(assembly)
        for node, axis in self._axes.items():
            if node in assembly.added and isinstance(node.op, InputValue):
                node.op = dataclasses.replace(node.op, axis=axis.name)
        return network

    def _loaded(self, record: HostRecord) -> Network:
        path, place = reading.scalar(record, "pathName", str, ""), record.own_span("pathName")
        try:
            with placing(place):
                network = loaded_network(self.session.model_text(path), path)
        except OSError as error:
            raise DiagnosticError(self._unreadable(path, error, place)) from None
        if network.element is not self.element:
            message = f"the model {path} holds {network.element.value}, this network {self.element.value}"
            hint = "the root's precision says which: float or double"
            raise DiagnosticError(Diagnostic("GC0417", message, place, hint=hint))
        axes = {node.name: node for node in network if isinstance(node.op, AxisSource)}
        for node in network.inputs:
            if isinstance(node.op, InputValue) and node.op.axis in axes:
                self._axes[node] = axes[node.op.axis]
        return network

    def _unreadable(self, path: str, error: OSError, place: Span) -> Diagnostic:
        missing = isinstance(error, FileNotFoundError)
        if self.session.files_required:
            reason = "does not exist" if missing else f"cannot be read: {why(error)}"
            return Diagnostic("GC0001", f"model file {path} {reason}", place)
        # what runs before may write it
        message = f"the model file {path} {'does not exist yet' if missing else 'cannot be read'}"
        return explain.warning("GC0526", f"{message}, so this network is not checked", place)

    def _links(self, node: NetworkNode) -> list[NetworkNode]:
        """What a node needs in the network: its inputs, attached now if they were deferred, and its axis."""
        deferred = self._deferred.pop(node, None)
        if deferred is not None:
            node.inputs = deferred()
        axis = self._axes.get(node)
        return [*node.inputs, *([axis] if axis is not None else [])]


def _operator(name: str, span: Span) -> type[Op]:
    cls = network_operator(name)
    if cls is not None:
        return cls
    if name in UNSUPPORTED:
        message = f"operation {name} is not supported: {UNSUPPORTED[name]}"
        raise DiagnosticError(Diagnostic("GC0401", message, span))
    hint = did_you_mean(name, registered_names())
    what = f"there is no operation '{name}'" if name else "a node without operation"
    raise DiagnosticError(Diagnostic("GC0401", what, span, hint=hint))


def _inputs(record: HostRecord, operation: str, span: Span) -> Any:
    try:
        return record.lookup("inputs")
    except KeyError:
        raise DiagnosticError(Diagnostic("GC0404", f"{operation or 'a node'} without inputs", span)) from None


def _checked(op: Op, inputs: list[Any], span: Span) -> list[NetworkNode]:
    try:
        check_arity(op, len(inputs))
    except ShapeError as error:
        raise DiagnosticError(Diagnostic("GC0404", error.message, span, hint=error.hint)) from None
    return inputs


def _axis(record: HostRecord) -> str | NetworkNode:
    try:
        value = record.lookup("dynamicAxis")
    except KeyError:
        return ""
    if isinstance(value, str) or (isinstance(value, NetworkNode) and isinstance(value.op, AxisSource)):
        return value
    message = f"dynamicAxis is {describe(value)}, not a dynamic axis or the name of one"
    raise DiagnosticError(Diagnostic("GC0406", message, record.own_span("dynamicAxis")))
