"""What stands for ``$name$``: errors point at what their author wrote, and notes say what was put there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graphc.cli.main import main

CONFIGURATION = """command = Train
Folder = "$RunDir$"
Name = "empty" ; Full = "$Folder$/binary.ctf"
dim = 4x ; hidden = 3 ; bad = 1e ; act = "Tahn" ; rates = 0.1:fast
modelPath = "$Folder$/out/model"
Train = [
    action = "train"
    BrainScriptNetworkBuilder = [
        x = Input {{4}} ; y = Input {{4}}
        h = {layer}
        z = LinearLayer {{4}} (h)
        ce = CrossEntropyWithSoftmax (y, z) ; criterionNodes = (ce)
    ]
    SGD = [ minibatchSize = 4 ; maxEpochs = 1 ; learningRatesPerSample = {rate} ]
    reader = [ readerType = "CNTKTextFormatReader" ; file = "{file}"
        input = [ x = [ dim = {dim} ; format = "dense" ] ; y = [ dim = 4 ; format = "dense" ] ] ]
]
"""
SOUND = {"layer": "Tanh (x)", "rate": "0.1", "file": "$RunDir$/sound.ctf", "dim": "4"}
NAME, FULL = "$Name$ is empty, at 3:9", "$Full$ is $Folder$/binary.ctf, at 3:26"
# where the argument has it
FOLDER = "$Folder$ is $RunDir$, at 1:8"
DATA = {"empty": b"", "binary": b"|x \x00\xff\xfe\x01 1 2", "sound": b"|x 1 2 3 4 |y 1 0 0 0\n"}
# what differs → code, place and underlined text, notes about substitutions
CASES: dict[str, tuple[dict[str, str], str, str, str, list[str]]] = {
    "a path of two": ({"file": "$Folder$/$Name$.ctf"}, "GC0003", "15:62", "$Folder$/$Name$.ctf", [FOLDER, NAME]),
    "a path's end": ({"file": "./$Name$"}, "GC0001", "15:62", "./$Name$", [NAME]),
    "a whole path": ({"file": "$Full$"}, "GC0002", "15:62", "$Full$", [FULL]),
    "a number": ({"dim": "$dim$"}, "GC0502", "4:7", "4x", ["it stands for $dim$, at 16:31"]),
    "part of a number": ({"dim": "1$dim$"}, "GC0502", "16:31", "1$dim$", ["$dim$ is 4x, at 4:7"]),
    "one of several": ({"rate": "$rates$"}, "GC0502", "4:63", "fast", ["it stands for $rates$, at 14:74"]),
    "a function": ({"layer": "$act$ (x)"}, "GC0301", "4:43", "Tahn", ["it stands for $act$, at 10:13"]),
    "syntax": ({"layer": "DenseLayer {$bad$} (x)"}, "GC0153", "4:32", "e", ["it stands for $bad$, at 10:25"]),
    "an expression": (
        {"layer": "ParameterTensor {($hidden$:5)} * x"},
        "GC0201",
        "10:13",
        "ParameterTensor {($hidden$:5)} * x",
        ["$hidden$ is 3, at 4:21"],
    ),
}


@pytest.fixture
def found(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    def found(changes: dict[str, str]) -> dict:
        for name, content in DATA.items():
            (tmp_path / f"{name}.ctf").write_bytes(content)
        path = tmp_path / "a.cntk"
        path.write_text(CONFIGURATION.format(**SOUND | changes))
        events = tmp_path / "m.jsonl"
        assert main(["run", str(path), f"RunDir={tmp_path}", "--metrics", str(events)]) != 0
        said = capsys.readouterr().err
        (error,) = [e for e in map(json.loads, events.read_text().splitlines()) if e["event"] == "error"]
        notes = [f"{x['message']}, at {x['line']}:{x['column']}" for x in error["related"] if "$" in x["message"]]
        lines = path.read_text().splitlines()
        underlined = lines[error["line"] - 1][error["column"] - 1 : error["end_column"] - 1]
        shown = f"{str(tmp_path)[:40]}…" if len(str(tmp_path)) > 40 else str(tmp_path)
        return {**error, "underlined": underlined, "notes": [n.replace(shown, "$RunDir$") for n in notes], "said": said}

    return found


@pytest.mark.parametrize("case", CASES)
def test_the_caret_is_where_something_can_be_changed(case: str, found) -> None:
    changes, code, place, underlined, notes = CASES[case]
    for _ in range(2):  # the second time, the tree is known
        error = found(changes)
        assert error["code"] == code, error
        assert (f"{error['line']}:{error['column']}", error["underlined"]) == (place, underlined)
        assert error["notes"] == notes
        assert all(f" = {note.split(', at')[0].split(' is ')[0]}" in error["said"] for note in notes)
