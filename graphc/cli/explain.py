"""``graphc explain``: what a code means, why it comes up, an example that gives it, and how to mend it."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from graphc.cli.arguments import Parser, bare_parser
from graphc.diagnostics import CODES, Diagnostic, DiagnosticError, did_you_mean

_SECTION = re.compile(r"^## (GC\d{4})\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Explanation:
    """The section of one code: prose in Markdown, its examples between fences."""

    text: str

    @property
    def examples(self) -> list[tuple[str, str]]:
        """What kind of text each example is, and the example."""
        return _FENCE.findall(self.text)

    def plain(self) -> str:
        """For a terminal: examples are indented instead of fenced."""
        return _FENCE.sub(lambda m: textwrap.indent(m[2].rstrip("\n"), "    "), self.text)


def parser() -> Parser:
    made = bare_parser(
        "explain",
        "Tell what a diagnostic's code means, why it comes up, an example that gives it, and how to mend it.",
        """
        graphc explain GC0201
        graphc explain            all codes, one a line
        """,
    )
    made.add_argument("codes", nargs="*", metavar="CODE", help="as diagnostics print it, such as GC0201")
    return made


def run(options: argparse.Namespace) -> int:
    if not options.codes:
        print("\n".join(f"{code}  {text}" for code, text in CODES.items()))
        return 0
    codes = [_known(written) for written in options.codes]
    print("\n\n".join(f"{code}: {CODES[code]}\n\n{explanations()[code].plain()}" for code in codes))
    return 0


@cache
def explanations() -> Mapping[str, Explanation]:
    """The explanation of every code."""
    text = files("graphc.cli").joinpath("explanations.md").read_text("utf-8")
    return {code: Explanation(body.strip()) for code, body in _SECTION.findall(text)}


def _known(written: str) -> str:
    code = written.strip("[]:").upper()
    if code in CODES:
        return code
    # whoever leaves letters or leading zeroes out can mean only one
    number = code.removeprefix("GC")
    if number.isdecimal() and f"GC{int(number):04}" in CODES:
        return f"GC{int(number):04}"
    hint = did_you_mean(code, CODES, "graphc explain lists all codes")
    raise DiagnosticError(Diagnostic("GC0005", f"there is no code {written}", hint=hint))
