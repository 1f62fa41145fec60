"""Planted faults are told, at their place, with what was meant; `python -m tests.faults.measure` prints the table."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.faults.generate import CORPUS, FILES, faults
from tests.faults.measure import Verdict, measure, report, told_of

_SAMPLE = 320
# what valid files may be warned about: recurrences have types before they have a program, and a builder at the root
# describes the network of a test as well
_KNOWN = {"GC0408", "GC0527"}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path / "cache"))


def test_corpus_is_valid() -> None:
    for path in FILES:
        assert [d.render() for d in told_of(path.name) if d.code not in _KNOWN] == []


def test_corpus_is_broad() -> None:
    planted = faults()
    assert len(CORPUS) >= 12
    assert len(planted) >= 1000
    assert {fault.file for fault in planted} == {path.name for path in CORPUS}


def test_sample() -> None:
    check(measure(random.Random(0).sample(faults(), _SAMPLE)))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_all(seed: int) -> None:
    check(measure(faults(seed)))


def check(verdicts: list[Verdict]) -> None:
    """What is required: all are told, 98 % at their place, 90 % with the word that was meant."""
    told = report(verdicts)
    assert not any(v.crash for v in verdicts), told
    assert all(v.diagnosed for v in verdicts), told
    assert sum(v.placed for v in verdicts) >= 0.98 * len(verdicts), told
    meant = [v for v in verdicts if v.suggested is not None]
    assert sum(bool(v.suggested) for v in meant) >= 0.9 * len(meant), told
