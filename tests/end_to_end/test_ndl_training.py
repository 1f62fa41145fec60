"""A network in the network description language trains, is tested and writes, as one in BrainScript does."""

from __future__ import annotations

from pathlib import Path

import pytest

import graphc
from graphc.cli.main import main

DIGITS = Path(__file__).parents[2] / "models" / "digits"

# beside the BrainScript of the model, which it replaces: CNTK takes this builder first
DESCRIPTION = """
load = layers
run = recogniser
layers = [
    # a fully connected layer
    Layer(x, rows, cols) {
        W = Parameter(rows, cols)
        b = Parameter(rows, init=fixedValue, value=0)
        Layer = Plus(Times(W, x), b)
    }
]
recogniser = [
    pixels = 64 ; classes = 10 ; hidden = 30
    features = Input(pixels, tag=feature)
    labels = Input(classes, tag=label)
    h = Layer(ElementTimes(features, Constant(0.0625)), hidden, pixels)
    z = Layer(Sigmoid(h), classes, hidden)
    ce = CEWithSM(labels, z, tag=criterion)
    errs = ErrorPrediction(labels, z, tag=eval)
    OutputNodes = (z)
]
"""


@pytest.fixture
def overrides(tmp_path: Path) -> list[str]:
    path = tmp_path / "recogniser.ndl"
    path.write_text(DESCRIPTION)
    builder = f"NDLNetworkBuilder=[networkDescription={path}]"
    few = "SGD=[maxEpochs=8 ; learningRatesPerSample=0.05]"
    return [
        f"RunDir={tmp_path}",
        f"ConfigDir={DIGITS}",
        f"Train=[{builder} ; {few}]",
        "Write=[outputNodeNames=z.Layer]",
        "randomSeed=3",
    ]


def test_digits_are_learnt(overrides: list[str], tmp_path: Path) -> None:
    results = graphc.run(DIGITS / "logistic.cntk", *overrides)
    assert results["Test"].metrics["errs"] < 0.15
    # the node of the variable that is called as the macro
    (written,) = tmp_path.rglob("*.z.Layer")
    assert all(len(line.split()) == 10 for line in written.read_text().splitlines())


def test_parameters_of_cntk_start_from_their_own_seeds(
    overrides: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compile", str(DIGITS / "logistic.cntk"), *overrides]) == 0
    lines = dict(line.split(" = ", 1) for line in capsys.readouterr().out.splitlines() if " = " in line)
    assert "seed=1" in lines["h.W"] and "seed=2" in lines["z.W"]
    assert "seed" not in lines["h.b"]
