"""Values of a node as text, sequence by sequence: what ``action=write`` writes, as its ``format`` section says."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

import numpy as np

from graphc.config.commands import OutputFormat
from graphc.diagnostics import Diagnostic, DiagnosticError, Span
from graphc.files import data_path, read_data_bytes, why
from graphc.ops.tracing import TextFormat

Format = OutputFormat | TextFormat

_ESCAPES = {"\\n": "\n", "\\r": "\r", "\\t": "\t", "\\s": " "}


@dataclass(frozen=True)
class Place:
    """Where a sequence stands: its number in its minibatch, the minibatch's number, and its key in the data."""

    sequence: int
    minibatch: int
    key: str = ""


@dataclass(frozen=True)
class Bounds:
    """How much of a sequence is shown: so many elements of so many steps, and of the rest how much there is."""

    rows: float = math.inf
    steps: float = math.inf


class SequenceText:
    """Text of one node's sequences. ``dims`` is the node's sample shape, in the author's order.

    ``conversion`` is how C's printf would write one value: ``f``, ``u`` for the place of the largest one, ``s`` for its
    label; none: as the format asks for.
    """

    def __init__(
        self,
        node: str,
        dims: tuple[int, ...],
        format: Format,
        labels: Sequence[str] = (),
        bounds: Bounds = Bounds(),
        conversion: str | None = None,
    ) -> None:
        self._node = node
        self._dims = dims
        self._format = format
        self._labels = labels if format.type == "sparse" or fit(labels, dims) else ()
        self._bounds = bounds
        self._conversion = conversion or ("f" if format.type != "category" else "s" if self._labels else "u")

    def sequence(self, values: np.ndarray, place: Place, *, is_first: bool) -> str:
        """``values`` has shape ``(steps, dN, …, d1)``."""
        f = self._format
        steps = values.reshape(len(values), -1)
        parts = [] if is_first else [self.expand(f.sequence_separator, place, len(steps))]
        parts += [
            self.expand(f.sequence_prologue, place, len(steps)),
            self._body(steps, place),
            self.expand(f.sequence_epilogue, place, len(steps)),
        ]
        return "".join(parts)

    def _body(self, steps: np.ndarray, place: Place) -> str:
        f, bounds = self._format, self._bounds
        sample = self.expand(f.sample_separator, place, len(steps))
        element = self.expand(f.element_separator, place, len(steps))
        if f.type == "sparse":
            return (sample if f.transpose else element).join(self._sparse(steps))
        if f.type == "category":
            # Of equal values the last wins, as in CNTK.
            steps = steps.shape[1] - 1 - np.argmax(steps[:, ::-1], axis=1, keepdims=True)
        lines, most, across = (
            (steps, bounds.steps, bounds.rows) if f.transpose else (steps.T, bounds.rows, bounds.steps)
        )
        shown = [
            self._prefix(index)
            + element.join(_bounded([self._cell(v) for v in line[: _taken(line, across)]], line, across))
            for index, line in enumerate(lines[: _taken(lines, most)])
        ]
        return sample.join(_bounded(shown, lines, most))

    def _prefix(self, index: int) -> str:
        if self._format.transpose or len(self._dims) < 2 or self._format.type != "real":
            return ""
        return f"[{','.join(map(str, self._position(index)))}]\t"

    def _cell(self, value: float) -> str:
        if self._conversion == "f":
            # C's %f writes nan and inf as Python does; adding 0 turns -0 into 0.
            return f"%{self._format.precision_format}f" % (float(value) + 0.0)
        index = int(value)
        return self._labels[index % len(self._labels)] if self._conversion == "s" else str(index)

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
        # the matrix of a value without frames has the first axis only as its rows
        index %= math.prod(self._dims)
        return tuple(int(i) for i in np.unravel_index(index, self._dims, order="F"))

    def expand(self, text: str, place: Place, steps: int) -> str:
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


def _taken(items: Any, most: float) -> int:
    """How many are shown: one more than asked for, if it is the last, because saying so would take its place."""
    return len(items) if len(items) <= most + 1 else int(most)


def _bounded(shown: list[str], items: Any, most: float) -> list[str]:
    left = len(items) - _taken(items, most)
    return [*shown, f"...+{left}"] if left else shown


def fit(labels: Sequence[str], dims: tuple[int, ...]) -> bool:
    """Whether there is a label for every row or, as CNTK has it, for every place on the first axis."""
    return len(labels) in (math.prod(dims), dims[0])


def unfit_labels(format: Format, labels: Sequence[str], dims: tuple[int, ...]) -> str | None:
    """What CNTK says where it shows numbers because the labels do not fit."""
    if format.type != "category" or not labels or fit(labels, dims):
        return None
    rows = f"Row dimension {math.prod(dims)} does not match number of entries {len(labels)} in labelMappingFile"
    return f"write: {rows}, not using mapping"


def matrix_columns(values: np.ndarray, dims: tuple[int, ...]) -> np.ndarray:
    """A value without frames as the sequence of columns that CNTK takes it for."""
    return values.reshape(-1, dims[0])


def read_labels(format: Format, place: Span | None) -> list[str]:
    """The lines of the format's label file, where it has one that counts; raises `DiagnosticError`."""
    if not format.label_mapping_file or format.type == "real":
        return []
    return read_label_file(format.label_mapping_file, place)


def read_label_file(path: str, place: Span | None) -> list[str]:
    """The lines of a label file; raises `DiagnosticError`."""
    try:
        return read_data_bytes(data_path(path)).decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = why(error) if isinstance(error, OSError) else "not a text file"
        message = f"label mapping file {path} cannot be read: {reason}"
        raise DiagnosticError(Diagnostic("GC0001", message, place)) from error


class TextOutput:
    """Writes one node's values to a stream. ``dims`` is the node's sample shape, in the author's order."""

    def __init__(
        self, stream: TextIO, node: str, dims: tuple[int, ...], format: OutputFormat, labels: Sequence[str] = ()
    ) -> None:
        self._stream = stream
        self._format = format
        self._text = SequenceText(node, dims, format, labels)
        self._is_first = True
        stream.write(format.prologue)

    def write(self, values: np.ndarray, place: Place) -> None:
        """One sequence: ``values`` has shape ``(steps, dN, …, d1)``."""
        self._stream.write(self._text.sequence(values, place, is_first=self._is_first))
        self._is_first = False

    def close(self) -> None:
        """Write what ends the file; the stream stays open."""
        self._stream.write(self._format.epilogue)
