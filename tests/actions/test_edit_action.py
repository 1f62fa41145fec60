"""A trained model loaded by other configurations: extended, frozen, edited, saved, and printed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphc.cli.main import main
from graphc.network.text import parse_network
from graphc.train.checkpoint import load_model

MODELS = Path(__file__).parents[2] / "models" / "digits"
W, B = "model.arrayOfFunctions[1].W", "model.arrayOfFunctions[1].b"

READER = """reader = {{
    readerType = "CNTKTextFormatReader" ; file = "{data}/{file}.ctf"
    input = {{ features = {{ dim = 64 ; format = "dense" }} ; labels = {{ dim = 10 ; format = "dense" }} }}
}}"""

# what each treatment of parameters makes of the trained model: its scores go through one more layer
EXTENDED = """
command = Train:Test:Write
modelPath = "out/extended"
deviceId = -1
Train = {{
    action = "train"
    BrainScriptNetworkBuilder = {{
        net = BS.Network.Load ("trained")
        scorer = BS.Network.CloneFunction (net.features, net.z, parameters = "{treatment}")
        features = Input {{(8:8:1)}}
        labels = Input {{10}}
        scores = scorer (features)
        z = LinearLayer {{10}} (scores)
        ce = CrossEntropyWithSoftmax (labels, z)
        errs = ClassificationError (labels, z)
        criterionNodes = (ce) ; evaluationNodes = (errs)
    }}
    SGD = {{ epochSize = 320 ; minibatchSize = 32 ; maxEpochs = 1 ; learningRatesPerSample = 0.01 }}
    {train}
}}
Test = {{ action = "test" ; {test} }}
Write = {{ action = "write" ; outputNodeNames = scores ; outputPath = "out/extended" ; {test} }}
"""

# the trained model with twice its scores, as it is
DOUBLED = """
command = Edit:Test
deviceId = -1
Edit = {{
    action = "edit"
    outputModelPath = "out/doubled"
    BrainScriptNetworkBuilder = ({{
        net = BS.Network.Load ("trained")
        double = Constant (2) .* net.z
        result = BS.Network.Edit (net, BS.Network.Editing.ReplaceLinksToNode (net.z, double), BS.Constants.None)
    }}.result)
}}
Test = {{ action = "test" ; modelPath = "out/doubled" ; {test} }}
"""


def configured(text: str, **names: str) -> str:
    readers = {kind: READER.format(data=MODELS, file=kind) for kind in ("train", "test")}
    return text.format(**readers, **names)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The logistic regression of the repository, after one epoch."""
    folder = tmp_path_factory.mktemp("trained")
    overrides = [f"RunDir={folder}", f"modelPath={folder}/trained", "command=Train:Test:Write"]
    arguments = [*overrides, f"Write=[outputPath={folder}/scores]", "Train=[SGD=[maxEpochs=1]]", "deviceId=-1"]
    assert main(["run", str(MODELS / "logistic.cntk"), *arguments, "--metrics", str(folder / "metrics")]) == 0
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trained").symlink_to(trained / "trained")

    def go(text: str, *arguments: str, status: int = 0) -> list[dict[str, Any]]:
        Path("a.cntk").write_text(text)
        assert main(["run", "a.cntk", *arguments, "--metrics", "metrics"]) == status
        return [json.loads(line) for line in Path("metrics").read_text().splitlines()]

    return go


def final(entries: list[dict[str, Any]]) -> dict[str, float]:
    (entry,) = (e for e in entries if e["event"] == "final")
    return entry["metrics"]


@pytest.mark.parametrize(
    "treatment,names,tensors",
    [
        ("constant", (f"scores.{W}", f"scores.{B}"), 2),
        ("learnable", (f"scores.{W}", f"scores.{B}"), 4),
        ("shared", (W, B), 4),
    ],
)
def test_a_clone_starts_with_the_trained_values(treatment, names, tensors, run, trained):
    entries = run(configured(EXTENDED, treatment=treatment))
    before, values = load_model(trained / "trained").values, load_model(Path("out/extended.0")).values
    for old, new in zip((W, B), names, strict=True):
        np.testing.assert_array_equal(values[new], before[old])
    after = load_model(Path("out/extended")).values
    kept = [np.array_equal(after[name], values[name]) for name in names]
    assert kept == [treatment == "constant"] * 2
    (counts,) = (e["metrics"] for e in entries if e["event"] == "params")
    assert counts["parameter_tensors"] == tensors
    assert final(entries)["errs"] < 0.5
    if treatment == "constant":
        # what is written is what the model itself writes
        assert Path("out/extended.scores").read_text() == (trained / "scores.z").read_text()


def test_the_saved_network_needs_the_first_model_no_more(run):
    run(configured(EXTENDED, treatment="constant"))
    scores = Path("out/extended.scores").read_text()
    Path("trained").unlink()
    run(configured(EXTENDED, treatment="constant"), "command=Write")
    assert Path("out/extended.scores").read_text() == scores


def test_a_model_on_the_fly(run, trained):
    """A command of its own with a builder runs on the changed model, without a file of it."""
    text = "command = Test\ndeviceId = -1\nTest = {{ action = test ; BrainScriptNetworkBuilder = {net} ; {test} }}"
    found = final(run(configured(text, net='(BS.Network.Load ("trained"))')))
    entries = [json.loads(line) for line in (trained / "metrics").read_text().splitlines()]
    assert found == final(entries)


def test_edit_saves_the_edited_model(run, trained):
    entries = run(configured(DOUBLED))
    old, new = load_model(trained / "trained"), load_model(Path("out/doubled"))
    np.testing.assert_array_equal(new.values[W], old.values[W])
    assert [node.operation for node in parse_network(new.network)["ce"].inputs] == ["InputValue", "ElementTimes"]
    plain = final([json.loads(line) for line in (trained / "metrics").read_text().splitlines()])
    # twice the scores: the same decisions, but another loss
    assert final(entries)["errs"] == plain["errs"]
    assert final(entries)["ce"] != pytest.approx(plain["ce"], rel=1e-3)


def test_edit_does_nothing_where_the_model_exists(run, capfd):
    Path("out").mkdir()
    Path("out/doubled").write_text("")
    run(configured(DOUBLED), "command=Edit")
    said = "'out/doubled' exists, skipping. Specify makeMode=false to force executing the action."
    assert said in capfd.readouterr().err
    run(configured(DOUBLED), "command=Edit", "makeMode=false")
    assert "nodes saved as 'out/doubled'." in capfd.readouterr().err
    assert load_model(Path("out/doubled")).network


def test_check_knows_what_earlier_commands_save(tmp_path, monkeypatch, capsys):
    """Nothing is there yet: the model is loaded as its trainer describes it, and edited as its editor does."""
    monkeypatch.chdir(tmp_path)
    training = EXTENDED.replace('net = BS.Network.Load ("trained")', "").replace("scorer (features)", "Tanh (features)")
    training = "\n".join(line for line in training.splitlines() if "CloneFunction" not in line)
    training = training.replace("Train:Test:Write", "Train:Edit:Test").replace('"out/extended"', '"trained"', 1)
    edits = DOUBLED.partition("Edit = ")[2].rpartition("Test = ")[0]
    Path("a.cntk").write_text(configured(f"{training}\nEdit = {edits}", treatment=""))
    assert main(["check", "--json", "a.cntk"]) == 0
    verdict = json.loads(capsys.readouterr().out)
    assert not verdict["warnings"]
    Path("a.cntk").write_text(configured(f"{training}\nEdit = {edits}".replace("net.z", "net.y"), treatment=""))
    assert main(["check", "--json", "a.cntk"]) == 2
    assert [e["code"] for e in json.loads(capsys.readouterr().out)["errors"]] == ["GC0301"]


def test_check_without_the_model_warns(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("a.cntk").write_text(configured(DOUBLED))
    assert main(["check", "--json", "a.cntk"]) == 0
    verdict = json.loads(capsys.readouterr().out)
    assert {w["code"] for w in verdict["warnings"]} == {"GC0526"}


def test_check_of_a_model_loads_neither_jax_nor_numpy(run):
    Path("a.cntk").write_text(configured(DOUBLED))
    program = "import sys; from graphc.__main__ import main; print(main(), *sys.modules)"
    command = [sys.executable, "-c", program, "check", "a.cntk"]
    environment = os.environ | {"GRAPHC_CACHE_DIR": "cache"}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=60)
    status, *modules = done.stdout.splitlines()[-1].split()
    assert status == "0" and not {"jax", "numpy", "safetensors"} & set(modules), done.stderr


def test_a_damaged_model_is_told_before_anything_is_computed(run, capfd):
    content = bytearray(Path("trained").read_bytes())
    content[-1] ^= 1
    Path("trained").unlink()
    Path("trained").write_bytes(content)
    run(configured(DOUBLED), status=2)
    assert "GC0702" in capfd.readouterr().err
    assert not Path("out/doubled").exists()
