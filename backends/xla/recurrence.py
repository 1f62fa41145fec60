"""Recurrences as scans over lanes: several sequences stand one behind the other in a lane and start afresh there.

Matrices, scales and biases that are the same in every step get their gradient after the loop, as one product over all
frames: the backward scan computes the gradient of the state only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import jax
import jax.numpy as jnp

from graphc.backend import Environment
from graphc.backends.xla.activations import fused_sigmoid
from graphc.backends.xla.arithmetic import widened
from graphc.backends.xla.columns import multiplied
from graphc.backends.xla.lanes import distances, from_lanes, lanes_of, real_frames, to_lanes
from graphc.backends.xla.lowering import Step, full_precision, lowers_loops, unbroadcast
from graphc.backends.xla.scans import Gradients, Tap, scan
from graphc.backends.xla.values import Value
from graphc.ir import Carry, Graph, Lanes, Node, Region, Sequences, Storage, TensorType
from graphc.ir.layout import array_shape
from graphc.ops.elementwise import DiagTimes, ElementTimes, Plus
from graphc.ops.frames import boundary, sequences_of
from graphc.ops.products import Times
from graphc.ops.recurrence import History, Scan, history_of
from graphc.ops.sources import LearnableParameter
from graphc.ops.unary import Sigmoid, StableSigmoid


@lowers_loops
def run_loop(op: Scan, step: Step, node: Node) -> Mapping[Node, Value]:
    """Every result of the node's loop that the step needs, at every frame."""
    same = [
        n for n in step.graph.nodes if isinstance(n.op, Scan) and (n.op.region, n.inputs) == (op.region, node.inputs)
    ]
    outputs = tuple(dict.fromkeys(n.op.output for n in same if isinstance(n.op, Scan)))
    before = history_of(op.region, step.environment.carried)
    loop = _Loop.of(op.region, outputs, step, node, before)
    found, after = loop.run()
    if before is not None:
        step.carried.update(after)
    return {n: loop.by_frames(n.type, found[n.op.output]) for n in same if isinstance(n.op, Scan)}


@dataclass(frozen=True)
class _Loop:
    region: Region
    body: Graph
    outputs: tuple[str, ...]
    step: Step
    sequences: Sequences
    lanes: Lanes
    # operands by name of the body's source
    frames: Mapping[str, Value]
    constants: Mapping[str, Any]
    # initial states without dynamic axis, by number of the operand
    states: Mapping[int, Any]
    # of others what each frame finds outside its sequence, by name of the delay: how far out it looks is its own
    outside: Mapping[str, Any]
    # what the minibatch before hands on to sequences that go on; none where all begin here
    before: History | None

    @staticmethod
    def of(region: Region, outputs: tuple[str, ...], step: Step, node: Node, before: History | None) -> _Loop:
        values = [step.values[source] for source in node.inputs]
        total = values[0].frames[0]
        c = step.context(node)
        sequences = sequences_of(c, region.axis, total)
        steps = len(region.steps)
        states: dict[int, Any] = {}
        outside: dict[str, Any] = {}
        for carry in region.carries:
            if carry.initial is None:
                continue
            value = values[carry.initial]
            if value.type.axis is None:
                states[carry.initial] = widened(value.dense)
            else:
                distance = carry.time_step if region.backward else -carry.time_step
                source = sequences_of(c, value.type.axis, value.frames[0])
                outside[carry.name] = boundary(c, sequences, distance, widened(value.dense), source)
        return _Loop(
            region,
            region.one_step(outputs),
            outputs,
            step,
            sequences,
            lanes_of(sequences),
            dict(zip(region.steps, values, strict=False)),
            {name: widened(value.dense) for name, value in zip(region.constants, values[steps:], strict=False)},
            states,
            outside,
            before,
        )

    def run(self) -> tuple[dict[str, Any], History]:
        """The results ``(time, lanes, …)``, and the last of what one step hands to the next."""
        xs = {name: self._by_steps(value) for name, value in self.frames.items()}
        outside = {key: to_lanes(x, self.lanes, self.real) for key, x in self.outside.items()}
        time, count = self.lanes.frames.shape
        positions = None
        if not self.starts_at_once:
            positions = distances(self.sequences, self.lanes, backward=self.region.backward)
        rows = (xs, outside), positions, jnp.arange(time, dtype=jnp.uint32)
        start = {carry.name: self._first(carry, count) for carry in self.region.carries}
        tapped = self.tapped
        matrices = {each.name: self.constants[each.name] for each in tapped.values()}
        settings = self.step.environment.settings
        arguments = _Invariant(self.constants, matrices, self.states, self._random(), settings)
        gradients = Gradients(
            arguments.numbers(_read_otherwise(self.body, tapped), self.states),
            tuple(
                Tap(
                    arguments.number("matrices", each.name),
                    jax.ShapeDtypeStruct((count, n.type.size), n.type.element.value),
                    each.kind,
                )
                for n, each in tapped.items()
            ),
        )

        def step(invariant: Any, history: Any, row: Any, taps: Any) -> Any:
            return self.one(arguments.tree(invariant), history, row, dict(zip(tapped, taps, strict=True)))

        with full_precision():
            found, last = scan(step, arguments.leaves, start, rows, gradients, reverse=self.region.backward)
        return found, last

    def _by_steps(self, value: Value) -> Any:
        """The frames of a value as ``(time, lanes, …)``."""
        if not self.lanes.is_regular:
            return to_lanes(widened(value.dense), self.lanes, self.real)
        time, count = self.lanes.frames.shape
        x = widened(Value(value.type, value.time_major(count)).dense)
        return x.reshape(time, count, *x.shape[1:])

    def by_frames(self, type: TensorType, result: Any) -> Value:
        """A result of the loop, ``(time, lanes, …)``, as that of a node."""
        time, count = self.lanes.frames.shape
        if self.lanes.is_regular:
            return Value(type, time_major=result.reshape(time * count, *result.shape[2:]), lanes=count)
        return Value(type, from_lanes(result, self.lanes, self.real))

    @cached_property
    def real(self) -> Any:
        return real_frames(self.sequences)

    @cached_property
    def tapped(self) -> dict[Node, _Applied]:
        """The nodes of the body that apply a matrix, a scale or a bias to a vector."""
        found = {node: _applied(node) for node in self.body.nodes}
        return {node: each for node, each in found.items() if each is not None and each.name in self.region.constants}

    @property
    def starts_at_once(self) -> bool:
        """Whether every lane holds one sequence from its first step on, so that only there delays look outside."""
        return self.lanes.is_regular and not self.outside and self.before is None

    def _random(self) -> Any:
        draws = any(node.op.family == "random" for node in self.body.nodes)
        return self.step.environment.random if draws else None

    def _first(self, carry: Carry, lanes: int) -> tuple[Any, ...]:
        """What a delay gives in the first steps. Where borders are told step by step it is only finite there."""
        if self.before is not None:
            return self.before[carry.name]
        type = self._type(carry.name)
        shape = array_shape(type, lanes)
        initial = carry.default if self.starts_at_once else 0.0
        if self.starts_at_once and carry.initial is not None:
            initial = self.states[carry.initial]
        # no step looks further back than the longest sequence has frames
        size = min(carry.time_step, self.lanes.frames.shape[0])
        return (jnp.broadcast_to(jnp.asarray(initial, type.element.value), shape),) * size

    def one(
        self, invariant: Any, history: Any, row: Any, taps: Mapping[Node, Any]
    ) -> tuple[Any, dict[str, Any], list[Any]]:
        """One frame of every lane: the history after it, the results, and what the products were applied to."""
        (frames, outside), position, time = row
        constants, matrices, states, random, settings = invariant
        feeds = dict(frames)
        for carry in self.region.carries:
            feeds[carry.name] = self._delayed(carry, history[carry.name][0], states, outside, position)
        stream = None if random is None else random.step(time)
        inner = _BodyStep(self.body, constants, feeds, Environment(None, settings, stream), self.step.training, "full")
        inner.tapped = {node: (self.tapped[node], matrices[self.tapped[node].name], tap) for node, tap in taps.items()}
        inner.steps = self.lanes.frames.shape[0]
        inner.run()
        values = {name: inner.values[node].dense for name, node in self.body.roots.items()}
        after = {
            carry.name: (*history[carry.name][1:], self._as_delayed(carry, values[carry.value]))
            for carry in self.region.carries
        }
        return after, {name: values[name] for name in self.outputs}, [inner.applied_to[node] for node in taps]

    def _as_delayed(self, carry: Carry, value: Any) -> Any:
        """A value with the shape that the delay has: an initial state may have more."""
        shape = array_shape(self._type(carry.name), value.shape[0])
        return jnp.broadcast_to(_aligned(value, len(shape)), shape)

    def _delayed(self, carry: Carry, before: Any, states: Any, outside: Any, position: Any) -> Any:
        """What a delay gives: what its input was so many steps before or, at the border, the initial state."""
        if position is None:
            return before
        if carry.initial is None:
            initial = jnp.asarray(carry.default, before.dtype)
        elif carry.initial in states:
            initial = states[carry.initial]
        else:
            initial = _aligned(outside[carry.name], before.ndim)
        return _entered(position < carry.time_step, initial, before)

    def _type(self, name: str) -> Any:
        return self.region.body.roots[name].type


class _BodyStep(Step):
    """The body on one frame. The gradient of a parameter is found by the tap of what it is applied to: zeros that are
    added to the result, whose gradient is that of the result."""

    # node → how it applies a parameter, the parameter's value and the tap
    tapped: Mapping[Node, tuple[_Applied, Any, Any]]
    # of the loop, where they are known
    steps: int

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.applied_to: dict[Node, Any] = {}

    def evaluate(self, node: Node) -> None:
        if isinstance(node.op, Sigmoid | StableSigmoid):
            x = self.values[node.inputs[0]].dense
            self.values[node] = Value(node.type, fused_sigmoid(node.op, self.context(node), x))
            return
        if node not in self.tapped:
            super().evaluate(node)
            return
        applied, parameter, tap = self.tapped[node]
        vector = self.values[node.inputs[1 - applied.place]].dense
        vector = vector.reshape(vector.shape[0], -1)
        match applied.kind:
            case "matrix":
                y = multiplied(vector, parameter, self.steps)
            case "scale":
                y = vector * parameter.reshape(-1)
            case "bias":
                y = vector + parameter.reshape(-1)
        # a bias is applied to nothing that its gradient needs
        self.applied_to[node] = None if applied.kind == "bias" else vector
        self.values[node] = Value(node.type, (y + tap).reshape(array_shape(node.type, y.shape[0])))


@dataclass(frozen=True)
class _Applied:
    """How a node applies a parameter, an operand of the loop and its own at a place, to one that changes."""

    name: str
    place: int
    kind: Literal["matrix", "scale", "bias"]


def _applied(node: Node) -> _Applied | None:
    match node:
        case Node(Times(output_rank=1), (Node(LearnableParameter(name=name), _) as matrix, vector)):
            is_plain = matrix.type.rank == 2 and vector.type.size == matrix.type.dims[1]
            return _Applied(name, 0, "matrix") if is_plain and _changes(vector) else None
        case Node(ElementTimes() | DiagTimes() | Plus() as op, (x, y)):
            for place, (parameter, vector) in enumerate(((x, y), (y, x))):
                if isinstance(parameter.op, LearnableParameter) and _changes(vector) and _are_columns(node, x, y):
                    return _Applied(parameter.op.name, place, "bias" if isinstance(op, Plus) else "scale")
    return None


def _changes(vector: Node) -> bool:
    return vector.type.axis is not None and vector.type.storage is Storage.DENSE


def _are_columns(*nodes: Node) -> bool:
    """Whether the values are vectors of one size, of whatever rank."""
    sizes = {node.type.size for node in nodes}
    return len(sizes) == 1 and all(n.type.rank > 0 and n.type.dims[0] == n.type.size for n in nodes)


def _read_otherwise(body: Graph, tapped: Mapping[Node, _Applied]) -> set[str]:
    """Parameters of the body that not only tapped nodes read."""
    found = set()
    for node in body.nodes:
        place = tapped[node].place if node in tapped else None
        for i, source in enumerate(node.inputs):
            if isinstance(source.op, LearnableParameter) and i != place:
                found.add(source.op.name)
    return found


class _Invariant:
    """What is the same in every step, as a flat list.

    Constants, those of them that tapped nodes apply once more, initial states, random stream and settings.
    """

    def __init__(self, constants: Any, matrices: Any, states: Any, random: Any, settings: Any) -> None:
        tree: dict[str, Any] = {"constants": dict(constants), "matrices": dict(matrices)}
        tree |= {"states": dict(states), "random": random, "settings": dict(settings)}
        self.leaves, self._structure = jax.tree.flatten(tree)
        paths = jax.tree_util.tree_flatten_with_path(tree)[0]
        self._numbers = {jax.tree_util.keystr(path): i for i, (path, _) in enumerate(paths)}

    def number(self, kind: str, name: Any) -> int:
        return self._numbers[f"['{kind}'][{name!r}]"]

    def numbers(self, constants: Iterable[str], states: Iterable[int]) -> tuple[int, ...]:
        own = [f"['constants'][{name!r}]" for name in constants]
        found = [self._numbers[key] for key in own if key in self._numbers]
        return tuple(sorted([*found, *(self.number("states", name) for name in states)]))

    def tree(self, leaves: Any) -> Any:
        found = jax.tree.unflatten(self._structure, leaves)
        return tuple(found[kind] for kind in ("constants", "matrices", "states", "random", "settings"))


@jax.custom_vjp
def _entered(is_border: Any, initial: Any, before: Any) -> Any:
    """``initial`` in lanes at a border, ``before`` in others; remembers one flag a lane, not one an element."""
    return jnp.where(_flags(is_border, before), initial, before)


def _entered_backward(saved: Any, g: Any) -> Any:
    is_border, initial = saved
    flags = _flags(is_border, g)
    nothing = jnp.zeros((), g.dtype)
    return None, unbroadcast(jnp.where(flags, g, nothing), initial), jnp.where(flags, nothing, g)


_entered.defvjp(lambda flags, initial, before: (_entered(flags, initial, before), (flags, initial)), _entered_backward)


def _flags(flags: Any, x: Any) -> Any:
    return flags.reshape((-1,) + (1,) * (x.ndim - 1))


def _aligned(x: Any, rank: int) -> Any:
    return x.reshape(x.shape[:1] + (1,) * (rank - x.ndim) + x.shape[1:])
