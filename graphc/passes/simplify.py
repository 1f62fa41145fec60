"""Leave out what changes nothing.

Law: values and gradients stay exactly what they were, up to the sign of a zero; also those that are infinite or not a
number, so ``x .* 0`` stays. A name whose node goes names the node that took its place. What is in canonical form stays
in it: leaving out a node can bring two together that `canonicalise` has something to say about.

- ``x + 0``, ``x - 0``, ``x .* 1``, ``--x``; Pass; If on a constant condition.
- A reduction of one element to its sum or mean; a stack of one, one repetition, a slice of everything.
- A reshape or slice of a reshape or slice; a reshape to the same shape; an exchange of axes made twice.
- StopGradient where no gradient would flow anyway.
"""

from __future__ import annotations

from graphc.ir import Graph, Node, rewrite, rule
from graphc.ops.elementwise import ElementTimes, If, Minus, Plus
from graphc.ops.reductions import ALL_AXES, ReduceElements
from graphc.ops.shaping import Reshape, RowRepeat, RowStack, Slice, TransposeDimensions
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.ops.unary import Negate, Pass, StopGradient
from graphc.passes.canonicalise import RULES as CANONICAL
from graphc.passes.constants import constant, in_place_of, mark_state


@rule(Plus, Minus, ElementTimes)
def drop_neutral_operand(node: Node) -> Node | None:
    match node:
        case Node(Plus() | Minus(), (x, y)) if constant(y) == 0:
            return in_place_of(node, x)
        case Node(ElementTimes(), (x, y)) if constant(y) == 1:
            return in_place_of(node, x)
        case _:
            return None


@rule(Negate)
def drop_double_negation(node: Node) -> Node | None:
    match node:
        case Node(Negate(), (Node(Negate(), (x,)),)):
            return in_place_of(node, x)
        case _:
            return None


@rule(Pass)
def drop_pass(node: Node) -> Node | None:
    return in_place_of(node, node.inputs[0])


@rule(If)
def take_known_branch(node: Node) -> Node | None:
    condition, then, otherwise = node.inputs
    known = constant(condition)
    return None if known is None else in_place_of(node, then if known != 0 else otherwise)


@rule(ReduceElements)
def drop_reduction_of_one(node: Node) -> Node | None:
    match node:
        # the largest of one passes no gradient at NaN, a log-sum-exp of one infinity is NaN: only these two are exact
        case Node(ReduceElements("Sum" | "Mean", axis), (x,)) if axis != ALL_AXES and x.type.size == node.type.size:
            return in_place_of(node, x)
        case _:
            return None


@rule(RowStack, RowRepeat, Slice)
def drop_trivial_move(node: Node) -> Node | None:
    match node:
        case Node(RowStack(), (x,)) | Node(RowRepeat(1), (x,)) | Node(Slice(), (x,)) if x.type.size == node.type.size:
            return in_place_of(node, x)
        case _:
            return None


@rule(Slice)
def join_slices(node: Node) -> Node | None:
    match node:
        case Node(Slice(begin, end, axis), (Node(Slice(first, last, same), (x,)),)) if axis == same:
            if min(begin, first) < 0 or min(end, last) <= 0:
                return None  # canonicalise counts from the front
            return Slice(first + begin, first + end, axis)(x, span=node.span)
        case _:
            return None


@rule(Reshape)
def join_reshapes(node: Node) -> Node | None:
    match node:
        case Node(Reshape(), (x,)) if x.type == node.type:
            return x
        case Node(Reshape(), (Node(Reshape(), (x,)),)):
            return Reshape(node.type.dims)(x, span=node.span)
        case _:
            return None


@rule(TransposeDimensions)
def drop_double_exchange(node: Node) -> Node | None:
    match node:
        case Node(TransposeDimensions(i, j), (Node(TransposeDimensions(k, l), (x,)),)) if {i, j} == {k, l}:
            return in_place_of(node, x)
        case _:
            return None


@rule(StopGradient)
def drop_idle_stop(node: Node) -> Node | None:
    (x,) = node.inputs
    return in_place_of(node, x) if _has_no_gradient(x) else None


def _has_no_gradient(node: Node) -> bool:
    match node.op:
        case InputValue():
            return True
        case LearnableParameter():
            return not node.op.is_trained
        case _:
            return bool(node.inputs) and node.op.no_gradient.issuperset(range(len(node.inputs)))


RULES = (
    *CANONICAL,
    drop_neutral_operand,
    drop_double_negation,
    drop_pass,
    take_known_branch,
    drop_reduction_of_one,
    drop_trivial_move,
    join_slices,
    join_reshapes,
    drop_double_exchange,
    drop_idle_stop,
)


def simplify(graph: Graph) -> Graph:
    return rewrite(mark_state(graph), RULES)
