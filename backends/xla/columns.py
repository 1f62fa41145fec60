"""Products with a few rows, as every step of a loop has them, that are quick in both directions."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from graphc.backends.xla.lowering import full_precision

# from how many numbers on a matrix is multiplied with columns in backward passes on CPUs (benchmarks/recurrence)
_LEAST_BY_COLUMNS = 1 << 15
# columns are multiplied by so many at a time, fewer than half as many one by one
_AT_A_TIME = 8
# from how many products of numbers on, and how many steps, a matrix is turned round for the forward pass
_LEAST_TURNED = 1 << 24
_STEPS_TURNED = 32


def _product(rows: Any, matrix: Any, steps: int) -> Any:
    """``rows @ matrix``, in each of so many steps with the same matrix.

    On CPUs the gradient for the rows is a product of the matrix with columns. So is the result, where it is large and
    the loop long enough, with the matrix turned round, which XLA does once before the loop.
    """
    count = rows.shape[0]
    # in programs for any number of sequences neither is known
    is_long = isinstance(steps, int) and steps >= _STEPS_TURNED
    if is_long and isinstance(count, int) and count % _AT_A_TIME == 0 and count * matrix.size >= _LEAST_TURNED:
        return lax.platform_dependent(rows, matrix, cpu=_turned, default=jnp.matmul)
    return rows @ matrix


def _backward(_: int, saved: Any, d: Any) -> Any:
    rows, matrix = saved
    with full_precision():
        if rows.shape[0] == 1 or matrix.size < _LEAST_BY_COLUMNS:
            return d @ matrix.T, rows.T @ d
        return lax.platform_dependent(d, matrix, cpu=_by_columns, default=lambda d, m: d @ m.T), rows.T @ d


multiplied = jax.custom_vjp(_product, nondiff_argnums=(2,))
multiplied.defvjp(lambda rows, matrix, steps: (_product(rows, matrix, steps), (rows, matrix)), _backward)


def _turned(rows: Any, matrix: Any) -> Any:
    return _by_columns(rows, lax.optimization_barrier(matrix.T))


def _by_columns(rows: Any, matrix: Any) -> Any:
    """``rows @ matrix.T`` with the matrix read as it lies.

    XLA's CPU backend would read it across, for some ten rows half as fast, and is slow for odd numbers of columns.
    Barriers keep it from seeing that the two are the same.
    """
    count = rows.shape[0]
    unused = -count % _AT_A_TIME if count > _AT_A_TIME // 2 else 0
    columns = lax.optimization_barrier(jnp.pad(rows.T, ((0, 0), (0, unused))))
    return lax.optimization_barrier(matrix @ columns)[:, :count].T
