"""Evaluation of a graph, one node after the other, on dense NumPy arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from graphc.backend import Environment, Feeds, Function, Gradients, Parameters, Results
from graphc.backends.reference.loops import run_loop
from graphc.diagnostics import Diagnostic, DiagnosticError
from graphc.ir import Context, ElementType, Frames, Graph, Node, Op, Storage, TensorType
from graphc.ir.arithmetic import Arithmetic
from graphc.ir.layout import align, array_shape
from graphc.ops.legacy_reshape import Restack
from graphc.ops.recurrence import Scan
from graphc.ops.sequences import Where
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.ops.statistics import epoch_updates


@dataclass(frozen=True)
class ReferenceBackend:
    """Evaluates in the graph's own element types or, if ``element`` is given, in that one throughout."""

    element: ElementType | None = None
    name: str = "reference"

    def function(self, graph: Graph, *, training: bool = False) -> Function:
        part = graph if training else replace(graph, updates=epoch_updates(graph))
        _require_evaluable(part)

        def run(parameters: Parameters, feeds: Feeds, environment: Environment) -> Results:
            step = Step(parameters, feeds, environment, training=training, element=self.element)
            values = step.values(part)
            updates = {p.op.name: values[new] for p, new in part.updates if isinstance(p.op, LearnableParameter)}
            outputs = {name: values[node] for name, node in part.roots.items()}
            return Results(outputs, updates, step.axes, carried=step.carried)

        return run

    def value_and_gradients(self, graph: Graph, *, training: bool = False) -> Gradients:
        """Gradients are computed in float64."""
        from graphc.backends.reference.gradients import value_and_gradients  # which builds on this module

        return value_and_gradients(self.function(graph, training=training), graph, training=training)

    def compile(
        self, graph: Graph, *, training: bool = False, device: str = "auto", arithmetic: Arithmetic = "full"
    ) -> Function:
        """The same as `function`: there is nothing to compile, only one device, and always full arithmetic."""
        return self.function(graph, training=training)


BACKEND = ReferenceBackend()
# for comparing others with: rounding does not hide what they get wrong
FLOAT64 = ReferenceBackend(ElementType.FLOAT64)


@dataclass
class Step:
    """One evaluation: what it was given, and the dynamic axes it has met."""

    parameters: Parameters
    feeds: Feeds
    environment: Environment
    training: bool = False
    element: ElementType | None = None
    _frames: dict[str, Frames] = field(default_factory=dict)
    # what loops hand on to the next minibatch
    carried: dict[str, Any] = field(default_factory=dict)

    @property
    def axes(self) -> Mapping[str, Frames]:
        return self._frames

    def values(self, graph: Graph) -> dict[Node, Any]:
        """Value of every node that a root or an update needs."""
        found: dict[Node, Any] = {}
        for node in graph.nodes:
            match node.op:
                case InputValue():
                    found[node] = self._input(node, node.op)
                case LearnableParameter():
                    found[node] = self._parameter(node, node.op)
                case _:
                    found[node] = self.apply(node, self.operands(node, found))
        return found

    def operands(self, node: Node, values: Mapping[Node, Any]) -> list[Any]:
        """Values of the inputs as the operator takes them: aligned if it says so."""
        found = [values[source] for source in node.inputs]
        if not node.op.aligned:
            return found
        return [align(x, source.type, node.type.rank) for x, source in zip(found, node.inputs, strict=True)]

    def apply(self, node: Node, operands: list[Any]) -> np.ndarray:
        # infinities and NaNs are values like others here; who trains looks for them
        with np.errstate(all="ignore"):
            value = np.asarray(self._evaluated(node, operands))
        sample = value.shape[node.type.axis is not None :]
        wanted = tuple(reversed(node.type.dims))
        assert sample == wanted, f"a sample of {node} has the array shape {sample}, inferred {wanted}"
        return value

    def _evaluated(self, node: Node, operands: list[Any]) -> Any:
        context = self.context(node)
        match node.op:
            case Scan() as op:
                value, after = run_loop(op, self, context, operands)
                self.carried.update(after)
                return value
            case Where() | Restack() as op:
                value, frames = op.select(context, *operands)
                self._frames.setdefault(op.axis, frames)
                return value
            case op:
                return op.evaluate(context, *operands)

    def context(self, node: Node) -> Context:
        axis = node.type.axis or next((s.type.axis for s in node.inputs if s.type.axis is not None), None)
        return Context(
            xp=np,
            operands=tuple(self._typed(source.type) for source in node.inputs),
            result=self._typed(node.type),
            training=self.training,
            frames=None if axis is None else self._frames.get(axis.name),
            settings=self.environment.settings,
            random=self.environment.random,
            axes=self._frames,
        )

    def _typed(self, type: TensorType) -> TensorType:
        return type if self.element is None else replace(type, element=self.element)

    def _dtype(self, node: Node) -> str:
        return (self.element or node.type.element).value

    def _parameter(self, node: Node, op: LearnableParameter) -> np.ndarray:
        shape = array_shape(node.type)
        if op.name not in self.parameters and op.constant is not None:
            return np.full(shape, op.constant, self._dtype(node))
        value = np.asarray(self.parameters[op.name], self._dtype(node))
        if value.shape != shape:
            raise ValueError(f"the parameter {op.name} has the array shape {value.shape}, expected {shape}")
        return value

    def _input(self, node: Node, op: InputValue) -> np.ndarray:
        value = densify(self.feeds[op.name], node.type).astype(self._dtype(node), copy=False)
        if value.shape[1:] != tuple(reversed(node.type.dims)):
            expected = ("frames", *reversed(node.type.dims))
            raise ValueError(f"the input {op.name} has the array shape {value.shape}, expected {expected}")
        assert node.type.axis is not None
        axis = node.type.axis.name
        self._frames.setdefault(axis, self.environment.frames.get(axis) or self._frames_of(value))
        return value

    def _frames_of(self, value: np.ndarray) -> Frames:
        total, count = value.shape[0], self.environment.count
        if count is None or int(count) == total:
            return Frames(total)
        return Frames(int(count), (np.arange(total) < int(count)).astype(value.dtype))


def densify(feed: Any, type: TensorType) -> np.ndarray:
    """A feed as a dense array ``(frames, dN, …, d1)``; an index outside the sample is no entry."""
    if type.storage is Storage.DENSE:
        return np.asarray(feed)
    if type.storage is Storage.ONEHOT:
        indices = np.asarray(feed).reshape(-1, 1)
        values = np.ones(indices.shape)
    else:
        indices, values = (np.asarray(part) for part in feed)
    inside = (indices >= 0) & (indices < type.size)
    rows = np.broadcast_to(np.arange(len(indices))[:, None], indices.shape)
    dense = np.zeros((len(indices), type.size))
    with np.errstate(invalid="ignore"):  # two entries of one place may be inf and -inf
        np.add.at(dense, (rows[inside], indices[inside]), values[inside])
    return dense.reshape(array_shape(type, len(indices)))


def _require_evaluable(graph: Graph) -> None:
    lacking = [n for n in graph.nodes if n.inputs and not _can_evaluate(n.op)]
    if lacking:
        what = "the operation {} cannot be evaluated"
        raise DiagnosticError(
            *(Diagnostic("GC0802", what.format(n.op.names[0]), graph.span_of(n)) for n in lacking),
        )


def _can_evaluate(op: Op) -> bool:
    if isinstance(op, Scan):
        return all(_can_evaluate(node.op) for node in op.region.body.nodes if node.inputs)
    return type(op).evaluate is not Op.evaluate
