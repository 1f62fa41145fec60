"""What both parsers of the text format give back for a block of lines, and what they look for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from graphc.diagnostics import Span


@dataclass(frozen=True, slots=True)
class TextInput:
    """A stream that the text format reader is asked for; ``alias`` is its name in the file."""

    name: str
    dim: int
    sparse: bool = False
    alias: str | None = None
    defines_mb_size: bool = False
    span: Span | None = None  # of its ``dim``, for messages

    @property
    def key(self) -> bytes:
        return (self.alias or self.name).encode()


class Grade(Enum):
    """``ERROR`` counts against maxErrors, ``FATAL`` cannot be tolerated."""

    WARNING = "warning"
    ERROR = "error"
    FATAL = "fatal"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong in bytes ``start`` to ``end - 1`` of a line (counted from 0); negative ones mean its end.

    A ``derived`` finding follows from an error found before it in the same sequence: it counts, but says nothing new.
    ``input`` is the stream whose declared dimension it contradicts.
    """

    line: int
    start: int
    end: int
    grade: Grade
    code: str
    message: str
    hint: str | None = None
    derived: bool = False
    input: TextInput | None = None


@dataclass(eq=False)
class Samples:
    """Samples of one stream: the line of each, and dense ``values`` (a row each) or sparse entries (``counts``)."""

    line: npt.NDArray[np.int64]
    values: npt.NDArray  # of float64, or of float32 where that is exact
    counts: npt.NDArray[np.int64] | None = None
    indices: npt.NDArray[np.int32] | None = None


@dataclass(eq=False)
class Rows:
    """The lines of a block. Line numbers count from the block's first line, offsets from the block's first byte.

    ``ids`` and ``has_id`` are the sequence id of each line; ``mentions`` marks the lines that name the stream that
    defines the minibatch size (all of them where none does).
    """

    starts: npt.NDArray[np.int64]
    ids: npt.NDArray[np.uint64]
    has_id: npt.NDArray[np.bool_]
    mentions: npt.NDArray[np.bool_]
    streams: list[Samples]
    findings: list[Finding]
