"""Values that change from epoch to epoch."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Generic, TypeVar

V = TypeVar("V", int, float)


@dataclass(frozen=True, slots=True)
class Schedule(Generic[V]):
    """One value an epoch; the last one holds for all epochs that follow.

    >>> Schedule((0.1, 0.1, 0.05)).value(7)
    0.05
    """

    values: tuple[V, ...]

    def __post_init__(self) -> None:
        assert self.values, "a schedule has at least one value"

    def value(self, epoch: int) -> V:
        """The value in ``epoch``, counted from 0."""
        return self.values[min(epoch, len(self.values) - 1)]

    def __str__(self) -> str:
        return ":".join(f"{v:g}" for v in self.values)


def single(value: float) -> float:
    """The value as CNTK stores it in a schedule: rounded to 32 bits."""
    try:
        return struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


def rows_of(minibatch_size: int, truncation_length: int) -> int:
    """How many rows of so many frames a minibatch of truncated sequences has: as many as fit, and at least one."""
    return max(minibatch_size // truncation_length, 1)
