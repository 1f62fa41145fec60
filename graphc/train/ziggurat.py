"""Normal numbers as CNTK draws them on the CPU: a ziggurat of 128 layers over 64-bit words."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from functools import cache

import numpy as np
import numpy.typing as npt

from graphc.data.mersenne import MT19937_64

Floats = npt.NDArray[np.float64]

_LAYERS = 128
# Where the tail begins, to the digits with which the layers close at the top.
_TAIL = "3.442619855896652121424320491467339704337597"
_UNIT = 2.0**-64


def normal(engine: MT19937_64, count: int) -> Floats:
    """The next ``count`` numbers of mean 0 and deviation 1; the engine stands behind the last word used."""
    source = _Words(engine)
    found = [np.empty(0)]
    missing = count
    while missing > 0:
        batch = _fast(source, missing)
        if len(batch) < missing:
            batch = np.append(batch, _slow(source))
        found.append(batch)
        missing -= len(batch)
    return np.concatenate(found)


class _Words:
    """Words of an engine with look-ahead; a new normal starts at ``at``."""

    def __init__(self, engine: MT19937_64) -> None:
        self.engine = engine
        self.words = np.empty(0, np.uint64)
        self.at = 0

    def ahead(self, count: int) -> npt.NDArray[np.uint64]:
        """The next words without using them."""
        lacking = self.at + count - len(self.words)
        if lacking > 0:
            self.words = np.concatenate([self.words[self.at :], self.engine.next_u64(lacking)])
            self.at = 0
        return self.words[self.at : self.at + count]

    def next(self) -> int:
        word = int(self.ahead(1)[0])
        self.at += 1
        return word

    def unit(self) -> float:
        while (value := float(self.next()) * _UNIT) >= 1.0:
            pass
        return value


def _fast(source: _Words, most: int) -> Floats:
    """Normals of one word each, up to the first word that is not accepted at once."""
    words = source.ahead(min(most, 4096))
    x, sign, layer = _candidates(words)
    accepted = x < _tables()[0][layer + 1]
    good = len(words) if accepted.all() else int(np.argmin(accepted))
    source.at += good
    return (sign * x)[:good]


def _slow(source: _Words) -> Floats:
    """One normal, by the whole algorithm."""
    xs, ys = _tables()
    while True:
        x, sign, layer = (v[0] for v in _candidates(np.array([source.next()], np.uint64)))
        if x < xs[layer + 1]:
            return np.array([sign * x])
        if layer == 0:
            return np.array([sign * _tail(source, float(xs[1]))])
        y = ys[layer] + source.unit() * (ys[layer + 1] - ys[layer])
        if y < math.exp(-(x * x / 2)):
            return np.array([sign * x])


def _tail(source: _Words, start: float) -> float:
    while True:
        a = -math.log(1 - source.unit()) / start
        if 2 * -math.log(1 - source.unit()) > a * a:
            return a + start


def _candidates(words: npt.NDArray[np.uint64]) -> tuple[Floats, Floats, npt.NDArray[np.intp]]:
    low = (words & np.uint64(255)).astype(np.intp)
    # The sign and layer bits are cut off, and bit 11 is not used either.
    q = ((words & np.uint64(0xFFFFFFFFFFFFF7FF)) >> np.uint64(8)).astype(np.float64) * 2.0**-56
    layer = low >> 1
    return q * _tables()[0][layer], np.where(low & 1, 1.0, -1.0), layer


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
