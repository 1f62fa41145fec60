"""Uniform numbers as CNTK draws them on the CPU: one 64-bit word each, computed in double."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from graphc.data.mersenne import MT19937_64, Words

_UNIT = 2.0**-64


def uniform(
    engine: MT19937_64, size: int, low: float, high: float, dtype: npt.DTypeLike = np.float64
) -> npt.NDArray[Any]:
    """The next ``size`` numbers in [low, high), cast to ``dtype``, which may round up to ``high``.

    A word that gives ``high`` in double is passed over.
    """
    drawn = np.empty(size, dtype)
    at = 0
    while at < size:
        for words in engine.blocks(size - at):
            numbers = between(words, low, high)
            if numbers.max() >= high:
                numbers = numbers[numbers < high]
            drawn[at : at + len(numbers)] = numbers
            at += len(numbers)
    return drawn


def between(words: Words, low: float, high: float) -> npt.NDArray[np.float64]:
    numbers = words.astype(np.float64)
    # a power of two: the two factors at once would round the same
    numbers *= _UNIT * (high - low)
    numbers += low
    return numbers
