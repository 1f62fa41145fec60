"""Sums of fractions along sequences that no rounding falsifies, however long a minibatch is.

CNTK adds the numbers of a sequence in float64. On accelerators there is none, and a sum of float32 over all frames of a
minibatch would be wrong in the place where a whole number is reached. So fractions are cut into integers.
"""

from __future__ import annotations

from typing import Any

from graphc.ir import Sequences
from graphc.ops.frames import at

# CNTK's condition for the next whole number leaves room for this much rounding of each float32
_EPSILON = 2.0**-23

# a number is its whole part and so many digits, each of so many bits: sums of 65,536 of them fit into an int32
_DIGITS = 3
_BITS = 15


def whole_frames(xp: Any, flags: Any, sequences: Sequences) -> Any:
    """For each frame, how many frames a selection has made of its sequence up to there (spec: operation Where)."""
    whole, *digits = (_along(xp, part, sequences) for part in _parts(xp, flags))
    carry = xp.zeros_like(whole)
    normal = []
    for digit in reversed(digits):
        digit = digit + carry
        carry = digit >> _BITS
        normal.insert(0, digit & ((1 << _BITS) - 1))
    whole = whole + carry
    fraction = sum(digit.astype(flags.dtype) * 2.0 ** (-_BITS * n) for n, digit in enumerate(normal, 1))
    is_over = fraction > (whole.astype(flags.dtype) + fraction) * _EPSILON
    is_positive = (whole > 0) | ((whole == 0) & (fraction > 0))
    return xp.maximum(whole + is_over.astype("int32"), is_positive.astype("int32"))


def _parts(xp: Any, x: Any) -> list[Any]:
    """The whole part and the digits behind it, as integers."""
    found = []
    for _ in range(_DIGITS + 1):
        part = xp.floor(x)
        found.append(part.astype("int32"))
        x = (x - part) * 2.0**_BITS
    return found


def _along(xp: Any, x: Any, sequences: Sequences) -> Any:
    """Sums from the beginning of each frame's sequence to the frame; what overflows before it takes no part."""
    total = xp.cumsum(x, dtype="int32")
    before = total - x
    return total - at(xp, at(xp, before, sequences.starts), sequences.ids)
