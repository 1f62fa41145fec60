"""One form for what can be said in several ways, so that later patterns are few and equal values become one node.

Law: values and gradients stay exactly what they were, up to the sign of a zero.

- An operation that only names another becomes that other: StableSigmoid, QuantizedTimes.
- Operands whose order does not matter stand in this one: with a dynamic axis, without, constants. Comparisons are
  mirrored for it. So a bias is the second operand of its sum.
- Signs move outward into the sum: ``x + -y`` is ``x - y``, ``x - -y`` is ``x + y``, ``-(x - y)`` is ``y - x``.
- ``-1 .* x`` and ``0 - x`` are ``-x``.
- A reshape gives all its dimensions; a transposition that moves only axes of 1 is one.
- A slice counts from the front.
"""

from __future__ import annotations

import math

from graphc.ir import Graph, Node, Op, TensorType, rewrite, rule
from graphc.ops.elementwise import (
    ElementTimes,
    Equal,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    LogPlus,
    Minus,
    NotEqual,
    Plus,
)
from graphc.ops.products import QuantizedTimes, Times
from graphc.ops.shaping import Reshape, Slice, TransposeDimensions
from graphc.ops.unary import Negate, Sigmoid, StableSigmoid
from graphc.passes.constants import constant, in_place_of, mark_state

# operator → the one that means the same with its operands exchanged
_MIRRORED: dict[type[Op], Op] = {
    Plus: Plus(),
    ElementTimes: ElementTimes(),
    LogPlus: LogPlus(),
    Equal: Equal(),
    NotEqual: NotEqual(),
    Less: Greater(),
    Greater: Less(),
    LessEqual: GreaterEqual(),
    GreaterEqual: LessEqual(),
}


@rule(StableSigmoid, QuantizedTimes)
def replace_alias(node: Node) -> Node | None:
    match node:
        case Node(StableSigmoid(), (x,)):
            return Sigmoid()(x, span=node.span)
        case Node(QuantizedTimes() as op, (a, b)):
            return Times(op.output_rank, op.infer_input_rank_to_map)(a, b, span=node.span)
        case _:
            return None


@rule(*_MIRRORED)
def order_operands(node: Node) -> Node | None:
    x, y = node.inputs
    if _rank_of_operand(x) <= _rank_of_operand(y):
        return None
    return _MIRRORED[type(node.op)](y, x, span=node.span)


def _rank_of_operand(node: Node) -> int:
    return 0 if node.type.axis is not None else 1 if constant(node) is None else 2


@rule(Plus, Minus, Negate)
def gather_signs(node: Node) -> Node | None:
    match node:
        case Node(Plus(), (x, Node(Negate(), (y,)))):
            after = Minus()(x, y, span=node.span)
        case Node(Plus(), (Node(Negate(), (x,)), y)):
            after = Minus()(y, x, span=node.span)
        case Node(Minus(), (x, Node(Negate(), (y,)))):
            after = Plus()(x, y, span=node.span)
        case Node(Negate(), (Node(Minus(), (x, y)),)):
            after = Minus()(y, x, span=node.span)
        case _:
            return None
    # a result has the dynamic axis of the first operand that has one, which exchanging may change
    return after if after.type == node.type else None


@rule(ElementTimes, Minus)
def find_negation(node: Node) -> Node | None:
    match node:
        case Node(ElementTimes(), (x, factor)) if constant(factor) == -1:
            pass
        case Node(Minus(), (zero, x)) if constant(zero) == 0:
            pass
        case _:
            return None
    return in_place_of(node, Negate()(x, span=node.span))


@rule(Reshape)
def state_dimensions(node: Node) -> Node | None:
    stated = Reshape(node.type.dims)
    return None if node.op == stated else stated(*node.inputs, span=node.span)


@rule(TransposeDimensions)
def transpose_to_reshape(node: Node) -> Node | None:
    match node:
        case Node(TransposeDimensions(i, j), (x,)) if _is_reshape(x.type, *sorted((i, j))):
            return Reshape(node.type.dims)(x, span=node.span)
        case Node(TransposeDimensions(i, j), (x,)) if i > j:
            return TransposeDimensions(j, i)(x, span=node.span)
        case _:
            return None


def _is_reshape(type: TensorType, first: int, last: int) -> bool:
    # a reshape keeps symbols symbols, which a transposition does not
    return type == type.dense() and (first == last or _keeps_order(type, first, last))


def _keeps_order(type: TensorType, first: int, last: int) -> bool:
    """Whether exchanging two axes leaves the elements in order: at most one of the axes from ``first`` to ``last``
    holds more than one element, or neither of the two does."""
    sizes = [type.dim(axis) or 1 for axis in range(first, last + 1)]
    if sizes[0] == sizes[-1] == 1:
        return True
    return math.prod(sizes) in (sizes[0], sizes[-1])


@rule(Slice)
def count_from_front(node: Node) -> Node | None:
    match node:
        case Node(Slice(begin, end, axis), (x,)) if begin < 0 or end <= 0:
            size = x.type.dims[axis - 1]
            return Slice(begin % size, size + end if end <= 0 else end, axis)(x, span=node.span)
        case _:
            return None


RULES = (
    replace_alias,
    order_operands,
    gather_signs,
    find_negation,
    state_dimensions,
    transpose_to_reshape,
    count_from_front,
)


def canonicalise(graph: Graph) -> Graph:
    return rewrite(mark_state(graph), RULES)
