"""Graph to traceable function: a lowering for each operator, applied node by node."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from graphc.backend import Environment, Feeds, Function, Parameters, Results
from graphc.backends.xla.arithmetic import rounded, widened
from graphc.backends.xla.time_major import axis_of, lanes_in_step, time_major_nodes
from graphc.backends.xla.values import Columns, Kept, Value, to_channels_last
from graphc.diagnostics import Diagnostic, DiagnosticError
from graphc.ir import Context, ElementType, Frames, Graph, Lanes, Node, Op, Sequences, Storage, TensorType
from graphc.ir.arithmetic import Arithmetic
from graphc.ir.layout import align, array_axis, array_shape
from graphc.ops.legacy_reshape import Restack
from graphc.ops.recurrence import Scan
from graphc.ops.sequences import Where
from graphc.ops.shaping import Slice
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.ops.statistics import epoch_updates

# Both belong to graphc.backend, which knows nothing of JAX.
jax.tree_util.register_dataclass(Environment, ["count", "settings", "random", "frames", "carried"], [])
jax.tree_util.register_dataclass(Results, ["outputs", "updates", "frames", "touched", "carried"], [])

ArrayLowering = Callable[..., Any]
_F = TypeVar("_F", bound=Callable[..., Any])

# operator → function of (op, context, operands): arrays in the author's layout, or Values in and out
_ARRAYS: dict[type[Op], ArrayLowering] = {}
_VALUES: dict[type[Op], Callable[..., Value]] = {}
# the same for results in onehot or sparse storage
_SYMBOLS: dict[type[Op], Callable[..., Value]] = {}


def lowers(*operators: type[Op]) -> Callable[[_F], _F]:
    """Register ``f(op, c, *arrays) -> array`` for operators; the gradient is JAX's of ``f``."""
    return lambda f: (_ARRAYS.update(dict.fromkeys(operators, f)), f)[1]


def lowers_values(*operators: type[Op]) -> Callable[[_F], _F]:
    """Register ``f(op, c, *values) -> Value`` for operators that care in which form their operands come."""
    return lambda f: (_VALUES.update(dict.fromkeys(operators, f)), f)[1]


def lowers_symbols(*operators: type[Op]) -> Callable[[_F], _F]:
    """Register ``f(op, c, *values) -> Value`` for operators whose result is stored onehot or sparse."""
    return lambda f: (_SYMBOLS.update(dict.fromkeys(operators, f)), f)[1]


def full_precision() -> AbstractContextManager[Any]:
    """``float`` means float32 products on every device, so also where the hardware would rather round."""
    return jax.default_matmul_precision("highest")


def function(graph: Graph, *, training: bool = False, arithmetic: Arithmetic = "full") -> Function:
    """The graph as a pure, traceable function; raises `DiagnosticError` for operators without a lowering.

    State changes in training only, but for what an epoch accumulates. Outputs have the graph's element types in every
    arithmetic.
    """
    graph = graph if training else replace(graph, updates=epoch_updates(graph))
    _check(graph)

    def run(parameters: Parameters, feeds: Feeds, environment: Environment | None = None) -> Results:
        with full_precision():
            step = Step(graph, parameters, feeds, environment or Environment(), training, arithmetic)
            return step.results()

    return run


def uses_float64(graph: Graph) -> bool:
    """Whether the graph must be traced and called under `jax.enable_x64`."""
    return any(node.type.element is ElementType.FLOAT64 for node in graph.nodes)


def _check(graph: Graph) -> None:
    missing = [node for node in _with_bodies(graph) if not _has_lowering(type(node.op))]
    if missing:
        raise DiagnosticError(*dict.fromkeys(_no_lowering(graph, node) for node in missing))


def _with_bodies(graph: Graph) -> Iterator[Node]:
    regions = dict.fromkeys(node.op.region for node in graph.nodes if isinstance(node.op, Scan))
    yield from graph.nodes
    for region in regions:
        yield from _with_bodies(region.body)


def _has_lowering(operator: type[Op]) -> bool:
    sources = operator in (InputValue, LearnableParameter, Scan)
    return sources or operator in _ARRAYS or operator in _VALUES or operator.evaluate is not Op.evaluate


def _no_lowering(graph: Graph, node: Node) -> Diagnostic:
    return Diagnostic("GC0802", f"the operation {node.op.names[0]} cannot run on XLA", graph.span_of(node))


# how a loop is run: its node and the step that it is part of → value of every result of the loop that the step needs
LoopLowering = Callable[[Scan, "Step", Node], Mapping[Node, Value]]
_LOOPS: list[LoopLowering] = []


def lowers_loops(lowering: LoopLowering) -> LoopLowering:
    """Register the lowering of loops, which needs this module to lower their bodies."""
    _LOOPS[:] = [lowering]
    return lowering


class Step:
    """One evaluation of a graph: the values of its nodes, inputs before users."""

    def __init__(
        self,
        graph: Graph,
        parameters: Parameters,
        feeds: Feeds,
        environment: Environment,
        training: bool,
        arithmetic: Arithmetic,
    ) -> None:
        self.graph = graph
        self.parameters = parameters
        self.feeds = feeds
        self.environment = environment
        self.training = training
        self.arithmetic: Arithmetic = arithmetic
        self.axes = _axes(graph, feeds, environment)
        self.values: dict[Node, Value] = {}
        # what loops hand on to the next minibatch
        self.carried: dict[str, Any] = {}
        by_column = {name: p for name, p in parameters.items() if isinstance(p, Columns)}
        self.tapped = {node: p.taps[i : i + 1] for p in by_column.values() for i, node in enumerate(p.products)}

    def results(self) -> Results:
        self.run()
        outputs = {name: widened(self.values[node].dense) for name, node in self.graph.roots.items()}
        updates = {_parameter_name(p): self.values[new].dense for p, new in self.graph.updates}
        by_column = ((name, p) for name, p in self.parameters.items() if isinstance(p, Columns))
        touched = {name: tuple(self.entries(node) for node in p.products) for name, p in by_column}
        return Results(outputs, updates, self.axes, touched, self.carried)

    def run(self) -> None:
        for node in self.graph.nodes:
            if node not in self.values:
                self.evaluate(node)

    def evaluate(self, node: Node) -> None:
        match node.op:
            case Scan() as op:
                self.values.update(_LOOPS[0](op, self, node))
            case Where() as op:
                self.values[node] = self.selection(op, node)
            case Restack() as op:
                array, frames = op.select(self.context(node), self.values[node.inputs[0]].dense)
                self.axes.setdefault(op.axis, frames)
                self.values[node] = Value(node.type, array)
            case Slice() if node in self.splits:
                self.values.update(self.split(self.splits[node]))
            case _:
                self.values[node] = self.value(node)
        for tap in self.tapped.get(node, ()):
            y = self.ordered(node, node)
            self.values[node] = self.made(node, y + tap.astype(y.dtype))

    def entries(self, product: Node) -> tuple[Any, Any]:
        """Indices and values of the right operand; those of padding are outside, so that they touch nothing.

        In the order in which the product has its frames.
        """
        symbols, type = self.ordered(product, product.inputs[1]), product.inputs[1].type
        frames = self.context(product).frames
        indices, values = (symbols[:, None], None) if type.storage is Storage.ONEHOT else symbols
        if frames is not None and frames.mask is not None:
            indices = jnp.where(frames.mask[:, None] != 0, indices, type.size)
        return indices, values

    def value(self, node: Node) -> Value:
        match node.op:
            case InputValue(name=name):
                return Value(node.type, self.fed(name, node))
            case LearnableParameter(name=name) if isinstance(kept := self.parameters.get(name), Kept):
                return Value(node.type, kept=kept)
            case LearnableParameter(name=name) if isinstance(columns := self.parameters.get(name), Columns):
                array = jax.lax.stop_gradient(jnp.asarray(columns.array, node.type.element.value))
                return Value(node.type, array.reshape(array_shape(node.type)))
            case LearnableParameter():
                return Value(node.type, self.parameter(node))
        is_time_major = node in self.time_major
        operands = [self.values[source] for source in node.inputs]
        if is_time_major:
            operands = [
                Value(v.type, self.ordered(node, i)) if v.type.axis else v
                for i, v in zip(node.inputs, operands, strict=True)
            ]
        with jax.named_scope(node.op.names[0]):
            c = self.context(node)
            found = rounded(self.arithmetic, node.op, c, partial(apply, node.op, c), *operands)
        return self.made(node, found.array) if is_time_major else found

    def ordered(self, node: Node, source: Node) -> Any:
        """The array of ``source`` with its frames in the order in which ``node`` is computed."""
        lanes = self.time_major.get(node)
        return self.values[source].array if lanes is None else self.values[source].time_major(lanes)

    def made(self, node: Node, array: Any, type: TensorType | None = None) -> Value:
        """What was computed with the frames in the order of a node: its own value, unless another type is told."""
        type, lanes = type or node.type, self.time_major.get(node)
        return Value(type, array) if lanes is None or type.axis is None else Value(type, time_major=array, lanes=lanes)

    @cached_property
    def time_major(self) -> Mapping[Node, int]:
        """The nodes that are computed with the frames in the order of time, and how many sequences their axis has."""
        lanes = {name: n for name, frames in self.axes.items() if (n := lanes_in_step(frames)) is not None}
        if not lanes:
            return {}
        chosen = time_major_nodes(self.graph, lanes)
        return {node: lanes[axis.name] for node in chosen if (axis := axis_of(node)) is not None}

    def selection(self, op: Where, node: Node) -> Value:
        """The indices of chosen frames; their dynamic axis is known from here on."""
        flags = jax.lax.stop_gradient(self.values[node.inputs[0]].dense)
        indices, frames = op.select(self.context(node), flags)
        self.axes.setdefault(op.axis, frames)
        return Value(node.type, indices)

    @cached_property
    def splits(self) -> Mapping[Node, tuple[Node, ...]]:
        """Slices that together are all of their operand, in its order: as one operation their gradients are put side
        by side, not added up with zeros around them."""
        groups: dict[tuple[Node, int], list[Node]] = {}
        for node in self.graph.nodes:
            is_dense = node.type.storage is Storage.DENSE
            if is_dense and isinstance(node.op, Slice) and 0 <= node.op.begin < node.op.end:
                groups.setdefault((node.inputs[0], node.op.axis), []).append(node)
        found = {}
        for (source, axis), nodes in groups.items():
            nodes.sort(key=lambda node: node.op.begin)  # pyright: ignore[reportAttributeAccessIssue]
            bounds = [(node.op.begin, node.op.end) for node in nodes]  # pyright: ignore[reportAttributeAccessIssue]
            ends = [0, *(end for _, end in bounds)]
            if [begin for begin, _ in bounds] == ends[:-1] and ends[-1] == source.type.dim(axis):
                found |= dict.fromkeys(nodes, tuple(nodes))
        return found

    def split(self, slices: Sequence[Node]) -> dict[Node, Value]:
        first = slices[0]
        assert isinstance(first.op, Slice)
        x = self.ordered(first, first.inputs[0])
        sizes = [node.type.dim(first.op.axis) for node in slices]
        parts = jax.lax.split(x, sizes, axis=x.ndim + array_axis(first.op.axis))  # pyright: ignore[reportArgumentType]
        return {node: self.made(first, part, node.type) for node, part in zip(slices, parts, strict=True)}

    def fed(self, name: str, node: Node) -> Any:
        value = self.feeds[name]
        if node.type.storage is not Storage.DENSE:
            return value
        x = jnp.asarray(value, node.type.element.value)
        return x.reshape(array_shape(node.type, x.shape[0]))

    def parameter(self, node: Node) -> Any:
        parameter = node.op
        assert isinstance(parameter, LearnableParameter)
        shape, dtype = array_shape(node.type), node.type.element.value
        if parameter.name not in self.parameters and parameter.constant is not None:
            return jnp.full(shape, parameter.constant, dtype)
        return jnp.asarray(self.parameters[parameter.name], dtype).reshape(shape)

    def context(self, node: Node) -> Context:
        axis = axis_of(node)
        return Context(
            xp=jnp,
            operands=tuple(i.type for i in node.inputs),
            result=node.type,
            training=self.training,
            frames=None if axis is None else self.axes.get(axis.name),
            settings=self.environment.settings,
            random=self.environment.random,
            axes=self.axes,
        )


def _parameter_name(node: Node) -> str:
    assert isinstance(node.op, LearnableParameter), node
    return node.op.name


def _axes(graph: Graph, feeds: Feeds, environment: Environment) -> dict[str, Frames]:
    """The dynamic axes of the inputs."""
    found: dict[str, Frames] = {}
    for node in graph.nodes:
        if not isinstance(node.op, InputValue) or node.op.axis in environment.frames:
            continue
        size = jax.tree.leaves(feeds[node.op.name])[0].shape[0]
        known = found.setdefault(node.op.axis, _frames(size, environment, node.type.element.value))
        assert known.mask is None or known.mask.shape == (size,), f"inputs of different numbers of frames: {node}"
    return {**environment.frames, **found}


def _frames(size: int, environment: Environment, dtype: str) -> Frames:
    if environment.count is None:
        return Frames(size)
    return Frames(environment.count, (jnp.arange(size) < environment.count).astype(dtype))


def apply(op: Op, c: Context, *values: Value) -> Value:
    """Value of an operator: its own lowering if it has one, else `Op.evaluate` with jax.numpy."""
    values = tuple(_without_gradient(v) if i in op.no_gradient else v for i, v in enumerate(values))
    if c.result.storage is not Storage.DENSE:
        return _SYMBOLS[type(op)](op, c, *values)
    if (of_values := _VALUES.get(type(op))) is not None:
        return of_values(op, c, *values)
    if (of_arrays := _ARRAYS.get(type(op))) is not None:
        return Value(c.result, of_arrays(op, c, *_operands(op, c, values)))
    if op.aligned and c.result.rank > 1 and any(v.is_channels_last for v in values):
        return Value(c.result, channels_last=evaluate(op, c, *_operands_channels_last(c, values)))
    return Value(c.result, evaluate(op, c, *_operands(op, c, values)))


def _without_gradient(value: Value) -> Value:
    if value.is_channels_last and value.type.storage is Storage.DENSE:
        return Value(value.type, channels_last=jax.lax.stop_gradient(value.channels_last))
    return Value(value.type, jax.lax.stop_gradient(value.array))


def _operands(op: Op, c: Context, values: Sequence[Value]) -> Iterator[Any]:
    for i, value in enumerate(values):
        x = value.array if i in op.takes_sparse else value.dense
        yield align(x, value.type, c.result.rank) if op.aligned else x


def _operands_channels_last(c: Context, values: Sequence[Value]) -> Iterator[Any]:
    # Elementwise, so the order of axes does not matter as long as it is one for all operands.
    rank = c.result.rank
    for value in values:
        if value.type.rank == rank:
            yield value.channels_last
        elif value.type.axis is not None:
            yield to_channels_last(align(value.dense, value.type, rank), rank)
        else:
            x = value.dense
            yield to_channels_last(x.reshape((1,) * (rank - x.ndim) + x.shape), rank)


def evaluate(op: Op, c: Context, *xs: Any) -> Any:
    """`Op.evaluate`, with the operator's `pullback` as its gradient where it has one."""
    if not hasattr(op, "pullback"):
        return op.evaluate(c, *xs)
    return with_pullback(op.evaluate, op.pullback, c, *xs)  # pyright: ignore[reportAttributeAccessIssue]


def with_pullback(forward: Callable[..., Any], pullback: Callable[..., Sequence[Any]], c: Context, *xs: Any) -> Any:
    """``forward(c, *xs)`` with gradients ``pullback(c, xs, y, g)``, summed where an operand was broadcast."""
    # What is traced in the context must be an argument: a function with its own gradient may not close over it.
    traced = (c.frames, dict(c.settings), c.random, dict(c.axes))

    def context(traced: Any) -> Context:
        frames, settings, random, axes = traced
        return replace(c, frames=frames, settings=settings, random=random, axes=axes)

    @jax.custom_vjp
    def call(traced: Any, *xs: Any) -> Any:
        return forward(context(traced), *xs)

    def call_forward(traced: Any, *xs: Any) -> Any:
        y = call(traced, *xs)
        return y, (traced, xs, y)

    def call_backward(saved: Any, g: Any) -> Any:
        traced, xs, y = saved
        with full_precision():
            gradients = pullback(context(traced), xs, y, g)
        return (None, *(unbroadcast(d, x) for d, x in zip(gradients, xs, strict=True)))

    call.defvjp(call_forward, call_backward)
    return call(traced, *xs)


def unbroadcast(gradient: Any, x: Any) -> Any:
    """Sum a gradient over the axes along which ``x`` was repeated; none stays none."""
    if gradient is None:
        return None
    extra = gradient.ndim - x.ndim
    if extra > 0:
        gradient = gradient.sum(tuple(range(extra)))
    repeated = tuple(i for i, (d, n) in enumerate(zip(gradient.shape, x.shape, strict=True)) if n == 1 and d != 1)
    return gradient.sum(repeated, keepdims=True).astype(x.dtype)


jax.tree_util.register_dataclass(Frames, ["count", "mask", "sequences"], [])
jax.tree_util.register_dataclass(
    Sequences, ["ids", "positions", "starts", "lengths", "count", "lanes", "begins", "reach"], ["longest"]
)
jax.tree_util.register_dataclass(Lanes, ["frames", "places"], ["is_regular"])


def names_of_parameters(graph: Graph) -> Mapping[str, Node]:
    """Parameters of the graph by name."""
    return {n.op.name: n for n in graph.nodes if isinstance(n.op, LearnableParameter)}
