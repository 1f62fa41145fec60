"""The 64-bit Mersenne Twister, which orders all data and draws all initial values in CNTK's own way."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]

_N, _M = 312, 156
_MASK = (1 << 64) - 1
_SEEDING = 6364136223846793005
_UPPER = np.uint64(0xFFFFFFFF80000000)
_TWIST = np.uint64(0xB5026F5AA96619E9)
_ONE = np.uint64(1)

# Word k + 312 follows from words k, k + 1 and k + 156. Of 311 words in one go the last 155 need what the first 156 have
# just become, and nothing else does: so NumPy is called 9 times for 311 words.
_STEP = _N - 1
# steps that share the calls of tempering; 160 KB stay in the cache
_MOST_STEPS = 64


class MT19937_64:
    """A stream of 64-bit words; equal seeds (modulo 2^64) give equal streams."""

    def __init__(self, seed: int) -> None:
        # words before tempering: the last 312, and behind them room for those that come next
        self._raw = np.array(_seeded(seed), np.uint64)
        self._steps: list[tuple[Words, ...]] = []
        self._mixed, self._odd = np.empty(_STEP, np.uint64), np.empty(_STEP, np.uint64)
        # tempered and not yet used
        self._ready = np.empty(0, np.uint64)

    def next_u64(self, n: int) -> Words:
        """The next ``n`` words."""
        words = np.empty(n, np.uint64)
        at = 0
        for block in self.blocks(n):
            words[at : at + len(block)] = block
            at += len(block)
        return words

    def blocks(self, n: int) -> Iterator[Words]:
        """The next ``n`` words in blocks that fit the cache; each is good until the next is asked for."""
        while n > 0:
            if len(self._ready) == 0:
                self._ready = self._fresh(min(-(-n // _STEP), _MOST_STEPS))
            block = self._ready[:n]
            self._ready = self._ready[n:]
            n -= len(block)
            yield block

    def give_back(self, words: Words) -> None:
        """Put words in front of the stream again."""
        self._ready = np.concatenate([words, self._ready])

    def _fresh(self, steps: int) -> Words:
        """The words of so many steps, tempered."""
        self._make_room(steps)
        mixed, odd = self._mixed, self._odd
        for high, low, middle, first, second, last in self._steps[:steps]:
            # the upper bits of one word and the lower of the next, shifted, and twisted where that cuts off a 1
            np.bitwise_xor(high, low, out=mixed)
            np.bitwise_and(mixed, _UPPER, out=mixed)
            np.bitwise_xor(mixed, low, out=mixed)
            np.bitwise_and(low, _ONE, out=odd)
            np.multiply(odd, _TWIST, out=odd)
            np.right_shift(mixed, _ONE, out=mixed)
            np.bitwise_xor(mixed, odd, out=mixed)
            np.bitwise_xor(middle, mixed[:_M], out=first)
            np.bitwise_xor(last, mixed[_M:], out=second)
        end = _N + steps * _STEP
        words = _tempered(self._raw[_N:end])
        self._raw[:_N] = self._raw[end - _N : end].copy()
        return words

    def _make_room(self, steps: int) -> None:
        """Views of the operands and results of each step."""
        if len(self._steps) >= steps:
            return
        raw = np.empty(_N + steps * _STEP, np.uint64)
        raw[:_N] = self._raw[:_N]
        self._raw = raw
        self._steps = []
        for k in range(0, steps * _STEP, _STEP):
            bounds = (
                (k, k + _STEP),
                (k + 1, k + _N),
                (k + _M, k + _N),
                (k + _N, k + _N + _M),
                (k + _N + _M, k + _N + _STEP),
                (k + _N, k + _STEP + _M),
            )
            self._steps.append(tuple(raw[start:stop] for start, stop in bounds))


def _seeded(seed: int) -> list[int]:
    state = [seed & _MASK]
    for i in range(1, _N):
        last = state[-1]
        state.append((_SEEDING * (last ^ (last >> 62)) + i) & _MASK)
    return state


def _tempered(raw: Words) -> Words:
    y, t = raw >> np.uint64(29), np.empty_like(raw)
    y &= np.uint64(0x5555555555555555)
    y ^= raw
    for shift, mask in ((17, 0x71D67FFFEDA60000), (37, 0xFFF7EEE000000000)):
        np.left_shift(y, np.uint64(shift), out=t)
        t &= np.uint64(mask)
        y ^= t
    np.right_shift(y, np.uint64(43), out=t)
    y ^= t
    return y
