"""Classes drawn from CNTK's engine in proportion to weights, one word a try."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from graphc.data.mersenne import MT19937_64
from graphc.train.uniform import between, uniform

# words that are looked at together
_MOST_TOGETHER = 1 << 16
# tries after which weights are held to be too unequal: CNTK would go on, for years if need be
_MOST_TRIES = 1 << 24
# samples from which the number of tries is estimated
_EXPERIMENTS = 10


def repeated(engine: MT19937_64, weights: npt.NDArray[Any], count: int) -> npt.NDArray[np.int64] | None:
    """``count`` classes, which may repeat; none where the weights allow no choice."""
    if not _allow(weights, 1):
        return None
    sums = np.cumsum(weights, dtype=np.float64)
    return np.searchsorted(sums, uniform(engine, count, 0, float(sums[-1])))


def different(engine: MT19937_64, weights: npt.NDArray[Any], count: int) -> tuple[npt.NDArray[np.int64], int] | None:
    """``count`` different classes and how many tries they took; none where the weights do not allow so many."""
    if not _allow(weights, count):
        return None
    sums = np.cumsum(weights, dtype=np.float64)
    found, tries, together = np.empty(0, np.int64), 0, count
    while tries < _MOST_TRIES:
        words = engine.next_u64(together)
        numbers = between(words, 0, float(sums[-1]))
        counted = np.flatnonzero(numbers < sums[-1])
        classes, first = np.unique(np.concatenate([found, np.searchsorted(sums, numbers[counted])]), return_index=True)
        order = np.argsort(first)[:count]
        if len(order) == count:
            last = int(first[order[-1]]) - len(found)
            engine.give_back(words[counted[last] + 1 :])
            return classes[order], tries + last + 1
        found, tries = classes[order], tries + len(counted)
        together = min(2 * together, _MOST_TOGETHER)
    return None


def frequencies(
    engine: MT19937_64, weights: npt.NDArray[Any], count: int, *, repeats: bool
) -> npt.NDArray[np.float64] | None:
    """How often each class is expected among ``count``; none where the weights do not allow so many."""
    runs = [
        repeated(engine, weights, count) if repeats else different(engine, weights, count) for _ in range(_EXPERIMENTS)
    ]
    if any(run is None for run in runs):
        return None
    shares = weights.astype(np.float64) / np.cumsum(weights, dtype=np.float64)[-1]
    if repeats:
        return shares * count
    tries = sum(run[1] for run in runs if run is not None) / _EXPERIMENTS
    return -np.expm1(tries * np.log1p(-shares))


def _allow(weights: npt.NDArray[Any], count: int) -> bool:
    return bool((weights >= 0).all() and np.count_nonzero(weights) >= count and np.isfinite(weights).all())
