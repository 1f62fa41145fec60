"""Normal numbers as CNTK's builds of 2016 drew them: the polar method, as the C++ library at hand had it."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from graphc.data.mersenne import MT19937_64

Library = Literal["msvc", "libstdcxx"]

# even, as pairs go, and few enough for the cache
_MOST_WORDS = 1 << 15


def normal(engine: MT19937_64, count: int, library: Library) -> npt.NDArray[np.float64]:
    """The first ``count`` numbers of mean 0 and deviation 1 from a fresh engine, which is used up."""
    found = np.empty(count)
    at = 0
    while at < count:
        # a pair in the square falls into the circle with probability pi/4; a lack is made up for in the next round
        missing = count - at
        drawn = _accepted(engine.next_u64(min(2 * missing + 64, _MOST_WORDS)), library)[:missing]
        found[at : at + len(drawn)] = drawn
        at += len(drawn)
    return found


def _accepted(words: npt.NDArray[np.uint64], library: Library) -> npt.NDArray[np.float64]:
    """Both numbers of every pair of words that falls into the unit circle, in their order."""
    pairs = 2 * (words.astype(np.float64) * 2.0**-64).reshape(-1, 2) - 1
    square = pairs[:, 0] * pairs[:, 0] + pairs[:, 1] * pairs[:, 1]
    # libstdc++ takes the circle itself too, and the second coordinate first
    inside = square < 1 if library == "msvc" else (square <= 1) & (square != 0)
    pairs, square = pairs[inside], square[inside]
    numbers = np.sqrt(-2 * np.log(square) / square)[:, None] * pairs
    return (numbers if library == "msvc" else numbers[:, ::-1]).reshape(-1)
