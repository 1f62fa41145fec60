"""``graphc fmt`` writes only where something changes, tells with ``--check``, shows with ``--diff``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from graphc.cli.main import main

UGLY = "command=A\nA=[\naction=train\n]\n"
NICE = "command = A\nA = [\n    action = train\n]\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("ugly.cntk").write_text(UGLY)
    Path("nice.cntk").write_text(NICE)
    return tmp_path


def test_files_are_formatted(capsys: pytest.CaptureFixture[str]) -> None:
    os.chmod("ugly.cntk", 0o750)
    assert main(["fmt", "ugly.cntk", "nice.cntk"]) == 0
    assert Path("ugly.cntk").read_text() == NICE
    assert os.stat("ugly.cntk").st_mode & 0o777 == 0o750
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "ugly.cntk: formatted\n")
    assert main(["fmt", "--check", "ugly.cntk", "nice.cntk"]) == 0


def test_a_file_in_canonical_form_is_not_touched() -> None:
    before = os.stat("nice.cntk")
    assert main(["fmt", "nice.cntk"]) == 0
    assert os.stat("nice.cntk").st_ino == before.st_ino


def test_a_link_stays_one() -> None:
    os.symlink("ugly.cntk", "link.cntk")
    assert main(["fmt", "link.cntk"]) == 0
    assert os.path.islink("link.cntk") and Path("ugly.cntk").read_text() == NICE


def test_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fmt", "--check", "nice.cntk", "ugly.cntk"]) == 1
    assert capsys.readouterr().err == "ugly.cntk: would be formatted\n"
    assert Path("ugly.cntk").read_text() == UGLY


def test_diff(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fmt", "--diff", "nice.cntk", "ugly.cntk"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("--- ugly.cntk\n+++ ugly.cntk\n@@") and "\n-command=A\n" in shown
    assert "\n+    action = train\n" in shown
    assert Path("ugly.cntk").read_text() == UGLY
    assert main(["fmt", "--diff", "--check", "ugly.cntk"]) == 1


def test_brainscript_is_known_by_its_contents() -> None:
    Path("a.bs").write_text("{\nx=Input{3}\n}\n")
    assert main(["fmt", "a.bs"]) == 0
    assert Path("a.bs").read_text() == "{\n    x = Input{3}\n}\n"


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("m=LoadModel(x.dnn,format = cntk)\n", "m = LoadModel(x.dnn, format = cntk)\n"),
        ("SetProperty(L1.*.W,needGradient,false)  # c\n", "SetProperty(L1.*.W, needGradient, false)  # c\n"),
        ("Copy (m1* ,m2)\n\n\n  Rename (a , b)\n", None),
        ('L2=FF(L1.S,5)\nSaveModel (m,"$a b$/x.dnn")\n', 'L2 = FF(L1.S, 5)\nSaveModel (m, "$a b$/x.dnn")\n'),
        ("m=[ x=Input(3)\ny=Sigmoid(x)\n ]\n", "m = [ x = Input(3)\n    y = Sigmoid(x)\n]\n"),
        ("edit=a\na=[\nRemove (b,c)\n]\n", "edit = a\na = [\n    Remove (b, c)\n]\n"),
        ("Remove (layers[1].W , layers[2].W)\n", "Remove (layers[1].W, layers[2].W)\n"),
        ("SetProperty (*.W, needGradient,false)\n", "SetProperty (*.W, needGradient,false)\n"),
    ],
)
def test_scripts_of_edits(text: str, canonical: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.mel").write_text(text)
    assert main(["fmt", "a.mel"]) == 0
    found = Path("a.mel").read_text()
    assert canonical is None or found == canonical
    assert main(["fmt", "--check", "a.mel"]) == 0
    assert Path("a.mel").read_text() == found


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("no.cntk", None, "error[GC0001]"),
        ("a.cntk", "command = (A\n", "error[GC0102]"),
        ("a.bs", "{ x = 2 * }\n", "error[GC0150]"),
        ("a.mel", "m = LoadModel (x.dnn)\nSaveModel (m, y.dnn\n", "error[GC0102]"),
    ],
)
def test_what_is_wrong_is_said_and_the_rest_is_formatted(
    name: str, text: str | None, found: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        Path(name).write_text(text)
    assert main(["fmt", name, "ugly.cntk"]) == 2
    assert found in capsys.readouterr().err
    assert Path("ugly.cntk").read_text() == NICE
    assert text is None or Path(name).read_text() == text


def test_windows_line_ends_and_the_mark_stay() -> None:
    Path("w.cntk").write_bytes(b"\xef\xbb\xbfcommand=A\r\nA=[\r\n]\r\n")
    assert main(["fmt", "w.cntk"]) == 0
    assert Path("w.cntk").read_bytes() == b"\xef\xbb\xbfcommand = A\r\nA = [\r\n]\r\n"
