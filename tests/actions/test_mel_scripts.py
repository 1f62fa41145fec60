"""``action = edit`` with a script of edits (MEL): what is read, written and trained; nothing where a line is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphc.cli.main import main
from graphc.network.text import parse_network
from graphc.ops.sources import LearnableParameter
from graphc.train.checkpoint import load_model

MODELS = Path(__file__).parents[2] / "models" / "digits"
W, B = "model.arrayOfFunctions[1].W", "model.arrayOfFunctions[1].b"

EDIT = "command = Edit\ndeviceId = -1\nEdit = [ action = edit ; editPath = e.mel ; source = trained ]\n"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The logistic regression of the repository, after one epoch."""
    folder = tmp_path_factory.mktemp("trained")
    overrides = [f"RunDir={folder}", f"modelPath={folder}/trained", "command=Train", "deviceId=-1"]
    assert main(["run", str(MODELS / "logistic.cntk"), *overrides, "Train=[SGD=[maxEpochs=1]]"]) == 0
    return folder / "trained"


@pytest.fixture
def edit(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a script in a folder of its own, where `trained` is; or check it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trained").write_bytes(trained.read_bytes())

    def go(script: str, *arguments: str, status: int = 0, command: str = "run") -> None:
        Path("e.mel").write_text(script)
        Path("a.cntk").write_text(EDIT)
        assert main([command, "a.cntk", *arguments]) == status

    return go


def test_edits_are_saved_with_the_values_of_the_model(edit, trained, capfd):
    edit(
        """
        m = LoadModel ("$source$", format = cntk)   # the model's own names hold brackets
        Rename (model.arrayOfFunctions[1].W, V)
        CopyNode (V, "copy of V")
        SetProperty (*.b, learningRateMultiplier, 0.5)
        SaveModel (m, out/edited)
        """
    )
    assert "Model with 11 nodes saved as 'out/edited'." in capfd.readouterr().err
    before, after = load_model(trained), load_model(Path("out/edited"))
    for name, old in (("V", W), ("copy of V", W), (B, B)):
        np.testing.assert_array_equal(after.values[name], before.values[old])
    network = parse_network(after.network)
    bias = network[B].op
    assert isinstance(bias, LearnableParameter) and bias.learning_rate_multiplier == 0.5 and W not in network


def test_values_cross_models_and_files(edit, trained):
    numbers = np.arange(10, dtype=np.float32) / 8
    edit("m = LoadModel (trained)\nSetProperty (*.W, needGradient, false)\nSaveModel (m, second)\n")
    Path("b.txt").write_text("".join(f"{n}\n" for n in numbers))
    edit(
        """
        m = LoadModel (second)
        n = LoadModel (trained)
        ReviseParameter (m.*.b, b.txt)
        SaveModel (m, revised)
        CopyNode (m.*.b, n.*.b, copy = value)
        SaveModel (n, third)
        """
    )
    original = load_model(trained).values
    for name in ("revised", "third"):
        values = load_model(Path(name)).values
        np.testing.assert_array_equal(values[B], numbers)
        np.testing.assert_array_equal(values[W], original[W])
    # the text of a matrix is not kept beside its values
    assert "0.875" not in load_model(Path("revised")).network


def test_training_obeys_what_was_frozen(edit, trained, tmp_path):
    """The edited model is epoch 0 of a training that goes on from it."""
    edit("m = LoadModel (trained)\nSetProperty (*.W, needGradient, false)\nSaveModel (m, next.0)\n")
    overrides = [f"RunDir={tmp_path}", f"modelPath={tmp_path}/next", "command=Train", "deviceId=-1"]
    arguments = [*overrides, "Train=[SGD=[maxEpochs=1; epochSize=320]]", "--metrics", "metrics"]
    assert main(["run", str(MODELS / "logistic.cntk"), *arguments]) == 0
    before, after = load_model(trained).values, load_model(Path("next")).values
    np.testing.assert_array_equal(after[W], before[W])
    assert not np.array_equal(after[B], before[B])
    (counts,) = (
        e["metrics"] for e in map(json.loads, Path("metrics").read_text().splitlines()) if e["event"] == "params"
    )
    assert counts["parameter_tensors"] == 1


def test_a_script_may_write_the_file_that_it_reads(edit, trained):
    renamed = "m = LoadModel (trained)\nRename (z, y)\nSaveModel (m, trained)\n"
    edit(f"{renamed}n = LoadModel (trained)\nSaveModel (n, again)\n")
    for name in ("trained", "again"):
        found = load_model(Path(name))
        assert "y" in parse_network(found.network)
        np.testing.assert_array_equal(found.values[W], load_model(trained).values[W])


def test_dumps(edit):
    edit("m = LoadModel (trained)\nDump (m, out/all.txt)\nDumpNode (m.*.b, out/b.txt, includeData = true)\n")
    text = Path("out/all.txt").read_text()
    assert "\nce=CrossEntropyWithSoftmax ( labels , z )" in text and "#" not in text
    values = Path("out/b.txt").read_text()
    assert values.startswith(f" \n{B}=LearnableParameter [10,1]") and values.count("\n") == 12


@pytest.mark.parametrize(
    "line,code",
    [("SetInput (ce, 1, nowhere)", "GC0413"), ("SaevModel (m, x)", "GC0430"), ("n = LoadModel (nowhere)", "GC0001")],
)
def test_nothing_is_saved_where_a_line_is_wrong(line, code, edit, capfd):
    Path("out").write_text("what was there")
    edit(f"m = LoadModel (trained)\nSaveModel (m, new)\nSaveModel (m, out)\nDump (m, new.txt)\n{line}\n", status=2)
    told = capfd.readouterr().err
    assert f"error[{code}]" in told and "--> e.mel:5:" in told
    assert Path("out").read_text() == "what was there"
    assert not Path("new").exists() and not Path("new.txt").exists()


def test_a_damaged_model_is_told_at_the_line_that_needs_it(edit, capfd):
    content = bytearray(Path("trained").read_bytes())
    content[-1] ^= 1
    Path("trained").write_bytes(content)
    edit("m = LoadModel (trained)\nSaveModel (m, out)\n", status=2)
    assert "error[GC0702]" in (told := capfd.readouterr().err) and "--> e.mel:2:" in told
    assert not Path("out").exists()


def test_macros_of_files_and_numbers_drawn_for_new_parameters(edit):
    Path("m.ndl").write_text("Top (x, r, c) { W = Parameter (r, c) ⏎ T = Times (W, x) }".replace("⏎", "\n"))
    script = "m = LoadModel (trained)\nL2 = Top (z, 10, 10)\nSetInput (ce, 1, L2.T)\nSaveModel (m, {})\n"
    edit(script.format("one"), "ndlMacros=m.ndl")
    edit(script.format("two"), "ndlMacros=m.ndl")
    edit(script.format("three"), "ndlMacros=m.ndl", "randomSeed=7")
    first, second, third = (load_model(Path(name)).values["L2.W"] for name in ("one", "two", "three"))
    np.testing.assert_array_equal(first, second)
    assert np.ptp(first) > 0.05 and not np.array_equal(first, third)


def test_renaming_a_new_parameter_does_not_change_its_numbers(edit):
    made = "m = LoadModel (trained)\nW2 = Parameter (10, 10)\n"
    edit(f"{made}SaveModel (m, one)\nRename (W2, V)\nCopyNode (V, U)\nSaveModel (m, two)\n")
    values = load_model(Path("two")).values
    for name in ("V", "U"):
        np.testing.assert_array_equal(values[name], load_model(Path("one")).values["W2"])


CHAIN = """
command = Train:Edit:Test
deviceId = -1
modelPath = first
Train = {{
    action = train
    BrainScriptNetworkBuilder = {{
        features = Input {{2}} ; labels = Input {{2}} ; z = LinearLayer {{2}} (features)
        ce = CrossEntropyWithSoftmax (labels, z) ; criterionNodes = (ce)
    }}
    SGD = {{ maxEpochs = 1 ; learningRatesPerSample = 0.1 }}
    {reader}
}}
Edit = {{ action = edit ; editPath = e.mel }}
Test = {{ action = test ; modelPath = second ; evalNodeNames = {node} ; {reader} }}
"""
READER = """reader = {
    readerType = CNTKTextFormatReader ; file = data.txt
    input = { features = { dim = 2 ; format = dense } ; labels = { dim = 2 ; format = dense } }
}"""


@pytest.mark.parametrize(
    "target,node,codes",
    [("z", "loss", []), ("zz", "loss", ["GC0413"]), ("z", "lost", ["GC0413"])],
    ids=["right", "wrong node of the script", "wrong node of its model"],
)
def test_check_follows_models_through_scripts(target, node, codes, tmp_path, monkeypatch, capsys):
    """Nothing is there yet: what training saves the script edits, and what it saves is tested."""
    monkeypatch.chdir(tmp_path)
    script = f"m = LoadModel (first)\nSetInput (ce, 1, {target})\nRename (ce, loss)\nSaveModel (m, second)\n"
    Path("e.mel").write_text(script)
    Path("a.cntk").write_text(CHAIN.format(reader=READER, node=node))
    assert main(["check", "--json", "a.cntk"]) == (2 if target == "zz" else 0)
    verdict = json.loads(capsys.readouterr().out)
    found = [d["code"] for d in [*verdict["errors"], *verdict["warnings"]]]
    assert [code for code in found if code != "GC0526"] == codes


def test_check_reads_headers_only_and_writes_nothing(edit, capsys):
    edit("m = LoadModel (trained)\nRename (z, y)\nSaveModel (m, out)\n", command="check")
    edit("m = LoadModel (trained)\nRename (zz, y)\nSaveModel (m, out)\n", command="check", status=2)
    assert not Path("out").exists()
    edit("m = LoadModel (nowhere)\nRename (zz, y)\nSaveModel (m, out)\n", "--strict", command="check", status=2)
    assert "warning[GC0526]" in capsys.readouterr().err


def test_a_script_that_is_not_there_is_told_where_it_is_named(edit, capsys):
    edit("x = 1", "Edit=[editPath=nowhere.mel]", command="check", status=2)
    assert "error[GC0001]: file nowhere.mel does not exist" in capsys.readouterr().err


def test_the_script_s_names_are_those_of_its_command(edit, capsys):
    edit('m = LoadModel ("$sorce$")', command="check")
    assert "warning[GC0111]" in capsys.readouterr().err
    edit('m = LoadModel ("$sorce$")', status=2)


def test_a_run_in_another_folder_finds_the_script(edit, monkeypatch):
    edit("m = LoadModel (trained)\nSaveModel (m, out)\n")
    Path("out").unlink()
    folder = Path.cwd()
    monkeypatch.chdir(folder.parent)
    assert main(["cntk", f"configFile={folder}/a.cntk", f"currentDirectory={folder.name}"]) == 0
    assert (folder / "out").exists()
