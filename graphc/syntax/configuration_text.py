"""Text of the configuration layer cut into tokens and entries: comments, brackets, separators, duplicate keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from graphc.diagnostics import Diagnostic, DiagnosticError, Label, SourceText
from graphc.syntax.unbalanced import is_balanced

_CLOSER = {"[": "]", "{": "}", "(": ")", '"': '"'}
_BRACKETS = "[{("

# A comment needs a blank before its `#`, and neither kind of string may hold it. An apostrophe opens a string only
# where no letter stands before it (`don't`), and both kinds must end on their own line.
_COMMENT = re.compile(
    r"""(?P<line>^[ \t\u00a0]*(?:\#|//)[^\r\n]*(?:\r\n?|\n|\Z))"""
    r"""|"[^"\r\n]*"|(?<!\w)'[^'\r\n]*'"""
    r"""|(?P<tail>(?<=[ \t\u00a0])\#[^\r\n]*)""",
    re.MULTILINE,
)

# The value of this key is BrainScript: other strings, other comments.
_SCRIPT_KEY = r"(?<![\w.$-])(?:BrainScript|Experimental)NetworkBuilder[ \t\u00a0]*(?:=[ \t\u00a0]*)?(?=[\[{(])"
_GROUP_PARTS = re.compile(rf'(?P<script>{_SCRIPT_KEY})|[\[\](){{}}"]', re.IGNORECASE)
_SCRIPT_BEFORE = re.compile(_SCRIPT_KEY[: _SCRIPT_KEY.rindex("(?=")] + r"\Z", re.IGNORECASE)
_SCRIPT_PARTS = re.compile(
    r"""(?P<comment>//[^\r\n]*|/\*.*?\*/|\#[^\r\n]*)|'[^']*'|"[^"]*"|(?P<bracket>[\[\](){}])|(?P<endless>/\*)""",
    re.DOTALL,
)

_CUSTOM = set("`~!@$%^&*_-+|:;,?.")
_NO_CUSTOM = re.compile(r"\.\.|\.\\|\./|\\\\|[-._]\w|\$[A-Za-z_]")
_KEY_END = re.compile(r'[=\[({"]')
_NEXT_ELEMENT = re.compile(r"[ \t]*:")
_VALUE_BELOW = re.compile(r"(\s*)[\[{(]")

# brackets directly inside brackets; nobody needs a second pair, and each costs another search for where it closes
_MAX_DEPTH = 16
# sections in sections; BrainScript may be deeper
_MAX_NESTING = 1000

SCRIPT_KEYS = ("brainscriptnetworkbuilder", "experimentalnetworkbuilder")


@dataclass(frozen=True, eq=False, slots=True)
class Entry:
    """``key = value`` as written; a quoted value has lost its quotes."""

    key: SourceText
    value: SourceText


def strip_comments(source: SourceText) -> SourceText:
    """The text without its ``#`` comments and without lines that begin with ``//``."""
    parts, at = [], 0
    for match in _COMMENT.finditer(source.text):
        if match.lastgroup:
            parts.append(source[at : match.start()])
            at = match.end()
    return SourceText.join([*parts, source[at:]]) if parts else source


def script_comments(script: str) -> list[range]:
    """Where the comments of a BrainScript section lie."""
    return [range(*m.span()) for m in _SCRIPT_PARTS.finditer(script) if m["comment"]]


def tokens(source: SourceText, separator: str = ";") -> Iterator[SourceText]:
    """Tokens of a list whose extra separator is ``;``, ``:`` or ``,``.

    A group around all of it is entered, inner ones stay whole, a quoted string keeps its quotes.
    """
    for start, stop in _ranges(source, separator, _BRACKETS):
        yield source[start:stop].strip()


def read_entries(source: SourceText) -> dict[str, Entry]:
    """Entries of a record under their lower-case keys: the last wins, but a new ``[…]`` is added to the old value."""
    entries: dict[str, Entry] = {}
    added: dict[str, list[SourceText]] = {}
    _collect(source, entries, added)
    # joined once: an old value may be added to any number of times
    return {
        key: Entry(entry.key, SourceText.join([*added[key], entry.value])) if key in added else entry
        for key, entry in entries.items()
    }


def unquoted(source: SourceText) -> SourceText:
    """The text inside a pair of quotes that encloses all of it, else the text itself."""
    text = source.text
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'" and text[0] not in text[1:-1]:
        return source[1:-1]
    return source


def _collect(source: SourceText, entries: dict[str, Entry], added: dict[str, list[SourceText]], depth: int = 0) -> None:
    """Entries by their last value; ``added`` holds what goes before it."""
    for start, stop in _ranges(source, ";", _BRACKETS + '"'):
        if source.text[start] in _CLOSER:
            if depth == _MAX_DEPTH:
                raise _error("GC0108", "brackets are nested too deeply", source, start, start + 1)
            _collect(source[start:stop], entries, added, depth + 1)
            continue
        entry = _entry(source, start, stop)
        key = entry.key.text.lower()
        old = entries.get(key)
        if old is not None and entry.value.text.startswith("["):
            entry = Entry(old.key, entry.value)
            added.setdefault(key, []).extend((old.value, _SPACE))
        else:
            added.pop(key, None)
        entries[key] = entry


def _entry(source: SourceText, start: int, stop: int) -> Entry:
    token = source[start:stop].strip()
    match = _KEY_END.search(token.text)
    if match is None:
        return Entry(token, _TRUE)
    key = token[: match.start()].strip()
    if not key.text:
        raise _error("GC0105", "a value without a key", token, 0, len(token), hint="write key = value")
    value = token[match.end() if match.group() == "=" else match.start() :].strip()
    below = None if value.text else _VALUE_BELOW.match(source.text, stop)
    if below and ("\n" in below[1] or "\r" in below[1]):
        hint = "a line end ends the value: put the opening bracket on the line of the key"
        raise _error("GC0103", f"no value given for '{key.text}'", token, 0, len(token), hint=hint)
    return Entry(key, unquoted(value))


def _ranges(source: SourceText, extra: str, entered: str) -> Iterator[tuple[int, int]]:
    """Start and end of each token; groups opened by a character of ``entered`` are entered, one level deep."""
    text, separator = source.text, extra
    at, group_stop = 0, 0  # just behind the entered group; 0 outside
    while True:
        start = _start(separator).search(text, at)
        if start is None:
            return
        at = start.start()
        if at == group_stop - 1:
            at, group_stop, separator = at + 1, 0, extra
        elif not group_stop and text[at] in entered:
            group_stop = group_end(source, at)
            at += 1
            if custom_separator(text, at):
                separator, at = text[at], at + 1
        else:
            stop = _token_end(source, at, separator, group_stop)
            yield at, stop
            at = stop


def custom_separator(text: str, at: int) -> bool:
    """Whether the first character of a group, at ``at``, separates its elements."""
    return text[at : at + 1] in _CUSTOM and not _NO_CUSTOM.match(text, at)


def _token_end(source: SourceText, at: int, separator: str, group_stop: int) -> int:
    text = source.text
    if text[at] in _CLOSER.values() and text[at] != '"':
        raise _error("GC0101", f"'{text[at]}' closes nothing", source, at, at + 1)
    found = _stop(separator).search(text, at)
    while found is not None and found.group() in _CLOSER and found.start() != group_stop - 1:
        is_script = found.group() != '"' and _SCRIPT_BEFORE.search(text[at : found.start()]) is not None
        stop = group_end(source, found.start(), script=is_script)
        # `a = 10:"x y":2` is one value, although CNTK itself ends it behind the quote
        more = _NEXT_ELEMENT.match(text, stop) if found.group() == '"' and separator != ":" else None
        if more is None:
            return stop
        found = _stop(separator).search(text, more.end())
    return found.start() if found else len(text)


@cache
def _start(separator: str) -> re.Pattern[str]:
    return re.compile(rf"[^,\r\n \t\u00a0{re.escape(separator)}]")


@cache
def _stop(separator: str) -> re.Pattern[str]:
    return re.compile(rf'[,\r\n{re.escape(separator)}\[\](){{}}"]')


def group_end(source: SourceText, start: int, script: bool = False) -> int:
    """Offset just behind the group that opens at ``start``; ``script`` says that BrainScript stands in it."""
    text, at = source.text, start
    opened: list[int] = []
    script_depth = 0 if script else -1  # brackets open around the BrainScript section; -1 outside of one
    while True:
        match = (_GROUP_PARTS if script_depth < 0 else _SCRIPT_PARTS).search(text, at)
        if match is None:
            raise _unclosed(source, opened[-1])
        at = match.end()
        if match.lastgroup == "script":
            script_depth = len(opened)
        elif match.lastgroup == "endless":
            raise _error("GC0102", "comment without end", source, match.start(), at)
        elif script_depth >= 0 and match.lastgroup != "bracket":
            if "\n" in match[0] and match[0][0] in "\"'" and not is_balanced(match[0]):
                # a string may have several lines, but not half of a bracket
                raise _unclosed(source, match.start())
            continue
        elif match.group() == '"':
            at = text.find('"', at) + 1
            if not at:
                raise _unclosed(source, match.start())
        elif match.group() in _CLOSER:
            opened.append(match.start())
            if len(opened) > _MAX_NESTING and script_depth < 0:
                raise _error("GC0108", "brackets are nested too deeply", source, match.start(), at)
        elif match.group() != _CLOSER[text[opened[-1]]]:
            raise _mismatch(source, opened[-1], match.start())
        else:
            opened.pop()
            if len(opened) == script_depth:
                script_depth = -1
        if not opened and script_depth != 0:
            return at


def _unclosed(source: SourceText, opener: int) -> DiagnosticError:
    character = source.text[opener]
    closer = _CLOSER.get(character, character)
    return _error("GC0102", f"no closing '{closer}' for this '{character}'", source, opener, opener + 1)


def _mismatch(source: SourceText, opener: int, closer: int) -> DiagnosticError:
    wrong, left = source.text[closer], source.text[opener]
    label = Label(f"'{left}' was opened here and needs '{_CLOSER[left]}'", source.span(opener, opener + 1))
    return _error("GC0101", f"'{wrong}' does not close '{left}'", source, closer, closer + 1, label)


def _error(
    code: str, message: str, source: SourceText, start: int, stop: int, *labels: Label, hint: str | None = None
) -> DiagnosticError:
    return DiagnosticError(Diagnostic(code, message, source.span(start, stop), labels, hint))


_SPACE = SourceText.from_string(" ", "<merged sections>")
_TRUE = SourceText.from_string("true", "<flag>")
