"""The text that ``action=write`` writes: values of a node, sequence by sequence, as its ``format`` section says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO

import numpy as np

from graphc.config.commands import OutputFormat

_ESCAPES = {"\\n": "\n", "\\r": "\r", "\\t": "\t", "\\s": " "}


@dataclass(frozen=True)
class Place:
    """Where a sequence stands: its number in its minibatch, the minibatch's number, and its key in the data."""

    sequence: int
    minibatch: int
    key: str = ""


class TextOutput:
    """Writes one node's values to a stream. ``dims`` is the node's sample shape, in the author's order."""

    def __init__(
        self, stream: TextIO, node: str, dims: tuple[int, ...], format: OutputFormat, labels: Sequence[str] = ()
    ) -> None:
        self._stream = stream
        self._node = node
        self._dims = dims
        self._format = format
        self._labels = labels
        self._is_first = True
        stream.write(format.prologue)

    def write(self, values: np.ndarray, place: Place) -> None:
        """One sequence: ``values`` has shape ``(steps, dN, …, d1)``."""
        f = self._format
        steps = values.reshape(len(values), -1)
        parts = [] if self._is_first else [self._expand(f.sequence_separator, place, len(steps))]
        parts += [
            self._expand(f.sequence_prologue, place, len(steps)),
            self._body(steps, place),
            self._expand(f.sequence_epilogue, place, len(steps)),
        ]
        self._is_first = False
        self._stream.write("".join(parts))

    def close(self) -> None:
        """Write what ends the file; the stream stays open."""
        self._stream.write(self._format.epilogue)

    def _body(self, steps: np.ndarray, place: Place) -> str:
        f = self._format
        sample = self._expand(f.sample_separator, place, len(steps))
        element = self._expand(f.element_separator, place, len(steps))
        if f.type == "sparse":
            return (sample if f.transpose else element).join(self._sparse(steps))
        if f.type == "category":
            # Of equal values the last wins, as in CNTK.
            steps = steps.shape[1] - 1 - np.argmax(steps[:, ::-1], axis=1, keepdims=True)
        if f.transpose:
            return sample.join(element.join(map(self._cell, step)) for step in steps)
        return sample.join(self._row(row, index, element) for index, row in enumerate(steps.T))

    def _row(self, row: np.ndarray, index: int, element: str) -> str:
        prefix = ""
        if len(self._dims) > 1 and self._format.type == "real":
            prefix = f"[{','.join(map(str, self._position(index)))}]\t"
        return prefix + element.join(map(self._cell, row))

    def _cell(self, value: float) -> str:
        if self._format.type == "category":
            index = int(value)
            return self._labels[index % len(self._labels)] if self._labels else str(index)
        # C's %f writes nan and inf as Python does; adding 0 turns -0 into 0.
        return f"%{self._format.precision_format}f" % (float(value) + 0.0)

    def _sparse(self, steps: np.ndarray) -> Iterator[str]:
        order = steps.T if self._format.transpose else steps
        for first, second in zip(*np.nonzero(order), strict=True):
            index, time = (first, second) if self._format.transpose else (second, first)
            value = float(steps[time, index])
            shown = "" if value == 1 else f"%{self._format.precision_format}f" % value
            suffix = f";{time}" if len(steps) > 1 else ""
            yield f"{shown}[{','.join(map(self._coordinate, self._position(int(index)), self._dims))}{suffix}]"

    def _coordinate(self, at: int, size: int) -> str:
        return f"{at}={self._labels[at]}" if size == len(self._labels) else str(at)

    def _position(self, index: int) -> tuple[int, ...]:
        return tuple(int(i) for i in np.unravel_index(index, self._dims, order="F"))

    def _expand(self, text: str, place: Place, steps: int) -> str:
        """Escapes and ``%`` fields of a separator."""
        if "\\" not in text and "%" not in text:
            return text
        for escape, meaning in _ESCAPES.items():
            text = text.replace(escape, meaning)
        fields = {
            "%s": self._node,
            "%n": str(place.minibatch),
            "%d": str(place.sequence),
            "%k": place.key,
            "%x": " ".join(map(str, (*self._dims, steps))),
        }
        for name, value in fields.items():
            text = text.replace(name, value)
        return text
