"""Hypothesis strategies for types and well-typed graphs over every operator that can be evaluated.

A graph is a list of steps: which operator, on which of the nodes so far, with which attributes. A step that fits no
types is left out, so hypothesis shrinks by deleting steps and moving to earlier nodes and operators.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Callable, Iterator
from enum import Enum
from functools import cache
from typing import Any

from hypothesis import note
from hypothesis import strategies as st

import graphc.ops  # noqa: F401  (fills the registry)
from graphc.backend import Feeds
from graphc.ir import DEFAULT_AXIS, ElementType, Graph, Node, Op, ShapeError, Storage, TensorType, format_graph
from graphc.ir.node import REGISTRY
from graphc.ops.initializers import Initializer
from graphc.ops.normalization import BatchNormalization
from graphc.ops.products import Times, TransposeTimes
from graphc.ops.reductions import REDUCTIONS
from graphc.ops.shaping import Reshape, Slice
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.passes.simplify import RULES
from graphc.testing.equivalence import random_feeds

# larger values are left out: they cost time and find nothing more
_LARGEST = 64

# strings that an attribute of this name can be
_WORDS: dict[str, tuple[str, ...]] = {"reduction_op": REDUCTIONS, "pool_kind": ("max", "average")}

_shapes = st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple)
_constants = st.sampled_from((0.0, 1.0, -1.0, 2.0, 0.5))

Draw = Callable[[st.SearchStrategy[Any]], Any]


@st.composite
def tensor_types(draw: Draw) -> TensorType:
    """A complete type; only values with a dynamic axis are onehot or sparse."""
    axis = draw(st.sampled_from((None, DEFAULT_AXIS)))
    storage = draw(st.sampled_from(tuple(Storage))) if axis else Storage.DENSE
    return TensorType(draw(_shapes), draw(st.sampled_from(tuple(ElementType))), axis, storage)


@st.composite
def graphs(draw: Draw, max_nodes: int = 12) -> Graph:
    """A verified graph of at most that many nodes besides its sources."""
    element = draw(st.sampled_from(tuple(ElementType)))
    pool = [_source(draw, index, element) for index in range(draw(st.integers(1, 4)))]
    sources = list(pool)
    for index in range(draw(st.integers(0, max_nodes))):
        pool.extend(_step(draw, pool, element, index))
    named = {node.op.name: node for node in sources}  # pyright: ignore[reportAttributeAccessIssue]
    for index, node in enumerate(dict.fromkeys(pool)):
        if node not in sources and draw(st.booleans()):
            named[f"n.{index}[0]"] = node
    used = {source for node in pool for source in node.inputs}
    ends = [node for node in dict.fromkeys(pool) if node not in used and node.inputs]
    roots = {"z": pool[-1]} | {f"root {i}": node for i, node in enumerate(ends) if draw(st.integers(0, 3))}
    graph = Graph(roots, named, _updates(draw, pool), {"output": tuple(roots)})
    note(format_graph(graph))
    return graph


def feeds_for(graph: Graph) -> st.SearchStrategy[Feeds]:
    """Values for every input of the graph."""
    return st.builds(
        lambda seed, frames: random_feeds(graph, seed, frames=frames), st.integers(0, 99), st.integers(1, 4)
    )


def _source(draw: Draw, index: int, element: ElementType) -> Node:
    kind = draw(st.sampled_from(("input", "parameter", "constant")))
    if kind == "input" or index == 0:
        storage = draw(st.sampled_from((Storage.DENSE, Storage.DENSE, *Storage)))
        return InputValue(f"x{index}", draw(_shapes), element=element, storage=storage)()
    if kind == "parameter":
        return _parameter(f"w{index}", draw(_shapes), element)
    return _constant(f"c{index}", draw(st.sampled_from(((1,), (2,), (1, 1), (2, 3)))), draw(_constants), element)


def _constant(name: str, shape: tuple[int, ...], value: float, element: ElementType) -> Node:
    return LearnableParameter(name, shape, 0.0, Initializer("fixedValue", value=value), element)()


def _parameter(name: str, shape: tuple[int, ...], element: ElementType) -> Node:
    return LearnableParameter(name, shape, element=element)()


def _updates(draw: Draw, pool: list[Node]) -> tuple[tuple[Node, Node], ...]:
    pairs = [
        (parameter, value)
        for parameter in pool
        if isinstance(parameter.op, LearnableParameter)
        for value in pool
        if value.type == parameter.type
    ]
    return (draw(st.sampled_from(pairs)),) if pairs and draw(st.booleans()) else ()


def _step(draw: Draw, pool: list[Node], element: ElementType, index: int) -> Iterator[Node]:
    """The nodes that one more step adds: none where the operator does not fit."""
    cls = draw(st.sampled_from(_rewritten()) | st.sampled_from(_operators()))
    first = draw(st.sampled_from(pool))
    if cls is BatchNormalization:
        yield from _normalization(draw, first, index)
        return
    op = _fitting(draw, cls, first) or _any_operator(draw, cls, f"{cls.names[0]}{index}")
    if op is None:
        return
    if isinstance(op, Times | TransposeTimes) and draw(st.booleans()):
        left, inner = draw(st.integers(1, 3)), first.type.dims[0]
        shape = (left, inner) if isinstance(op, Times) else (inner, left)
        yield (weight := _parameter(f"W{index}", shape, element))
        operands = [weight, first]
    else:
        least, most = cls.arity
        count = least if most == least else draw(st.integers(max(least, 1), min(most or 3, least + 2)))
        operands = [first]
        while len(operands) < count:
            partners = [n for n in pool if len(operands) + 1 < count or _apply(op, [*operands, n]) is not None]
            if not partners:
                return
            operands.append(draw(st.sampled_from(partners)))
    node = _apply(op, operands)
    if node is not None and node.type.size <= _LARGEST:
        yield node


def _normalization(draw: Draw, x: Node, index: int) -> Iterator[Node]:
    """A batch normalization with the parameters that it needs, the running ones frozen at one value like constants."""
    if x.type.axis is None:
        return
    spatial = draw(st.booleans())
    shape = (x.type.dims[-1] if spatial else x.type.size,)
    scale, bias = (_parameter(f"{name}{index}", shape, x.type.element) for name in ("scale", "bias"))
    running = {"mean": (shape, 0.0), "variance": (shape, 1.0), "count": ((1,), 0.0)}
    state = [_constant(f"{n}{index}", s, v, x.type.element) for n, (s, v) in running.items()]
    yield from (scale, bias, *state, BatchNormalization(spatial=spatial)(x, scale, bias, *state))


def _apply(op: Op, operands: list[Node]) -> Node | None:
    try:
        return op(*operands)
    except ShapeError:
        return None


@cache
def _operators() -> tuple[type[Op], ...]:
    """Operators with operands that can be evaluated, the commonest first."""
    classes = {cls for cls in REGISTRY.values() if cls.arity[1] != 0 and cls.evaluate is not Op.evaluate}
    # what normalization does to its state is only ever made by its own `updates`
    classes = {cls for cls in classes if cls.family != BatchNormalization.family or cls is BatchNormalization}
    return tuple(sorted(classes, key=lambda cls: (cls.family != "elementwise", cls.names[0])))


@cache
def _rewritten() -> tuple[type[Op], ...]:
    """Operators that some pass has a rule for: they come up as often as all others together."""
    return tuple(dict.fromkeys(cls for each in RULES for cls in each.ops if cls in _operators()))


def _fitting(draw: Draw, cls: type[Op], x: Node) -> Op | None:
    """An operator with attributes that suit its operand, where random ones hardly ever would."""
    dims = x.type.dims
    if cls is Reshape:
        total = math.prod(dims)
        first = draw(st.sampled_from([d for d in range(1, total + 1) if total % d == 0]))
        return Reshape(draw(st.sampled_from(((total,), (first, total // first), (0, first), (1, total, 1)))))
    if cls is Slice:
        axis = draw(st.integers(1, len(dims)))
        begin = draw(st.integers(0, dims[axis - 1] - 1))
        return Slice(begin, draw(st.integers(begin + 1, dims[axis - 1])), axis)
    return None


def _any_operator(draw: Draw, cls: type[Op], name: str) -> Op | None:
    given: dict[str, Any] = {}
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):  # pyright: ignore[reportArgumentType]
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if field.name == "name":
            given["name"] = name
        elif required or draw(st.booleans()):
            values = _values_of(field.name, hints[field.name])
            if values is not None:
                given[field.name] = draw(values)
            elif required:
                return None
    return cls(**given)


def _values_of(field: str, hint: Any) -> st.SearchStrategy[Any] | None:
    arguments = typing.get_args(hint)
    if hint is bool:
        return st.booleans()
    if hint is int:
        return st.integers(-2, 3)
    if hint is float:
        return _constants
    if hint is str:
        return st.sampled_from(_WORDS[field]) if field in _WORDS else None
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(tuple(hint))
    if typing.get_origin(hint) is tuple:
        element = _values_of(field, arguments[0])
        return None if element is None else st.lists(element, min_size=1, max_size=3).map(tuple)
    if type(None) in arguments:
        return _values_of(field, next(a for a in arguments if a is not type(None)))
    return None
