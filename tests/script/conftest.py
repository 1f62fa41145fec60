"""A small library and a host that only notes what it is asked for, precise enough to check names and orders."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from graphc.diagnostics import Diagnostic, DiagnosticError, SourceText, Span
from graphc.script.evaluator import Evaluator, Limits
from graphc.script.host import HostRecord
from graphc.script.library import LIBRARY
from graphc.script.values import ArrayValue, flatten
from graphc.syntax import ast
from graphc.syntax.brainscript import parse_expression, parse_members

# Parameter names are those of the real library: nodes are named by them.
LAYERS = """
_AsNodes (inputs) = {
    inArr = _AsArray (inputs)
    arr[i:0..Length (inArr)-1] = {
        val = inArr[i]
        res = if IsDouble (val) then Constant {val} else if IsBool (val) then Constant {if val then 1 else 0} else val
    }.res
}.arr
Constant {value} = ParameterTensor {(1:1), initValue = value, learningRateMultiplier = 0}
ParameterTensor {dims, learningRateMultiplier = 1.0, init = '', initValue = '', tag=''} =
    new ComputationNode { operation = 'LearnableParameter' ; inputs = [||] ; shape = new TensorShape { } }
Parameter (outDim, inDim, initValue = '') = ParameterTensor {(outDim:inDim), initValue = initValue}
Input {dims, tag='feature'} =
    new ComputationNode { operation = 'InputValue' ; inputs = [||] ; shape = new TensorShape { } }
Times (A, B, outputRank=1, tag='') = new ComputationNode { operation = 'Times' ; inputs = _AsNodes (A : B) }
Plus (_, y, tag='') = new ComputationNode { operation = 'Plus' ; inputs = _AsNodes (_ : y) }
Sigmoid (_, tag='') = new ComputationNode { operation = 'Sigmoid' ; inputs = _AsNodes (_) }
Tanh (z, tag='') = new ComputationNode { operation = 'Tanh' ; inputs = _AsNodes (z) }
PastValue (shape, input, timeStep = 1, tag='') =
    new ComputationNode { operation = 'PastValue' ; inputs = _AsNodes (input) }
LinearLayer {outDim, bias = true} = {
    W = ParameterTensor {_ConcatArrays (outDim, Inferred)}
    b = ParameterTensor {outDim}
    apply (x) = if bias then Times (W, x) + b else Times (W, x)
}.apply
Sequential (arrayOfFunctions) = {
    fs = _AsArray (arrayOfFunctions)
    Apply (x, N) = if N == 0 then x else fs[N-1](Apply (x, N-1))
    apply (x) = Apply (x, Length (fs))
}.apply
"""

GROUPS = ("criterionNodes", "evaluationNodes", "featureNodes", "labelNodes", "outputNodes")
DELAYS = ("PastValue", "FutureValue", "Shift")


@dataclass(eq=False)
class FakeNode:
    name: str
    operation: str
    inputs: list[Any]
    attributes: dict[str, Any] = field(default_factory=dict)
    span: Span | None = None
    deferred: Callable[[], Any] | None = None

    def member(self, name: str) -> Any:
        return {"name": self.name, "operation": self.operation, "inputs": self.inputs, "dim": 7}[name]

    def __str__(self) -> str:
        return f"{self.name} = {self.operation} ({', '.join(node.name for node in self.inputs)})"


@dataclass(eq=False)
class FakeNetwork:
    nodes: dict[str, FakeNode] = field(default_factory=dict)

    def member(self, name: str) -> Any:
        return self.nodes[name]


class FakeHost:
    types = frozenset({"ComputationNode", "ComputationNetwork"})
    empty_path_types = types

    def __init__(self) -> None:
        # nodes in order of construction
        self.made: list[FakeNode] = []

    def is_node(self, value: Any) -> bool:
        return type(value) is FakeNode

    def constant(self, value: float, path: str, span: Span) -> FakeNode:
        return self._made(FakeNode(path, "LearnableParameter", [], {"initValue": value}, span))

    def operation(
        self, name: str, inputs: Sequence[Any], attributes: Mapping[str, Any], path: str, span: Span
    ) -> FakeNode:
        return self._made(FakeNode(path, name, list(inputs), dict(attributes), span))

    def create(self, type_name: str, record: HostRecord, path: str, span: Span) -> Any:
        if type_name == "ComputationNetwork":
            return assemble(record)
        node = FakeNode(path, record.lookup("operation"), [], span=span)
        for key in ("shape", "initValue", "tag"):
            try:
                node.attributes[key] = record.lookup(key)
            except KeyError:
                continue
        if node.operation in DELAYS:
            node.deferred = record.defer("inputs")
        else:
            node.inputs = _inputs(record.lookup("inputs"), record.own_span("inputs"))
        return self._made(node)

    def _made(self, node: FakeNode) -> FakeNode:
        self.made.append(node)
        return node


def _inputs(value: Any, span: Span) -> list[Any]:
    nodes = value.elements() if isinstance(value, ArrayValue) else [value]
    if not all(isinstance(node, FakeNode) for node in nodes):
        raise DiagnosticError(Diagnostic("GC0404", "inputs must be nodes", span))
    return nodes


def assemble(record: HostRecord) -> FakeNetwork:
    """language.md 6.2: groups, then members, then everything below them, breadth first."""
    work: list[FakeNode] = []
    names = sorted(record.own_names())
    for group in (name for name in names if name in GROUPS):
        work += flatten(record.lookup(group))
    for name in names:
        value = record.lookup(name)
        if isinstance(value, FakeNode) and name not in GROUPS:
            value.name = name
            work.append(value)
    return FakeNetwork(_breadth_first(work))


def _breadth_first(work: list[FakeNode]) -> dict[str, FakeNode]:
    nodes: dict[str, FakeNode] = {}
    for node in work:
        if nodes.get(node.name) is node:
            continue
        while node.name in nodes:
            node.name = "_" + node.name
        nodes[node.name] = node
        if node.deferred is not None:
            node.inputs, node.deferred = _inputs(node.deferred(), record_span(node)), None
        work.extend(node.inputs)
    return nodes


def record_span(node: FakeNode) -> Span:
    assert node.span is not None
    return node.span


@dataclass
class Script:
    """Runs texts over the language library and the layers above."""

    library: ast.Record
    printed: list[str] = field(default_factory=list)

    def evaluator(self, limits: Limits | None = None, **settings: Any) -> Evaluator:
        host = FakeHost()
        return Evaluator(self.library, host, settings=settings, limits=limits or Limits(), write=self.printed.append)

    def program(self, text: str) -> ast.Record:
        return parse_members(SourceText.from_string(text, "model.bs"))

    def member(self, text: str, evaluator: Evaluator | None = None) -> Any:
        """Member ``do`` of a program."""
        return (evaluator or self.evaluator()).evaluate(self.program(text)).lookup("do")

    def network(self, text: str, evaluator: Evaluator) -> FakeNetwork:
        expr = parse_expression(SourceText.from_string(f"new ComputationNetwork {text}", "model.bs"))
        return evaluator.evaluate(expr)


@pytest.fixture(scope="session")
def library() -> ast.Record:
    language = parse_members(SourceText.from_string((LIBRARY / "language.bs").read_text(), "language.bs"))
    layers = parse_members(SourceText.from_string(LAYERS, "layers.bs"))
    return ast.Record(language.span, language.members + layers.members)


@pytest.fixture
def script(library: ast.Record) -> Iterator[Script]:
    yield Script(library)
