"""Every code is explained, and the examples of the explanations give the code that they stand under."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import graphc.ops  # noqa: F401  (fills the registry)
from graphc.cli.explain import explanations
from graphc.cli.main import main
from graphc.data.text_format import TextOptions, parse_text_format
from graphc.data.text_rows import TextInput
from graphc.diagnostics import CODES, DiagnosticError
from graphc.ir import parse_graph

EXAMPLES = [(code, *example) for code, e in explanations().items() for example in e.examples]
RUN = [pytest.param(*e, id=e[0]) for e in EXAMPLES if e[1] != "text"]


def test_every_code_is_explained_in_order() -> None:
    assert list(explanations()) == list(CODES)


def test_every_explanation_has_an_example_and_says_how_to_mend_it() -> None:
    for code, explanation in explanations().items():
        before, _, behind = explanation.text.partition("```")
        assert before.strip() and explanation.examples, code
        assert behind.rpartition("```")[2].strip(), code


def test_kinds_of_examples() -> None:
    assert {kind for _, kind, _ in EXAMPLES} == {"cntk", "bs", "mel", "ctf", "graph", "sh", "text"}


@pytest.mark.parametrize(("code", "kind", "text"), RUN)
def test_an_example_gives_its_code(
    code: str, kind: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert code in _codes(kind, text, capsys)


def _codes(kind: str, text: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    match kind:
        case "sh":
            main(shlex.split(text)[1:])
        case "ctf":
            return _codes_of_data(text)
        case "graph":
            with pytest.raises(DiagnosticError) as caught:
                parse_graph(text)
            return [d.code for d in caught.value.diagnostics]
        case _:
            Path(f"example.{kind}").write_text(text)
            main(["check", "--lang", kind, f"example.{kind}"])
    return re.findall(r"^(?:error|warning)\[(GC\d{4})\]", capsys.readouterr().err, re.MULTILINE)


def _codes_of_data(text: str) -> list[str]:
    streams = [TextInput("a", 2)] + [TextInput("b", 4, sparse=True)] * ("|b" in text)
    try:
        return [d.code for d in parse_text_format(text.encode(), "data.ctf", streams, TextOptions()).warnings]
    except DiagnosticError as error:
        return [d.code for d in error.diagnostics]


def test_an_explanation_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "GC0160"]) == 0
    assert capsys.readouterr().out == (
        "GC0160: duplicate member definition\n\n"
        "A record defines the same name twice. Members have no order, so there is no first and second value.\n\n"
        "    a = 1\n    a = 2\n\n"
        "Remove or rename one of them. Included files count as part of the record.\n\n"
        "In NDL every variable is assigned once and every macro defined once, whatever the case of their names, "
        "and none may have\nthe name of a function, long or short (`Scale`, `Const`).\n"
    )


@pytest.mark.parametrize("written", ["gc0160", "160", "[GC0160]:"])
def test_codes_may_be_written_carelessly(written: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", written]) == 0
    assert capsys.readouterr().out.startswith("GC0160: ")


def test_without_a_code_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{code}  {text}" for code, text in CODES.items()]


@pytest.mark.parametrize(
    ("written", "hint"), [("GC0019", "did you mean GC0"), ("shape", "graphc explain lists all codes")]
)
def test_unknown_codes(written: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", written]) == 2
    shown = capsys.readouterr().err
    assert f"error[GC0005]: there is no code {written}" in shown and hint in shown
