"""Every command line that README and docs show does what it is shown for."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from graphc.cli.main import main

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
# one epoch shows that a training works
SHORT = "Train=[SGD=[maxEpochs=1]]"


def shown() -> list[str]:
    blocks = (block for page in PAGES for block in _BLOCK.findall(page.read_text("utf-8")))
    lines = (line for block in blocks for line in block.splitlines())
    parts = (part.strip() for line in lines for part in line.split("&&"))
    return list(dict.fromkeys(part for part in parts if part.startswith("graphc ")))


@pytest.mark.parametrize("line", shown())
def test_a_shown_command_works(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "models").symlink_to(ROOT / "models", target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    arguments = shlex.split(line, comments=True)[1:]
    assert main([*arguments, SHORT] if arguments[0] in ("run", "cntk") else arguments) == 0
    output = capsys.readouterr()
    assert "error" not in output.err
    assert output.out or output.err or (tmp_path / "Output").exists() or arguments[0] == "fmt"


def test_commands_are_shown_at_all() -> None:
    assert {line.split()[1] for line in shown()} >= {"run", "check", "compile", "fmt", "explain", "help", "completion"}
