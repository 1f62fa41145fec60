"""Edits that turn one sequence of tokens into another, by diagonals: cells of one diagonal do not need each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from graphc.ops.grids import Grid, Loop, first_chosen


@dataclass(frozen=True)
class Penalties:
    """What an edit costs when the cheapest alignment is looked for."""

    substitution: float = 1.0
    deletion: float = 1.0
    insertion: float = 1.0


def tokens(xp: Any, grid: Grid, x: Any, *, squashed: bool, ignored: tuple[int, ...]) -> tuple[Any, Any]:
    """Tokens of each lane, ``(lanes, time)``, and how many there are, from vectors ``(frames, tokens)``."""
    best = grid.laid(xp, x.argmax(axis=-1)).astype("int32")
    kept = grid.inside(xp)
    if squashed:
        kept = kept & xp.concatenate([kept[:1], best[1:] != best[:-1]])
    for token in ignored:
        kept = kept & (best != token)
    return first_chosen(xp, best, kept).T, kept.sum(axis=0).astype("int32")


def count_edits(xp: Any, a: Any, of_a: Any, b: Any, of_b: Any, penalties: Penalties, dtype: Any, loop: Loop) -> Any:
    """Edits of the cheapest alignment of each lane; of alignments of one cost, substitutions come first.

    ``a`` and ``b`` are ``(lanes, time)``, ``of_a`` and ``of_b`` the numbers of tokens that count.
    """
    lanes, rows = a.shape[0], a.shape[1] + 1
    # cell i of diagonal d compares the first i tokens of a with the first d - i of b
    i = xp.arange(rows, dtype="int32")
    own = xp.concatenate([a[:, :1], a], axis=1)

    def step(state: Any, row: Any) -> tuple[Any, Any]:
        (cost, edits), (cost_before, edits_before), answer = state
        (d,) = row
        j = d - i
        other = xp.take(b, xp.clip(j - 1, 0, b.shape[1] - 1), axis=1)
        deleted, inserted = _next(xp, cost) + penalties.deletion, cost + penalties.insertion
        replaced = _next(xp, cost_before) + penalties.substitution
        is_match = own == other
        is_replaced = (replaced <= deleted) & (replaced <= inserted)
        is_deleted = deleted < inserted
        found = xp.where(is_deleted, deleted, inserted)
        found = xp.where(is_match, _next(xp, cost_before), xp.where(is_replaced, replaced, found))
        number = xp.where(is_deleted, _next(xp, edits), edits) + 1
        number = xp.where(is_match | is_replaced, _next(xp, edits_before) + ~is_match, number)
        # the first tokens of one against none of the other
        found = xp.where(i == 0, j * penalties.insertion, xp.where(j == 0, i * penalties.deletion, found))
        number = xp.where(i == 0, j, xp.where(j == 0, i, number))
        found, number = found.astype(dtype), number.astype("int32")
        last = xp.take_along_axis(number, of_a[:, None], axis=1)[:, 0]
        answer = xp.where(d == of_a + of_b, last, answer)
        return ((found, number), (cost, edits), answer), answer[:0]

    nothing = xp.zeros((lanes, rows), dtype), xp.zeros((lanes, rows), "int32")
    diagonals = xp.arange(rows + b.shape[1], dtype="int32")
    return loop(step, (nothing, nothing, xp.zeros(lanes, "int32")), (diagonals,))[0][2]


def _next(xp: Any, x: Any) -> Any:
    """What a cell finds one token of ``a`` before."""
    return xp.concatenate([x[:, :1], x[:, :-1]], axis=1)
