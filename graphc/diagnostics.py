"""Where text comes from, and the one way to tell its author what is wrong with it."""

from __future__ import annotations

import bisect
import contextlib
import re
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from typing import TypeVar

T = TypeVar("T")

# One line a code; `graphc explain` and docs/diagnostics.md read this table. Ranges: 00 usage and files, 01 syntax,
# 02 shapes and types, 03 script evaluation, 04 network assembly, 05 configuration values, 06 data, 07 run time,
# 08 backends, 09 graphs and their text.
CODES: dict[str, str] = {
    "GC0001": "file not found or not readable",
    "GC0002": "not a text file",
    "GC0003": "empty file",
    "GC0004": "output is not writable",
    "GC0005": "wrong command line",
    "GC0006": "file that cannot be formatted safely",
    "GC0101": "bracket does not match",
    "GC0102": "bracket or quote is never closed",
    "GC0103": "no value given for a key",
    "GC0105": "value without a key",
    "GC0106": "variable in the path of an include",
    "GC0107": "file included twice",
    "GC0108": "brackets nested too deeply",
    "GC0111": "unknown variable",
    "GC0112": "variable defined by itself",
    "GC0113": "variable with more than one line",
    "GC0114": "substitution without end",
    "GC0150": "operand expected",
    "GC0151": "identifier expected",
    "GC0152": "argument identifier expected",
    "GC0153": "punctuation or keyword expected",
    "GC0154": "junk at end of source",
    "GC0155": "unbalanced bracket",
    "GC0156": "unexpected character",
    "GC0157": "string without closing quotation mark",
    "GC0158": "comment without end",
    "GC0159": "duplicate optional parameter",
    "GC0160": "duplicate member definition",
    "GC0161": "included file not found or not readable",
    "GC0162": "cyclic include",
    "GC0170": "malformed statement of a script of edits",
    "GC0201": "shapes do not fit",
    "GC0202": "dimension that cannot be inferred",
    "GC0301": "unknown identifier",
    "GC0302": "wrong number of arguments",
    "GC0303": "unknown optional argument",
    "GC0304": "circular reference",
    "GC0305": "value of the wrong type",
    "GC0306": "operator does not fit its operands",
    "GC0307": "index out of bounds",
    "GC0308": "parameter of an object missing",
    "GC0309": "unknown type behind new",
    "GC0310": "failure raised by the script",
    "GC0311": "recursion without end",
    "GC0312": "value too large",
    "GC0313": "unsuitable argument of a built-in function",
    "GC0314": "evaluation takes too long",
    "GC0401": "unknown operation",
    "GC0402": "node name used twice",
    "GC0403": "unknown group tag",
    "GC0404": "wrong inputs of an operation",
    "GC0405": "dimension not known yet",
    "GC0406": "wrong attribute of an operation",
    "GC0407": "cycle without a delay",
    "GC0408": "recurrence that no loop over frames can compute",
    "GC0409": "member that looks like a node group",
    "GC0410": "initial value that is ignored",
    "GC0411": "unknown or unusable initialisation",
    "GC0412": "malformed network text",
    "GC0413": "no node of that name",
    "GC0414": "not a network",
    "GC0415": "no criterion to train or node to evaluate",
    "GC0416": "node that is no scalar cannot be scored",
    "GC0417": "model that cannot be loaded, cloned or edited like this",
    "GC0418": "operation that computes more exactly than in CNTK",
    "GC0419": "model that has no decoder to search with",
    "GC0420": "frames that truncated sequences do not have",
    "GC0430": "unknown editing command",
    "GC0431": "model name that is unknown or used twice",
    "GC0432": "wrong arguments of an editing command",
    "GC0433": "edit that the model does not allow",
    "GC0501": "required parameter missing",
    "GC0502": "configuration value of the wrong type",
    "GC0503": "configuration value out of its range",
    "GC0504": "settings that exclude each other",
    "GC0505": "outdated or malformed section",
    "GC0506": "unknown section",
    "GC0507": "unknown action",
    "GC0520": "key that is probably misspelt",
    "GC0521": "key without effect yet",
    "GC0522": "reader or writer not implemented yet",
    "GC0523": "action not implemented yet",
    "GC0526": "model file that does not exist yet",
    "GC0527": "setting without effect in this network",
    "GC0601": "malformed line in a data file",
    "GC0602": "dense sample longer than its dimension",
    "GC0603": "sparse index outside its dimension",
    "GC0604": "a stream is missing from a sequence",
    "GC0605": "a sequence has more or fewer samples than lines",
    "GC0606": "missing or wrong sequence id",
    "GC0607": "incomplete data taken as it is",
    "GC0608": "a network input has no stream",
    "GC0609": "dimension of a stream differs from that of the input",
    "GC0611": "a sequence of several samples in frame mode",
    "GC0612": "streams of different lengths in one sequence",
    "GC0613": "sequences whose lengths turn out not to fit",
    "GC0614": "number in the data that is not finite",
    "GC0615": "label that is no probability",
    "GC0701": "parameter that cannot be initialised",
    "GC0702": "model or checkpoint file that cannot be read",
    "GC0703": "model or checkpoint file that cannot be written",
    "GC0704": "checkpoint that is missing",
    "GC0705": "value that is not a number",
    "GC0706": "parameter value that is missing or of another shape",
    "GC0707": "statistic that is not computed",
    "GC0801": "unknown backend",
    "GC0802": "operator without a lowering",
    "GC0803": "unknown or missing device",
    "GC0804": "not enough memory",
    "GC0901": "malformed text of a graph",
    "GC0902": "unknown or doubly defined name in the text of a graph",
    "GC0903": "unknown operation or wrong attribute in the text of a graph",
    "GC0904": "shapes that do not fit in the text of a graph",
    "GC0905": "unknown pass",
}


@dataclass(frozen=True, eq=False)
class SourceFile:
    """A text with a name: a file, a command-line argument or a string. Compared by identity."""

    name: str
    text: str = field(repr=False)

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(i + 1 for i, c in enumerate(self.text) if c == "\n")]

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of a character, both from 1."""
        line = bisect.bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """Text of a line (numbered from 1) without its end."""
        starts = self._line_starts
        end = starts[number] - 1 if number < len(starts) else len(self.text)
        return self.text[starts[number - 1] : end].rstrip("\r")

    def span(self, start: int = 0, end: int | None = None) -> Span:
        return Span(self, start, len(self.text) if end is None else end)

    @cached_property
    def substitutions(self) -> dict[tuple[Span, Span], str]:
        """Names by the place that a text was put in and the place that it was taken from, one of them in this file."""
        return {}


@dataclass(frozen=True, slots=True)
class Span:
    """Characters ``start`` to ``end - 1`` of a file."""

    file: SourceFile
    start: int
    end: int

    @property
    def line(self) -> int:
        return self.file.position(self.start)[0]

    @property
    def column(self) -> int:
        return self.file.position(self.start)[1]

    @property
    def end_line(self) -> int:
        return self.file.position(self.end)[0]

    @property
    def end_column(self) -> int:
        """Column just behind the last character."""
        return self.file.position(self.end)[1]

    @property
    def text(self) -> str:
        return self.file.text[self.start : self.end]

    def __contains__(self, other: Span) -> bool:
        return other.file is self.file and self.start <= other.start and other.end <= self.end

    def to(self, other: Span) -> Span:
        """From the start of this span to the end of ``other``; this span alone where they lie in different files."""
        return Span(self.file, self.start, max(self.end, other.end)) if other.file is self.file else self

    def __str__(self) -> str:
        line, column = self.file.position(self.start)
        return f"{self.file.name}:{line}:{column}"


@dataclass(frozen=True, slots=True)
class Piece:
    """``length`` characters of a `SourceText`, copied unchanged from ``file`` at ``offset``.

    ``stands_at`` is the ``$name$`` in whose place they stand.
    """

    file: SourceFile
    offset: int
    length: int
    stands_at: Span | None = None


@dataclass(frozen=True, eq=False)
class SourceText:
    """Text put together from pieces of files, each of which still knows where it came from.

    Comment removal, ``$name$`` substitution and merging of sections cut and join; spans survive because the text is
    only ever a list of pieces.
    """

    pieces: tuple[Piece, ...]

    @staticmethod
    def of(file: SourceFile, start: int = 0, end: int | None = None) -> SourceText:
        stop = len(file.text) if end is None else end
        return SourceText((Piece(file, start, stop - start),))

    @staticmethod
    def from_string(text: str, name: str = "<string>") -> SourceText:
        return SourceText.of(SourceFile(name, text))

    def in_place_of(self, name: str, place: Span) -> SourceText:
        """The same text where an author wrote ``$name$``, who is told so in diagnostics about either place."""
        if not self.pieces:
            return self
        taken = self.span()
        for file in {place.file, taken.file}:
            file.substitutions[place, taken] = name
        return SourceText(tuple(replace(piece, stands_at=place) for piece in self.pieces))

    @staticmethod
    def join(parts: Iterable[SourceText]) -> SourceText:
        return SourceText(tuple(p for part in parts for p in part.pieces if p.length))

    @cached_property
    def text(self) -> str:
        return "".join(p.file.text[p.offset : p.offset + p.length] for p in self.pieces)

    @cached_property
    def _starts(self) -> list[int]:
        starts, at = [], 0
        for piece in self.pieces:
            starts.append(at)
            at += piece.length
        return starts

    def __len__(self) -> int:
        return len(self.text)

    def __str__(self) -> str:
        return self.text

    def __getitem__(self, key: slice) -> SourceText:
        start, stop, _ = key.indices(len(self))
        return SourceText(tuple(self._cut(start, stop)))

    def _cut(self, start: int, stop: int) -> Iterator[Piece]:
        if len(self.pieces) == 1:  # as nearly always
            if stop > start:
                piece = self.pieces[0]
                yield Piece(piece.file, piece.offset + start, stop - start, piece.stands_at)
            return
        index = max(bisect.bisect_right(self._starts, start) - 1, 0)
        while index < len(self.pieces) and self._starts[index] < stop:
            piece, at = self.pieces[index], self._starts[index]
            low, high = max(start - at, 0), min(stop - at, piece.length)
            if high > low:
                yield Piece(piece.file, piece.offset + low, high - low, piece.stands_at)
            index += 1

    def strip(self, characters: str = " \t\r\n\u00a0") -> SourceText:
        text = self.text
        start = len(text) - len(text.lstrip(characters))
        return self[start : max(start, len(text.rstrip(characters)))]

    def origin(self, offset: int) -> tuple[SourceFile, int]:
        """File and place of one character; the end of the text maps to the end of its last piece."""
        if not self.pieces:
            return _NOWHERE, 0
        index = self._index(offset)
        piece = self.pieces[index]
        return piece.file, piece.offset + min(offset - self._starts[index], piece.length)

    def _index(self, offset: int) -> int:
        """Number of the piece that has a character."""
        return max(bisect.bisect_right(self._starts, offset) - 1, 0)

    def span(self, start: int = 0, end: int | None = None) -> Span:
        """Origin of characters ``start`` to ``end - 1``: as far as they lie in the file that holds the first.

        Where only some of them were put in place of a ``$name$``, it is where their author wrote that.
        """
        stop = len(self) if end is None else end
        if len(self.pieces) > 1 and stop > start:
            pieces = self.pieces[self._index(start)], self.pieces[self._index(stop - 1)]
            if pieces[0] is not pieces[1] and any(piece.stands_at for piece in pieces):
                return self._written(start).to(self._written(stop - 1))
        file, first = self.origin(start)
        last_file, last = self.origin(stop - 1) if stop > start else (file, first - 1)
        if last_file is file and last + 1 >= first:
            return Span(file, first, last + 1)
        return Span(file, first, min(first + 1, len(file.text)))

    def _written(self, offset: int) -> Span:
        """A character as its author wrote it: maybe it is one of a ``$name$``."""
        file, at = self.origin(offset)
        return self.pieces[self._index(offset)].stands_at or Span(file, at, at + 1)


_NOWHERE = SourceFile("<nowhere>", "")


_WIDEST = 160  # characters of a line that an excerpt shows
# What steers a terminal, turns the direction of its text, or is half a character: a text shows, it does not act.
_UNSHOWN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Severity(Enum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Label:
    """A second place that helps to understand a diagnostic."""

    message: str
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One thing that is wrong, in the author's words: lower case, no full stop; a hint only when probably right."""

    code: str
    message: str
    span: Span | None = None
    labels: tuple[Label, ...] = ()
    hint: str | None = None
    severity: Severity = Severity.ERROR
    # diagnostics of one cause are one: the first in the text, and labels for the places of the others
    cause: tuple[Hashable, ...] = field(default=(), compare=False, repr=False)

    def joined(self, other: Diagnostic) -> Diagnostic:
        """This one and another of the same cause."""
        first, second = (other, self) if _precedes(other.span, self.span) else (self, other)
        seen = {first.span, *(label.span for label in first.labels)}
        more = [label for label in second.labels if label.message.startswith(_ALSO)]
        new = [x for x in (Label(f"{_ALSO} {second.message}", second.span), *more) if x.span and x.span not in seen]
        return replace(first, labels=(*first.labels, *new)[: max(len(first.labels), _MOST_LABELS)])

    def render(self) -> str:
        """Several lines: message, place, the source line with carets, labels and hint; no final newline."""
        return _UNSHOWN.sub("\N{REPLACEMENT CHARACTER}", "\n".join(self._lines()))

    def _lines(self) -> Iterator[str]:
        yield f"{self.severity.value}[{self.code}]: {self.message}"
        gutter = " "
        if self.span is not None and self.span.file is not _NOWHERE:
            gutter = " " * len(str(self.span.line))
            yield f"{gutter}--> {self.span}"
            if self.span.file.text:
                yield from _excerpt(self.span, gutter)
        for label in self.notes:
            yield f"{gutter} = {label.message}" + (f", at {label.span}" if label.span else "")
        if self.hint:
            yield f"{gutter} = hint: {self.hint}"

    def as_json(self) -> dict[str, object]:
        """The object that ``--json`` prints for it."""
        entry: dict[str, object] = {"code": self.code, "severity": self.severity.value, "message": self.message}
        entry |= _place(self.span, end=True)
        if self.hint:
            entry["hint"] = self.hint
        entry["related"] = [{"message": label.message, **_place(label.span, end=False)} for label in self.notes]
        return entry

    @property
    def notes(self) -> tuple[Label, ...]:
        """The labels, and what was put in place of each ``$name$`` in the line, or where its text was put."""
        return (*self.labels, *_substitutions(self.span))


def _substitutions(span: Span | None) -> Iterator[Label]:
    if span is None or span.line != span.end_line:
        return
    used: dict[str, Span] = {}
    defined: dict[str, Span] = {}
    for (place, taken), name in span.file.substitutions.items():
        if place in span:
            defined.setdefault(name, taken)
        elif span in taken:
            used.setdefault(name, place)
    for name, taken in list(defined.items())[:_MOST_SUBSTITUTIONS]:
        yield Label(f"${name}$ is {_shown(taken.text)}", taken)
    for name, place in list(used.items())[:_MOST_SUBSTITUTIONS]:
        yield Label(f"it stands for ${name}$", place)


def _shown(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


_LONGEST_SHOWN = 40
_MOST_SUBSTITUTIONS = 3
_ALSO = "also:"
_MOST_LABELS = 6


def _precedes(span: Span | None, other: Span | None) -> bool:
    return span is not None and other is not None and span.file is other.file and span.start < other.start


def _excerpt(span: Span, gutter: str) -> Iterator[str]:
    text = span.file.line(span.line)
    first = span.column - 1
    last = span.end_column - 1 if span.end_line == span.line else len(text)
    text, first, last = _shortened(text, first, last)
    # A tab is as wide as the terminal makes it, so the caret line repeats it.
    lead = "".join(c if c == "\t" else " " for c in text[:first])
    yield f"{gutter} |"
    yield f"{span.line} | {text}"
    yield f"{gutter} | {lead}{'^' * max(last - first, 1)}"


def _shortened(text: str, first: int, last: int) -> tuple[str, int, int]:
    """The surroundings of ``text[first:last]`` where the line is too long to show, as those of data files are."""
    if len(text) <= _WIDEST:
        return text, first, last
    start = max(min(first - _WIDEST // 3, len(text) - _WIDEST), 0)
    lead, tail = "…" if start else "", "…" if start + _WIDEST < len(text) else ""
    shift = start - len(lead)
    shown = lead + text[start : start + _WIDEST] + tail
    return shown, first - shift, min(last - shift, len(shown))


def _place(span: Span | None, *, end: bool) -> dict[str, object]:
    if span is None:
        return {}
    place: dict[str, object] = {"file": span.file.name, "line": span.line, "column": span.column}
    if end:
        place |= {"end_line": span.end_line, "end_column": span.end_column}
    return place


class DiagnosticError(Exception):
    """The input is wrong (exit status 2): one or more diagnostics. Raised where no result can be given."""

    exit_status = 2

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__("\n".join(d.render() for d in diagnostics))
        self.diagnostics = diagnostics


class RunError(DiagnosticError):
    """The work failed while running (exit status 1): training diverged, disk full, output not writable."""

    exit_status = 1


@contextlib.contextmanager
def placing(span: Span | None) -> Iterator[None]:
    """Errors from within that know no position get this one: who asked for the work knows where it was asked for."""
    try:
        yield
    except DiagnosticError as error:
        if span is None or all(d.span for d in error.diagnostics):
            raise
        raise type(error)(*(d if d.span else replace(d, span=span) for d in error.diagnostics)) from error


class Diagnostics:
    """Collects what was found, errors and warnings, each once."""

    def __init__(self, found: Iterable[Diagnostic] = ()) -> None:
        self._found: dict[Diagnostic, None] = {}
        self._causes: dict[tuple[Hashable, ...], Diagnostic] = {}
        self.extend(found)

    @property
    def found(self) -> list[Diagnostic]:
        return list(self._found)

    def add(self, diagnostic: Diagnostic) -> None:
        before = self._causes.setdefault(diagnostic.cause, diagnostic) if diagnostic.cause else diagnostic
        if before == diagnostic:
            self._found.setdefault(diagnostic)
            return
        joined = self._causes[diagnostic.cause] = before.joined(diagnostic)
        self._found = {joined if d == before else d: None for d in self._found}

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        for diagnostic in diagnostics:
            self.add(diagnostic)

    def keep(self, work: Callable[[], T]) -> T | None:
        """Result of ``work``, or none with its complaints kept: one fault must not hide the next."""
        try:
            return work()
        except DiagnosticError as error:
            self.extend(error.diagnostics)
            return None

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self._found if d.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self._found if d.severity is Severity.WARNING)

    def raise_errors(self) -> None:
        if self.errors:
            raise DiagnosticError(*self.errors)


# Nobody misspells longer ones, and the time to compare them grows with the square.
_LONGEST_WORD = 100


def suggest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate a misspelt ``word`` most probably meant, or none."""
    if len(word) > _LONGEST_WORD:
        return None
    first, word = word[:1], word.lower()
    folded: dict[str, str] = {}
    for candidate in candidates:
        folded.setdefault(candidate.lower(), candidate)
    # a slip in every third letter is still a slip; words of one and two letters are too easily another
    most = len(word) // 3
    letters = sorted(word)
    swapped = [c for c in folded if len(c) == len(word) and sorted(c) == letters]
    near = [(slips(word, c, most), c not in swapped, folded[c][:1] != first, c) for c in folded] if most else []
    # of equally near ones the first: the innermost scope's
    best = min(near, key=lambda found: found[:3], default=(most + 1, False, False, ""))
    if best[0] <= most and best[3]:
        return folded[best[3]]
    # not slips, but a word that is left out: learningRate for learningRatesPerSample
    import difflib  # costs 5 ms, and only the unlucky pay

    found = swapped or difflib.get_close_matches(word, folded, n=1, cutoff=0.7)
    return folded[found[0]] if found else None


def slips(word: str, other: str, most: int) -> int:
    """Letters lost, added, replaced or swapped with their neighbour between two words; ``most + 1`` if more."""
    if abs(len(word) - len(other)) > most or len(set(word) ^ set(other)) > 2 * most:
        return most + 1
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, letter in enumerate(word, 1):
        row = [i]
        for j, wanted in enumerate(other, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and word[i - 2] == wanted:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > most and min(last) > most:
            return most + 1
        before, last = last, row
    return min(last[-1], most + 1)


def did_you_mean(word: str, candidates: Iterable[str], otherwise: str | None = None) -> str | None:
    """The hint that names what a misspelt ``word`` most probably meant, or ``otherwise``."""
    guess = suggest(word, candidates)
    return f"did you mean {guess}?" if guess else otherwise
