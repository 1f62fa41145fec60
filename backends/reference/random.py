"""Random numbers of one step, from NumPy's counter-based generator."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PhiloxStream:
    """Numbers keyed by (seed, name, step): independent for different names, and the same again for the same."""

    seed: int
    step: int = 0
    dtype: str = "float64"

    def uniform(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        word = zlib.crc32(name.encode()) << 32 | (self.step & 0xFFFFFFFF)
        key = np.array([self.seed & 0xFFFFFFFFFFFFFFFF, word], np.uint64)
        numbers = np.random.Generator(np.random.Philox(key=key))
        return numbers.random(shape, np.float32 if self.dtype == "float32" else np.float64)
