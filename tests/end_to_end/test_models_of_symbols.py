"""The slot tagger and the model of letters: their data are those of the scripts, and they learn what they say."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

import graphc

MODELS = Path(__file__).parents[2] / "models"


@pytest.mark.parametrize("folder", ["slot_tagger", "char_lm"])
def test_data_are_what_the_script_makes(folder: str) -> None:
    for name, text in runpy.run_path(str(MODELS / folder / "make_data.py"))["texts"]().items():
        assert (MODELS / folder / name).read_text("ascii") == text


def test_no_test_sentence_was_trained() -> None:
    def sentences(name: str) -> set[tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for line in (MODELS / "slot_tagger" / name).read_text("ascii").splitlines():
            number, word, _ = line.split("|")
            found.setdefault(number, []).append(word)
        return {tuple(words) for words in found.values()}

    assert not sentences("train.ctf") & sentences("test.ctf")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "metric", "most"), [("slot_tagger/tagger", "errs", 0.003), ("char_lm/lstm", "ce", 0.40)]
)
def test_what_is_learned(model: str, metric: str, most: float, tmp_path: Path) -> None:
    results = graphc.run(MODELS / f"{model}.cntk", f"RunDir={tmp_path}")
    assert results["Test"].metrics[metric] <= most
