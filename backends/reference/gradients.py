"""Gradients by reverse sweep: an operator's own pullback, else numerical vector–Jacobian products; loops step by step.

The numerical ones take central differences of fourth order in float64, so they are good to about 1e-11; they evaluate
an operator four times for each element of an operand, which only small arrays can afford.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.backend import Environment, Feeds, Function, Gradients, Parameters, Results
from graphc.backends.reference.evaluate import Step
from graphc.backends.reference.loops import aligned, initial_frame, is_in_piece_before, unrolled
from graphc.ir import Context, ElementType, Graph, Node
from graphc.ops.frames import sequences_of
from graphc.ops.recurrence import Scan
from graphc.ops.sources import InputValue, LearnableParameter


def gradients(
    graph: Graph,
    root: str,
    wrt: Iterable[str],
    parameters: Parameters,
    feeds: Feeds,
    environment: Environment | None = None,
    *,
    training: bool = True,
    cotangent: Any | None = None,
    element: ElementType | None = ElementType.FLOAT64,
) -> dict[str, np.ndarray]:
    """Gradient of the sum of all elements of all real frames of a root, by name of parameter or input.

    ``cotangent`` weighs the elements; it has, or broadcasts to, the shape of the root's array.
    """
    part = graph.select([root], updates=False)
    top = part.roots[root]
    step = Step(parameters, feeds, environment or Environment(), training=training, element=element)
    values = step.values(part)
    wanted = {n.op.name: n for n in part.nodes if isinstance(n.op, InputValue | LearnableParameter)}
    targets = {name: wanted[name] for name in wrt if name in wanted}
    weight = np.ones_like(values[top]) if cotangent is None else np.asarray(cotangent, values[top].dtype)
    weight = step_masked(step, top, np.broadcast_to(weight, values[top].shape))
    found = _sweep(step, part.nodes, values, {top: weight}, set(targets.values()))
    return {name: found[node] if node in found else np.zeros_like(values[node]) for name, node in targets.items()}


def value_and_gradients(run: Function, graph: Graph, *, training: bool) -> Gradients:
    """See `graphc.backend.Gradients`; ``run`` evaluates the graph."""

    def call(
        parameters: Parameters, feeds: Feeds, environment: Environment, weights: Mapping[str, Any]
    ) -> tuple[Results, Mapping[str, Any]]:
        dense = (name for name, x in feeds.items() if not isinstance(x, tuple) and np.asarray(x).dtype.kind == "f")
        total: dict[str, np.ndarray] = {}
        wrt = [*parameters, *dense]
        for root, weight in weights.items():
            given = parameters, feeds, environment
            for name, g in gradients(graph, root, wrt, *given, training=training, cotangent=weight).items():
                total[name] = total[name] + g if name in total else g
        return run(parameters, feeds, environment), total

    return call


def _sweep(
    step: Step, nodes: Sequence[Node], values: Mapping[Node, Any], tops: Mapping[Node, np.ndarray], targets: set[Node]
) -> dict[Node, np.ndarray]:
    """Gradients of the nodes between the targets and ``tops``, of which the gradients are given."""
    reaching = _reaching(nodes, targets)
    found = dict(tops)
    for node in reversed(nodes):
        if node not in found or not node.inputs or node not in reaching:
            continue
        operands = step.operands(node, values)
        wanted = [i for i, s in enumerate(node.inputs) if s in reaching and i not in node.op.no_gradient]
        for index, g in _operand_gradients(step, node, operands, values[node], found[node], wanted):
            source = node.inputs[index]
            summed = sum_to(g, operands[index].shape).reshape(values[source].shape)
            summed = step_masked(step, source, summed)
            found[source] = found[source] + summed if source in found else summed
    return found


def _reaching(nodes: Sequence[Node], targets: set[Node]) -> set[Node]:
    """Nodes through which a gradient comes to a target."""
    found: set[Node] = set()
    for node in nodes:
        passing = (s for i, s in enumerate(node.inputs) if i not in node.op.no_gradient)
        if node in targets or any(s in found for s in passing):
            found.add(node)
    return found


def step_masked(step: Step, node: Node, g: Any) -> np.ndarray:
    """``g`` without what belongs to padding frames."""
    return g if node.type.axis is None else step.context(node).masked(g)


def _operand_gradients(
    step: Step, node: Node, operands: list[Any], y: Any, g: Any, wanted: list[int]
) -> Iterable[tuple[int, np.ndarray]]:
    given = pullback(step, node, operands, y, g)
    if given is None:
        return [(i, numerical(step, node, operands, g, i)) for i in wanted]
    return [(i, found) for i in wanted if (found := given[i]) is not None]


def pullback(step: Step, node: Node, operands: list[Any], y: Any, g: Any) -> Sequence[np.ndarray | None] | None:
    """Gradients of the operands of a node by its own rule; none where it has none."""
    if isinstance(node.op, Scan):
        return _of_loop(step, node.op, step.context(node), operands, g)
    rule = getattr(node.op, "pullback", None)
    with np.errstate(all="ignore"):
        return None if rule is None else rule(step.context(node), operands, y, g)


def _of_loop(step: Step, op: Scan, c: Context, operands: list[Any], g: Any) -> list[np.ndarray]:
    """Gradients of the operands of a loop: through each step of each sequence, the last one first."""
    region, body = op.region, op.region.one_step((op.output,))
    sources = {n.op.name: n for n in body.nodes if isinstance(n.op, InputValue | LearnableParameter)}
    found = [np.zeros(x.shape) for x in operands]
    sequences = sequences_of(c, region.axis, operands[0].shape[0])
    for number, frames in unrolled(op, step, c, operands):
        asked: list[dict[Node, Any]] = [{} for _ in frames]
        for t, frame in reversed([*enumerate(frames)]):
            here = slice(frame.at, frame.at + 1)
            _add(asked[t], body.roots[op.output], g[here])
            of_nodes = _sweep(frame.step, body.nodes, frame.values, asked[t], set(sources.values()))
            of_step = {name: of_nodes[node] for name, node in sources.items() if node in of_nodes}
            for index, name in enumerate((*region.steps, *region.constants)):
                if name in of_step:
                    found[index][here if index < len(region.steps) else ...] += of_step[name]
            for carry in (carry for carry in region.carries if carry.name in of_step):
                d = of_step[carry.name]
                if t >= carry.time_step:
                    value, before = region.body.roots[carry.value], t - carry.time_step
                    _add(asked[before], value, _narrow(d, frames[before].values[value]))
                elif is_in_piece_before(sequences, carry, number, t):
                    continue  # the minibatch before is over
                elif carry.initial is not None and c.operands[carry.initial].axis is None:
                    found[carry.initial] += sum_to(d, found[carry.initial].shape)
                elif carry.initial is not None:
                    at = initial_frame(region, carry, t, number, c, len(found[carry.initial]))
                    found[carry.initial][at : at + 1] += _narrow(d, found[carry.initial][at : at + 1])
    return found


def _add(found: dict[Node, Any], node: Node, g: Any) -> None:
    found[node] = found[node] + g if node in found else g


def _narrow(d: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The gradient of ``x``, a frame, from that of what it was broadcast to."""
    return sum_to(d, aligned(x, d.ndim).shape).reshape(x.shape)


def numerical(step: Step, node: Node, operands: list[Any], g: Any, index: int, *, scale: float = 1.0) -> np.ndarray:
    """Vector–Jacobian product of one operand by differences; may have the result's shape if that was broadcast.

    ``scale`` widens the differences: where another one gives another result, there is no derivative.
    """
    exact = [np.asarray(x, np.float64) for x in operands]
    g = np.asarray(g, np.float64)

    def f(x: np.ndarray) -> np.ndarray:
        return np.asarray(step.apply(node, [*exact[:index], x, *exact[index + 1 :]]))

    if node.op.aligned:
        # element by element, so all elements can move at once
        x = np.broadcast_to(exact[index], np.broadcast_shapes(exact[index].shape, g.shape))
        h = scale * _steps(x)
        return g * _central(lambda t: f(x + t * h)) / h
    x = exact[index]
    h = scale * _steps(x)
    derivative = np.empty(x.shape)
    for at in np.ndindex(x.shape):
        unit = np.zeros(x.shape)
        unit[at] = h[at]
        derivative[at] = _central(lambda t, unit=unit: np.sum(f(x + t * unit) * g)) / h[at]
    return derivative


def _steps(x: np.ndarray) -> np.ndarray:
    return 2e-4 * np.maximum(np.abs(x), 1.0)


def _central(f: Callable[[float], Any]) -> Any:
    """Derivative at 0, times the step, with an error of fourth order."""
    return (8 * (f(1.0) - f(-1.0)) - (f(2.0) - f(-2.0))) / 12


def sum_to(g: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """``g`` summed over the positions to which an operand of that shape was broadcast."""
    extra = g.ndim - len(shape)
    g = g.sum(axis=tuple(range(extra))) if extra > 0 else g
    repeated = tuple(k for k, (have, want) in enumerate(zip(g.shape, shape, strict=True)) if want == 1 != have)
    return g.sum(axis=repeated, keepdims=True) if repeated else g
