"""The careful parser of CNTK's text format: any line, one character at a time where it must, with exact complaints.

Its counterpart `graphc.data.text_bulk` does the regular blocks of a file; where both accept, they agree bit for bit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from graphc.data.text_rows import Finding, Grade, Rows, Samples, TextInput

_ID = re.compile(rb"[0-9]+")
_NAME = re.compile(rb"[^\x00-\x20|]+")
_INDEX = re.compile(rb"[0-9]+")
# An exponent follows a digit, not a bare period, and a number starts with a digit.
_NUMBER = re.compile(rb"([+-]?)([0-9]+)(?:\.(?:([0-9]+)(?:[eE]([+-]?[0-9]+))?)?|[eE]([+-]?[0-9]+))?")
_WORD = re.compile(rb"[^\x00-\x20|]+")
_PIPE = ord("|")
_LARGEST_ID = 2**64 - 1
# complaints that may as well be the configuration's fault
_ABOUT_DIMENSIONS = ("GC0602", "GC0603")


def scan_rows(block: bytes, inputs: Sequence[TextInput]) -> Rows:
    """Parse a block of whole lines, each ended by a newline."""
    lines = block.split(b"\n")[:-1]
    scanner = _Scanner(inputs)
    for number, line in enumerate(lines):
        scanner.row(number, line)
    sizes = np.array([len(line) + 1 for line in lines], dtype=np.int64)
    return Rows(
        starts=np.cumsum(sizes) - sizes,
        ids=np.array(scanner.ids, dtype=np.uint64),
        has_id=np.array(scanner.has_id, dtype=np.bool_),
        mentions=np.array(scanner.mentions, dtype=np.bool_),
        streams=[s.collected() for s in scanner.streams],
        findings=scanner.findings,
    )


class _Stream:
    """Samples of one input as they come."""

    def __init__(self, input: TextInput) -> None:
        self.input = input
        self.line: list[int] = []
        self.counts: list[int] = []
        self.indices: list[int] = []
        self.values: list[float] = []

    def collected(self) -> Samples:
        line = np.array(self.line, dtype=np.int64)
        values = np.array(self.values, dtype=np.float64)
        if not self.input.sparse:
            return Samples(line, values.reshape(len(line), self.input.dim))
        counts, indices = np.array(self.counts, dtype=np.int64), np.array(self.indices, dtype=np.int32)
        return Samples(line, values, counts, indices)


class _BadSample(Exception):
    """A sample cannot be read: the place and the reason."""

    def __init__(self, start: int, end: int, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.start, self.end, self.code, self.message, self.hint = start, end, code, message, hint


class _Scanner:
    def __init__(self, inputs: Sequence[TextInput]) -> None:
        self.streams = [_Stream(i) for i in inputs]
        self.by_key = {i.key: stream for i, stream in zip(inputs, self.streams, strict=True)}
        self.main = next((i.key for i in inputs if i.defines_mb_size), None)
        self.ids: list[int] = []
        self.has_id: list[bool] = []
        self.mentions: list[bool] = []
        self.findings: list[Finding] = []
        self.number = 0

    def row(self, number: int, line: bytes) -> None:
        self.number = number
        at = self._sequence_id(line)
        self.mentions.append(self.main is None)
        if self._samples(line, at) == 0:
            hint = "remove the blank line" if not line.strip() else None
            message = "empty input row: no stream has a value on this line"
            derived = bool(self.findings) and self.findings[-1].line == number
            self.findings.append(Finding(number, 0, len(line), Grade.ERROR, "GC0601", message, hint, derived))

    def _sequence_id(self, line: bytes) -> int:
        match = _ID.match(line)
        self.has_id.append(match is not None)
        value = _natural(match[0]) if match else 0
        if value > _LARGEST_ID:
            self._complain(0, len(match[0]) if match else 0, "GC0606", "sequence id exceeds 64 bits", grade=Grade.FATAL)
            value = 0
        self.ids.append(value)
        return match.end() if match else 0

    def _samples(self, line: bytes, at: int) -> int:
        """Read the samples of a line; how many there were."""
        samples = 0
        while at < len(line):
            if line[at] <= 0x20:
                at += 1
            elif line[at] != _PIPE:
                end = _end_of_word(line, at)
                self._complain(at, end, "GC0601", f"unexpected {_shown(line[at:end])}: a stream begins with '|'")
                at = _next_pipe(line, at)
            else:
                at, read = self._sample(line, at + 1)
                samples += read
        return samples

    def _sample(self, line: bytes, at: int) -> tuple[int, bool]:
        """Read one stream's values behind its ``|``; where to go on, and whether a sample was kept."""
        if line[at : at + 1] == b"#":
            return _next_pipe(line, at), False
        name = _NAME.match(line, at)
        if name is None:
            message = "input name prefix '|' is followed by an invalid character"
            self._complain(at - 1, min(at + 1, len(line)), "GC0601", message)
            return _next_pipe(line, at), False
        if name[0] == self.main:
            self.mentions[-1] = True
        stream = self.by_key.get(name[0])
        if stream is None:
            return _next_pipe(line, name.end()), False
        try:
            return self._values(stream, line, name.end(), at - 1), True
        except _BadSample as bad:
            self._complain(bad.start, bad.end, bad.code, bad.message, bad.hint, input=stream.input)
            # The complaint may be about the whole sample, whose own pipe must not be found again.
            return _next_pipe(line, max(bad.start, name.end())), False

    def _values(self, stream: _Stream, line: bytes, at: int, pipe: int) -> int:
        values: list[float] = []
        indices: list[int] = []
        dim = stream.input.dim
        while (at := _past_blanks(line, at)) < len(line) and line[at] > 0x20 and line[at] != _PIPE:
            if stream.input.sparse:
                index, at = _index(line, at, dim, stream.input.name)
                indices.append(index)
            value, at = _number(line, at)
            values.append(value)
        if not stream.input.sparse:
            self._fill(stream.input, line, pipe, at, values)
        stream.line.append(self.number)
        stream.counts.append(len(indices))
        stream.indices += indices
        stream.values += values
        return at

    def _fill(self, input: TextInput, line: bytes, pipe: int, end: int, values: list[float]) -> None:
        """Complete a dense sample with zeros; complain when it is too short or too long."""
        counted = f"dense sample of '{input.name}' has {len(values)} values"
        if len(values) > input.dim:
            first_extra = [m.start() for m in _WORD.finditer(line, pipe, end)]
            start = first_extra[input.dim + 1] if len(first_extra) > input.dim + 1 else pipe  # the name is a word too
            last = pipe + len(line[pipe:end].rstrip())
            raise _BadSample(start, last, "GC0602", f"{counted}, which exceeds its dimension of {input.dim}")
        if len(values) < input.dim:
            message = f"{counted}, fewer than its dimension of {input.dim}; the rest is taken as zero"
            end = pipe + len(line[pipe:end].rstrip())
            self.findings.append(Finding(self.number, pipe, end, Grade.WARNING, "GC0607", message))
            values += [0.0] * (input.dim - len(values))

    def _complain(
        self,
        start: int,
        end: int,
        code: str,
        message: str,
        hint: str | None = None,
        grade: Grade = Grade.ERROR,
        input: TextInput | None = None,
    ) -> None:
        declared = input if code in _ABOUT_DIMENSIONS else None
        self.findings.append(Finding(self.number, start, end, grade, code, message, hint, input=declared))


def _index(line: bytes, at: int, dim: int, name: str) -> tuple[int, int]:
    match = _INDEX.match(line, at)
    if match is None or line[match.end() : match.end() + 1] != b":":
        end = _end_of_word(line, at)
        hint = f"write '{name}' in the file as index:value pairs, or set format=dense" if match else None
        raise _BadSample(
            at, end, "GC0601", f"unexpected {_shown(line[at:end])} where an index:value pair should be", hint
        )
    index = _natural(match[0])
    if index >= dim:
        message = f"sparse index {index} of '{name}' exceeds the maximum of {dim - 1}"
        raise _BadSample(at, match.end(), "GC0603", message)
    return index, match.end() + 1


def _number(line: bytes, at: int) -> tuple[float, int]:
    match = _NUMBER.match(line, at)
    if match is None:
        end = _end_of_word(line, at)
        hint = "numbers begin with a digit, as in 0.5" if line[at : at + 1] == b"." else None
        raise _BadSample(
            at, max(end, at + 1), "GC0601", f"unexpected {_shown(line[at:end])} where a number should be", hint
        )
    sign, whole, fraction, exponent, bare_exponent = match.groups()
    return _value(sign == b"-", whole, fraction, exponent or bare_exponent), match.end()


def _natural(digits: bytes) -> int:
    """The integer, or some number beyond 64 bits where it is one: Python refuses to convert thousands of digits."""
    digits = digits.lstrip(b"0")
    return int(digits or b"0") if len(digits) <= 20 else 1 << 70


def _value(negative: bool, whole: bytes, fraction: bytes | None, exponent: bytes | None) -> float:
    """The number as CNTK computes it: digits accumulate in doubles, so it is not always the nearest double."""
    value = _accumulated(whole)
    if fraction:
        value += _accumulated(fraction) / power_of_ten(len(fraction))
    if negative:
        value = -value
    if not exponent:
        return value
    power = min(_natural(exponent.lstrip(b"+-")), 1000)
    return value * power_of_ten(-power if exponent.startswith(b"-") else power)


def _accumulated(digits: bytes) -> float:
    if len(digits) <= 15:
        return float(int(digits))
    value = 0.0
    for digit in digits:
        value = value * 10 + (digit - 48)
    return value


def power_of_ten(exponent: int) -> float:
    """10 to a power as the C library gives it, infinite where it overflows."""
    return 10.0**exponent if exponent <= 308 else float("inf")


def _past_blanks(line: bytes, at: int) -> int:
    while line[at : at + 1] in (b" ", b"\t"):
        at += 1
    return at


def _next_pipe(line: bytes, at: int) -> int:
    found = line.find(b"|", at)
    return len(line) if found < 0 else found


def _end_of_word(line: bytes, at: int) -> int:
    match = _WORD.match(line, at)
    return match.end() if match else at


def _shown(text: bytes) -> str:
    decoded = text.decode("utf-8", "replace")
    return f"'{decoded if len(decoded) <= 20 else decoded[:20] + '…'}'" if decoded else "end of the sample"
