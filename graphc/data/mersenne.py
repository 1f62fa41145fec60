"""The 64-bit Mersenne Twister, which orders all data and draws all initial values in CNTK's own way."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_N, _M = 312, 156
_MASK = (1 << 64) - 1
_SEEDING = 6364136223846793005
_UPPER, _LOWER = np.uint64(0xFFFFFFFF80000000), np.uint64(0x7FFFFFFF)
_TWIST = np.uint64(0xB5026F5AA96619E9)
_ONE = np.uint64(1)


class MT19937_64:
    """A stream of 64-bit words; equal seeds (modulo 2^64) give equal streams."""

    def __init__(self, seed: int) -> None:
        self._state = np.array(_seeded(seed), dtype=np.uint64)
        self._words = np.empty(0, dtype=np.uint64)

    def next_u64(self, n: int) -> npt.NDArray[np.uint64]:
        """The next ``n`` words."""
        blocks = [self._words]
        missing = n - len(self._words)
        while missing > 0:
            self._twist()
            blocks.append(_tempered(self._state))
            missing -= _N
        words = np.concatenate(blocks)
        self._words = words[n:]
        return words[:n]

    def _twist(self) -> None:
        # Element i needs the new element i - 156 once i reaches 156, so the block goes in two slices and a last one.
        x = self._state
        x[: _N - _M] = x[_M:] ^ _mixed(x[: _N - _M], x[1 : _N - _M + 1])
        x[_N - _M : -1] = x[: _M - 1] ^ _mixed(x[_N - _M : -1], x[_N - _M + 1 :])
        x[-1:] = x[_M - 1 : _M] ^ _mixed(x[-1:], x[:1])


def _seeded(seed: int) -> list[int]:
    state = [seed & _MASK]
    for i in range(1, _N):
        last = state[-1]
        state.append((_SEEDING * (last ^ (last >> 62)) + i) & _MASK)
    return state


def _mixed(high: npt.NDArray[np.uint64], low: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    y = (high & _UPPER) | (low & _LOWER)
    return (y >> _ONE) ^ ((y & _ONE) * _TWIST)


def _tempered(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    y = x ^ ((x >> np.uint64(29)) & np.uint64(0x5555555555555555))
    y = y ^ ((y << np.uint64(17)) & np.uint64(0x71D67FFFEDA60000))
    y = y ^ ((y << np.uint64(37)) & np.uint64(0xFFF7EEE000000000))
    return y ^ (y >> np.uint64(43))
