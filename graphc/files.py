"""Files that are whole or not there at all: written under a temporary name, then renamed; and texts of bounded size."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Iterator
from functools import lru_cache, partial
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, TextIO

# Nobody writes more by hand: it is a device without end, or a data file where a configuration was meant.
_LARGEST_TEXT = 1 << 24


def read_text_bytes(path: Path) -> bytes:
    """The bytes of a file that people write; raises `OSError`, also where there are more than anybody writes."""
    status = path.stat()
    return _piped(path, status.st_ino) if stat.S_ISFIFO(status.st_mode) else _bounded(path)


@lru_cache(maxsize=8)
def _piped(path: Path, inode: int) -> bytes:
    """A pipe gives its text once, and a command may look at a file twice."""
    return _bounded(path)


def _bounded(path: Path) -> bytes:
    with path.open("rb") as stream:
        data = stream.read(_LARGEST_TEXT + 1)
    if len(data) > _LARGEST_TEXT:
        raise OSError(errno.EFBIG, f"it has more than {_LARGEST_TEXT >> 20} megabytes")
    return data


def data_path(name: str) -> Path:
    """The path that a configuration means: written for Windows, it is tried with ``/`` where there is no such file."""
    path = Path(name)
    if "\\" in name and not path.exists():
        other = Path(name.replace("\\", "/"))
        return other if other.exists() else path
    return path


def read_data_bytes(path: Path) -> bytes:
    """The bytes of a file of any size; raises `OSError`, also for a device, which may have no end."""
    if path.is_char_device():
        raise OSError(errno.EINVAL, "it is a device")
    return path.read_bytes()


@contextlib.contextmanager
def atomic_writer(path: Path) -> Iterator[TextIO]:
    """A text file (UTF-8) that appears under its name, and is on the disk, when the block ends without an exception.

    Raises `OSError`; then what was there before is unchanged.
    """
    with atomic_binary_writer(path) as stream:
        text = TextIOWrapper(stream, "utf-8", newline="")
        yield text
        text.flush()


@contextlib.contextmanager
def atomic_binary_writer(path: Path) -> Iterator[BinaryIO]:
    """As `atomic_writer`, for bytes."""
    with _replacing(path, _temporary(path)) as stream:
        yield stream
        stream.flush()
        os.fsync(stream.fileno())
    _sync_folder(path.parent)


@contextlib.contextmanager
def private_binary_writer(path: Path) -> Iterator[BinaryIO]:
    """As `atomic_binary_writer`, for what only its owner reads and what a power cut may take: no wait for the disk."""
    # runs at the same time may write the same file, and the last one wins, whole
    own = path.with_name(f".{path.name}.{os.getpid()}-{time.monotonic_ns()}.tmp")
    with _replacing(path, own, permissions=0o600) as stream:
        yield stream


def was_cut_off(path: Path) -> bool:
    """Whether a run was killed while it wrote this file."""
    return _temporary(path).exists()


def why(error: OSError) -> str:
    """Why the system refused, in its own words but lower case, and without its riddle about folders."""
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        return f"{_file_on_the_way(Path(error.filename))} is a file, not a folder" if error.filename else "not a folder"
    return (error.strerror or str(error)).lower()


def _file_on_the_way(path: Path) -> Path:
    return next((p for p in (path, *path.parents) if p.is_file()), path)


def _temporary(path: Path) -> Path:
    # always the same, so that what a killed run left goes with the next write
    return path.with_name(f".{path.name}.tmp")


@contextlib.contextmanager
def _replacing(path: Path, temporary: Path, permissions: int = 0o666) -> Iterator[BinaryIO]:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not (path.is_file() or path.is_dir()):
        # renaming would put a file in the place of /dev/null, for all who use it
        raise OSError(errno.EINVAL, "it is a device or a pipe, not a file")
    try:
        temporary.unlink(missing_ok=True)
        with open(temporary, "xb", opener=partial(os.open, mode=permissions)) as stream:
            yield stream
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    # The rename itself must survive a power cut; not every system lets a folder be opened or synced.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
