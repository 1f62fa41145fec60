"""Runs configurations as the command line does, and finds the checkout of CNTK that acceptance against it needs."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from graphc.cli.main import main

VECTORS = Path(__file__).parents[1] / "vectors" / "rng_vectors.json"


@dataclass(frozen=True)
class Run:
    """What a run reported: averages of the criteria every few minibatches, an epoch and a test."""

    minibatches: list[dict[str, Any]]
    epochs: list[dict[str, Any]]
    final: list[dict[str, Any]]


@pytest.fixture(scope="session")
def vectors() -> dict[str, Any]:
    return json.loads(VECTORS.read_text())


@pytest.fixture(scope="session")
def cntk_tree() -> Path:
    """The checkout of CNTK, which this repository does not contain."""
    named = os.environ.get("GRAPHC_CNTK_TREE")
    if not named:
        pytest.skip("GRAPHC_CNTK_TREE does not name a checkout of CNTK, whose data and logs this test reads")
    return Path(named).resolve()


@pytest.fixture
def run_cntk(tmp_path, capfd, monkeypatch):
    """Run ``graphc cntk`` with CNTK's random numbers; gives the `Run`."""
    # what a configuration writes to a relative path lands here, and its `currentDirectory` ends with the test
    monkeypatch.chdir(tmp_path)

    def run(configuration: Path, *overrides: str) -> Run:
        metrics = tmp_path / "metrics.jsonl"
        arguments = [f"configFile={configuration}", f"RunDir={tmp_path}", "stderr=", *overrides]
        status = main(["cntk", *arguments, "--rng", "cntk", "--device", "cpu", "--metrics", str(metrics)])
        assert status == 0, capfd.readouterr().err
        entries = [json.loads(line) for line in metrics.read_text().splitlines()]
        kinds = ("minibatch", "epoch", "final")
        return Run(*([e for e in entries if e["event"] == kind] for kind in kinds))

    return run
