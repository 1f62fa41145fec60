"""Files say by their contents what they are; every form of report says the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graphc.cli.languages import language_of
from graphc.cli.main import main
from graphc.ops.products import KhatriRaoProduct

LIBRARY = Path(__file__).parents[2] / "graphc" / "script" / "library"

CONFIGURATION = """
command = Train
deviceId = $DeviceId$
Train = {{
    action = "train" ; modelPath = "$Out$/m"
    BrainScriptNetworkBuilder = {network}
    SGD = {{ maxEpochs = 1 ; learningRatesPerSample = 0.1 }}
    reader = {{ file = "x" ; input = {{ x = {{ dim = 3 ; format = "dense" }} }} }}
}}
"""


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("# a network\n{ x = Input {3} }", "bs"),
        ("(BS.Network.Load ('m'))", "bs"),
        ("f (x) = x => x", "bs"),
        ("f (x) = x * 2", "bs"),
        ("Layer {n}\n  = DenseLayer {n}", "bs"),
        ("m = Sequential (ReLU : Tanh)", "bs"),
        ("X[i:0..2] = i", "bs"),
        ("f (x) = x +", "bs"),
        ("rate = 0.1*3:0.05\nsizes = 3:4\nname = a.b", "cntk"),
        ("data = $root$/new\nroot = .", "cntk"),
        ("a = ../new/x", "cntk"),
        ("command = Train\nTrain = [ action = train ]", "cntk"),
        ("precision = float", "cntk"),
        ("load = macros\nrun = net\nmacros = [ FF (x, w) { t = Times (w, x) } ]", "ndl"),
        ("m1 = LoadModel (x.dnn, format=cntk)\nSaveModel (m1, y.dnn)", "mel"),
    ],
)
def test_the_contents_tell(text: str, language: str) -> None:
    assert language_of(text) == language


def test_every_file_of_the_library_is_sound(capsys: pytest.CaptureFixture[str]) -> None:
    files = sorted(map(str, LIBRARY.glob("*.bs")))
    assert main(["check", "--lang", "bs", "--strict", *files]) == 0
    assert capsys.readouterr().out.count(": ok") == len(files)


def test_a_script_of_edits_is_checked_by_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    script = "m = LoadModel ($model$)\nSetInptu (CE.T, 1, x)\nSaveModel (m, out.dnn)\n"
    Path("a.mel").write_text(script)
    assert main(["check", "a.mel"]) == 2
    assert "error[GC0430]: there is no editing command SetInptu\n --> a.mel:2:1" in capsys.readouterr().err
    # what is unknown of the models is not checked, but the commands are
    Path("a.mel").write_text(script.replace("SetInptu", "SetInput"))
    assert main(["check", "a.mel"]) == 0
    assert main(["check", "a.mel", "model=a.dnn"]) == 0
    assert "warning[GC0526]: the model file a.dnn does not exist yet" in capsys.readouterr().err


def test_undefined_names_that_no_network_needs_are_warnings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.cntk"
    path.write_text(CONFIGURATION.format(network="{ x = Input {3} ; z = Tanh (x) ; criterionNodes = (z) }"))
    assert main(["check", "--json", str(path)]) == 0
    entry = json.loads(capsys.readouterr().out)
    assert entry["ok"] is True
    assert [(w["code"], w["line"]) for w in entry["warnings"]] == [("GC0112", 3), ("GC0111", 5)]


def test_a_network_of_a_command_that_cannot_be_read_is_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.cntk"
    path.write_text(CONFIGURATION.format(network="{ x = Input {3} ; z = Tahn (x) ; y = Sigmoid (x, 2) }"))
    assert main(["check", "--sarif", str(path)]) == 2
    log = json.loads(capsys.readouterr().out)
    (run,) = log["runs"]
    found = [(r["level"], r["ruleId"], _start(r)) for r in run["results"]]
    assert ("error", "GC0301", (6, 55)) in found
    assert ("error", "GC0302", (6, 70)) in found
    assert {rule["id"] for rule in run["tool"]["driver"]["rules"]} == {r["ruleId"] for r in run["results"]}


def test_a_network_alone_compiles(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.bs"
    path.write_text("{ x = Input {3} ; z = LinearLayer {2} (x) ; outputNodes = (z) }")
    assert main(["compile", "--json", str(path)]) == 0
    (network,) = json.loads(capsys.readouterr().out)["networks"]
    assert network["parameters"] == 8
    assert network["nodes"]["z"] == ["Plus", [2, "*"]]


@pytest.mark.parametrize("stage", ["ir", "hlo", "stablehlo"])
def test_what_cannot_run_is_named_once_with_its_line(
    stage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(KhatriRaoProduct, "evaluate")
    path = tmp_path / "net.bs"
    path.write_text("{ x = Input {3}\n  z = KhatriRaoProduct (LinearLayer {3} (x), x)\n  outputNodes = (z) }")
    assert main(["compile", "--emit", "network", str(path)]) == 0
    assert "error" not in capsys.readouterr().err
    assert main(["compile", "--emit", stage, str(path)]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("error[GC0802]: KhatriRaoProduct is not computed yet")
    assert output.err.count("[GC") == 1
    assert " --> " + f"{path}:2:" in output.err


@pytest.mark.parametrize(("written", "meant"), [("True", "y"), ("FALSE", "z")])
def test_a_boolean_of_the_configuration_is_one_in_brainscript(
    written: str, meant: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.cntk"
    network = """{ x = Input {3} ; y = Tanh (x) ; z = Sigmoid (x) ; v = if $flag$ then y else z
        outputNodes = (v) ; criterionNodes = (ReduceSum (v)) }"""
    path.write_text(f"flag = {written}" + CONFIGURATION.format(network=network).replace("$Out$/", ""))
    assert main(["compile", str(path), "DeviceId=cpu"]) == 0
    output = capsys.readouterr()
    assert f"warning[GC0301]: {written} is taken for {written.lower()}" in output.err
    assert f"output {meant}\n" in output.out


def _start(result: dict) -> tuple[int, int]:
    region = result["locations"][0]["physicalLocation"]["region"]
    return region["startLine"], region["startColumn"]
