"""Which language a file is written in: by its extension where that tells, else by its contents."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from graphc.actions.check import Check, check, check_description, check_edits, check_script
from graphc.actions.networks import Networks
from graphc.cli.arguments import is_override, load, variables
from graphc.diagnostics import DiagnosticError, SourceFile
from graphc.syntax import ast
from graphc.syntax.brainscript import parse_members
from graphc.syntax.cache import cached_parse
from graphc.syntax.configuration import read_source

LANGUAGES = ("cntk", "bs", "ndl", "mel")

# A line at a time: where `\s` may eat line ends, a search from each of many empty lines would reach to the last.
_COMMENT = re.compile(r"^[ \t]*(?:#|//).*$", re.MULTILINE)
_CONFIGURATION = re.compile(r"^[ \t]*(?:command|action|\w*NetworkBuilder|reader|SGD)\s*=", re.MULTILINE | re.IGNORECASE)
_EDITING = re.compile(
    r"^[ \t]*(?:\w+\s*=\s*)?(?:LoadModel|CreateModel|SaveModel|SaveDefaultModel)\w*\s*\(", re.MULTILINE
)
_NDL = re.compile(r"^[ \t]*(?:load|run)\s*=\s*\w+\s*$|^[ \t]*\w+\s*\([\w\s,]*\)\s*[{\[]", re.MULTILINE | re.IGNORECASE)
# what NDL lacks: lambdas and objects; what configurations lack as well: conditions, and definitions of functions
_OBJECT = re.compile(r"=>|\bnew\s+\w")
_FUNCTION = re.compile(
    r"\binclude\b|\bif\b.{0,1000}\bthen\b|^[ \t]*\w+[ \t]*(?:\([^()\n]*\)|\{[^{}\n]*\})[ \t]*=", re.MULTILINE
)
_VARIABLE = re.compile(r"\$\w+\$")


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
            return check_edits(file, variables(arguments))
        case _:
            return check(load(arguments), _print, networks_of)


def language_of_file(name: str, text: str) -> str:
    """The language of a file; ``.ndl`` and ``.mel`` say theirs, other extensions are used for more than one."""
    suffix = Path(name).suffix.lower().removeprefix(".")
    return suffix if suffix in ("ndl", "mel") else language_of(text)


def language_of(text: str) -> str:
    """The language, by what the text says.

    - ``bs``: a text in brackets, or definitions alone: some member is a function, calls one, or makes an object.
    - ``cntk``: a text with a command or the settings of one, or nothing but values; ``mel`` and ``ndl`` have theirs.
    """
    bare = _COMMENT.sub("", text)
    if bare.lstrip()[:1] in ("{", "[", "("):
        return "bs"
    if _CONFIGURATION.search(bare):
        return "cntk"
    if _EDITING.search(bare):
        return "mel"
    if _NDL.search(bare) and not _OBJECT.search(bare):
        return "ndl"
    return "bs" if _is_script(text, bare) else "cntk"


def _is_script(text: str, bare: str) -> bool:
    """Whether a text without commands is BrainScript: a parser alone takes most configurations for it too."""
    if _VARIABLE.search(bare):
        return False
    try:
        members = cached_parse(SourceFile("", text), parse_members).members
    except DiagnosticError:  # what is wrong is for the language's own reader to say
        return (_OBJECT.search(bare) or _FUNCTION.search(bare)) is not None
    return any(_computes(member.value) for member in members)


def _computes(value: ast.Expr) -> bool:
    """Whether a value is more than a configuration can mean; arithmetic it can, as in ``0.1*3:0.05``."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case ast.Lambda() | ast.Call() | ast.New() | ast.If() | ast.Array():
                return True
            case ast.List(items=items):
                waiting += items
            case ast.Binary(left=left, right=right):
                waiting += (left, right)
            case ast.Dot(base=base) | ast.Index(base=base):
                waiting.append(base)
            case ast.Record(members=members):
                waiting += (member.value for member in members)
            case _:
                pass
    return False


def _print(line: str) -> None:
    print(line, file=sys.stderr)
