"""Files that are whole or not there at all: written under a temporary name, flushed to the disk, then renamed."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, TextIO, cast


@contextlib.contextmanager
def atomic_writer(path: Path) -> Iterator[TextIO]:
    """A text file (UTF-8) that appears under its name when the block ends without an exception; raises `OSError`."""
    with _replacing(path, "w") as stream:
        yield cast(TextIO, stream)


@contextlib.contextmanager
def atomic_binary_writer(path: Path) -> Iterator[BinaryIO]:
    """As `atomic_writer`, for bytes."""
    with _replacing(path, "wb") as stream:
        yield cast(BinaryIO, stream)


@contextlib.contextmanager
def _replacing(path: Path, mode: str) -> Iterator[IO[str] | IO[bytes]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        # mkstemp makes files that only their owner reads; these are results like any other.
        os.fchmod(handle, 0o666 & ~_umask())
        with os.fdopen(
            handle, mode, encoding=None if "b" in mode else "utf-8", newline=None if "b" in mode else ""
        ) as f:
            yield f
            f.flush()
            os.fsync(f.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(path.parent)


def why(error: OSError) -> str:
    """Why the system refused, in its own words but lower case, and without its riddle about folders."""
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        return f"{_file_on_the_way(Path(error.filename))} is a file, not a folder" if error.filename else "not a folder"
    return (error.strerror or str(error)).lower()


def _file_on_the_way(path: Path) -> Path:
    return next((p for p in (path, *path.parents) if p.is_file()), path)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    # The rename itself must survive a power cut; not every file system lets a folder be synced.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
