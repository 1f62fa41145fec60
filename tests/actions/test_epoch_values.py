"""What a network accumulates over an epoch, and classes sampled anew in every minibatch, in whole runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from graphc.cli.main import main

CONFIGURATION = """
command = Train:Test:Write
Train = {
    action = "train" ; modelPath = "$Out$/m"
    BrainScriptNetworkBuilder = {
        x = Input {2} ; y = Input {3}
        weights = ConstantTensor (1, 3)
        z = ParameterTensor {(3:2)} * x
        # as in a softmax over a sample: its classes and the right one
        sampled = TransposeTimes (CNTK2.GetRandomSample (weights, 2, false), z) - Constant (1)
            + ReduceSum (Log (CNTK2.GetInclusionFrequency (weights, 2, false)))
        right = ReduceSum (y .* z)
        ce = ReduceLogSum (RowStack (sampled : right)) - right
        of2 = Constant (2)
        mean = new ComputationNode [ operation = 'EpochAccumulator' ; inputs = x ]
        twice = ReduceSum (mean) * of2
        each = ReduceSum (x)
        full = CrossEntropyWithSoftmax (y, z)
        criterionNodes = (ce) ; evaluationNodes = (twice : each : full) ; outputNodes = (mean)
    }
    SGD = { maxEpochs = 2 ; minibatchSize = 4 ; learningRatesPerSample = 0.05 ; numMBsToShowResult = 1 }
    reader = { $reader$ }
    cvReader = { $reader$ }
}
Test = { action = "test" ; modelPath = "$Out$/m" ; minibatchSize = 3 ; numMBsToShowResult = 1 ; reader = { $reader$ } }
Write = {
    action = "write" ; modelPath = "$Out$/m" ; minibatchSize = 4 ; outputPath = "$Out$/o" ; reader = { $reader$ }
}
"""
READER = """readerType = "CNTKTextFormatReader" ; file = "$Out$/data.txt" ; randomize = false
        input = { x = { dim = 2 ; format = "dense" } ; y = { dim = 3 ; format = "dense" } }"""
X = np.arange(20.0).reshape(10, 2) / 8


@pytest.mark.parametrize(("generator", "command"), [("jax", "Train:Test:Write"), ("cntk", "Train")])
def test_a_run(generator: str, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = CONFIGURATION.replace("$reader$", READER)
    (tmp_path / "a.cntk").write_text(text)
    lines = [f"|x {a} {b} |y {' '.join('01'[i * 3 // 10 == k] for k in range(3))}" for i, (a, b) in enumerate(X)]
    (tmp_path / "data.txt").write_text("\n".join(lines))
    given = [str(tmp_path / "a.cntk"), f"Out={tmp_path}", f"randomGenerator={generator}", f"command={command}"]
    metrics = tmp_path / "metrics.jsonl"
    assert main(["run", *given, "--metrics", str(metrics)]) == 0, capsys.readouterr().err
    capsys.readouterr()

    found = {}
    for entry in map(json.loads, metrics.read_text().splitlines()):
        if "twice" in entry.get("metrics", {}):
            key = entry["phase"], entry["event"], entry.get("epoch", 0), entry["minibatch"]
            found[key] = entry["metrics"]

    def so_far(count: int) -> float:
        return 2 * X[:count].mean(axis=0).sum()

    for epoch in (1, 2):
        for minibatch, count in ((1, 4), (2, 8), (3, 10)):
            assert found["train", "minibatch", epoch, minibatch]["twice"] == pytest.approx(so_far(count))
        # not averaged, and not added up: each epoch begins anew
        for phase in ("train", "cv"):
            assert found[phase, "epoch", epoch, 3]["twice"] == pytest.approx(so_far(10))
            assert found[phase, "epoch", epoch, 3]["each"] == pytest.approx(X.sum(axis=1).mean())
    assert found["cv", "epoch", 2, 3]["full"] < found["cv", "epoch", 1, 3]["full"] < np.log(3)
    if command == "Train":
        return
    for minibatch, count in ((1, 3), (2, 6), (3, 9), (4, 10)):
        assert found["test", "minibatch", 0, minibatch]["twice"] == pytest.approx(so_far(count))
    assert found["test", "final", 0, 4]["twice"] == pytest.approx(so_far(10))
    written = (tmp_path / "o.mean").read_text().split()
    assert written == [f"{value:.6f}" for count in (4, 8, 10) for value in X[:count].mean(axis=0)]
