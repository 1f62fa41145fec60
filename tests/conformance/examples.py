"""The examples of the language specification, from `language.txt`, for the tests of the layers that they are about."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# how many the specification has of each kind: parsing, evaluation, networks, configurations, NDL
COUNTS = {"P": 34, "E": 26, "N": 16, "C": 26, "L": 8}

_FILE = Path(__file__).with_name("language.txt")
_NAME = re.compile(r"([A-Z])(\d+)[a-z]?")


@dataclass(frozen=True)
class Example:
    """One line: ``name`` is the number, with a letter where several lines have it."""

    name: str
    given: str
    result: str

    @property
    def kind(self) -> str:
        return self.name[0]

    @property
    def number(self) -> int:
        match = _NAME.fullmatch(self.name)
        assert match is not None, self.name
        return int(match[2])


def examples() -> list[Example]:
    """All of them, in order; `⏎` has become a newline in what is given."""
    lines = _FILE.read_text("utf-8").split("\n")
    rows = [line.split("\t") for line in lines if _NAME.match(line)]
    return [Example(name, given.replace("⏎", "\n"), result) for name, given, result in rows]


def cases(kind: str) -> list[Any]:
    """What is given and what comes of it, for `pytest.mark.parametrize`."""
    return [pytest.param(e.given, e.result, id=e.name) for e in examples() if e.kind == kind]
