"""Which language a file is written in: by its extension where that tells, else by its contents."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from graphc.actions.check import Check, check, check_description, check_script
from graphc.actions.networks import Networks
from graphc.cli.arguments import is_override, load, variables
from graphc.diagnostics import Diagnostic, DiagnosticError, SourceFile
from graphc.syntax.configuration import read_source

LANGUAGES = ("cntk", "bs", "ndl", "mel")

# A line at a time: where `\s` may eat line ends, a search from each of many empty lines would reach to the last.
_COMMENT = re.compile(r"^[ \t]*(?:#|//).*$", re.MULTILINE)
_CONFIGURATION = re.compile(r"^[ \t]*(?:command|action|\w*NetworkBuilder|reader|SGD)\s*=", re.MULTILINE | re.IGNORECASE)
_EDITING = re.compile(
    r"^[ \t]*(?:\w+\s*=\s*)?(?:LoadModel|CreateModel|SaveModel|SaveDefaultModel)\w*\s*\(", re.MULTILINE
)
_NDL = re.compile(r"^[ \t]*(?:load|run)\s*=\s*\w+\s*$|^[ \t]*\w+\s*\([\w\s,]*\)\s*[{\[]", re.MULTILINE | re.IGNORECASE)


def check_any(arguments: Sequence[str], language: str | None = None, networks_of: type[Networks] = Networks) -> Check:
    """Check what the arguments name; ``language`` is one of `LANGUAGES`, none to tell by the contents."""
    if any(a.lower().startswith("configfile=") for a in arguments) or not arguments or is_override(arguments[0]):
        return check(load(arguments), _print, networks_of)
    file = read_source(Path(arguments[0]))
    match language or language_of_file(arguments[0], file.text):
        case "bs":
            return check_script(file, _print)
        case "ndl":
            return check_description(file, variables(arguments))
        case "mel":
            message = "checking MEL files is not implemented yet"
            raise DiagnosticError(Diagnostic("GC0525", message, SourceFile(file.name, "").span()))
        case _:
            return check(load(arguments), _print, networks_of)


def language_of_file(name: str, text: str) -> str:
    """The language of a file; that of a ``.ndl`` is clear, other extensions are used for more than one."""
    return "ndl" if Path(name).suffix.lower() == ".ndl" else language_of(text)


def language_of(text: str) -> str:
    """``bs`` for a text in brackets or of definitions alone; ``cntk`` for one with commands and their settings."""
    bare = _COMMENT.sub("", text)
    if bare.lstrip()[:1] in ("{", "[", "("):
        return "bs"
    if _CONFIGURATION.search(bare):
        return "cntk"
    if _EDITING.search(bare):
        return "mel"
    if _NDL.search(bare):
        return "ndl" if not re.search(r"=>|\bnew\b", bare) else "bs"
    return "bs" if re.search(r"=>|\bnew\b|\binclude\b|\bif\b.*\bthen\b", bare) else "cntk"


def _print(line: str) -> None:
    print(line, file=sys.stderr)
