"""Statistics of the training set: a pass over the data before training, then values of the model like parameters."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from graphc.train.checkpoint import load_model

NORMALIZED = ("z = W * features + b", "z = W * MeanVarNorm (features) + b - LogPrior (labels)")
SIMPLE = """SimpleNetworkBuilder = [
        layerSizes = 2:3:2 ; layerTypes = Sigmoid ; applyMeanVarNorm = true ; needPrior = true
        trainingCriterion = CrossEntropyWithSoftmax ; evalCriterion = ErrorPrediction
    ]"""


@pytest.fixture
def normalized(project):
    return project.edit(NORMALIZED)


def features(points):
    return np.array([[float(w) for w in re.findall(r"features (\S+) (\S+)", line)[0]] for line in points.splitlines()])


def statistics(path):
    """The only three values of a model of `NORMALIZED` that are no parameters."""
    values = load_model(Path(path)).values
    return {name: v for name, v in values.items() if name not in ("W", "b") and v.shape == (2,)}


def test_values_are_those_of_the_training_set(normalized):
    assert normalized.run().status == 0
    x = features(normalized.points)
    wanted = [x.mean(axis=0), 1 / x.std(axis=0), [0.5, 0.5]]
    found = list(statistics("out/model.0").values())
    assert len(found) == 3
    for values in wanted:
        assert any(np.allclose(values, f, rtol=1e-6) for f in found)
    # training leaves them alone
    for name, value in statistics("out/model").items():
        assert value.tolist() == statistics("out/model.0")[name].tolist()


def test_log_tells_of_the_pass_as_cntk_does(project):
    project.configuration = re.sub(
        r"BrainScriptNetworkBuilder = \{.*?\n    \}", SIMPLE, project.configuration, flags=re.DOTALL
    )
    project.edit(('outputPath = "out/scores"', 'outputPath = "out/scores" ; outputNodeNames = ScaledLogLikelihood'))
    outcome = project.run()
    assert outcome.status == 0, outcome.err
    text = project.log()
    told = (
        "\nPrecomputing --> 3 PreCompute nodes found.\n\n"
        "\tMeanOfFeatures = Mean()\n\tInvStdOfFeatures = InvStdDev()\n\tPrior = Mean()\n\n"
        "Precomputing --> Completed.\n\nStarting Epoch 1: "
    )
    assert told in text and "No PreCompute nodes" not in text
    # the labels, of which the prior is, are not read again
    assert len(Path("out/scores.ScaledLogLikelihood").read_text().splitlines()) == 12


def test_resuming_does_not_compute_them_again(normalized):
    whole = load_parameters(normalized)
    normalized.run("run", "m.cntk", "modelPath=out/again", "Train=[SGD=[maxEpochs=2]]")
    Path("out/again").unlink()
    Path("out/again.1").unlink()
    # other data would give other statistics: the model's are taken
    normalized.points = normalized.points.replace("0.3 0.8", "9.3 0.8")
    before = statistics("out/again.0")
    outcome = normalized.run("run", "m.cntk", "modelPath=out/again", "command=Train")
    assert outcome.status == 0
    assert "No PreCompute nodes found, or all already computed" in outcome.err
    assert {n: v.tolist() for n, v in statistics("out/again").items()} == {n: v.tolist() for n, v in before.items()}
    normalized.points = normalized.points.replace("9.3 0.8", "0.3 0.8")
    normalized.run("run", "m.cntk", "modelPath=out/third", "command=Train")
    Path("out/third").unlink()
    Path("out/third.1").unlink()
    normalized.run("run", "m.cntk", "modelPath=out/third", "command=Train")
    resumed = load_model(Path("out/third")).values
    assert {n: v.tolist() for n, v in resumed.items()} == whole


def load_parameters(project):
    assert project.run("run", "m.cntk", "command=Train").status == 0
    return {n: v.tolist() for n, v in load_model(Path("out/model")).values.items()}


def test_an_epoch_of_data_is_enough_where_the_author_says_so(normalized):
    narrow = "Train=[SGD=[epochSize=4;useAllDataForPreComputedNode=false];reader=[randomize=false]]"
    assert normalized.run("run", "m.cntk", "command=Train", narrow).status == 0
    mean = features(normalized.points)[:4].mean(axis=0)
    assert any(np.allclose(mean, v, atol=1e-6) for v in statistics("out/model").values())


def test_statistics_of_what_is_normalized_take_another_pass(project):
    chain = "n = MeanVarNorm (features) ; m = Mean (n + Constant (3)) ; z = W * (n - m) + b"
    assert project.edit(("z = W * features + b", chain)).run().status == 0
    assert load_model(Path("out/model")).values["m"].reshape(-1).tolist() == pytest.approx([3, 3], abs=1e-6)


def test_a_network_that_was_never_trained_has_none(normalized):
    network = "BrainScriptNetworkBuilder = { features = Input {2} ; z = MeanVarNorm (features) ; outputNodes = (z) }\n"
    normalized.edit(('outputPath = "out/scores"', f'outputPath = "out/scores"\n    {network}'))
    outcome = normalized.run("run", "m.cntk", "command=Write")
    assert outcome.status == 2
    assert "error[GC0707]: the statistic " in outcome.diagnostics and "is not computed yet" in outcome.diagnostics
    assert not Path("out/scores.z").exists()


def test_infinite_data_are_told_before_training(normalized):
    normalized.points = normalized.points.replace("0.3 0.8", "1e38 0.8")
    outcome = normalized.run("run", "m.cntk", "command=Train")
    assert outcome.status == 1
    assert "error[GC0705]: the statistic " in outcome.diagnostics and "InvStdDev of features" in outcome.diagnostics
    assert not Path("out/model.0").exists()


def test_check_sees_the_inputs_of_statistics(normalized):
    assert normalized.run("check", "m.cntk").out == "m.cntk: ok\n"
    normalized.edit(("- LogPrior (labels)", "- LogPrior (Input {2, tag = 'label'})"))
    assert normalized.run("check", "m.cntk").status == 2


def test_a_loaded_network_keeps_its_statistics(normalized):
    assert normalized.run("run", "m.cntk", "command=Train").status == 0
    loaded = 'Write = {\n    BrainScriptNetworkBuilder = (BS.Network.Load ("out/model"))\n    outputNodeNames = z\n'
    first = normalized.run("run", "m.cntk", "command=Write")
    assert first.status == 0, first.err
    plain = Path("out/scores.z").read_text()
    assert normalized.edit(("Write = {\n", loaded)).run("run", "m.cntk", "command=Write").status == 0
    assert Path("out/scores.z").read_text() == plain


def test_dump_shows_them(normalized):
    dump = '\nDump = { action = "dumpNode" ; modelPath = "out/model" ; outputFile = "out/dump" }\n'
    normalized.configuration += dump
    assert normalized.run("run", "m.cntk", "command=Train:Dump").status == 0
    text = Path("out/dump").read_text()
    assert len(re.findall(r"Mean \( features \) \[2\]   HasComputed=true ", text)) == 1
    mean = features(normalized.points).mean(axis=0)
    shown = re.search(r"=Mean \( features \) \[2\] .*\n (\S+) \n (\S+) ", text)
    assert shown and [float(w) for w in shown.groups()] == pytest.approx(mean, rel=1e-6)


def test_metrics_count_no_statistics_as_parameters(normalized):
    assert normalized.run("run", "m.cntk", "--metrics", "out.jsonl", "command=Train").status == 0
    (counted,) = [e for e in map(json.loads, Path("out.jsonl").read_text().splitlines()) if e["event"] == "params"]
    assert counted["metrics"] == {"parameters": 6, "parameter_tensors": 2}
