"""Recurrences as scans over lanes: several sequences stand one behind the other in a lane and start afresh there.

Products with matrices that are the same in every step get their gradient after the loop, as one product over all
frames: the backward scan computes the gradient of the state only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp

from graphc.backend import Environment
from graphc.backends.xla.lowering import Step, full_precision, lowers_loops
from graphc.backends.xla.values import Value
from graphc.ir import Carry, Graph, Lanes, Node, Region, Sequences, Storage
from graphc.ir.layout import array_shape
from graphc.ops.frames import at, boundary, lengths_of_frames, sequences_of
from graphc.ops.products import Times
from graphc.ops.recurrence import Scan
from graphc.ops.sources import InputValue, LearnableParameter

# Steps written out in one iteration: measured to help where a step is short, and never to hurt (benchmarks/recurrence).
_UNROLL = 4


@lowers_loops
def run_loop(op: Scan, step: Step, node: Node) -> Mapping[Node, Value]:
    """Every result of the node's loop that the step needs, at every frame."""
    same = [n for n in step.graph.nodes if isinstance(n.op, Scan) and (n.op.region, n.inputs) == (op.region, node.inputs)]
    outputs = tuple(dict.fromkeys(n.op.output for n in same if isinstance(n.op, Scan)))
    found = _Loop.of(op.region, outputs, step, node).run()
    return {n: Value(n.type, found[n.op.output]) for n in same if isinstance(n.op, Scan)}


@dataclass(frozen=True)
class _Loop:
    region: Region
    body: Graph
    outputs: tuple[str, ...]
    step: Step
    sequences: Sequences
    lanes: Lanes
    # operands by name of the body's source
    frames: Mapping[str, Any]
    constants: Mapping[str, Any]
    # initial states by number of the operand: without dynamic axis, or what each frame finds outside its sequence
    states: Mapping[int, Any]
    outside: Mapping[int, Any]

    @staticmethod
    def of(region: Region, outputs: tuple[str, ...], step: Step, node: Node) -> _Loop:
        values = [step.values[source] for source in node.inputs]
        total = values[0].frames[0]
        c = step.context(node)
        sequences = sequences_of(c, region.axis, total)
        steps = len(region.steps)
        states: dict[int, Any] = {}
        outside: dict[int, Any] = {}
        for carry in region.carries:
            if carry.initial is None:
                continue
            value = values[carry.initial]
            if value.type.axis is None:
                states[carry.initial] = value.dense
            else:
                distance = carry.time_step if region.backward else -carry.time_step
                source = sequences_of(c, value.type.axis, value.frames[0])
                outside[carry.initial] = boundary(c, sequences, distance, value.dense, source)
        return _Loop(
            region,
            region.one_step(outputs),
            outputs,
            step,
            sequences,
            sequences.lanes or _one_a_lane(sequences),
            {name: value.dense for name, value in zip(region.steps, values, strict=False)},
            {name: value.dense for name, value in zip(region.constants, values[steps:], strict=False)},
            states,
            outside,
        )

    def run(self) -> dict[str, Any]:
        lanes, real = self.lanes, self.sequences.ids < self.sequences.starts.shape[0]
        xs = jax.tree.map(lambda x: _to_lanes(x, lanes, real), (dict(self.frames), dict(self.outside)))
        position = self.sequences.positions
        if self.region.backward:
            position = lengths_of_frames(jnp, self.sequences) - 1 - position
        position = _gathered(position, lanes)
        products = _products(self.body, self.region)
        random = self.step.environment.random
        settings = dict(self.step.environment.settings)
        arguments = dict(self.constants), dict(self.states), xs
        found = _scan(self, products, (position, random, settings), *arguments)
        return {name: _from_lanes(y, lanes, real) for name, y in found.items()}

    def one(
        self, constants: Any, states: Any, traced: Any, history: Any, x: Any, taps: Mapping[Node, Any]
    ) -> tuple[Any, dict[str, Any], dict[Node, Any]]:
        """One frame of every lane: the history after it, the results, and what the products were applied to."""
        (frames, outside), position, time = x
        random, settings = traced
        feeds = dict(frames)
        for carry in self.region.carries:
            feeds[carry.name] = self._delayed(carry, history[carry.name][0], states, outside, position)
        stream = None if random is None else random.step(time)
        inner = _BodyStep(self.body, constants, feeds, Environment(None, settings, stream), self.step.training)
        inner.taps = taps
        inner.run()
        values = {name: inner.values[node].dense for name, node in self.body.roots.items()}
        after = {
            carry.name: (*history[carry.name][1:], values[carry.value].reshape(self._value_shape(carry, position)))
            for carry in self.region.carries
        }
        return after, {name: values[name] for name in self.outputs}, inner.applied_to

    def _delayed(self, carry: Carry, before: Any, states: Any, outside: Any, position: Any) -> Any:
        """What a delay gives: what its input was so many steps before or, at the border, the initial state."""
        type = self._type(carry.name)
        shape = array_shape(type, position.shape[0])
        before = jnp.broadcast_to(_aligned(before, len(shape)), shape)
        if carry.initial is None:
            initial = jnp.asarray(carry.default, before.dtype)
        elif carry.initial in states:
            initial = jnp.broadcast_to(states[carry.initial], shape)
        else:
            initial = jnp.broadcast_to(_aligned(outside[carry.initial], len(shape)), shape)
        is_border = (position < carry.time_step).reshape((-1,) + (1,) * (len(shape) - 1))
        return jnp.where(is_border, initial, before)

    def history(self, lanes: int) -> dict[str, tuple[Any, ...]]:
        """The state before the first step; finite, since gaps may compute with it."""
        found = {}
        for carry in self.region.carries:
            type = self.region.body.roots[carry.value].type
            found[carry.name] = (jnp.zeros(array_shape(type, lanes), type.element.value),) * carry.time_step
        return found

    def _value_shape(self, carry: Carry, position: Any) -> tuple[int, ...]:
        return array_shape(self.region.body.roots[carry.value].type, position.shape[0])

    def _type(self, name: str) -> Any:
        return self.region.body.roots[name].type


class _BodyStep(Step):
    """The body on one frame. Products with constant matrices are differentiated by their ``taps`` alone: zeros that
    are added to the product, whose gradient is that of the product."""

    taps: Mapping[Node, Any]

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.applied_to: dict[Node, Any] = {}

    def evaluate(self, node: Node) -> None:
        if node not in self.taps:
            super().evaluate(node)
            return
        matrix, vector = (self.values[source].dense for source in node.inputs)
        self.applied_to[node] = vector.reshape(vector.shape[0], -1)
        y = self.applied_to[node] @ jax.lax.stop_gradient(matrix) + self.taps[node]
        self.values[node] = Value(node.type, y.reshape(array_shape(node.type, y.shape[0])))


def _products(body: Graph, region: Region) -> dict[Node, str]:
    """Products with a matrix that is an operand of the loop → its name."""
    found = {}
    for node in body.nodes:
        if not isinstance(node.op, Times) or len(node.inputs) != 2:
            continue
        matrix, vector = node.inputs
        named = isinstance(matrix.op, LearnableParameter) and matrix.op.name in region.constants
        plain = matrix.type.rank == 2 and node.op.output_rank == 1 and vector.type.axis is not None
        if named and plain and vector.type.size == matrix.type.dims[1] and vector.type.storage is Storage.DENSE:
            assert isinstance(matrix.op, LearnableParameter)
            found[node] = matrix.op.name
    return found


def _scan(loop: _Loop, products: dict[Node, str], fixed: Any, constants: Any, states: Any, xs: Any) -> dict[str, Any]:
    """The results in every step, ``(time, lanes, …)``."""
    nodes = list(products)

    def forward(fixed: Any, constants: Any, states: Any, xs: Any, taps: Any) -> tuple[Any, Any]:
        position, random, settings = fixed
        time = jnp.arange(position.shape[0], dtype=jnp.uint32)

        def body(history: Any, x: Any) -> tuple[Any, Any]:
            frames, position, time, tap = x
            given = dict(zip(nodes, tap, strict=True))
            history, outputs, applied = loop.one(
                constants, states, (random, settings), history, (frames, position, time), given
            )
            return history, (outputs, [applied[node] for node in nodes])

        with full_precision():
            _, found = jax.lax.scan(
                body,
                loop.history(position.shape[1]),
                (xs, position, time, taps),
                reverse=loop.region.backward,
                unroll=_UNROLL,
            )
        return found

    def taps(position: Any) -> list[Any]:
        return [jnp.zeros((*position.shape, n.type.size), n.type.element.value) for n in nodes]

    @jax.custom_vjp
    def call(fixed: Any, constants: Any, states: Any, xs: Any) -> Any:
        return forward(fixed, constants, states, xs, taps(fixed[0]))[0]

    def call_forward(fixed: Any, constants: Any, states: Any, xs: Any) -> Any:
        def run(constants: Any, states: Any, xs: Any, taps: Any) -> Any:
            return forward(fixed, constants, states, xs, taps)

        outputs, pullback, applied = jax.vjp(run, constants, states, xs, taps(fixed[0]), has_aux=True)
        return outputs, (pullback, applied)

    def call_backward(saved: Any, g: Any) -> Any:
        pullback, applied = saved
        constants, states, xs, of_products = pullback(g)
        constants = dict(constants)
        for name, vectors, d in zip(products.values(), applied, of_products, strict=True):
            matrix = vectors.reshape(-1, vectors.shape[-1]).T @ d.reshape(-1, d.shape[-1])
            constants[name] = constants[name] + matrix.reshape(constants[name].shape)
        return None, constants, states, xs

    call.defvjp(call_forward, call_backward)
    return call(fixed, constants, states, xs)


def _one_a_lane(sequences: Sequences) -> Lanes:
    """Lanes of one sequence each, for an axis that only the run knows; gaps repeat the last frame."""
    count = sequences.starts.shape[0]
    time = jnp.arange(sequences.longest, dtype=jnp.int32)[:, None]
    frames = sequences.starts + jnp.minimum(time, jnp.maximum(sequences.lengths - 1, 0))
    places = sequences.positions * count + jnp.minimum(sequences.ids, count - 1)
    return Lanes(frames, places)


def _gathered(x: Any, lanes: Lanes) -> Any:
    time, count = lanes.frames.shape
    if lanes.is_regular:
        return x.reshape(count, time, *x.shape[1:]).swapaxes(0, 1)
    return at(jnp, x, lanes.frames.reshape(-1)).reshape(time, count, *x.shape[1:])


def _scattered(y: Any, lanes: Lanes) -> Any:
    time, count = lanes.frames.shape
    if lanes.is_regular:
        return y.swapaxes(0, 1).reshape(time * count, *y.shape[2:])
    return at(jnp, y.reshape(time * count, *y.shape[2:]), lanes.places)


def _to_lanes(x: Any, lanes: Lanes, real: Any) -> Any:
    """``(frames, …)`` as ``(time, lanes, …)``. Each frame has one place, so the gradient is a gather as well."""

    @jax.custom_vjp
    def call(x: Any, lanes: Lanes, real: Any) -> Any:
        return _gathered(x, lanes)

    def backward(saved: Any, g: Any) -> Any:
        lanes, real = saved
        found = _scattered(g, lanes)
        return found if lanes.is_regular else _where(real, found), None, None

    call.defvjp(lambda x, lanes, real: (call(x, lanes, real), (lanes, real)), backward)
    return call(x, lanes, real)


def _from_lanes(y: Any, lanes: Lanes, real: Any) -> Any:
    """``(time, lanes, …)`` as ``(frames, …)``."""

    @jax.custom_vjp
    def call(y: Any, lanes: Lanes, real: Any) -> Any:
        return _scattered(y, lanes)

    def backward(saved: Any, g: Any) -> Any:
        lanes, real = saved
        if lanes.is_regular:
            return _gathered(g, lanes), None, None
        return _where(_is_no_gap(lanes, real), _gathered(g, lanes)), None, None

    call.defvjp(lambda y, lanes, real: (call(y, lanes, real), (lanes, real)), backward)
    return call(y, lanes, real)


def _is_no_gap(lanes: Lanes, real: Any) -> Any:
    time, count = lanes.frames.shape
    here = jnp.arange(time * count, dtype=jnp.int32).reshape(time, count)
    return (at(jnp, lanes.places, lanes.frames) == here) & at(jnp, real, lanes.frames)


def _where(flags: Any, x: Any) -> Any:
    return jnp.where(flags.reshape(flags.shape + (1,) * (x.ndim - flags.ndim)), x, jnp.zeros((), x.dtype))


def _aligned(x: Any, rank: int) -> Any:
    return x.reshape(x.shape[:1] + (1,) * (rank - x.ndim) + x.shape[1:])
