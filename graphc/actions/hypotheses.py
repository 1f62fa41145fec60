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


@dataclass(frozen=True, eq=False)
class Paths:
    """What a search found in one sequence, each ``(steps, beam)``, the best history first.

    Of each history at each step: the word that it ends in, which of the step before it goes on from, and its score.
    """

    words: npt.NDArray[np.integer]
    origins: npt.NDArray[np.integer]
    scores: npt.NDArray[Any]

    def hypotheses(self, most: int, end: int | None) -> list[Hypothesis]:
        """The most probable ones, best first."""
        return [
            Hypothesis(until(self._followed_back(place), end), float(score))
            for place, score in enumerate(self.scores[-1, :most])
            if score > IMPOSSIBLE / 2
        ]

    def have_ended(self, most: int, end: int | None) -> bool:
        """Whether as many of the best as are wanted have come to their end."""
        return bool(((self.words[-1, :most] == end) & (self.scores[-1, :most] > IMPOSSIBLE / 2)).all())

    def _followed_back(self, place: int) -> list[int]:
        path = []
        for words, origins in zip(self.words[::-1], self.origins[::-1], strict=True):
            path.append(int(words[place]))
            place = int(origins[place])
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
