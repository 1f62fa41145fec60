"""The columns of a parameter that a minibatch touched: their gradients, and a parameter with only these changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

# Indices and values of a sparse operand, ``(frames, capacity)``; no values: all are 1.
Entries = tuple[Any, Any | None]


@dataclass(frozen=True)
class ColumnGradient:
    """Gradient of a parameter as an array ``(columns, …)``: ``rows[i]`` is that of column ``columns[i]``.

    Each column is there once; places that are left over have a column that does not exist and a row of zeros.
    """

    columns: Any
    rows: Any
    touched: Any

    @staticmethod
    def of(entries: Sequence[Entries], gradients: Sequence[Any], number: int) -> ColumnGradient:
        """From the operands of products and the gradients of their results, for a parameter of ``number`` columns."""
        pairs = [_by_entry(*each, g.reshape(g.shape[0], -1)) for each, g in zip(entries, gradients, strict=True)]
        chosen = jnp.concatenate([columns for columns, _ in pairs])
        chosen = jnp.where((chosen >= 0) & (chosen < number), chosen, number)
        order = jnp.argsort(chosen)
        chosen = chosen[order]
        is_first = jnp.concatenate([jnp.ones(1, bool), chosen[1:] != chosen[:-1]])
        place = jnp.cumsum(is_first) - 1
        rows = jnp.concatenate([rows for _, rows in pairs])[order]
        rows = jax.ops.segment_sum(rows, place, chosen.shape[0], indices_are_sorted=True)
        columns = jnp.full(chosen.shape, number, chosen.dtype).at[place].set(chosen)
        touched = columns < number
        return ColumnGradient(columns, jnp.where(touched[:, None], rows, 0), touched.astype(rows.dtype))

    def take(self, whole: Any) -> Any:
        """The touched columns of an array of the parameter's shape; rows of zeros in places that are left over."""
        return _flat(whole, self.rows).at[self.columns].get(mode="fill", fill_value=0)

    def put(self, whole: Any, rows: Any) -> Any:
        """The array with its touched columns replaced."""
        return _flat(whole, self.rows).at[self.columns].set(rows, mode="drop").reshape(whole.shape)


def _flat(whole: Any, rows: Any) -> Any:
    return whole.reshape(-1, rows.shape[1])


def _by_entry(indices: Any, values: Any | None, g: Any) -> tuple[Any, Any]:
    """The column of each entry and what the gradient of its frame adds to it."""
    if values is None:
        return indices.reshape(-1), g
    return indices.reshape(-1), (g[:, None, :] * values[..., None].astype(g.dtype)).reshape(-1, g.shape[1])
