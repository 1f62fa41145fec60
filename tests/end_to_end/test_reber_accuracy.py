"""The shipped classifier of strings reaches what its README says. Minutes of work: ``pytest -m slow``."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from graphc.cli.main import main

MODEL = Path(__file__).parents[2] / "models" / "sequence_classification" / "reber.cntk"
STRINGS = 400


@pytest.mark.slow
def test_strings_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", str(MODEL)]) == 0
    log = (tmp_path / "Output" / "sequence_classification" / "reber.log").read_text("utf-8")
    (percent, samples), *_ = re.findall(r"Final Results: .*?errs = ([\d.]+)% \* (\d+)", log)
    wrong = float(percent) / 100 * int(samples)
    assert wrong <= 0.03 * STRINGS
