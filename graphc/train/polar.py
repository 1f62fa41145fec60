"""Normal numbers as CNTK's builds of 2016 drew them: the polar method, as the C++ library at hand had it."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from graphc.data.mersenne import MT19937_64

Library = Literal["msvc", "libstdcxx"]


def normal(engine: MT19937_64, count: int, library: Library) -> npt.NDArray[np.float64]:
    """The first ``count`` numbers of mean 0 and deviation 1 from a fresh engine, which is used up."""
    found = np.empty(0)
    while len(found) < count:
        # a pair in the square falls into the circle with probability pi/4; a lack is made up for in the next round
        words = engine.next_u64(2 * (count - len(found)) + 64)
        found = np.concatenate([found, _accepted(words, library)])
    return found[:count]


def _accepted(words: npt.NDArray[np.uint64], library: Library) -> npt.NDArray[np.float64]:
    """Both numbers of every pair of words that falls into the unit circle, in their order."""
    pairs = 2 * (words.astype(np.float64) * 2.0**-64).reshape(-1, 2) - 1
    square = (pairs * pairs).sum(axis=1)
    # libstdc++ takes the circle itself too, and the second coordinate first
    inside = square < 1 if library == "msvc" else (square <= 1) & (square != 0)
    pairs, square = pairs[inside], square[inside]
    numbers = np.sqrt(-2 * np.log(square) / square)[:, None] * pairs
    return (numbers if library == "msvc" else numbers[:, ::-1]).reshape(-1)
