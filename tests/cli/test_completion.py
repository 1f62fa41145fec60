"""Shells complete what there is: commands, options and their values, codes, names of pages; files elsewhere."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from graphc.cli.main import COMMANDS, main
from graphc.diagnostics import CODES

BASH = shutil.which("bash")


def script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


@pytest.mark.skipif(BASH is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("graphc ch", ["check"]),
        ("graphc compile --em", ["--emit"]),
        ("graphc compile model.cntk --emit st", ["stablehlo"]),
        ("graphc compile --dump-after fol", ["fold"]),
        ("graphc check --lang b", ["bs"]),
        ("graphc explain GC020", ["GC0201", "GC0202"]),
        ("graphc help DenseL", ["DenseLayer"]),
        ("graphc help SGD.momentumPer", ["SGD.momentumPerMB", "SGD.momentumPerSample"]),
        ("graphc completion z", ["zsh"]),
        ("graphc run model", []),
    ],
)
def test_bash_completes(line: str, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "graphc.bash"
    path.write_text(script("bash", capsys))
    parts = " ".join(f"'{word}'" for word in line.split(" "))
    program = f"source {path}; COMP_WORDS=({parts}); COMP_CWORD=$(({len(line.split(' '))} - 1)); _graphc; "
    done = subprocess.run(
        [BASH or "", "-c", program + 'printf "%s\\n" "${COMPREPLY[@]}"'], capture_output=True, text=True
    )
    assert done.stderr == ""
    assert done.stdout.split() == words


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_nothing_is_left_out(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = script(shell, capsys)
    expected = [*COMMANDS, *CODES, "DenseLayer", "BS.Loop.Count", "SGD.momentumPerMB", "stablehlo"]
    assert [word for word in expected if word not in text] == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_reads_its_script(shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    path = tmp_path / "script"
    path.write_text(script(shell, capsys))
    assert subprocess.run([shell, "-n", str(path)], capture_output=True).stderr == b""


def test_another_shell_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "csh"]) == 2
    assert "GC0005" in capsys.readouterr().err
