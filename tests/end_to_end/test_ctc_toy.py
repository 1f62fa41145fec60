"""The shipped recogniser of made-up utterances is as good as its README says: a slow test, by its nature."""

from __future__ import annotations

from pathlib import Path

import pytest

import graphc

FOLDER = Path(__file__).parents[2] / "models" / "ctc_toy"


def test_the_configuration_is_right() -> None:
    """Checked as in the quick suite, where it does not run."""
    assert graphc.compile(FOLDER / "ctc.cntk").inputs == {"features": (5,), "labels": (7,)}


@pytest.mark.slow
def test_errors_on_utterances_never_heard(tmp_path: Path) -> None:
    found = graphc.run(FOLDER / "ctc.cntk", f"RunDir={tmp_path}")
    assert found["Test"].metrics["errs"] <= 0.05
    written = (tmp_path / "Output" / "ctc_toy" / "ctc.tokens.tokensFound").read_text().split("\n")
    told = (FOLDER / "test.ctf").read_text().splitlines()
    wanted: dict[str, list[str]] = {}
    for line in told:
        number, label = line.split(" |labels ")[0], line.split(" |labels ")[1].split()[0]
        wanted.setdefault(number, []).extend([label[0]] if label.endswith(":2") else [])
    lines = [line.split() for line in written if line.strip()]
    assert len(lines) == len(wanted)
    assert sum(a == b for a, b in zip(lines, wanted.values(), strict=True)) >= 0.75 * len(wanted)
