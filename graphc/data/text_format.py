"""CNTK's text format: a file of lines such as ``12 |labels 3:1 |features 0 0.5 1`` to columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from graphc.data.columns import Dataset
from graphc.data.text_bulk import bulk_rows
from graphc.data.text_rows import Finding, Grade, Rows, Samples, TextInput
from graphc.data.text_scan import scan_rows
from graphc.data.text_sequences import Sequences, assemble, check_sequences, group_lines
from graphc.diagnostics import Diagnostic, DiagnosticError, Label, Severity, SourceFile, Span, suggest
from graphc.files import read_data_bytes

_BLOCK = 1 << 20  # bytes parsed at once: large enough for array operations, small enough for the processor's cache
_SMALLEST_BULK = 16 << 10  # below this an irregular block is scanned rather than halved again
_MOST_ERRORS, _MOST_WARNINGS = 10, 3  # shown of one file, and of one kind
_UTF8_MARK, _UTF16_MARKS = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")
_STREAM_NAME = re.compile(rb"\|([^\x00-\x20|#][^\x00-\x20|]*)")
_WHITE = b" \t\n\v\f\r"


@dataclass(frozen=True, slots=True)
class TextOptions:
    """How to read a text file. ``max_errors`` broken places are forgiven, each with a warning."""

    skip_sequence_ids: bool = False
    max_errors: int = 0
    dtype: npt.DTypeLike = np.float32


def read_text_format(path: Path, inputs: Sequence[TextInput], options: TextOptions | None = None) -> Dataset:
    """The file's data; what was forgiven or odd is in its ``warnings``."""
    return parse_text_format(read_bytes(path), str(path), inputs, options)


def read_bytes(path: Path, span: Span | None = None) -> bytes:
    """The contents of a data file; ``span`` is where the author named it."""
    try:
        return read_data_bytes(path)
    except OSError as error:
        reason = "is a folder" if path.is_dir() else (error.strerror or str(error)).lower()
        message = f"cannot read data file '{path}': {reason}"
        raise DiagnosticError(Diagnostic("GC0001", message, span)) from None


def parse_text_format(
    data: bytes, name: str, inputs: Sequence[TextInput], options: TextOptions | None = None
) -> Dataset:
    """The data in ``data``, the contents of a file called ``name``."""
    options = options or TextOptions()
    text = _File(name, data)
    origin = _start(text)
    by_line = options.skip_sequence_ids or data[origin : origin + 1] == b"|"
    if not by_line and not data[origin : origin + 1].isdigit():
        _raise_missing_id(text, origin)
    rows = _joined(list(_parsed(data, origin, inputs)), inputs)
    text.use_lines(rows.starts, origin)
    sequences = group_lines(rows, by_line=by_line, first_number=text.first_number)
    if not len(sequences.keys):
        main = next(i for i in inputs if i.defines_mb_size)
        message = f"no line of '{name}' names the stream '{main.alias or main.name}', which defines the minibatch size"
        raise DiagnosticError(Diagnostic("GC0604", message, main.span, hint=_named_streams(data, main)))
    _require_streams(rows, inputs, text)
    warnings = _judge(check_sequences(rows, sequences, inputs), sequences, text, options.max_errors)
    if not data.endswith(b"\n"):
        last = Finding(len(rows.starts) - 1, -1, -1, Grade.WARNING, "GC0607", "the last line does not end in a newline")
        warnings.append(text.diagnostic(last))
    return replace(assemble(rows, sequences, inputs, options.dtype, origin, len(data)), warnings=tuple(warnings))


@dataclass(frozen=True, eq=False)
class _LineOfFile(SourceFile):
    """One line of a file too large to keep, which still knows its number."""

    number: int = 1

    def position(self, offset: int) -> tuple[int, int]:
        return self.number, offset + 1

    def line(self, number: int) -> str:
        return self.text


@dataclass(eq=False)
class _File:
    """The bytes and how to point into them."""

    name: str
    data: bytes
    origin: int = 0
    first_number: int = 0
    starts: npt.NDArray[np.int64] | None = None

    def use_lines(self, starts: npt.NDArray[np.int64], origin: int) -> None:
        self.starts, self.origin = starts, origin
        self.first_number = self.data.count(b"\n", 0, origin)

    def diagnostic(self, finding: Finding, severity: Severity = Severity.WARNING) -> Diagnostic:
        assert self.starts is not None
        begin = self.origin + int(self.starts[finding.line])
        end = self.data.find(b"\n", begin)
        line = self.data[begin : len(self.data) if end < 0 else end].rstrip(b"\r")
        start = len(line) if finding.start < 0 else finding.start
        stop = len(line) if finding.end < 0 else finding.end
        source = _LineOfFile(self.name, _decoded(line), self.first_number + finding.line + 1)
        span = Span(source, len(_decoded(line[:start])), len(_decoded(line[:stop])))
        labels = ()
        if finding.input is not None and finding.input.span is not None:
            labels = (Label(f"'{finding.input.name}' is declared with dim = {finding.input.dim}", finding.input.span),)
        return Diagnostic(finding.code, finding.message, span, labels, finding.hint, severity)


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def _start(text: _File) -> int:
    """Where the first line's contents begin."""
    data = text.data
    if data.startswith(_UTF16_MARKS):
        hint = "save it as UTF-8"
        raise DiagnosticError(
            Diagnostic("GC0002", f"data file '{text.name}' is UTF-16, which cannot be read", hint=hint)
        )
    if b"\0" in data[:4096]:
        raise DiagnosticError(Diagnostic("GC0002", f"data file '{text.name}' is not a text file"))
    mark = len(_UTF8_MARK) if data.startswith(_UTF8_MARK) else 0
    head = mark
    while head < len(data) and data[head] in _WHITE:
        head += 1
    if head == len(data):
        raise DiagnosticError(Diagnostic("GC0003", f"data file '{text.name}' is empty"))
    text.first_number = data.count(b"\n", 0, head)
    return head


def _raise_missing_id(text: _File, origin: int) -> None:
    text.use_lines(np.zeros(1, dtype=np.int64), origin)
    word = text.data[origin : origin + 200].split()[0]
    hint = "a line begins with '|', or with the number of its sequence"
    finding = Finding(0, 0, len(word), Grade.FATAL, "GC0606", "expected a sequence id, none was found", hint)
    raise DiagnosticError(text.diagnostic(finding, Severity.ERROR))


def _require_streams(rows: Rows, inputs: Sequence[TextInput], text: _File) -> None:
    """A stream that is nowhere in the file has another name there: said once, not for every line."""
    if rows.findings:
        return
    for input, samples in zip(inputs, rows.streams, strict=True):
        if not len(samples.line):
            message = f"no line of '{text.name}' has the stream '{input.alias or input.name}'"
            raise DiagnosticError(Diagnostic("GC0604", message, input.span, hint=_named_streams(text.data, input)))


def _named_streams(data: bytes, input: TextInput) -> str | None:
    """What the file calls its streams, for the author to pick from."""
    names = dict.fromkeys(_decoded(name) for name in _STREAM_NAME.findall(data[:_SMALLEST_BULK]))
    if not names:
        return None
    close = suggest(input.alias or input.name, names)
    return f'if it is what the file calls {close}, add alias = "{close}"' if close else f"it has {', '.join(names)}"


def _parsed(data: bytes, origin: int, inputs: Sequence[TextInput]) -> Iterator[tuple[int, Rows]]:
    """The rows of each block of lines with the place of the block behind ``origin``."""
    place = 0
    for block in _blocks(data, origin):
        for part in _parts(block, inputs):
            yield place, part[1]
            place += part[0]


def _blocks(data: bytes, origin: int) -> Iterator[bytes]:
    """Whole lines, each ended by a newline."""
    while origin < len(data):
        cut = data.find(b"\n", min(origin + _BLOCK, len(data)) - 1) + 1
        if cut == 0:
            tail = data[origin:]
            yield tail if tail.endswith(b"\n") else tail + b"\n"
            return
        yield data[origin:cut]
        origin = cut


def _parts(block: bytes, inputs: Sequence[TextInput]) -> Iterator[tuple[int, Rows]]:
    """Parse a block in bulk; halve it where that fails, so that one odd line slows only its neighbours."""
    waiting = [block]
    while waiting:
        part = waiting.pop()
        rows = bulk_rows(part, inputs)
        cut = part.find(b"\n", len(part) // 2) + 1
        if rows is None and len(part) >= _SMALLEST_BULK and cut < len(part):
            waiting += [part[cut:], part[:cut]]
        else:
            yield len(part), rows or scan_rows(part, inputs)


def _joined(parts: Sequence[tuple[int, Rows]], inputs: Sequence[TextInput]) -> Rows:
    """All rows as those of one block."""
    before = np.cumsum([0, *(len(rows.starts) for _, rows in parts)])
    numbered = list(zip(before.tolist(), (rows for _, rows in parts), strict=False))
    return Rows(
        starts=np.concatenate([rows.starts + place for place, rows in parts]),
        ids=np.concatenate([rows.ids for _, rows in parts]),
        has_id=np.concatenate([rows.has_id for _, rows in parts]),
        mentions=np.concatenate([rows.mentions for _, rows in parts]),
        streams=[_joined_samples([(n, rows.streams[k]) for n, rows in numbered]) for k in range(len(inputs))],
        findings=[replace(f, line=f.line + n) for n, rows in numbered for f in rows.findings],
    )


def _joined_samples(parts: Sequence[tuple[int, Samples]]) -> Samples:
    counts = [s.counts for _, s in parts if s.counts is not None]
    indices = [s.indices for _, s in parts if s.indices is not None]
    return Samples(
        np.concatenate([s.line + n for n, s in parts]),
        np.concatenate([s.values for _, s in parts]),
        np.concatenate(counts) if counts else None,
        np.concatenate(indices) if indices else None,
    )


def _judge(found: Sequence[Finding], sequences: Sequences, text: _File, max_errors: int) -> list[Diagnostic]:
    """Warnings for what can be forgiven; raises the errors that cannot."""
    forgiven: list[Finding] = []
    errors: list[Finding] = []
    broken: set[int] = set()
    counted = 0
    for finding in found:
        counted += finding.grade is Grade.ERROR
        if finding.grade is Grade.WARNING or (finding.grade is Grade.ERROR and counted <= max_errors):
            forgiven.append(finding)
        elif not (finding.derived and int(sequences.of_line[finding.line]) in broken):
            errors.append(finding)
            broken.add(int(sequences.of_line[finding.line]))
    if errors:
        raise DiagnosticError(*_refusal(errors, text, max_errors if counted > max_errors else 0))
    return _summary(forgiven, text)


def _refusal(errors: Sequence[Finding], text: _File, max_errors: int) -> list[Diagnostic]:
    shown = [text.diagnostic(f, Severity.ERROR) for f in errors[:_MOST_ERRORS]]
    if max_errors:
        reason = f"reached the maximum number of allowed errors while reading '{text.name}' (maxErrors = {max_errors})"
        shown[0] = replace(shown[0], labels=(*shown[0].labels, Label(reason)))
    if len(errors) > len(shown):
        more = Label(f"{len(errors) - len(shown)} more errors in this file")
        shown[-1] = replace(shown[-1], labels=(*shown[-1].labels, more))
    return shown


def _summary(forgiven: Sequence[Finding], text: _File) -> list[Diagnostic]:
    """The first few of each code, and how many more there are."""
    by_code: dict[str, list[Finding]] = {}
    for finding in forgiven:
        by_code.setdefault(finding.code, []).append(finding)
    warnings = []
    for group in by_code.values():
        shown = [text.diagnostic(f) for f in group[:_MOST_WARNINGS]]
        if len(group) > len(shown):
            more = Label(f"{len(group) - len(shown)} more of these in this file")
            shown[-1] = replace(shown[-1], labels=(more,))
        warnings += shown
    return warnings
