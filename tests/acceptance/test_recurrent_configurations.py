"""CNTK's own recurrent examples, unmodified: networks build with all shapes, and they train."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graphc.cli.main import main

SLU = "Tutorials/SLUHandsOn/SLUHandsOn"
G2P = "Examples/SequenceToSequence/CMUDict/BrainScript/G2P"
ATIS = "Examples/LanguageUnderstanding/ATIS/BrainScript/ATIS"

# where the data of a configuration are, if not beside it
DATA = {
    ATIS: ("DataDir=$ConfigDir$/../Data",),
    G2P: ("DataDir=$ConfigDir$/../Data", "trainFile=tiny.ctf", "validFile=tiny.ctf", "testFile=tiny.ctf"),
}

# A configuration, overrides, what only sequences have in it, and a node with its shape.
NETWORKS = [
    (SLU, (), {"PastValue"}, ("z", "129 x *")),
    (f"{SLU}_Solution1", (), {"PastValue"}, ("z", "129 x *")),
    (f"{SLU}_Solution2", (), {"PastValue", "FutureValue"}, ("z", "129 x *")),
    (f"{SLU}_Solution3", (), {"PastValue", "FutureValue"}, ("z", "129 x *")),
    (f"{SLU}_Solution4", (), {"PastValue", "FutureValue", "GatherPacked"}, ("z", '26 x "first(n)"]')),
    (ATIS, ("command=Train",), {"PastValue"}, ("outputs", "127 x 1 x *")),
    # with attention, with a bidirectional encoder, and with the encoder's last state instead of attention
    (G2P, (), {"PastValue", "FutureValue", "GatherPacked", "ScatterPacked"}, ("z", "69 x 1 x")),
    (G2P, ("isBidirectional=true",), {"PastValue", "FutureValue", "GatherPacked", "ScatterPacked"}, ("z", "69 x 1 x")),
    (G2P, ("maxLength=0",), {"PastValue", "FutureValue", "GatherPacked", "ScatterPacked"}, ("z", "69 x 1 x")),
]


@pytest.mark.parametrize(("name", "overrides", "operations", "node"), NETWORKS)
def test_networks_build(name, overrides, operations, node, cntk_tree, tmp_path, capsys):
    path = cntk_tree / f"{name}.cntk"
    assert main(["compile", str(path), "--emit", "network", "--no-data", *places(path, tmp_path), *overrides]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith(f"{node[0]} = ") and f"[{node[1]}" in line for line in lines)
    assert all(any(f" = {operation}(" in line for line in lines) for operation in operations)
    assert not any("?" in line for line in lines)


@pytest.mark.parametrize("name", sorted({name for name, *_ in NETWORKS}))
def test_nothing_stops_them(name, cntk_tree, tmp_path, capsys):
    path = cntk_tree / f"{name}.cntk"
    main(["check", "--json", str(path), *places(path, tmp_path), *DATA.get(name, ())])
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["errors"] == []
    # what only has no effect, and models that are going to be trained
    assert {warning["code"] for warning in verdict["warnings"]} <= {"GC0521", "GC0526"}


# What is trained, with how little of the data, and the samples of its test.
FEW = "epochSize=150"
RUNS = {
    f"{SLU}_Solution1": (f"TrainTagger=[SGD=[maxEpochs=1;{FEW}]]", "test", 10984),
    ATIS: (f"Train=[SGD=[maxEpochs=1;{FEW}]]", "test", 10984),
}


@pytest.mark.parametrize("name", RUNS)
def test_they_train_and_test(name, cntk_tree, tmp_path, run_cntk):
    """All commands of the file; ATIS loads its model into other networks, to write and to test."""
    path = cntk_tree / f"{name}.cntk"
    few, phase, samples = RUNS[name]
    run = run_cntk(path, *places(path, tmp_path), *DATA.get(name, ()), few)
    (epoch,) = run.epochs
    assert epoch["metrics"]["newShapes"] == epoch["metrics"]["shapes"]
    (final,) = (entry for entry in run.final if entry["phase"] == phase)
    assert final["samples"] == samples
    assert all(0 < value < 6 for value in final["metrics"].values())


def places(path: Path, folder: Path) -> list[str]:
    outputs = [f"{key}={folder}" for key in ("RunDir", "OutputDir", "ModelDir", "ExpDir", "OutDir")]
    return [*outputs, f"DataDir={path.parent}", f"ConfigDir={path.parent}", "DeviceId=-1"]
