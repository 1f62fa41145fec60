"""How to apply the operators that look along sequences, and how to draw the body of a loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from graphc.ir import Carry, DynamicAxis, Graph, Node, Op, Region, TensorType
from graphc.ops.delays import Delay
from graphc.ops.elementwise import DiagTimes, ElementTimes, Minus, Plus
from graphc.ops.legacy_reshape import Restack
from graphc.ops.products import Times, TransposeTimes
from graphc.ops.recurrence import Scan
from graphc.ops.recurrent_stack import RECURRENT_GATES, OptimizedRNNStack
from graphc.ops.rules import broadcast
from graphc.ops.sequences import GatherPacked, PackedIndex, ReconcileDynamicAxis, ScatterPacked
from graphc.ops.shaping import Reshape, RowStack, Slice, TransposeDimensions
from graphc.ops.softmax import Softmax
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.ops.unary import Negate, Sigmoid, Tanh
from graphc.ops.windows import BorderFrames, GatherWindow
from graphc.testing.choices import Choices
from graphc.testing.drawing import LARGEST, Drawing, Shape

# an axis of sequences of other lengths, as initial states may have
_OTHER = DynamicAxis("other")
_LONGEST_STEP = 3
_DEFAULTS = (0.1, 0.0, -0.5, 1.0)
_MOST_OPERATORS = 4

# What a step is made of: smooth, so that gradients exist, and of one frame.
CELL: tuple[type[Op], ...] = (
    *(Plus, Minus, ElementTimes, Times, TransposeTimes, DiagTimes, Tanh, Sigmoid, Negate, Softmax),
    *(Slice, RowStack, Reshape, TransposeDimensions),
)


def delay(d: Drawing, cls: type[Op]) -> Node:
    assert issubclass(cls, Delay)
    c, x = d.choices, d.anything(frames=True)
    op = cls(time_step=_time_step(c), default_hidden_activation=c.one_of(_DEFAULTS))  # pyright: ignore[reportCallIssue]
    state = _initial_state(d, x.type.dims)
    return op(x) if state is None else op(x, state)


def selection(d: Drawing, cls: type[Op]) -> Node:
    return d.where()


def packed_index(d: Drawing, cls: type[Op]) -> Node:
    where = d.where()
    with d.on(_axis(where.inputs[0])):
        return PackedIndex()(d.anything(frames=True), where)


def gathering(d: Drawing, cls: type[Op]) -> Node:
    if d.choices.integer(0, 3) == 3:
        with d.on(_input_axis(d)):
            return GatherPacked()(d.private("index"), d.anything(frames=False))
    index = d.selection()
    with d.on(_axis(index.inputs[0])):
        return GatherPacked()(index, d.anything(frames=True))


def window(d: Drawing, cls: type[Op]) -> Node:
    c, index = d.choices, d.selection()
    offsets = tuple(c.integer(-2, 2) for _ in range(c.integer(1, 3)))
    with d.on(_axis(index.inputs[0])):
        return GatherWindow(offsets, c.one_of(_DEFAULTS))(index, d.anything(frames=True))


def border(d: Drawing, cls: type[Op]) -> Node:
    return BorderFrames(d.choices.one_of((-1, 1)) * _time_step(d.choices))(d.anything(frames=True))


def restacking(d: Drawing, cls: type[Op]) -> Node:
    """Frames cut into several: only lengths of real sequences can say that some fill one."""
    x = d.anything(frames=True, sparse=False)
    cut = d.choices.one_of([n for n in range(1, x.type.size + 1) if x.type.size % n == 0])
    return Restack(d.name("restacked"), (x.type.size // cut,), cut=cut)(x)


def scattering(d: Drawing, cls: type[Op]) -> Node:
    index = d.selection()
    with d.on(_axis(index)):
        y = d.anything(sparse=False)
    with d.on(_axis(index.inputs[0])):
        return ScatterPacked()(d.anything(frames=True), index, y)


def reconciliation(d: Drawing, cls: type[Op]) -> Node:
    """A value of one frame a sequence, or of none, or one that has the frames already."""
    if d.choices.flag():
        return ReconcileDynamicAxis()(d.anything(), d.anything(frames=True))
    where = d.one_of_each()
    with d.on(_axis(where)):
        x = d.anything(frames=True)
    with d.on(_axis(where.inputs[0])):
        return ReconcileDynamicAxis()(x, d.anything(frames=True))


def layers(d: Drawing, cls: type[Op]) -> Node:
    c = d.choices
    axis = c.one_of((-1, 2))
    x = d.anything(ranks=(1, 1) if axis < 0 else (2, 2), frames=True)
    layers = c.one_of((1, 1, 1, 2))
    op = OptimizedRNNStack(c.integer(1, 2), layers, c.flag(), c.one_of(tuple(RECURRENT_GATES)), axis)
    unknown = TensorType((None, None), d.element)
    shapes = [shape for _, shape in op.offers(unknown, x.type, unknown)]
    weights, states = map(d.parameter, shapes)
    return op(weights, x, *([states] if c.flag() else []))


def loop(d: Drawing, cls: type[Op]) -> Node:
    """A result of a random loop; its other results are there for those who look for operands."""
    return _LoopDrawing(d).finish()


class _LoopDrawing:
    """A loop in the making: states, their delays, a few operators on these, and the operands that they ask for."""

    def __init__(self, d: Drawing) -> None:
        self.outer = d
        self.body = _Body(d.choices, d.element, d.constants, d.axis, outer=d)
        self.shapes = [d.shape(1, 2) for _ in range(d.choices.integer(1, 2))]
        self.delays = [list(self._delays(shape)) for shape in self.shapes]

    def finish(self) -> Node:
        c, body = self.outer.choices, self.body
        body.source(self.outer.shape(1, 2), frames=True)
        for _ in range(c.integer(0, _MOST_OPERATORS)):
            body.draw(c.one_of(CELL))
        states = [self._state(shape, delays) for shape, delays in zip(self.shapes, self.delays, strict=True)]
        results = {body.name("h"): state for state in states}
        others = [node for node in body.pool if node.inputs and node.type.axis is not None]
        results |= {body.name("v"): node for node in others if c.integer(0, 2) == 2}
        return self._scan(results)

    def _delays(self, shape: Shape) -> Iterator[tuple[Node, int, float, Node | None]]:
        """Inputs of the body for one state, each with time step, default, and initial state."""
        c = self.outer.choices
        for _ in range(c.one_of((1, 1, 2))):
            state = _initial_state(self.outer, shape)
            # of a state that begins with more elements than it goes on with, those are repeated
            dims = shape if state is None else broadcast(*(TensorType(s) for s in (shape, state.type.dims))).dims
            yield self.body.input("before", dims), _time_step(c), c.one_of(_DEFAULTS), state

    def _state(self, shape: Shape, delays: list[tuple[Node, int, float, Node | None]]) -> Node:
        """What the delays of a state look at: bounded, so that long sequences do not overflow."""
        c = self.outer.choices
        own = delays[0][0]
        x = c.one_of([own, *(n for n in reversed(self.body.pool) if n.type.axis is not None and n.type.rank < 3)])
        if x.type.dims == shape and c.flag():
            return c.one_of((Tanh, Sigmoid))()(x)
        # as cells are: all gates read the same
        with_bias = c.flag()
        new = Tanh()(self._product(shape, x, with_bias))
        if c.flag():
            new = ElementTimes()(Sigmoid()(self._product(shape, x, with_bias)), new)
        return Plus()(own, new) if own.type.dims == shape and c.integer(0, 3) == 3 else new

    def _product(self, shape: Shape, x: Node, with_bias: bool) -> Node:
        product = Times(output_rank=len(shape))(self.body.parameter((*shape, *x.type.dims)), x)
        return Plus()(product, self.body.shaped(shape, frames=False)) if with_bias else product

    def _scan(self, results: Mapping[str, Node]) -> Node:
        d, body = self.outer, self.body
        values = list(results)
        carries, initials = [], []
        operands = {**body.steps, **body.constants_outside}
        for value, delays in zip(values, self.delays, strict=False):
            for node, step, default, state in delays:
                if state is not None and state not in initials:
                    initials.append(state)
                at = None if state is None else len(operands) + initials.index(state)
                carries.append(Carry(_name(node), value, step, default, at))
        own = {_name(node): node for node in body.sources if _name(node) in operands}
        roots = {_name(node): node for delays in self.delays for node, *_ in delays}
        region = Region(
            Graph({**roots, **results}, names=own),
            d.axis,
            d.choices.flag(),
            tuple(body.steps),
            tuple(body.constants_outside),
            tuple(carries),
        )
        found = [Scan(region, name)(*operands.values(), *initials) for name in results]
        d.pool.extend(found[1:])
        return found[0]


@dataclass
class _Body(Drawing):
    """The step of a loop: new operands of its operators become operands of the loop, by name."""

    outer: Drawing = field(kw_only=True)
    steps: dict[str, Node] = field(default_factory=dict)
    constants_outside: dict[str, Node] = field(default_factory=dict)

    def name(self, stem: str) -> str:
        return self.outer.name(stem)

    def draw(self, cls: type[Op]) -> None:
        from graphc.testing.recipes import RECIPES  # which lists the loop itself

        node = RECIPES[cls].make(self, cls)
        if node.type.size <= LARGEST:
            self._kept(node)

    def input(self, stem: str, shape: Shape) -> Node:
        """A new input that is no operand: a delay."""
        return self._add(InputValue(self.name(stem), shape, self.axis.name, self.element)())

    def source(self, shape: Shape, *, frames: bool | None = None, sparse: bool = False) -> Node:
        if frames is False or (frames is None and self.choices.integer(0, 2) == 0):
            return self.parameter(shape)
        node = self.input("x", shape)
        self.steps[_name(node)] = self.outer.shaped(shape, frames=True, sparse=True)
        return node

    def parameter(self, shape: Shape) -> Node:
        node = super().parameter(shape)
        if isinstance(node.op, LearnableParameter) and node.op.constant is None:
            self.constants_outside[node.op.name] = self.outer.shaped(shape, frames=False)
        return node


def _initial_state(d: Drawing, shape: Shape) -> Node | None:
    """What stands in front of a sequence: one number, one value for all, or the frames of other sequences."""
    c = d.choices
    shape = c.one_of((shape, shape, (1,), (*shape, 2)[:3]))
    match c.integer(0, 5):
        case 4:
            return d.source(shape, frames=False)
        case 5:
            with d.on(_OTHER):
                return d.shaped(shape, frames=True)
        case _:
            return None


def _time_step(c: Choices) -> int:
    return c.one_of((1, 2, c.integer(1, _LONGEST_STEP)))


def _input_axis(d: Drawing) -> DynamicAxis:
    """The axis of the drawing or, if conditions made it, that of the inputs."""
    axis = d.axis
    while axis in d.selections:
        axis = _axis(d.selections[axis].inputs[0])
    return axis


def _axis(node: Node) -> DynamicAxis:
    assert node.type.axis is not None, node
    return node.type.axis


def _name(node: Node) -> str:
    assert isinstance(node.op, InputValue | LearnableParameter), node
    return node.op.name
