"""Symbols, that is onehot and sparse values, moved as indices: in frames, into a stack or out of it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import jax.numpy as jnp

from graphc.backends.xla.lowering import lowers_symbols
from graphc.backends.xla.values import Value
from graphc.ir import Context, Op, Storage, TensorType
from graphc.ops.delays import FutureValue, PastValue
from graphc.ops.sequences import GatherPacked, ReconcileDynamicAxis, ScatterPacked, TimeReverse
from graphc.ops.shaping import Reshape, RowStack, Slice
from graphc.ops.tracing import Trace
from graphc.ops.unary import Pass

# which operand an operator that moves frames takes them from
_MOVED: dict[type[Op], int] = {
    PastValue: 0,
    FutureValue: 0,
    GatherPacked: 1,
    ScatterPacked: 2,
    ReconcileDynamicAxis: 0,
    TimeReverse: 0,
}


@lowers_symbols(Pass, Trace, Reshape)
def same(op: Op, c: Context, x: Value) -> Value:
    return Value(c.result, x.array)


@lowers_symbols(*_MOVED)
def moved(op: Op, c: Context, *values: Value) -> Value:
    """Frames of indices and values are moved as any frames are.

    Where there is nothing to move the operator gives 0, so indices count from 1 meanwhile: 0 is none.
    """
    at = _MOVED[type(op)]
    indices, entries = _entries(values[at])
    vector = TensorType((indices.shape[1],), c.result.element)
    operands = tuple(replace(vector, axis=t.axis) if i == at else t for i, t in enumerate(c.operands))
    c_of_entries = replace(c, operands=operands, result=replace(vector, axis=c.result.axis))

    def move(x: Any) -> Any:
        return op.evaluate(c_of_entries, *(x if i == at else v.dense for i, v in enumerate(values)))

    return _value(c.result, move(indices + 1) - 1, None if entries is None else move(entries))


@lowers_symbols(Slice)
def sliced(op: Slice, c: Context, x: Value) -> Value:
    indices, values = _entries(x)
    start, stop = op.bounds(x.type.dims[op.axis - 1])
    return _value(c.result, _shifted(indices, x.type, op.axis, -start, stop - start), values)


@lowers_symbols(RowStack)
def stacked(op: RowStack, c: Context, *xs: Value) -> Value:
    size, start = c.result.dims[op.axis - 1], 0
    indices, values = [], []
    for x in xs:
        of_x, values_of_x = _entries(x)
        indices.append(_shifted(of_x, x.type, op.axis, start, size))
        values.append(jnp.ones(of_x.shape, c.result.element.value) if values_of_x is None else values_of_x)
        start += _dim(x.type, op.axis)
    return _value(c.result, jnp.concatenate(indices, axis=1), jnp.concatenate(values, axis=1))


def _entries(x: Value) -> tuple[Any, Any | None]:
    """Indices and values, each ``(frames, capacity)``; onehot symbols have no values."""
    return (x.array[:, None], None) if x.type.storage is Storage.ONEHOT else x.array


def _value(type: TensorType, indices: Any, values: Any | None) -> Value:
    return Value(type, indices[:, 0] if type.storage is Storage.ONEHOT else (indices, values))


def _shifted(indices: Any, type: TensorType, axis: int, distance: int, size: int) -> Any:
    """Indices after a move by ``distance`` along an axis that then has that size; none (-1) for what leaves it."""
    stride, dim = math.prod(type.dims[: axis - 1]), _dim(type, axis)
    place = indices // stride % dim + distance
    moved = (indices // (stride * dim) * size + place) * stride + indices % stride
    inside = (indices >= 0) & (indices < type.size) & (place >= 0) & (place < size)
    return jnp.where(inside, moved, -1)


def _dim(type: TensorType, axis: int) -> int:
    dim = type.dim(axis)
    assert dim is not None
    return dim
