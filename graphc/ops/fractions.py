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
    """For each frame, how many frames a selection has made of its sequence up to there (spec: operation Where).

    What was made stays when the sum falls. A number that no minibatch could answer counts as infinite: positive, it
    asks for more frames than there are; negative, or no number at all, it ends its sequence.
    """
    limit = (1 << 30) // max(sequences.longest, 1)
    is_plain = xp.abs(flags) < limit
    wanted = _wanted(xp, xp.where(is_plain, flags, xp.zeros((), flags.dtype)), sequences)
    is_endless, is_ended = (
        _along(xp, found.astype("int32"), sequences) > 0 for found in (flags >= limit, ~(is_plain | (flags > 0)))
    )
    most = flags.shape[0] + 1
    wanted = xp.where(is_ended, 0, xp.where(is_endless, most, xp.clip(wanted, 0, most)))
    return _running_maximum(xp, wanted.astype("int32"), sequences)


def _wanted(xp: Any, flags: Any, sequences: Sequences) -> Any:
    """How many frames the sum up to each frame stands for."""
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
    """The whole part and the digits behind it, as integers that all have the sign of the number."""
    # less than the last digit can say is something all the same: the first positive sum takes a frame
    least = 2.0 ** (-_BITS * _DIGITS)
    size = xp.where(x > 0, xp.maximum(x, least), -x).astype(x.dtype)
    found = []
    for _ in range(_DIGITS + 1):
        part = xp.floor(size)
        found.append(xp.where(x < 0, -part, part).astype("int32"))
        size = (size - part) * 2.0**_BITS
    return found


def _along(xp: Any, x: Any, sequences: Sequences) -> Any:
    """Sums from the beginning of each frame's sequence to the frame; what overflows before it takes no part."""
    total = xp.cumsum(x, dtype="int32")
    before = total - x
    return total - at(xp, at(xp, before, sequences.starts), sequences.ids)


def _running_maximum(xp: Any, x: Any, sequences: Sequences) -> Any:
    """The largest of each frame and those before it in its sequence."""
    reach = 1
    while reach < sequences.longest:
        earlier = xp.concatenate([xp.zeros(reach, x.dtype), x])[: x.shape[0]]
        x = xp.where(sequences.positions >= reach, xp.maximum(x, earlier), x)
        reach *= 2
    return x
