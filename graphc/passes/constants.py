"""What passes know of values at compile time: parameters that hold one number everywhere and for ever."""

from __future__ import annotations

import dataclasses

from graphc.ir import Graph, Node, TensorType, topological
from graphc.ops.initializers import Initializer
from graphc.ops.shaping import Reshape
from graphc.ops.sources import LearnableParameter


def constant(node: Node) -> float | None:
    """The number that every element of the node is, if that is known."""
    return node.op.constant if isinstance(node.op, LearnableParameter) else None


def make_constant(value: float, type: TensorType) -> Node:
    """The parameter that holds ``value`` everywhere; equal ones are one node, and no author's name can meet theirs."""
    shape = "x".join(map(str, type.dims))
    return LearnableParameter(
        name=f"constant({value!r})[{shape}] {type.element}",
        shape=type.shape,
        learning_rate_multiplier=0.0,
        initializer=Initializer("fixedValue", value=value),
        element=type.element,
    )()


def mark_state(graph: Graph) -> Graph:
    """The graph with every parameter that an operator or an update changes marked as such.

    Running statistics are frozen and start at one value, so they look like constants; after training they are none.
    """
    nodes = topological([*graph.nodes, *graph.names.values()])
    state = {node.inputs[index] for node in nodes for index in node.op.updates()}
    state.update(parameter for parameter, _ in graph.updates)
    if all(constant(node) is None for node in state):
        return graph

    def mark(node: Node, inputs: tuple[Node, ...]) -> Node:
        if node in state and constant(node) is not None:
            return dataclasses.replace(node.op, is_state=True)(span=node.span)  # pyright: ignore[reportArgumentType]
        return node if inputs == node.inputs else node.op(*inputs, span=node.span)

    return graph.rebuild(mark)


def in_place_of(node: Node, value: Node) -> Node | None:
    """``value`` as a replacement of ``node``: itself, or reshaped where only axes of 1 behind the last differ."""
    if value.type == node.type:
        return value
    if value.type == node.type.with_shape(value.type.shape) and _same_but_ones(value.type, node.type):
        return Reshape(node.type.dims)(value, span=node.span)
    return None


def _same_but_ones(a: TensorType, b: TensorType) -> bool:
    rank = max(a.rank, b.rank)
    return all(a.dim(axis) == b.dim(axis) for axis in range(1, rank + 1))
