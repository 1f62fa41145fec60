"""The language of model edits (MEL): a script cut into commands, snippets and lines of network description."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from graphc.diagnostics import Diagnostic, DiagnosticError, Diagnostics, SourceText, Span, did_you_mean
from graphc.syntax.configuration_text import group_end, tokens, unquoted

_SKIP = re.compile(r"[\s,;\u00a0]*")
_STOP = re.compile(r'[,;\r\n\[\](){}"]')
_COMMAS = re.compile(r"[\s,\u00a0]*")
_NEXT = re.compile(r'[,\r\n\[({"]')
_HEAD = re.compile(r'[^=\[\](){}"]*')
_NAME = re.compile(r"[A-Za-z_]\w*")
_OPTION = re.compile(r"[ \t\u00a0]*([A-Za-z_]\w*)[ \t\u00a0]*=[ \t\u00a0]*(.*)", re.DOTALL)

# the only commands whose result has a name
_GIVING = ("CreateModel", "LoadModel")


@dataclass(frozen=True, eq=False, slots=True)
class Command:
    """``Name (arguments)`` or ``target = Name (arguments)``; quoted arguments have lost their quotes."""

    text: SourceText
    name: SourceText
    arguments: tuple[SourceText, ...]
    target: SourceText | None = None

    @property
    def span(self) -> Span:
        return self.text.span()


@dataclass(frozen=True, eq=False, slots=True)
class Snippet:
    """``target = [ … ]``: a model from a network description."""

    text: SourceText
    target: SourceText
    body: SourceText


@dataclass(frozen=True, eq=False, slots=True)
class Line:
    """Any other ``name = …``: network description for the default model."""

    text: SourceText
    name: SourceText


Statement = Command | Snippet | Line


@dataclass(frozen=True, eq=False, slots=True)
class Script:
    """Statements in order, and the sections of macros that ``load`` names."""

    statements: tuple[Statement, ...]
    macros: tuple[SourceText, ...] = ()


def read_script(source: SourceText, found: Diagnostics) -> Script:
    """The script of a file without its comments; what is wrong goes to ``found``, and the rest is read."""
    entries = list(_entries(source, found))
    keys = {name: e for e in entries if (name := e.head.text.lower()) in ("load", "edit") and e.is_plain_value}
    if not keys:
        return Script(tuple(_statements(entries, found)))
    sections = {e.head.text.lower(): e for e in entries if e.group is not None}
    macros = _sections(keys.get("load"), sections, found)
    edits = _sections(keys.get("edit"), sections, found)
    return Script(tuple(s for body in edits for s in _statements(_entries(body, found), found)), tuple(macros))


def option(argument: SourceText) -> tuple[SourceText, SourceText] | None:
    """Name and value of ``name = value``."""
    match = _OPTION.fullmatch(argument.text)
    if match is None:
        return None
    return argument[match.start(1) : match.end(1)], unquoted(argument[match.start(2) : match.end(2)].strip())


def abbreviates(text: str, name: str) -> bool:
    """Whether the text is the name or a beginning of at least half of it, in any case."""
    return name.lower().startswith(text.lower()) and len(text) >= len(name) // 2


@dataclass(frozen=True, eq=False, slots=True)
class _Entry:
    """``head = value``, ``head group`` or ``head = … group``; ``group`` still has its brackets."""

    text: SourceText
    head: SourceText
    value: SourceText | None
    group: SourceText | None

    @property
    def is_plain_value(self) -> bool:
        return self.value is not None and self.group is None


def _entries(source: SourceText, found: Diagnostics) -> Iterator[_Entry]:
    text, at = source.text, 0
    while (at := _end(_SKIP, text, at)) < len(text):
        try:
            stop = _entry_end(source, at)
        except DiagnosticError as error:
            # an open bracket swallows all that follows
            found.extend(error.diagnostics)
            return
        entry = _entry(source[at:stop].strip(), found)
        at = stop
        if entry is not None:
            yield entry


def _entry_end(source: SourceText, at: int) -> int:
    """Offset behind the entry: at the first separator, or behind its first group; but quotes are parts of values."""
    text = source.text
    while (match := _STOP.search(text, at)) is not None:
        if match.group() in ")]}":
            message = f"'{match.group()}' closes nothing"
            raise DiagnosticError(Diagnostic("GC0101", message, source.span(match.start(), match.end())))
        if match.group() not in '[({"':
            return match.start()
        stop = group_end(source, match.start())
        if match.group() != '"':
            return stop
        at = stop
    return len(text)


def _entry(text: SourceText, found: Diagnostics) -> _Entry | None:
    head_end = _end(_HEAD, text.text, 0)
    head = text[:head_end].strip()
    if not head.text:
        message = "an editing script holds commands, as SetInput (CE.T, 1, L2.S), and name = value"
        found.add(Diagnostic("GC0170", message, text.span()))
        return None
    if text.text[head_end : head_end + 1] != "=":
        group = text[head_end:] if head_end < len(text) else None
        return _Entry(text, head, None, group)
    value = text[head_end + 1 :].strip()
    if not value.text:
        found.add(Diagnostic("GC0103", f"no value given for '{head}'", head.span()))
        return None
    opener = re.search(r"[\[({]", value.text)
    return _Entry(text, head, value, value[opener.start() :] if opener else None)


def _statements(entries: Iterator[_Entry] | list[_Entry], found: Diagnostics) -> Iterator[Statement]:
    for entry in entries:
        if entry.value is None:
            yield from _command(entry, found)
        elif entry.value.text.startswith("["):
            yield Snippet(entry.text, entry.head, entry.value[1:-1])
        elif entry.group is not None and _gives_model(name := entry.value[: -len(entry.group)].strip()):
            yield Command(entry.text, name, _arguments(entry.group), entry.head)
        else:
            yield Line(entry.text, entry.head)


def _command(entry: _Entry, found: Diagnostics) -> Iterator[Command]:
    if entry.group is None or entry.group.text.startswith('"') or not _NAME.fullmatch(entry.head.text):
        message = f"'{entry.head}' is neither a command with its arguments nor name = value"
        found.add(Diagnostic("GC0170", message, entry.head.span()))
        return
    yield Command(entry.text, entry.head, _arguments(entry.group))


def _gives_model(name: SourceText) -> bool:
    return any(abbreviates(name.text, giving) for giving in _GIVING)


def _arguments(group: SourceText) -> tuple[SourceText, ...]:
    """What stands between commas or line ends; brackets and quotes are parts of it, as in ``layers[1].W``."""
    inner, found, at = group[1:-1], [], 0
    while (at := _end(_COMMAS, inner.text, at)) < len(inner):
        start = at
        while (match := _NEXT.search(inner.text, at)) is not None and match.group() not in ",\r\n":
            at = group_end(inner, match.start())
        at = len(inner) if match is None else match.start()
        found.append(unquoted(inner[start:at].strip()))
    return tuple(found)


def _sections(key: _Entry | None, sections: dict[str, _Entry], found: Diagnostics) -> list[SourceText]:
    """The bodies of the sections that a key of the file names."""
    bodies = []
    for name in tokens(key.value, ":") if key is not None and key.value is not None else ():
        section = sections.get(name.text.lower())
        if section is None or section.group is None:
            hint = did_you_mean(name.text, [e.head.text for e in sections.values()])
            found.add(Diagnostic("GC0506", f"there is no section {name}", name.span(), hint=hint))
        else:
            bodies.append(section.group[1:-1])
    return bodies


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    assert match is not None
    return match.end()
