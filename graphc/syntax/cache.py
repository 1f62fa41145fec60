"""Parsed files, kept in the user's cache folder: a run that finds its trees there never loads the parser.

The cache only ever saves time: whatever is wrong with it, the file is parsed.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Generic, TypeVar

import graphc.grammar
from graphc.caches import cache_folder
from graphc.diagnostics import Piece, SourceFile, SourceText
from graphc.files import private_binary_writer
from graphc.syntax.ast import Expr, Record
from graphc.syntax.trees import decode_expression, decode_record, encode_expression, encode_record

_KEPT = 256

# the keyword, then a file name or a comment before one
_INCLUDE = re.compile(r"\binclude\s*[\"'#/]")

_T = TypeVar("_T")


def cached_parse(source: SourceFile | SourceText, parse: Callable[[SourceText], Record]) -> Record:
    """``parse`` of a file or a section, from the cache where an equal one was parsed by an equal parser before.

    From the cache, the trees of the members are built as their ``value`` is first used. Texts put together from several
    files (``include``, a value from the command line) are not kept.
    """
    text = SourceText.of(source) if isinstance(source, SourceFile) else source
    return _cached(text, parse, _Form("members", encode_record, decode_record))


def cached_expression(text: SourceText, parse: Callable[[SourceText], Expr]) -> Expr:
    """As `cached_parse`, for one expression."""
    return _cached(text, parse, _Form("expression", encode_expression, decode_expression))


@dataclass(frozen=True, slots=True)
class _Form(Generic[_T]):
    """How trees of one kind are written and read."""

    name: str
    encode: Callable[[_T, SourceFile], str]
    decode: Callable[[str, SourceFile], _T]


def _cached(text: SourceText, parse: Callable[[SourceText], _T], form: _Form[_T]) -> _T:
    file = _only_file(text)
    path = _path(text, file, form.name) if file is not None else None
    if file is None or path is None:
        return parse(text)
    tree = _load(path, file, form)
    if tree is None:
        tree = parse(text)
        _store(path, tree, file, form)
    return tree


def _only_file(text: SourceText) -> SourceFile | None:
    """The file that alone decides what the text means."""
    file = text.pieces[0].file if text.pieces else None
    # What an included file says can change, and if it says nothing, the tree does not show that it was read.
    alone = all(piece.file is file for piece in text.pieces) and not _INCLUDE.search(text.text)
    return file if alone else None


def _path(text: SourceText, file: SourceFile, form: str) -> Path | None:
    try:
        # The whole file, because the comments above its members are read from there, and where the text lies in it.
        pieces = repr([(p.offset, p.length, *_substituted(p, file)) for p in text.pieces])
        key = _parser_digest() + _file_digest(file) + f"{form} {pieces}".encode()
    except OSError:  # no sources to read
        return None
    folder = cache_folder("syntax")
    return folder / f"{hashlib.sha256(key).hexdigest()}.tree" if folder is not None else None


def _substituted(piece: Piece, file: SourceFile) -> Iterator[int]:
    """Where the ``$name$`` is that a piece stands for; its tree is kept if that is in the same file."""
    if piece.stands_at is not None:
        yield from (piece.stands_at.file is file, piece.stands_at.start, piece.stands_at.end)


@cache
def _parser_digest() -> bytes:
    """Of everything that decides what a text parses to: stricter than a version number, and right in a checkout."""
    digest = hashlib.sha256()
    folders = [Path(__file__).parent, *map(Path, graphc.grammar.__path__)]
    for path in sorted(p for folder in folders for p in folder.iterdir() if p.suffix in (".py", ".lark")):
        digest.update(path.read_bytes())
    return digest.digest()


@lru_cache(maxsize=1)  # all sections of a file are looked up one after the other
def _file_digest(file: SourceFile) -> bytes:
    return hashlib.sha256(file.text.encode("utf-8", "surrogatepass")).digest()


def _load(path: Path, file: SourceFile, form: _Form[_T]) -> _T | None:
    try:
        checksum, _, body = path.read_text("utf-8").partition("\n")
        tree = form.decode(body, file) if checksum == _checksum(body) else None
    except (OSError, ValueError):
        return None
    with suppress(OSError):
        os.utime(path)  # what is used is kept
    return tree


def _store(path: Path, tree: _T, file: SourceFile, form: _Form[_T]) -> None:
    with suppress(OSError, ValueError):  # ValueError includes ForeignSpanError: text of other files
        body = form.encode(tree, file)
        with private_binary_writer(path) as stream:
            stream.write(f"{_checksum(body)}\n{body}".encode())
        _prune(path.parent)


def _prune(folder: Path) -> None:
    if len(os.listdir(folder)) <= _KEPT:
        return
    entries = sorted(folder.iterdir(), key=lambda entry: entry.stat().st_mtime_ns)
    for entry in entries[: -(_KEPT // 2)]:  # half of them, so that most writes only count
        entry.unlink(missing_ok=True)


def _checksum(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()
