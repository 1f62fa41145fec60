"""Files that a configuration names as Windows does are found on every system."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from graphc.cli.main import main
from graphc.files import data_path

CONFIGURATION = """
command = write
write = {{
    action = "write" ; outputNodeNames = "z" ; outputPath = "$RunDir$/out"
    BrainScriptNetworkBuilder = {{
        x = Input {{2}} ; W = ParameterTensor {{(2:2), initFromFilePath = '$RunDir$\\values\\W.txt'}} ; z = W * x
        outputNodes = (z)
    }}
    reader = {{
        readerType = "CNTKTextFormatReader" ; file = "{file}" ; randomize = false
        input = {{ x = {{ dim = 2 ; format = "dense" }} }}
    }}
    format = {{ type = "category" ; labelMappingFile = "$RunDir$\\values\\names.txt" }}
}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "values").mkdir()
    (tmp_path / "values" / "W.txt").write_text("0 1\n1 0\n")
    (tmp_path / "values" / "names.txt").write_text("first\nsecond\n")
    (tmp_path / "values" / "data.txt").write_text("|x 5 1\n|x 1 5\n")
    return tmp_path


def run(folder: Path, file: str) -> int:
    path = folder / "a.cntk"
    path.write_text(CONFIGURATION.format(file=file))
    return main(["run", str(path), f"RunDir={folder}"])


def test_data_values_and_names_are_found(folder: Path) -> None:
    assert run(folder, r"$RunDir$\values\data.txt") == 0
    assert (folder / "out.z").read_text().split() == ["second", "first"]


def test_a_file_that_is_nowhere_is_told_as_it_was_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, r"$RunDir$\values\date.txt") == 2
    assert r"\values\date.txt' does not exist" in capsys.readouterr().err


@pytest.mark.skipif(os.sep == "\\", reason="there the two are one")
def test_what_has_the_name_as_it_stands_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").touch()
    assert data_path(r"a\b") == Path("a/b")
    Path(r"a\b").touch()
    assert data_path(r"a\b") == Path(r"a\b")
    assert data_path(r"c\d") == Path(r"c\d")
    assert data_path("a/b") == Path("a/b")
