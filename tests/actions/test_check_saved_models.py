"""``graphc check`` of commands that read model files: what they name is looked up in the headers of those files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphc.cli.main import main
from graphc.network.text import format_network, parse_network
from graphc.train.checkpoint import save_model

NETWORK = """element float32
features = InputValue(shape=(2,)) : float32[2 x *]
W = LearnableParameter(shape=(2, 2)) : float32[2 x 2]
scores = Times(W, features) : float32[2 x *]
feature features
output scores
"""
COMMANDS = """
command = {command}
modelPath = model
Dump = {{ action = dumpNode ; nodeName = {name} }}
Write = {{ action = write ; outputNodeNames = {name} ; outputPath = out ; {reader} }}
"""
READER = "reader = {{ file = x ; input = {{ features = {{ dim = {dim} ; format = dense }} }} }}"


@pytest.fixture
def verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.chdir(tmp_path)
    network = format_network(parse_network(NETWORK))
    save_model(Path("model"), {"W": np.zeros((2, 2), np.float32)}, network)

    def check(command: str, name: str, dim: int = 2) -> list[tuple[str, str]]:
        Path("a.cntk").write_text(COMMANDS.format(command=command, name=name, reader=READER.format(dim=dim)))
        main(["check", "--json", "a.cntk"])
        found = json.loads(capsys.readouterr().out)
        return [(d["code"], d.get("hint", "")) for d in [*found["errors"], *found["warnings"]]]

    return check


@pytest.mark.parametrize("command", ["Dump", "Write"])
def test_names_of_nodes(command, verdict):
    assert verdict(command, "scores") == []
    assert verdict(command, "scroes")[0] == ("GC0413", "did you mean scores?")


def test_streams_of_the_reader(verdict):
    assert [code for code, _ in verdict("Write", "scores", dim=3)] == ["GC0609"]


def test_files_that_are_no_models(verdict):
    Path("model").write_text("not a model")
    assert [code for code, _ in verdict("Dump", "scores")] == ["GC0702"]
    Path("model").unlink()
    assert [code for code, _ in verdict("Dump", "scores")] == ["GC0526"]
    Path("model").mkdir()
    assert [code for code, _ in verdict("Dump", "scores")] == ["GC0526"]
