"""The shipped encoder and decoder copies strings that it never saw: a slow test, by its nature."""

from __future__ import annotations

from pathlib import Path

import pytest

import graphc

FOLDER = Path(__file__).parents[2] / "models" / "seq2seq_copy"


def test_the_configuration_is_right() -> None:
    """Checked as in the quick suite, where it does not run."""
    assert graphc.compile(FOLDER / "copy.cntk").inputs == {"input": (10,), "labels": (10,)}


@pytest.mark.slow
def test_strings_never_seen(tmp_path: Path) -> None:
    places = f"RunDir={tmp_path}"
    found = graphc.run(FOLDER / "copy.cntk", places)
    assert found["Decode"].metrics["sequenceErrors"] <= 0.02
    greedy = graphc.run(FOLDER / "copy.cntk", places, "command=Decode", "Decode=[beamDepth=1]")
    assert greedy["Decode"].metrics["sequenceErrors"] <= 0.02
    wanted = strings()
    for depth in (1, 3):
        graphc.run(FOLDER / "copy.cntk", places, "command=Write", f"beamDepth={depth}")
        written = (tmp_path / "Output" / "seq2seq_copy" / "copy.written.network.decodeOut").read_text().splitlines()
        assert len(written) == len(wanted)
        assert sum(a == f"{b} </s>" for a, b in zip(written, wanted, strict=True)) >= 0.98 * len(wanted)


def strings() -> list[str]:
    """The letters of each test string."""
    symbols = (FOLDER / "symbols.txt").read_text().split()
    found: dict[str, list[str]] = {}
    for line in (FOLDER / "test.ctf").read_text().splitlines():
        number, label = line.split(" |")[0], int(line.split("|labels ")[1].split(":")[0])
        found.setdefault(number, []).append(symbols[label])
    return [" ".join(letters[1:-1]) for letters in found.values()]
