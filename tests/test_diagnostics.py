"""Spans survive cutting and joining; a diagnostic is rendered once and for all; codes are listed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from graphc.diagnostics import (
    CODES,
    Diagnostic,
    DiagnosticError,
    Diagnostics,
    Label,
    RunError,
    Severity,
    SourceFile,
    SourceText,
    suggest,
)

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("offset", "position"), [(0, (1, 1)), (2, (1, 3)), (3, (1, 4)), (4, (2, 1)), (5, (3, 1)), (7, (3, 3))]
)
def test_positions_count_from_one(offset: int, position: tuple[int, int]) -> None:
    assert SourceFile("f", "abc\n\nde").position(offset) == position


def test_pieces_remember_their_files() -> None:
    a, b = SourceFile("a", "one two three"), SourceFile("b", "xyz")
    text = SourceText.join([SourceText.of(a)[:4], SourceText.of(b), SourceText.of(a)[7:]])
    assert text.text == "one xyz three"
    assert str(text[4:7].span()) == "b:1:1"
    assert text.span(8, 13).text == "three"
    assert text[5:6].text == "y"
    assert text.origin(len(text)) == (a, 13)


def test_a_span_over_several_files_stays_in_the_first() -> None:
    a, b = SourceFile("a", "one"), SourceFile("b", "two")
    text = SourceText.join([SourceText.of(a), SourceText.of(b)])
    assert text.span(1, 5).text == "n"


def test_stripping_keeps_the_place() -> None:
    assert str(SourceText.from_string("  \n x ", "f").strip().span()) == "f:2:2"


def test_rendering() -> None:
    file = SourceFile("m.cntk", "a = 1\n\tb = f (x)\n")
    span, other = file.span(11, 14), file.span(0, 1)
    diagnostic = Diagnostic(
        "GC0301", "unknown identifier 'f'", span, (Label("a is defined", other),), "did you mean F?"
    )
    assert diagnostic.render().splitlines() == [
        "error[GC0301]: unknown identifier 'f'",
        " --> m.cntk:2:6",
        "  |",
        "2 | \tb = f (x)",
        "  | \t    ^^^",
        "  = a is defined, at m.cntk:1:1",
        "  = hint: did you mean F?",
    ]


def test_json_has_the_documented_fields() -> None:
    file = SourceFile("m.cntk", "a = 1\n")
    diagnostic = Diagnostic("GC0520", "m", file.span(4, 5), (Label("l", file.span(0, 1)),), "h", Severity.WARNING)
    assert diagnostic.as_json() == {
        "code": "GC0520",
        "severity": "warning",
        "message": "m",
        "file": "m.cntk",
        "line": 1,
        "column": 5,
        "end_line": 1,
        "end_column": 6,
        "hint": "h",
        "related": [{"message": "l", "file": "m.cntk", "line": 1, "column": 1}],
    }


def test_the_same_finding_is_kept_once() -> None:
    found = Diagnostics()
    found.extend([Diagnostic("GC0001", "m"), Diagnostic("GC0001", "m"), Diagnostic("GC0001", "n")])
    assert len(found.found) == 2
    with pytest.raises(DiagnosticError):
        found.raise_errors()


def test_exit_statuses() -> None:
    assert (DiagnosticError.exit_status, RunError.exit_status) == (2, 1)


@pytest.mark.parametrize(
    ("word", "guess"), [("Sigmoidd", "Sigmoid"), ("sigmoid", "Sigmoid"), ("Tahn", "Tanh"), ("xyz", None)]
)
def test_suggestions(word: str, guess: str | None) -> None:
    assert suggest(word, ["Sigmoid", "Tanh", "ReLU"]) == guess


def test_every_code_in_the_source_is_listed_and_every_listed_one_is_used() -> None:
    files = [*(ROOT / "graphc").rglob("*.py"), *(ROOT / "backends").rglob("*.py")]
    used = {
        code
        for file in files
        if file.name != "diagnostics.py"
        for code in re.findall(r'"(GC\d{4})"', file.read_text("utf-8"))
    }
    assert used == set(CODES)


def test_the_list_of_codes_in_the_docs_is_complete() -> None:
    listed = dict(re.findall(r"^\| (GC\d{4}) \| (.*) \|$", (ROOT / "docs" / "diagnostics.md").read_text("utf-8"), re.M))
    assert listed == CODES
