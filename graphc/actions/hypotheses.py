"""From what a beam search found step by step to its hypotheses, and how far these are from references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from graphc.actions.decoder import IMPOSSIBLE


@dataclass(frozen=True)
class Hypothesis:
    """Words by number, without the end, and the logarithm of their probability, with it."""

    words: tuple[int, ...]
    score: float


def best_hypotheses(
    words: npt.NDArray[np.integer],
    origins: npt.NDArray[np.integer],
    scores: npt.NDArray[Any],
    most: int,
    end: int | None,
) -> list[Hypothesis]:
    """The most probable hypotheses of one sequence, best first.

    Each operand is ``(steps, beam)``: the word that each history ends in at that step, which of the step before it
    goes on from, and its score.
    """
    found = []
    for place in range(min(most, words.shape[1])):
        score = float(scores[-1, place])
        if score > IMPOSSIBLE / 2:
            found.append(Hypothesis(until(_followed_back(words, origins, place), end), score))
    return found


def _followed_back(words: npt.NDArray[np.integer], origins: npt.NDArray[np.integer], place: int) -> list[int]:
    path = []
    for step in range(len(words) - 1, -1, -1):
        path.append(int(words[step, place]))
        place = int(origins[step, place])
    return path[::-1]


def until(words: Sequence[int], end: int | None) -> tuple[int, ...]:
    """The words before the end."""
    stop = words.index(end) if end is not None and end in words else len(words)
    return tuple(words[:stop])


def edit_distance(a: Sequence[int], b: Sequence[int]) -> int:
    """The fewest insertions, deletions and replacements that make one of the other."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]
