"""Recurrent networks as programs to look at and to take elsewhere: lowered text, and export with symbolic sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphc.backend import load
from graphc.cli.main import main
from graphc.ops.sources import LearnableParameter
from tests.recurrences.cases import Case, graph_of

NETWORK = "x = Input {3} ; h = Tanh (W * x + R * PastValue (0, h)) ; W = Parameter {4, 0} ; R = Parameter {4, 0}"
CONFIGURATION = f"""
command = train
train = {{
    action = "train" ; modelPath = "m.dnn"
    BrainScriptNetworkBuilder = {{ {NETWORK} ; loss = SumElements (h) ; criterionNodes = (loss) }}
    SGD = {{ maxEpochs = 1 ; minibatchSize = 8 ; learningRatesPerSample = 0.1 }}
    reader = {{
        readerType = "CNTKTextFormatReader" ; file = "d.txt"
        input = {{ x = {{ alias = "x" ; dim = 3 ; format = "dense" }} }}
    }}
}}
"""


@pytest.mark.parametrize(
    ("stage", "words"),
    (
        ("ir", ["region r1", "end r1", "update ", "Scan(", "steps ", "constants "]),
        ("hlo", ["HloModule", "while("]),
        ("stablehlo", ["stablehlo.while"]),
    ),
)
def test_compile_shows_the_loop(stage: str, words: list[str], tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "recurrent.cntk"
    path.write_text(CONFIGURATION, "utf-8")
    assert main(["compile", str(path), "--emit", stage]) == 0
    shown = capsys.readouterr().out
    for word in words:
        assert word in shown, word


@pytest.mark.parametrize("seed", (0, 6))
def test_an_exported_recurrence_computes_the_equations(seed: int) -> None:
    case = Case(seed)
    graph = case.graph("float")
    engine: Any = load("xla")
    exported = engine.export(graph, ("cpu",), longest=8)
    axes: dict[str, Any] = {}
    (parameters, _, needed), _ = exported.in_tree.unflatten(list(exported.in_avals))
    for name, frames in case.environment().frames.items():
        s = frames.sequences
        assert s is not None and s.lanes is not None
        if name in needed:
            tables = s.lanes.frames
            rows = np.zeros((8 - tables.shape[0], tables.shape[1]), np.int32)
            axes[name] = {
                **{
                    field: np.asarray(getattr(s, field)) for field in ("ids", "positions", "starts", "lengths", "count")
                },
                "frames": np.concatenate([tables, rows]),
                "places": s.lanes.places,
            }
    constants = {name: np.zeros(aval.shape, np.float32) for name, aval in parameters.items()}
    for node in graph.nodes:
        if isinstance(node.op, LearnableParameter) and node.op.constant is not None:
            constants[node.op.name] += np.float32(node.op.constant)
    loss = exported.call({**constants, **case.arrays(graph)}, case.feeds(graph), axes)["loss"].sum()
    assert float(loss) == pytest.approx(case.unrolled.loss, rel=1e-5, abs=1e-5)


def test_a_network_without_sequences_takes_no_axes() -> None:
    graph = graph_of("{ x = Input {2} ; loss = SumElements (Tanh (x)) ; criterionNodes = (loss) }", "float")
    engine: Any = load("xla")
    assert len(engine.export(graph, ("cpu",)).in_avals) == 1
