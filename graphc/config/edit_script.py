"""The texts of an ``action = edit`` with a script: the script itself, and the macros that it may call."""

from __future__ import annotations

from pathlib import Path

from graphc.config.commands import ScriptCommand
from graphc.diagnostics import SourceText, Span
from graphc.syntax.configuration import ConfigurationRecord, read_source
from graphc.syntax.configuration_text import strip_comments


def script_text(command: ScriptCommand) -> SourceText:
    """The script without comments, its ``$name$`` replaced; raises `DiagnosticError`."""
    text = _file(command.edit_path, command.record, command.spans.get("editPath", command.span))
    return command.record.substitute(text)


def macro_texts(command: ScriptCommand) -> tuple[SourceText, ...]:
    """The files that ``ndlMacros`` names, in which nothing is replaced; raises `DiagnosticError`."""
    asked = command.spans.get("ndlMacros", command.span)
    paths = [path.strip() for path in (command.ndl_macros or "").split("+")]
    return tuple(_file(path, command.record, asked) for path in paths if path)


def _file(path: str, record: ConfigurationRecord, asked: Span) -> SourceText:
    full = record.context.directory / path
    if "\\" in path and not full.exists():
        # scripts written for Windows
        full = record.context.directory / path.replace("\\", "/")
    return strip_comments(SourceText.of(read_source(full, named=str(Path(path)), asked=asked)))
