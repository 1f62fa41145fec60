"""Products: one matrix product of two dimensions, or a gather where the right operand is onehot or sparse."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from graphc.backends.xla.lowering import lowers_values
from graphc.backends.xla.values import Value
from graphc.ir import Context, Storage
from graphc.ir.layout import array_shape
from graphc.ops.products import QuantizedTimes, Times, TransposeTimes
from graphc.ops.tables import LookupTable


@lowers_values(Times, QuantizedTimes)
def times(op: Times | QuantizedTimes, c: Context, left: Value, right: Value) -> Value:
    a, b = c.operands
    if a.axis is not None:
        return Value(c.result, op.evaluate(c, left.dense, right.dense))
    shape, o = op.left_shape(a, b), op.output_rank
    out, inner = [_known(d) for d in shape[:o]], [_known(d) for d in shape[o:]]
    if left.kept is not None:
        return _product(c, left.kept.reshape(-1, math.prod(out)), right.channels_last, right)
    if _permutes(right, len(inner), math.prod(out)):
        # The weights are permuted where they are fewer than the image's numbers.
        tensor = left.array.reshape(*reversed(inner), math.prod(out))
        tensor = jnp.moveaxis(tensor, 0, len(inner) - 1)
        return _product(c, tensor.reshape(-1, math.prod(out)), right.channels_last, right)
    return _product(c, left.array.reshape(math.prod(inner), math.prod(out)), None, right)


@lowers_values(TransposeTimes)
def transpose_times(op: TransposeTimes, c: Context, left: Value, right: Value) -> Value:
    a, _ = c.operands
    if a.axis is not None:
        return Value(c.result, op.evaluate(c, left.dense, right.dense))
    if left.ones is not None and right.type.storage is Storage.DENSE and right.type.size == a.dims[0]:
        y = _taken(right.dense.reshape(-1, a.dims[0]).T, left.ones).T
        return Value(c.result, y.reshape(array_shape(c.result, *right.frames)))
    return _product(c, left.array.reshape(-1, a.dims[0]).T, None, right)


@lowers_values(LookupTable)
def lookup_table(op: LookupTable, c: Context, table: Value, chosen: Value) -> Value:
    width, entries = table.type.dim(1), table.type.dim(2)
    matrix = table.array.reshape(_known(entries), _known(width))
    if chosen.type.size == entries:
        return _product(c, matrix, None, chosen)
    return Value(c.result, op.evaluate(c, matrix, chosen.dense))


def _product(c: Context, matrix: Any, x: Any, right: Value) -> Value:
    """``right`` (as array: ``x`` if given) times a matrix of shape (inner, rows)."""
    inner = matrix.shape[0]
    if right.type.storage is not Storage.DENSE and right.type.size == inner:
        y = _gathered(matrix, right)
    elif right.ones is not None and right.type.dim(1) == inner:
        y = _taken(matrix, right.ones)
    else:
        x = right.dense if x is None else x
        y = _multiplied(x.reshape(-1, inner), matrix)
    return Value(c.result, y.reshape(array_shape(c.result, *right.frames)))


def _multiplied(x: Any, matrix: Any) -> Any:
    if x.dtype != matrix.dtype or x.dtype not in (jnp.float16, jnp.bfloat16):
        return x @ matrix
    return _multiplied_narrow(x, matrix)


@jax.custom_vjp
def _multiplied_narrow(x: Any, matrix: Any) -> Any:
    """The product of two narrow matrices in float32; gradients are products of narrow matrices again.

    On CPUs with units for bfloat16 XLA uses them only where the result is wide: four times as fast as float32.
    """
    return _dot(x, matrix, 1, 0)


def _dot(a: Any, b: Any, of_a: int, of_b: int) -> Any:
    return lax.dot_general(a, b, (((of_a,), (of_b,)), ((), ())), preferred_element_type=jnp.float32)


def _gradients_narrow(saved: tuple[Any, Any], g: Any) -> tuple[Any, Any]:
    x, matrix = saved
    g = g.astype(x.dtype)
    return _dot(g, matrix, 1, 1).astype(x.dtype), _dot(x, g, 0, 0).astype(matrix.dtype)


_multiplied_narrow.defvjp(lambda x, matrix: (_multiplied_narrow(x, matrix), (x, matrix)), _gradients_narrow)


def _gathered(matrix: Any, right: Value) -> Any:
    if right.type.storage is Storage.ONEHOT:
        return _rows(matrix, right.array)
    indices, values = right.array
    return (_rows(matrix, indices) * values[..., None].astype(matrix.dtype)).sum(axis=1)


def _rows(matrix: Any, indices: Any) -> Any:
    # An index outside is no entry; JAX would otherwise count negative ones from the end.
    return matrix.at[indices].get(mode="fill", fill_value=0, wrap_negative_indices=False)


def _taken(matrix: Any, ones: Any) -> Any:
    """The rows that columns with a single 1 choose."""
    return matrix.at[ones].get(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False)


def _permutes(right: Value, inner_rank: int, rows: int) -> bool:
    if not right.is_channels_last or inner_rank != right.type.rank:
        return False
    return all(isinstance(n, int) and rows <= n for n in right.frames)


def _known(dim: int | None) -> int:
    assert dim is not None
    return dim
