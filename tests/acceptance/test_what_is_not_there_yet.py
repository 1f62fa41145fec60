"""What CNTK can and graphc cannot do yet: said by name in `check`, and by `run` before anything is done."""

from __future__ import annotations

import json

import pytest

from graphc.cli.main import main

CONFIGURATION = """
command = train
train = {{
    action = "train" ; modelPath = "$RunDir$/out/model"
    {network}
    SGD = {{ minibatchSize = 4 ; maxEpochs = 1 ; learningRatesPerMB = 0.1 }}
    reader = {{
        readerType = "{reader}" ; file = "$RunDir$/data.txt"
        input = {{ features = {{ dim = 2 ; format = "dense" }} ; labels = {{ dim = 2 ; format = "dense" }} }}
    }}
}}
"""
NETWORK = """BrainScriptNetworkBuilder = {{
    features = Input {{2}} ; labels = Input {{2}}
    h = {}
    ce = CrossEntropyWithSoftmax (labels, LinearLayer {{2}} (h))
    criterionNodes = (ce)
}}"""
PLAIN = NETWORK.format("features")
TEXT = "CNTKTextFormatReader"
# network, reader, severity in check, code, what the message names
CASES = {
    "reader": (PLAIN, "HTKMLFReader", "warning", "GC0522", "HTKMLFReader"),
    "rnnType": (
        "SimpleNetworkBuilder = [ rnnType = NCELSTM ; layerSizes = 2:2 ]",
        TEXT,
        "error",
        "GC0522",
        "rnnType NCELSTM",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_said_once_and_nothing_runs(case, tmp_path, capsys):
    network, reader, severity, code, name = CASES[case]
    path = tmp_path / "a.cntk"
    path.write_text(CONFIGURATION.format(network=network, reader=reader))
    (tmp_path / "data.txt").write_text("|features 1 2 |labels 1 0\n" * 8)

    status = main(["check", "--json", str(path), f"RunDir={tmp_path}"])
    verdict = json.loads(capsys.readouterr().out)
    (found,) = [*verdict["errors"], *verdict["warnings"]]
    assert (found["severity"], found["code"]) == (severity, code)
    assert name in found["message"] and "yet" in found["message"]
    assert found["file"] == str(path) and status == (2 if severity == "error" else 0)

    assert main(["run", str(path), f"RunDir={tmp_path}"]) == 2
    assert f"error[{code}]" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
