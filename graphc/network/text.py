"""The text of a network, as model files keep it, and the object that ``compile --emit network --json`` prints.

::

    element float32
    features = InputValue(shape=(784,)) : float32[784 x *]
    W = LearnableParameter(shape=(10, 784)) : float32[10 x 784]
    "W*features" = Times(W, features) : float32[10 x *]
    feature features

The notation is that of graphs (`graphc.ir.notation`), but a node may be used before it is defined.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from graphc.diagnostics import Diagnostic, Diagnostics, Label, SourceFile, Span, did_you_mean
from graphc.ir import GROUPS, ElementType, Op, ShapeError, TensorType, check_arity
from graphc.ir.attributes import AttributeFault, format_attributes
from graphc.ir.notation import Call, Definition, Directive, Place, Reference, Statement, format_name, format_type
from graphc.network.inference import infer
from graphc.network.network import Network, NetworkNode
from graphc.network.reading import make
from graphc.network.special import network_operator


def format_network(network: Network) -> str:
    """The canonical text of a network; ends with a newline."""
    return "".join(f"{line}\n" for line in _lines(network))


def parse_network(text: str, name: str = "<network>") -> Network:
    """The network of a text; raises `DiagnosticError` with everything that is wrong. ``name`` stands in diagnostics."""
    from graphc.ir.parser import parse_statements  # loads lark, which printing does not need

    reader = _Reader(SourceFile(name, text))
    for statement in parse_statements(reader.file):
        reader.read(statement)
    return reader.finish()


def equal_networks(a: Network, b: Network) -> bool:
    """Whether both have the same nodes in the same order, the same groups and element type. Spans do not count."""
    return a.element is b.element and _contents(a) == _contents(b)


def _contents(network: Network) -> tuple[Any, ...]:
    nodes = [(n.name, n.op, [i.name for i in n.inputs], n.type) for n in network]
    return nodes, {g: [n.name for n in members] for g, members in network.groups.items()}


def network_json(network: Network, section: str) -> dict[str, Any]:
    """The entry of a network in ``{"networks": […]}``; every shape must be known."""
    return {
        "section": section,
        "parameters": network.parameter_count,
        "tensors": {node.name: _shape(node) for node in network.parameters},
        "nodes": {node.name: [node.operation, _shape(node)] for node in network},
        "inputs": {node.name: _shape(node) for node in network.inputs},
        "outputs": [node.name for node in network.groups["output"]],
        "criteria": [node.name for node in network.groups["criterion"]],
        "evaluations": [node.name for node in network.groups["evaluation"]],
    }


def _shape(node: NetworkNode) -> list[int | str]:
    assert node.type is not None, node
    return [*node.type.dims, *(["*"] if node.type.axis is not None else [])]


def _lines(network: Network) -> Iterator[str]:
    yield f"element {network.element.value}"
    for node in network:
        annotation = f" : {format_type(node.type)}" if node.type is not None else ""
        yield f"{format_name(node.name)} = {_call(node)}{annotation}"
    for group in GROUPS:
        if network.groups[group]:
            yield f"{group} {', '.join(format_name(n.name) for n in network.groups[group])}"


def _call(node: NetworkNode) -> str:
    attributes = format_attributes(node.op, omit=frozenset({"name"}) if node.op.identified else frozenset())
    arguments = [format_name(source.name) for source in node.inputs]
    return f"{node.op.names[0]}({', '.join([*arguments, attributes] if attributes else arguments)})"


class _Reader:
    def __init__(self, file: SourceFile) -> None:
        self.file = file
        self._network = Network()
        self._found = Diagnostics()
        # linked once all are defined: a delay may stand before what it reads
        self._operands: list[tuple[NetworkNode, Call, Sequence[Reference]]] = []
        self._stated: dict[NetworkNode, tuple[TensorType, Span]] = {}
        self._groups: list[tuple[str, Sequence[Reference]]] = []

    def read(self, statement: Statement) -> None:
        match statement:
            case Definition(target=Reference(is_anonymous=False) as target, expression=Call() as call):
                self._define(target, call, statement)
            case Directive(word="element", names=[name]) if name.name in {e.value for e in ElementType}:
                self._network.element = ElementType(name.name)
            case Directive(word=word, names=names) if word in GROUPS:
                self._groups.append((word, names))
            case Directive(word=word):
                words = ("element", *GROUPS)
                hint = did_you_mean(word, words, f"there are {', '.join(words)}")
                self._error(f"{word!r} is no statement of a network", statement, hint)
            case Definition(target=target):
                self._error("a node of a network has a name and one operation", target)
            case _:
                self._error("no statement of a network", statement)

    def _define(self, target: Reference, call: Call, definition: Definition) -> None:
        taken = self._network.get(target.name)
        if taken is not None:
            message = f"{target.name} is defined twice"
            labels = (Label(f"{taken.name} is defined first", taken.span),)
            self._found.add(Diagnostic("GC0402", message, self._span(target), labels))
            return
        op = self._operator(call, target.name)
        operands = [o for o in call.operands if isinstance(o, Reference) and not o.is_anonymous]
        if len(operands) < len(call.operands):
            self._error("the inputs of a node are names", call)
            op = None
        if op is None:
            return
        node = NetworkNode(target.name, op, [], self._span(target))
        self._network.add(node)
        self._operands.append((node, call, operands))
        if definition.annotation is not None:
            self._stated[node] = definition.annotation.type, self._span(definition.annotation)

    def _operator(self, call: Call, name: str) -> Op | None:
        cls = network_operator(call.operation)
        if cls is None:
            self._error(f"there is no operation {call.operation}", call)
            return None
        try:
            return make(cls, {a.name: a.value for a in call.attributes}, name)
        except AttributeFault as fault:
            blamed = next((a for a in call.attributes if a.name == fault.attribute), call)
            self._error(fault.message, blamed, fault.hint)
            return None

    def finish(self) -> Network:
        self._found.raise_errors()
        for node, call, operands in self._operands:
            sources = [self._find(reference) for reference in operands]
            node.inputs = [source for source in sources if source is not None]
            try:
                check_arity(node.op, len(operands))
            except ShapeError as error:
                self._error(error.message, call)
        for group, references in self._groups:
            for node in filter(None, map(self._find, references)):
                node.tags = (*node.tags, group)
                self._network.join(node, group)
        self._found.raise_errors()
        self._check_types()
        return self._network

    def _find(self, reference: Reference) -> NetworkNode | None:
        node = self._network.get(reference.name)
        if node is None:
            hint = did_you_mean(reference.name, self._network.names)
            self._error(f"there is no node {reference.name}", reference, hint)
        return node

    def _check_types(self) -> None:
        """Types are what inference finds; the text only repeats them, and nobody may rely on a false one."""
        if len(self._stated) < len(self._network):
            return
        infer(self._network, self._found)
        for node, (stated, span) in self._stated.items():
            if node.type is not None and node.type != stated:
                message = f"{node.name} is {format_type(node.type)}, not {format_type(stated)}"
                self._found.add(Diagnostic("GC0412", message, span))
        self._found.raise_errors()

    def _span(self, place: Place) -> Span:
        return self.file.span(place.start, place.end)

    def _error(self, message: str, place: Statement | Place, hint: str | None = None) -> None:
        at = place.target if isinstance(place, Definition) else place
        self._found.add(Diagnostic("GC0412", message, self._span(at), hint=hint))
