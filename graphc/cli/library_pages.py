"""What the library's own text says about its functions: signature, comment, group, for ``graphc help``."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from graphc.script.library import load_library
from graphc.syntax import ast

_WIDTH = 100
_BLANK_LINE = re.compile(r"\n[ \t]*\r?\n")


@dataclass(frozen=True)
class Entry:
    """A function, a value or a group of the library under its full name, ``BS.Loop.IsFirst``."""

    name: str
    member: ast.Member
    doc: str

    @property
    def is_group(self) -> bool:
        return isinstance(self.member.value, ast.Record)

    @property
    def signature(self) -> str:
        """Name and parameters as written, on one line; of an alias, what it stands for."""
        span, value = self.member.name_span, self.member.value
        if not isinstance(value, ast.Lambda) or value.span.file is not span.file:
            return self.name
        # from the name to the `=` in front of the body; what `x => e` defines has no parameters before it
        written = " ".join(span.file.text[span.end : value.body.span.start].split()).rstrip("(").rstrip()
        head, found, _ = written.rpartition("=")
        return f"{self.name} {head.strip()}" if found and head.strip()[:1] in ("(", "{") else self.name

    @property
    def place(self) -> str:
        return f"{self.member.name_span.file.name}:{self.member.name_span.line}"


@cache
def library() -> Mapping[str, Entry]:
    """All entries by full name, in the order of the library."""
    return {entry.name: entry for entry in entries(load_library().members)}


def find(name: str) -> list[Entry]:
    """The entries of a full name, or of the end of one, ``Loop.IsFirst``; in any case where none is spelt so."""
    for fold in (str, str.lower):
        whole, end = fold(name), f".{fold(name)}"
        found = [e for full, e in library().items() if fold(full) == whole or fold(full).endswith(end)]
        if found:
            return sorted(found, key=lambda e: e.name.count("."))
    return []


def page(entry: Entry) -> str:
    """Everything about one entry."""
    if entry.is_group:
        return "\n".join([f"{entry.name}: a group of the library", *_indented(entry.doc), "", *_members(entry)])
    original = aliased(entry)
    lines = textwrap.wrap(entry.signature, _WIDTH, subsequent_indent="    ", break_long_words=False)
    if original is not None:
        lines.append(f"  the same as {original.signature}")
    doc = entry.doc or (original.doc if original else "")
    return "\n".join([*lines, *_indented(doc), f"  defined in {entry.place}"])


def aliased(entry: Entry) -> Entry | None:
    """What the entry is another name of, if it is one."""
    match entry.member.value:
        case ast.Name(name=name):
            path = name
        case ast.Dot(base=ast.Name(name=base), name=name):
            path = f"{base}.{name}"
        case _:
            return None
    group = entry.name
    while "." in group:
        group = group.rpartition(".")[0]
        if f"{group}.{path}" in library():
            return library()[f"{group}.{path}"]
    return library().get(path)


def entries(members: tuple[ast.Member, ...], prefix: str = "") -> Iterator[Entry]:
    """The members and those of the groups among them."""
    previous: Entry | None = None
    for member in members:
        if not prefix and _is_part(member):
            continue
        member = _whole(member)
        entry = Entry(prefix + member.name, member, member.doc or _shared(previous, member))
        yield entry
        if isinstance(member.value, ast.Record):
            yield from entries(member.value.members, f"{entry.name}.")
        previous = entry


def _is_part(member: ast.Member) -> bool:
    """Whether the library has the record only to fill a group from another file, as ``RNNs = _RNNs``."""
    return member.name.startswith("_") and isinstance(member.value, ast.Record)


def _whole(member: ast.Member) -> ast.Member:
    """The member; with its record in place where that is in another file."""
    if isinstance(member.value, ast.Name) and member.value.name.startswith("_"):
        for part in load_library().members:
            if part.name == member.value.name and _is_part(part):
                return ast.Member(member.name, part.value, member.name_span, member.doc)
    return member


def _shared(previous: Entry | None, member: ast.Member) -> str:
    """A comment holds for all members below it, up to an empty line."""
    if previous is None or previous.member.name_span.file is not member.name_span.file:
        return ""
    between = member.name_span.file.text[previous.member.value.span.end : member.name_span.start]
    return "" if _BLANK_LINE.search(between) or previous.is_group else previous.doc


def _members(group: Entry) -> Iterator[str]:
    prefix = f"{group.name}."
    names = [n for n in library() if n.startswith(prefix) and "." not in n[len(prefix) :]]
    for name in names:
        if not name[len(prefix) :].startswith("_"):
            entry = library()[name]
            yield from textwrap.wrap(entry.signature, _WIDTH, initial_indent="  ", subsequent_indent="      ")
            yield from _indented(entry.doc, "      ")


def _indented(doc: str, by: str = "  ") -> list[str]:
    return [by + line for line in doc.splitlines()]
