"""``graphc check``: every error of every file, none executed."""

from __future__ import annotations

import argparse
import gc
import json
import sys
from collections.abc import Iterator, Sequence

from graphc.actions.networks import DescribedNetworks
from graphc.cli.arguments import Parser, is_override, make_parser
from graphc.cli.languages import LANGUAGES, check_any
from graphc.cli.sarif import sarif
from graphc.diagnostics import Diagnostic, DiagnosticError, Diagnostics, SourceFile

# New objects between two searches for cycles: a network is many objects and hardly any garbage. Searching it at
# Python's default takes a tenth of the time.
_GARBAGE = 100_000


def parser() -> Parser:
    made = make_parser(
        "check",
        "Read configurations, build every network of every command, infer every shape, and report all that is wrong.",
        """
        graphc check models/digits/convnet.cntk
        graphc check a.cntk b.cntk DataDir=/data
        graphc check --json configFile=a.cntk DataDir=/data
        """,
    )
    form = made.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object a file on standard output")
    form.add_argument("--sarif", action="store_true", help="one SARIF 2.1.0 log of all files on standard output")
    made.add_argument("--lang", choices=LANGUAGES, help="what the files are (default: their contents tell)")
    made.add_argument("--strict", action="store_true", help="warnings count as errors")
    return made


def run(options: argparse.Namespace) -> int:
    gc.set_threshold(_GARBAGE)
    failed = False
    everything = Diagnostics()
    for arguments in _inputs(options.arguments):
        found = _check(arguments, options.lang)
        ok = not (found.errors or (options.strict and found.warnings))
        failed |= not ok
        everything.extend(found.found)
        if not options.sarif:
            _report(_name(arguments), found, ok, as_json=options.json)
    if options.sarif:
        print(json.dumps(sarif(everything.found), indent=2))
    return 2 if failed else 0


def _inputs(arguments: Sequence[str]) -> Iterator[list[str]]:
    """The arguments of each file: FILE… key=value…, or CNTK's form, which is one input however many files it has."""
    if any(a.lower().startswith("configfile=") for a in arguments):
        yield list(arguments)
        return
    overrides = [a for a in arguments if is_override(a)]
    files = [a for a in arguments if not is_override(a)]
    if not files:
        yield overrides  # `load` says what is missing
    for file in files:
        yield [file, *overrides]


def _check(arguments: Sequence[str], language: str | None) -> Diagnostics:
    """What is wrong, in order of the text."""
    try:
        found = check_any(arguments, language, DescribedNetworks).found.found
    except DiagnosticError as error:
        found = list(error.diagnostics)
    return Diagnostics(sorted(found, key=_place))


def _name(arguments: Sequence[str]) -> str:
    named = [a.partition("=")[2] for a in arguments if a.lower().startswith("configfile=")]
    return "+".join(named) or (arguments[0] if arguments else "")


def _report(name: str, found: Diagnostics, ok: bool, *, as_json: bool) -> None:
    if as_json:
        entry = {
            "file": name,
            "ok": ok,
            "errors": [d.as_json() for d in found.errors],
            "warnings": [d.as_json() for d in found.warnings],
        }
        print(json.dumps(entry))
        return
    for diagnostic in found.found:
        print(diagnostic.render(), end="\n\n", file=sys.stderr)
    print(f"{name}: {_verdict(found)}")


def _place(diagnostic: Diagnostic) -> tuple[str, int]:
    file: SourceFile | None = diagnostic.span.file if diagnostic.span else None
    return (file.name if file else "", diagnostic.span.start if diagnostic.span else -1)


def _verdict(found: Diagnostics) -> str:
    counts = [(len(found.errors), "error"), (len(found.warnings), "warning")]
    said = [f"{n} {word}{'s' if n > 1 else ''}" for n, word in counts if n]
    return ", ".join(said) or "ok"
