"""Where ``include "file"`` looks for files, and reading them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from graphc.diagnostics import Diagnostic, DiagnosticError, Label, SourceFile, Span
from graphc.files import read_text_bytes


@dataclass(frozen=True, slots=True)
class IncludePath:
    """Search path of ``include`` (language.md 3), after the path as written and the folders of the including files.

    ``directories`` are those of the configuration files; ``program`` is the one of the library, and comes last.
    """

    directories: tuple[Path, ...] = ()
    program: Path | None = None

    def find(self, name: str, including: Iterable[SourceFile]) -> Path | None:
        """The file that ``name`` means, or none; ``including`` lists the files being read, innermost first."""
        # written on Windows, a path has backslashes
        names = [name, name.replace("\\", "/")] if "\\" in name else [name]
        files = tuple(including)
        return next((path for name in names for path in self._candidates(name, files) if _is_file(path)), None)

    def _candidates(self, name: str, including: Iterable[SourceFile]) -> Iterator[Path]:
        written = Path(name)
        yield written
        for directory in [*(Path(file.name).parent for file in including), *self.directories]:
            yield directory / written
            yield directory / written.name
        if self.program is not None:
            yield self.program / written.name


def read_included(name: str, span: Span, including: tuple[SourceFile, ...], path: IncludePath) -> SourceFile:
    """The file included at ``span``; a missing, unreadable or cyclic one is diagnosed there."""
    found = path.find(name, including)
    if found is None:
        hint = "a file is looked for beside the including file, then in the folders of the configuration files"
        raise DiagnosticError(Diagnostic("GC0161", f"included file {name!r} not found", span, hint=hint))
    if any(_same_file(found, file) for file in including):
        labels = tuple(Label(f"being read: {file.name}") for file in including)
        raise DiagnosticError(Diagnostic("GC0162", f"cyclic include of {name!r}", span, labels))
    try:
        text = read_text_bytes(found).decode("utf-8-sig")
        return SourceFile(str(found), re.sub("\r\n?", "\n", text))
    except UnicodeDecodeError as error:
        raise DiagnosticError(Diagnostic("GC0002", f"included file {str(found)!r} is not UTF-8 text", span)) from error
    except OSError as error:
        message = f"included file {str(found)!r} is not readable: {error.strerror}"
        raise DiagnosticError(Diagnostic("GC0161", message, span)) from error


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, or with a zero byte
        return False


def _same_file(path: Path, file: SourceFile) -> bool:
    try:
        return path.samefile(file.name)
    except (OSError, ValueError):
        return False
