"""The face of ``graphc``: help, version, exit status, and what goes to which stream."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from graphc.cli.main import COMMANDS, main
from graphc.version import VERSION

GOOD = "command = A\nA = { action = plot }\n"
BAD = "command = A\nA = { action = dmupNode }\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("good.cntk").write_text(GOOD)
    Path("bad.cntk").write_text(BAD)
    return tmp_path


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"graphc {VERSION}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["help"]])
def test_help_names_every_command(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert all(re.search(rf"^  {name} ", shown, re.MULTILINE) for name in COMMANDS)


def test_no_command_shows_the_help_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert capsys.readouterr().out.startswith("usage: graphc COMMAND")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_has_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: graphc {command}")
    assert f"examples:\n  graphc {command} " in shown


def test_check_answers_on_standard_output_and_complains_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "bad.cntk"]) == 2
    shown = capsys.readouterr()
    assert shown.out == "bad.cntk: 1 error\n"
    assert shown.err.startswith("error[GC0507]: A:action: unknown action: dmupNode\n --> bad.cntk:2:16\n")


def test_warnings_count_only_when_strict(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "good.cntk"]) == 0
    assert main(["check", "good.cntk", "--strict"]) == 2
    assert capsys.readouterr().out == "good.cntk: 1 warning\n" * 2


def test_check_as_json_is_one_object_a_file_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--json", "good.cntk", "bad.cntk", "none.cntk"]) == 2
    shown = capsys.readouterr()
    good, bad, none = map(json.loads, shown.out.splitlines())
    assert shown.err == ""
    assert [list(entry) for entry in (good, bad, none)] == [["file", "ok", "errors", "warnings"]] * 3
    assert [(e["file"], e["ok"]) for e in (good, bad, none)] == [
        *[("good.cntk", True), ("bad.cntk", False), ("none.cntk", False)]
    ]
    (error,) = bad["errors"]
    assert error == {
        **{"code": "GC0507", "severity": "error", "message": "A:action: unknown action: dmupNode"},
        **{"file": "bad.cntk", "line": 2, "column": 16, "end_line": 2, "end_column": 24},
        **{"hint": "did you mean dumpNode?", "related": []},
    }


@pytest.mark.parametrize(
    ("given", "meant"), [("rnu", "run"), ("chek", "check"), ("complie", "compile"), ("CNTK", "cntk")]
)
def test_misspelt_commands(given: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([given]) == 2
    assert f"did you mean graphc {meant}?" in capsys.readouterr().err


def test_several_errors_are_set_apart(capsys: pytest.CaptureFixture[str]) -> None:
    Path("two.cntk").write_text("command = A:B\nA = { action = x }\nB = { action = y }\n")
    assert main(["run", "two.cntk"]) == 2
    assert "unknown action: x" in (told := capsys.readouterr().err)
    assert "^\n\nerror[GC0507]: B:action: unknown action: y" in told


class FullDisk:
    """Standard output on a disk without room."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        raise OSError(28, "No space left on device")

    def fileno(self) -> int:
        raise OSError("no file")


def test_standard_output_without_room(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdout", FullDisk())
    assert main(["--help"]) == 1
    assert capsys.readouterr().err == "error[GC0004]: standard output: no space left on device\n"


def test_closed_streams_take_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["--version"]) == 0
    assert main(["check", "bad.cntk"]) == 2
