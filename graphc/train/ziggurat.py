"""Normal numbers as CNTK draws them on the CPU: a ziggurat of 128 layers over 64-bit words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal, localcontext
from functools import cache

import numpy as np
import numpy.typing as npt

from graphc.data.mersenne import MT19937_64, Words

Floats = npt.NDArray[np.float64]

_LAYERS = 128
# Where the tail begins, to the digits with which the layers close at the top.
_TAIL = "3.442619855896652121424320491467339704337597"
_UNIT = 2.0**-64


def normal(engine: MT19937_64, count: int) -> Floats:
    """The next ``count`` numbers of mean 0 and deviation 1; the engine stands behind the last word used."""
    found = np.empty(count)
    at, left = 0, np.empty(0, np.uint64)
    while at < count:
        # a number takes one word or more, so none is fetched in vain
        for fresh in engine.blocks(count - at):
            numbers, left = _numbers(np.concatenate([left, fresh]) if len(left) else fresh)
            found[at : at + len(numbers)] = numbers
            at += len(numbers)
    return found


def _numbers(words: Words) -> tuple[Floats, Words]:
    """The numbers that the words give, and the words behind them, too few for another.

    All words are taken for the first of a number, which 98.8 % are alone; only the others are looked at in turn.
    """
    layer, x = _candidates(words)
    rejected = np.flatnonzero(x >= _tables()[0][1:][layer])
    taken = np.ones(len(words), np.bool_)
    end, behind = len(words), 0
    for first, value, after in _whole_algorithm(words, rejected, layer, x):
        if first < behind:
            continue  # used up by the number before
        if after > len(words):
            end = first
            break
        taken[first:after] = False
        if value is not None:
            taken[first], x[first] = True, value
        behind = after
    sign = np.where(words & np.uint64(1), 1.0, -1.0)
    return (sign * x)[:end][taken[:end]], words[end:]


def _candidates(words: Words) -> tuple[npt.NDArray[np.intp], Floats]:
    """Layer of each word, and the number that it gives if that lies inside of the layer."""
    layer = ((words >> np.uint64(1)) & np.uint64(127)).astype(np.intp)
    # The sign and layer bits are cut off, and bit 11 is not used either.
    x = ((words & np.uint64(0xFFFFFFFFFFFFF7FF)) >> np.uint64(8)).astype(np.float64)
    x *= 2.0**-56
    x *= _tables()[0][layer]
    return layer, x


def _whole_algorithm(
    words: Words, first: npt.NDArray[np.intp], layer: npt.NDArray[np.intp], x: Floats
) -> Iterator[tuple[int, float | None, int]]:
    """For each of the words ``first``: its place, the size of the number, none if there is none, and the place after.

    A place behind the end of the words says that more of them are needed.
    """
    xs, ys = _tables()
    layers, candidates = layer[first], x[first]
    unit = words[np.minimum(first + 1, len(words) - 1)].astype(np.float64) * _UNIT
    height = ys[layers] + unit * (ys[layers + 1] - ys[layers])
    is_below = height < np.exp(-(candidates * candidates / 2))
    for at, level, value, below, number in zip(
        *(v.tolist() for v in (first, layers, candidates, is_below, unit)), strict=True
    ):
        if level == 0:
            yield (at, *_tail(words, at + 1, float(xs[1])))
        elif number < 1:
            yield at, value if below else None, at + 2
        else:
            # of 2^53 words one rounds up to 1, and the next one stands in
            unit_number, after = _unit(words, at + 1)
            edge = ys[level] + unit_number * (ys[level + 1] - ys[level])
            yield at, value if edge < math.exp(-(value * value / 2)) else None, after


def _tail(words: Words, at: int, start: float) -> tuple[float, int]:
    """A number beyond the tail's start, and the place behind its words."""
    while True:
        first, at = _unit(words, at)
        second, at = _unit(words, at)
        a = -math.log(1 - first) / start
        if 2 * -math.log(1 - second) > a * a or at > len(words):
            return a + start, at


def _unit(words: Words, at: int) -> tuple[float, int]:
    """A number in [0, 1), and the place behind its word; 0 behind the end of the words."""
    while at < len(words):
        value = float(words[at]) * _UNIT
        at += 1
        if value < 1:
            return value, at
    return 0.0, len(words) + 1


@cache
def _tables() -> tuple[Floats, Floats]:
    """Right edges and heights of the layers, computed with digits to spare and rounded once."""
    with localcontext() as digits:
        digits.prec = 40
        r = Decimal(_TAIL)
        density = (-r * r / 2).exp()
        volume = r * density + _tail_integral(r)
        x = [volume / density, r]
        while len(x) < _LAYERS:
            x.append((-2 * ((-x[-1] * x[-1] / 2).exp() + volume / x[-1]).ln()).sqrt())
        y = [Decimal(0), *((-v * v / 2).exp() for v in x[1:]), Decimal(1)]
        return np.array([*map(float, x), 0.0]), np.array(list(map(float, y)))


def _tail_integral(r: Decimal) -> Decimal:
    """Area under exp(-x²/2) behind r, by Laplace's continued fraction."""
    fraction = Decimal(0)
    for k in range(400, 0, -1):
        fraction = k / (r + fraction)
    return (-r * r / 2).exp() / (r + fraction)
