"""Files and command-line arguments assembled to one configuration, as CNTK's own command line does it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from graphc.diagnostics import Diagnostic, DiagnosticError, Severity, SourceFile, SourceText, Span, suggest
from graphc.files import read_text_bytes
from graphc.syntax.configuration_records import VARIABLE, ConfigurationContext, ConfigurationRecord, ConfigurationValue
from graphc.syntax.configuration_text import Entry, strip_comments

__all__ = [
    "ConfigurationContext",
    "ConfigurationRecord",
    "ConfigurationValue",
    "configuration_from_text",
    "default_presets",
    "load_configuration",
    "read_source",
]

_INCLUDE = re.compile(r"^include=([^\r\n]*)", re.MULTILINE)
_LINE_END = SourceText.from_string("\n", "<end of line>")


def load_configuration(
    files: Iterable[Path | str], overrides: Iterable[str] = (), *, presets: Mapping[str, str] | None = None
) -> ConfigurationRecord:
    """The root record of the files, in order, and then the arguments, from left to right: later lines win.

    An argument is a line of configuration text, or ``configFile=A+B`` or ``currentDirectory=D``. Presets are what a
    key means where nothing else defines it.
    """
    loader = _Loader()
    for file in files:
        loader.read(Path(file), None)
    for number, argument in enumerate(overrides, start=1):
        loader.argument(SourceFile(f"<argument {number}>", argument))
    return loader.root(presets or {})


def configuration_from_text(
    text: str, overrides: Iterable[str] = (), *, name: str = "<string>", presets: Mapping[str, str] | None = None
) -> ConfigurationRecord:
    """The root record of a text that is in no file."""
    loader = _Loader()
    loader.add(SourceFile(name, text))
    for number, argument in enumerate(overrides, start=1):
        loader.argument(SourceFile(f"<argument {number}>", argument))
    return loader.root(presets or {})


def default_presets(file: Path | str) -> dict[str, str]:
    """What ``graphc CMD FILE`` presets: the file's folder and the current one."""
    return {"ConfigDir": str(Path(file).parent), "RunDir": "."}


def read_source(path: Path, *, named: str | None = None, asked: Span | None = None) -> SourceFile:
    """The text of a file, which must be there, be UTF-8 and hold something; ``asked`` is the place that names it."""
    name = named or str(path)
    try:
        data = read_text_bytes(path)
    except OSError as error:
        raise _not_readable(path, name, error, asked) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_text(name, data, error.start, asked) from None
    if "\0" in text:
        raise _not_text(name, data, data.index(b"\0"), asked)
    if not text.strip():
        raise DiagnosticError(Diagnostic("GC0003", f"{name} is empty", asked or SourceFile(name, "").span()))
    return SourceFile(name, text)


class _Loader:
    def __init__(self) -> None:
        self._parts: list[SourceText] = []
        self._context = ConfigurationContext()
        self._seen: set[str] = set()
        self._extra: dict[str, Entry] = {}

    def read(self, path: Path, asked: Span | None) -> None:
        full = self._context.directory / path
        if not self._is_new(full):
            raise DiagnosticError(Diagnostic("GC0005", f"configuration file {path} is given twice", asked))
        self._context.include_directories += (full.parent,)
        self.add(read_source(full, asked=asked))

    def add(self, file: SourceFile) -> None:
        self._context.files += (file,)
        self._parts += [strip_comments(SourceText.of(file)), _LINE_END]

    def argument(self, file: SourceFile) -> None:
        key, _, value = file.text.partition("=")
        asked = file.span(len(key) + 1)
        match key.lower():
            case "configfile":
                for path in value.split("+"):
                    self.read(Path(path.strip()), asked)
            case "currentdirectory":
                self._change_directory(Path(value.strip()), asked)
                self._parts += [SourceText.of(file), _LINE_END]
            case _:
                self._parts += [SourceText.of(file), _LINE_END]

    def root(self, presets: Mapping[str, str]) -> ConfigurationRecord:
        text = self._included(SourceText.join(self._parts))
        if not text.strip().text:
            names = ", ".join(f.name for f in self._context.files) or "the command line"
            span = self._context.files[0].span(0, 0) if self._context.files else None
            raise DiagnosticError(Diagnostic("GC0003", f"{names} holds no setting", span))
        outer = ConfigurationRecord(SourceText(()), self._context, entries=_preset_entries(presets))
        root = ConfigurationRecord(text, self._context, outer)
        _ = root.entries  # unbalanced brackets show at once
        return root

    def _change_directory(self, path: Path, asked: Span) -> None:
        full = self._context.directory / path
        if not os.path.isdir(full):
            raise DiagnosticError(Diagnostic("GC0001", f"there is no folder {full}", asked))
        # whole, because a run goes there, and what is read then is relative to it all the same
        self._context.directory = full.absolute()

    def _is_new(self, path: Path) -> bool:
        real = os.path.realpath(path)
        known = real in self._seen
        self._seen.add(real)
        return not known

    def _included(self, text: SourceText) -> SourceText:
        parts, at = [], 0
        for match in _INCLUDE.finditer(text.text):
            parts += [text[at : match.start()], *self._inclusions(text[match.start(1) : match.end(1)])]
            at = match.end()
        return SourceText.join([*parts, text[at:]]) if parts else text

    def _inclusions(self, paths: SourceText) -> Iterator[SourceText]:
        asked = paths.span()
        if VARIABLE.search(paths.text):
            raise DiagnosticError(Diagnostic("GC0106", "$ is not allowed in the path of include=", asked))
        for name in paths.text.split("+"):
            path = self._context.directory / name.strip()
            if not self._is_new(path):
                message = f"{path} was already read and is skipped"
                warning = Diagnostic("GC0107", message, asked, severity=Severity.WARNING)
                self._context.diagnostics.add(warning)
                continue
            file = read_source(path, asked=asked)
            self._context.files += (file,)
            yield self._included(strip_comments(SourceText.of(file)))


def _preset_entries(presets: Mapping[str, str]) -> dict[str, Entry]:
    def entry(key: str, value: str) -> Entry:
        return Entry(SourceText.from_string(key, "<preset>"), SourceText.from_string(value, f"<preset {key}>"))

    return {key.lower(): entry(key, value) for key, value in presets.items()}


def _not_readable(path: Path, name: str, error: OSError, asked: Span | None) -> DiagnosticError:
    hint = None
    if os.path.isdir(path):  # `Path.is_dir` raises where a name is too long
        message = f"{name} is a folder, not a file"
    elif isinstance(error, FileNotFoundError | NotADirectoryError):
        message = f"file {name} does not exist"
        close = suggest(path.name, _neighbours(path.parent))
        hint = f"did you mean {Path(name).parent / close}?" if close else None
    else:
        message = f"file {name} is not readable: {(error.strerror or str(error)).lower()}"
    return DiagnosticError(Diagnostic("GC0001", message, asked or SourceFile(name, "").span(), hint=hint))


def _neighbours(folder: Path) -> list[str]:
    try:
        return [p.name for p in folder.iterdir() if p.is_file()]
    except OSError:
        return []


def _not_text(name: str, data: bytes, at: int, asked: Span | None) -> DiagnosticError:
    line = data.count(b"\n", 0, at) + 1
    message = f"{name} is not a text file: byte {data[at]:#04x} at offset {at}, line {line}, is not UTF-8 text"
    utf16 = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    hint = "the file is UTF-16: save it as UTF-8" if utf16 else None
    return DiagnosticError(Diagnostic("GC0002", message, asked or SourceFile(name, "").span(), hint=hint))
