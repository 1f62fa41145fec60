"""The numbers of CNTK's fills on a GPU: cuRAND's XORWOW generator of 4,096 lanes, in its seeded order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint32]

_LANES = 4096
_LANE_SEED = 0x2FD111
_MASK = (1 << 64) - 1


class XorwowStream:
    """One endless stream; each request goes on where the one before stopped."""

    def __init__(self, seed: int) -> None:
        seeds = _lane_seeds(seed)
        low, high = seeds.astype(np.uint32), (seeds >> np.uint64(32)).astype(np.uint32)
        with np.errstate(over="ignore"):
            t0 = np.uint32(1099087573) * (low ^ np.uint32(0xAAD26B49))
            t1 = np.uint32(2591861531) * (high ^ np.uint32(0xF7DCEFDD))
            self._counter = np.uint32(6615241) + t1 + t0
            self._state = [
                np.uint32(123456789) + t0,
                np.uint32(362436069) ^ t0,
                np.uint32(521288629) + t1,
                np.uint32(88675123) ^ t1,
                np.uint32(5783321) + t0,
            ]
        self._left: dict[str, npt.NDArray[Any]] = {}

    def words(self, count: int) -> Words:
        """Words of 32 bits: one of each lane, then the next of each."""
        return self._take("words", count, np.uint32, self._step)

    def uniform(self, count: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Numbers in (0, 1]."""
        if np.dtype(dtype) == np.float64:
            return self._take("float64", count, np.float64, self._uniform_of_two_words)
        return self.words(count).astype(np.float32) * np.float32(2.3283064e-10) + np.float32(1.1641532e-10)

    def normal(self, count: int) -> npt.NDArray[np.float32]:
        """Numbers of mean 0 and deviation 1, exact up to the rounding of the device's functions."""
        return self._take("normal", count, np.float32, self._normal_pairs)

    def _take(
        self, kind: str, count: int, dtype: npt.DTypeLike, make: Callable[[], npt.NDArray[Any]]
    ) -> npt.NDArray[Any]:
        """The next values of a kind; what a step gives too many is kept for the next request."""
        found = [self._left.get(kind, np.empty(0, dtype))]
        missing = count - len(found[0])
        while missing > 0:
            found.append(make())
            missing -= len(found[-1])
        values = np.concatenate(found)
        self._left[kind] = values[count:]
        return values[:count]

    def _step(self) -> Words:
        """The next word of each lane."""
        first, *others, last = self._state
        x = first ^ (first >> np.uint32(2))
        fresh = (last ^ (last << np.uint32(4))) ^ (x ^ (x << np.uint32(1)))
        self._state = [*others, last, fresh]
        self._counter = self._counter + np.uint32(362437)
        return fresh + self._counter

    def _uniform_of_two_words(self) -> npt.NDArray[np.float64]:
        x, y = self._step().astype(np.uint64), self._step().astype(np.uint64)
        return (x ^ (y << np.uint64(21))).astype(np.float64) * 2.0**-53 + 2.0**-54

    def _normal_pairs(self) -> npt.NDArray[np.float32]:
        first, second = self._step().astype(np.float32), self._step().astype(np.float32)
        u = first * np.float32(2.3283064e-10) + np.float32(1.1641532e-10)
        turn = np.float32(2 * np.pi * 2.0**-32)
        angle = second * turn + turn / np.float32(2)
        radius = np.sqrt(np.float32(-2) * np.log(u))
        return np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1).reshape(-1)


def _lane_seeds(seed: int) -> npt.NDArray[np.uint64]:
    return np.array([(seed + _LANE_SEED * lane) & _MASK for lane in range(_LANES)], np.uint64)


class DeviceFills:
    """The fills of one process on a GPU: one stream an element type, which the seed of its first fill decides."""

    def __init__(self) -> None:
        self._streams: dict[str, XorwowStream] = {}

    def uniform(self, seed: int, size: int, width: Any) -> npt.NDArray[Any]:
        """Numbers between plus and minus ``width``, in its type."""
        low, span = -width, width - -width
        return self._stream(seed, width.dtype).uniform(size, width.dtype) * span + low

    def normal(self, seed: int, size: int, deviation: Any) -> npt.NDArray[Any]:
        """Numbers of mean 0; one more is drawn where the size is odd."""
        drawn = self._stream(seed, deviation.dtype).normal(size + size % 2)
        return drawn[:size].astype(deviation.dtype) * deviation

    def _stream(self, seed: int, dtype: np.dtype[Any]) -> XorwowStream:
        if dtype.name not in self._streams:
            self._streams[dtype.name] = XorwowStream(seed)
        return self._streams[dtype.name]
