"""Every network description that CNTK ships, unmodified: each file by itself, and by the configurations that use it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from graphc.cli.main import main
from graphc.syntax.formatter import format_description

# What scripts around the shipped files define. One file scores phonemes and states by the same labels.
VALUES = ("featDim=792", "baseFeatDim=40", "RowSliceStart=752", "labelDim=183", "phnDim=183")
# Most files call macros of the `default_macros.ndl` beside them; these have their own, and a macro is defined once.
ITS_OWN_MACROS = {
    *("PAC-RNN.ndl", "PACRnn.txt", "lstm.ndl", "lstmp-3layer-opt.ndl", "lstmp-3layer.txt", "rnnlm.ndl"),
    *("dnn_6layer.ndl", "dnn_6layer_smbr.ndl", "lstmp-3layer-delay.ndl"),
}
# it multiplies [200 x 10000] by [200], which CNTK rejects too, and only comments in configurations name it
WRONG = "rnnlm.ndl"

TIMIT = "Examples/Speech/Miscellaneous/TIMIT/config"
AMI = "Examples/Speech/Miscellaneous/AMI/cntk_config"
# Configurations that name the descriptions they use: folder, files, training commands
COMPLETE = (
    ("Examples/Speech/AN4/Config", "LSTM-NDL_ndl_deprecated.cntk", ("speechTrain",)),
    (TIMIT, "globals.cntk+TIMIT_TrainAutoEncoder_ndl_deprecated.cntk", ("TIMIT_TrainAutoEncoder",)),
    (TIMIT, "globals.cntk+TIMIT_TrainLSTM_ndl_deprecated.cntk", ("TIMIT_TrainLSTM",)),
    (TIMIT, "globals.cntk+TIMIT_TrainMultiInput_ndl_deprecated.cntk", ("TIMIT_TrainMultiInput",)),
    (TIMIT, "globals.cntk+TIMIT_TrainMultiTask_ndl_deprecated.cntk", ("TIMIT_TrainMultiTask",)),
    (TIMIT, "globals.cntk+TIMIT_TrainNDLNetwork_ndl_deprecated.cntk", ("TIMIT_TrainNDL",)),
    (
        TIMIT,
        "globals.cntk+TIMIT_TrainWithPreTrain_ndl_deprecated.cntk",
        ("TIMIT_DiscrimPreTrain1", "TIMIT_DiscrimPreTrain2", "TIMIT_Train3"),
    ),
)
# Configurations to which a script gives one of the descriptions
GIVEN = (
    ("CNTK2_dnn_ndl_deprecated.cntk", "TrainModel", "dnn_3layer.ndl"),
    ("CNTK2_smbr_ndl_deprecated.cntk", "TrainModel", "dnn_3layer.ndl"),
    ("CNTK2_lstmp_ndl_deprecated.cntk", "TrainModel", "lstmp-3layer.ndl"),
    ("CNTK2_lstmp_smbr_ndl_deprecated.cntk", "TrainModel", "lstmp-8layer.ndl"),
    ("CNTK2_ndl_deprecated.cntk", "TrainDNN", "dnn_3layer.ndl"),
    ("CNTK_ndl_deprecated.cntk", "TrainDNN", "dnn_3layer.ndl"),
    ("CNTK_ndl_deprecated.cntk", "TrainLSTM", "lstmp-3layer-highway.ndl"),
    ("CNTK_ndl_deprecated.cntk", "TrainPACRNN", "PACRnn.txt"),
)


def descriptions(tree: Path) -> list[Path]:
    """Files in the language: those called ``.ndl``, and others that say which of their sections run."""
    found = (
        p for folder in ("Examples", "Tutorials") for p in (tree / folder).rglob("*") if p.suffix in (".ndl", ".txt")
    )
    return sorted(p for p in found if p.suffix == ".ndl" or "\nrun=ndl" in p.read_text("utf-8", errors="replace"))


def arguments(path: Path) -> list[str]:
    macros = path.parent / "default_macros.ndl"
    has_macros = path.name not in ITS_OWN_MACROS and path != macros
    return [str(path), *VALUES, *([f"ndlMacros={macros}"] if has_macros else [])]


def networks(capsys: pytest.CaptureFixture[str], status: int, path: object) -> list[dict[str, Any]]:
    told = capsys.readouterr()
    assert status == 0, (path, told.err)
    return json.loads(told.out)["networks"]


def test_every_description_builds_with_all_shapes(cntk_tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [p for p in descriptions(cntk_tree) if p.name not in ("default_macros.ndl", WRONG)]
    assert len(paths) == 20
    for path in paths:
        (network,) = networks(capsys, main(["compile", "--json", *arguments(path)]), path)
        assert network["criteria"] and network["inputs"] and network["parameters"] > 100_000, path


def test_files_of_macros_are_sound(cntk_tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [p for p in descriptions(cntk_tree) if p.name == "default_macros.ndl"]
    assert len(paths) == 2
    assert main(["check", "--strict", *map(str, paths)]) == 0, capsys.readouterr().err


def test_the_wrong_one_is_told_in_one_error(cntk_tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path,) = (p for p in descriptions(cntk_tree) if p.name == WRONG)
    assert main(["check", "--json", str(path)]) == 2
    (error,) = json.loads(capsys.readouterr().out)["errors"]
    assert (error["code"], error["line"]) == ("GC0201", 34)


@pytest.mark.parametrize(("folder", "files", "commands"), COMPLETE, ids=lambda v: str(v)[-40:])
def test_configurations_build_their_networks(
    folder: str,
    files: str,
    commands: tuple[str, ...],
    cntk_tree: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(cntk_tree / folder)
    places = ("NdlDir=.", "ConfigDir=.", "ExpDir=/nowhere")
    status = main(["compile", "--json", f"configFile={files}", f"command={':'.join(commands)}", *places])
    found = networks(capsys, status, files)
    assert [network["section"] for network in found] == list(commands)
    assert all(network["criteria"] and network["outputs"] for network in found)


@pytest.mark.parametrize(("name", "command", "description"), GIVEN)
def test_configurations_build_networks_that_they_are_given(
    name: str, command: str, description: str, cntk_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = tmp_path / "model.ndl"
    shutil.copy(cntk_tree / AMI / description, given)
    shutil.copy(cntk_tree / AMI / "default_macros.ndl", tmp_path)
    places = (f"NdlDir={tmp_path}", f"ndlfile={given}", f"ExpDir={tmp_path}")
    status = main(["compile", "--json", str(cntk_tree / AMI / name), f"command={command}", *places, *VALUES])
    (network,) = networks(capsys, status, name)
    assert network["section"] == command and network["parameters"] > 1_000_000


def test_configurations_whose_descriptions_are_not_shipped_name_the_file(
    cntk_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [p for folder in ("CPU", "GPU") for p in (cntk_tree / TIMIT).parent.joinpath(folder).glob("*_ndl_*.cntk")]
    assert len(paths) == 4
    # its author is to fill in the model's path
    model = f"speechTrainNDL=[modelPath={tmp_path}/model]"
    for path in paths:
        assert main(["check", "--json", str(path), f"ExpFolder={tmp_path}", model]) == 2
        codes = {error["code"] for error in json.loads(capsys.readouterr().out)["errors"]}
        assert codes == {"GC0001"}, path


def test_every_description_has_a_canonical_form(cntk_tree: Path) -> None:
    for path in descriptions(cntk_tree):
        result = format_description(path.read_text("utf-8"), str(path))
        assert format_description(result) == result, path
