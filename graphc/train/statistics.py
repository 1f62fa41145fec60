"""Mean and deviation of values that come a minibatch at a time, with CNTK's arithmetic and its rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# a smaller variance counts as this one, so that a constant column does not divide by 0
_LEAST_VARIANCE = 1e-10


class RunningStatistics:
    """Population mean and variance of all frames so far, in the element type of the values.

    The result depends a little on how the frames are cut into minibatches, as in CNTK: training followed to the last
    digits needs it so.
    """

    def __init__(self) -> None:
        self.frames = 0
        self._mean: Array = np.zeros(())
        self._variance: Array = np.zeros(())

    def add(self, values: Array) -> None:
        """Take in the frames of a minibatch: ``(frames, …)``."""
        if len(values) == 0:
            return
        number = values.dtype.type
        before, total = self.frames, self.frames + len(values)
        fresh, kept = number(1) / number(total), number(before) / number(total)
        if before == 0:
            self._mean = self._variance = np.zeros_like(values[0])
        # what is infinite or overflows in the data is so in the result, and told there
        with np.errstate(all="ignore"):
            mean = kept * self._mean + fresh * values.sum(axis=0)
            moved = self._variance + (self._mean - mean) ** 2
            self._variance = kept * moved + fresh * ((values - mean) ** 2).sum(axis=0)
        self._mean, self.frames = mean, total

    @property
    def mean(self) -> Array:
        return self._mean

    @property
    def inverse_deviation(self) -> Array:
        """1 / √variance."""
        least = self._variance.dtype.type(_LEAST_VARIANCE)
        return 1 / np.sqrt(np.maximum(self._variance, least))
