"""The shipped encoder and decoder leave their plateau at once, and copy strings that they never saw."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import pytest

import graphc

FOLDER = Path(__file__).parents[2] / "models" / "seq2seq_copy"


def test_training_leaves_its_plateau(tmp_path: Path) -> None:
    """Few strings, and of one length, which makes one program. Without attention 70 % of their letters are wrong."""
    some = [lines for lines in strings("train.ctf") if len(lines) == 7][: 14 * 34]
    (tmp_path / "some.ctf").write_text("".join(line for lines in some for line in lines))
    reader = f"Train=[reader=[file={tmp_path / 'some.ctf'}]]"
    sgd = f"Train=[SGD=[minibatchSize={7 * 34};maxEpochs=25;learningRatesPerSample=0.002]]"
    found = graphc.run(FOLDER / "copy.cntk", f"RunDir={tmp_path}", "command=Train", reader, sgd)
    assert found["Train"].metrics["errs"] <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_strings_never_seen(tmp_path: Path, seed: int) -> None:
    found = graphc.run(FOLDER / "copy.cntk", f"RunDir={tmp_path}", f"randomSeed={seed}")
    assert found["Decode"].metrics["sequenceErrors"] <= 0.02
    greedy = graphc.run(FOLDER / "copy.cntk", f"RunDir={tmp_path}", "command=Decode", "Decode=[beamDepth=1]")
    assert greedy["Decode"].metrics["sequenceErrors"] <= 0.02


@pytest.mark.slow
def test_decoders_as_edited_models(tmp_path: Path) -> None:
    places = f"RunDir={tmp_path}"
    graphc.run(FOLDER / "copy.cntk", places, "command=Train")
    wanted = [letters_of(lines) for lines in strings("test.ctf")]
    for depth in (1, 3):
        graphc.run(FOLDER / "copy.cntk", places, "command=Write", f"beamDepth={depth}")
        written = (tmp_path / "Output" / "seq2seq_copy" / "copy.written.network.decodeOut").read_text().splitlines()
        assert len(written) == len(wanted)
        assert sum(a == b for a, b in zip(written, wanted, strict=True)) >= 0.98 * len(wanted)


def strings(name: str) -> list[list[str]]:
    """The lines of each string of a file."""
    lines = (FOLDER / name).read_text().splitlines(keepends=True)
    return [list(found) for _, found in groupby(lines, key=lambda line: line.split(" |")[0])]


def letters_of(lines: list[str]) -> str:
    """What a decoder should write for a string, up to its end."""
    symbols = (FOLDER / "symbols.txt").read_text().split()
    return " ".join(symbols[int(line.split("|labels ")[1].split(":")[0])] for line in lines[1:])
