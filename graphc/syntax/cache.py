"""Parsed files, kept in the user's cache folder: a run that finds its trees there never loads the parser.

The folder is ``$GRAPHC_CACHE_DIR``, else the platform's own (``~/.cache/graphc`` on Linux). The cache only ever saves
time: whatever is wrong with it, the file is parsed.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import graphc.grammar
from graphc.diagnostics import SourceFile, SourceText
from graphc.syntax.ast import Record
from graphc.syntax.trees import decode_record, encode_record

_KEPT = 64


def cached_parse(source: SourceFile | SourceText, parse: Callable[[SourceText], Record]) -> Record:
    """``parse`` of a file or a section, from the cache where an equal one was parsed by an equal parser before.

    From the cache, the trees of the members are built as their ``value`` is first used. Trees with text of several
    files in them (``include``, a value from the command line) are not kept.
    """
    text = SourceText.of(source) if isinstance(source, SourceFile) else source
    file = _only_file(text)
    path = _path(text, file) if file is not None else None
    if file is None or path is None:
        return parse(text)
    record = _load(path, file)
    if record is None:
        record = parse(text)
        _store(path, record, file)
    return record


def cache_folder() -> Path:
    """The root of all caches of graphc; it need not exist."""
    chosen = os.environ.get("GRAPHC_CACHE_DIR")
    if chosen:
        return Path(chosen)
    import platformdirs  # not needed where the folder is given

    return Path(platformdirs.user_cache_dir("graphc", appauthor=False))


def _only_file(text: SourceText) -> SourceFile | None:
    file = text.pieces[0].file if text.pieces else None
    return file if all(piece.file is file for piece in text.pieces) else None


def _path(text: SourceText, file: SourceFile) -> Path | None:
    try:
        # The whole file, because the comments above its members are read from there, and where the text lies in it.
        pieces = repr([(piece.offset, piece.length) for piece in text.pieces])
        key = _parser_digest() + f"{pieces} {file.text}".encode("utf-8", "surrogatepass")
        return cache_folder() / "syntax" / f"{hashlib.sha256(key).hexdigest()}.tree"
    except (OSError, RuntimeError):  # no sources to read, or no home folder
        return None


@cache
def _parser_digest() -> bytes:
    """Of everything that decides what a text parses to: stricter than a version number, and right in a checkout."""
    digest = hashlib.sha256()
    folders = [Path(__file__).parent, *map(Path, graphc.grammar.__path__)]
    for path in sorted(p for folder in folders for p in folder.iterdir() if p.suffix in (".py", ".lark")):
        digest.update(path.read_bytes())
    return digest.digest()


def _load(path: Path, file: SourceFile) -> Record | None:
    try:
        if not _is_ours(path.parent):
            return None
        checksum, _, body = path.read_text("utf-8").partition("\n")
        return decode_record(body, file) if checksum == _checksum(body) else None
    except (OSError, ValueError):
        return None


def _store(path: Path, record: Record, file: SourceFile) -> None:
    try:
        body = encode_record(record, file)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _is_ours(path.parent):
            _write(path, f"{_checksum(body)}\n{body}".encode())
            _prune(path.parent)
    except (OSError, ValueError):  # ValueError includes ForeignSpanError: text of other files
        return


def _write(path: Path, content: bytes) -> None:
    """Under another name first, so that nobody ever reads half a file."""
    partial = path.with_suffix(f".{os.getpid()}-{time.monotonic_ns()}")
    try:
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _is_ours(folder: Path) -> bool:
    """Whether nobody else can have put trees there; only Unix can tell."""
    if not hasattr(os, "getuid"):
        return True
    status = folder.stat()
    return status.st_uid == os.getuid() and not status.st_mode & 0o022


def _prune(folder: Path) -> None:
    entries = sorted(folder.iterdir(), key=lambda entry: entry.stat().st_mtime_ns)
    for entry in entries[:-_KEPT]:
        entry.unlink(missing_ok=True)


def _checksum(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()
