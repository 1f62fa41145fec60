"""``graphc fmt``: files of every language in canonical form, written only if their meaning is unchanged."""

from __future__ import annotations

import argparse
import difflib
import os
import re
import sys
from pathlib import Path

from graphc.cli.arguments import Parser, bare_parser
from graphc.cli.languages import language_of_file
from graphc.diagnostics import Diagnostic, DiagnosticError, RunError
from graphc.files import atomic_writer, read_text_bytes, why
from graphc.syntax.configuration import read_source
from graphc.syntax.formatter import format_configuration, format_description, format_edits, format_script

_FORMATTERS = {
    "cntk": format_configuration,
    "bs": format_script,
    "ndl": format_description,
    "mel": format_edits,
}


def parser() -> Parser:
    made = bare_parser(
        "fmt",
        "Indent and space configurations, BrainScript, NDL and MEL. Lines, comments and values stay as they are; what "
        "would change is written to the files.",
        """
        graphc fmt models/mlp.cntk
        graphc fmt --check *.cntk         exit status 1 if a file is not in canonical form
        graphc fmt --diff models/mlp.cntk
        """,
    )
    made.add_argument("files", nargs="+", metavar="FILE", help="a configuration, BrainScript, NDL or MEL")
    made.add_argument("--check", action="store_true", help="write nothing; exit status 1 if a file would change")
    made.add_argument("--diff", action="store_true", help="write nothing; print what would change")
    made.add_argument("--lang", choices=tuple(_FORMATTERS), help="what the files are (default: their contents tell)")
    return made


def run(options: argparse.Namespace) -> int:
    status = 0
    for name in options.files:
        try:
            changes = _format(Path(name), options)
        except RunError:
            raise
        except DiagnosticError as error:
            print("\n\n".join(d.render() for d in error.diagnostics), end="\n\n", file=sys.stderr)
            status = error.exit_status
            continue
        if changes and options.check:
            status = status or 1
    return status


def _format(path: Path, options: argparse.Namespace) -> bool:
    """Format one file as the options say; whether its canonical form is another."""
    text = _text(path)
    result = _formatted(str(path), text, options.lang)
    if result == text:
        return False
    if options.diff:
        sys.stdout.writelines(_diff(str(path), text, result))
    if options.check:
        print(f"{path}: would be formatted", file=sys.stderr)
    elif not options.diff:
        _write(path, result)
        print(f"{path}: formatted", file=sys.stderr)
    return True


def _text(path: Path) -> str:
    """The text with its line ends and its mark, which `read_source` has checked and does not keep."""
    read_source(path)
    return read_text_bytes(path).decode()


def _formatted(name: str, text: str, language: str | None) -> str:
    found = language or language_of_file(name, text.removeprefix("\ufeff"))
    return _FORMATTERS[found](text, name)


def _diff(name: str, before: str, after: str) -> list[str]:
    lines = (re.sub(r"\r\n?", "\n", text).splitlines(keepends=True) for text in (before, after))
    shown = difflib.unified_diff(*lines, fromfile=name, tofile=name)
    return [line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in shown]


def _write(path: Path, text: str) -> None:
    target = path.resolve()  # a link stays one
    try:
        mode = target.stat().st_mode
        with atomic_writer(target) as stream:
            stream.write(text)
        os.chmod(target, mode)
    except OSError as error:
        raise RunError(Diagnostic("GC0004", f"{path} cannot be written: {why(error)}")) from error
