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


@jax.custom_vjp
def multiplied(rows: Any, matrix: Any) -> Any:
    """``rows @ matrix``, whose gradient for the rows is on CPUs a product of the matrix with columns."""
    return rows @ matrix


def _backward(saved: Any, d: Any) -> Any:
    rows, matrix = saved
    with full_precision():
        if rows.shape[0] == 1 or matrix.size < _LEAST_BY_COLUMNS:
            return d @ matrix.T, rows.T @ d
        return lax.platform_dependent(d, matrix, cpu=_by_columns, default=lambda d, m: d @ m.T), rows.T @ d


multiplied.defvjp(lambda rows, matrix: (rows @ matrix, (rows, matrix)), _backward)


def _by_columns(rows: Any, matrix: Any) -> Any:
    """``rows @ matrix.T`` with the matrix read as it lies.

    XLA's CPU backend would read it across, for some ten rows half as fast, and is slow for odd numbers of columns.
    Barriers keep it from seeing that the two are the same.
    """
    count = rows.shape[0]
    unused = -count % _AT_A_TIME if count > _AT_A_TIME // 2 else 0
    columns = lax.optimization_barrier(jnp.pad(rows.T, ((0, 0), (0, unused))))
    return lax.optimization_barrier(matrix @ columns)[:, :count].T
