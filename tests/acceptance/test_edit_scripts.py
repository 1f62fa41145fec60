"""The scripts of edits (MEL) that CNTK ships, unmodified, on the models that the descriptions beside them make."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graphc.cli.main import main

SPEECH = "Examples/Speech/Miscellaneous"
AMI = """
command = Train:Edit:Test
precision = float
deviceId = -1
Train = [
    action = train ; modelPath = orig.dnn
    NDLNetworkBuilder = [ networkDescription = $Folder$/{description} {macros} ]
    SGD = [ maxEpochs = 1 ; learningRatesPerMB = 1 ]
    reader = [ readerType = HTKMLFReader ; file = x ]
]
Edit = [
    action = edit ; oldModel = orig.dnn ; newModel = "new.dnn" ; scaleFactor = 0.1
    editPath = $Folder$/{script}
]
Test = [
    action = test ; modelPath = new.dnn ; evalNodeNames = CR:CR2
    reader = [ readerType = HTKMLFReader ; file = x ]
]
"""


def verdict(capsys, *arguments):
    main(["check", "--json", *arguments])
    found = json.loads(capsys.readouterr().out)
    return found["errors"], {d["code"] for d in found["warnings"]}


def test_layers_are_added_between_trainings(cntk_tree: Path, tmp_path, capsys):
    """Each script starts from the model that was trained last, and the next training from what it saves."""
    folder = cntk_tree / SPEECH / "TIMIT/config"
    places = [f"NdlDir={folder}", f"MelDir={folder}", f"ConfigDir={folder}", f"ExpDir={tmp_path}", "DataDir=."]
    path = folder / "TIMIT_TrainWithPreTrain_ndl_deprecated.cntk"
    errors, warnings = verdict(capsys, str(path), *places, "DeviceNumber=-1")
    assert not errors and warnings == {"GC0522"}
    # the third layer lies above the second, which only the edited model has, and above no other
    errors, _ = verdict(capsys, str(path), *places, "DeviceNumber=-1", "TIMIT_AddLayer3=[CurrLayer=9]")
    assert [e["code"] for e in errors] == ["GC0301"] and errors[0]["file"].endswith("add_layer.mel")


@pytest.mark.parametrize(
    "description,macros,script",
    [
        ("dnn_6layer.ndl", "", "CNTK2_dnn_smbr.mel"),
        ("lstmp-3layer.ndl", "; ndlMacros = $Folder$/default_macros.ndl", "lstmp-smbr.mel"),
    ],
)
def test_criteria_of_sequences_are_added(description, macros, script, cntk_tree: Path, tmp_path, monkeypatch, capsys):
    folder = cntk_tree / SPEECH / "AMI/cntk_config"
    monkeypatch.chdir(tmp_path)
    Path("a.cntk").write_text(AMI.format(description=description, macros=macros, script=script))
    values = ["featDim=40", "baseFeatDim=40", "RowSliceStart=0", "labelDim=183"]
    errors, _ = verdict(capsys, "a.cntk", f"Folder={folder}", *values)
    assert not errors
