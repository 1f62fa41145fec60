"""Recurrent networks as programs to look at and to take elsewhere: lowered text, and export with symbolic sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from graphc.backend import Environment, load
from graphc.cli.main import main
from graphc.data.layout import layout
from graphc.ir import Frames, Graph
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
    (_, _, needed), _ = exported.in_tree.unflatten(list(exported.in_avals))
    axes = {name: tables(frames, 8) for name, frames in case.environment().frames.items() if name in needed}
    loss = exported.call({**constants(exported, graph), **case.arrays(graph)}, case.feeds(graph), axes)["loss"].sum()
    assert float(loss) == pytest.approx(case.unrolled.loss, rel=1e-5, abs=1e-5)


def constants(exported: Any, graph: Graph) -> dict[str, np.ndarray]:
    """Values for all parameters of an exported program; those that are no constants are 0."""
    (parameters, *_), _ = exported.in_tree.unflatten(list(exported.in_avals))
    ops = (node.op for node in graph.nodes)
    values = {op.name: op.constant or 0.0 for op in ops if isinstance(op, LearnableParameter)}
    return {name: np.full(aval.shape, values[name], np.float32) for name, aval in parameters.items()}


def tables(frames: Frames, longest: int) -> dict[str, Any]:
    """What an exported program is told of an axis."""
    s = frames.sequences
    assert s is not None and s.lanes is not None
    known = {field: np.asarray(getattr(s, field)) for field in ("ids", "positions", "starts", "lengths", "count")}
    room = np.zeros((longest - s.lanes.frames.shape[0], s.lanes.frames.shape[1]), np.int32)
    return {**known, "frames": np.concatenate([s.lanes.frames, room]), "places": s.lanes.places}


# values that look at whole sequences: of x, of words l on an axis of their own, of labels y with one frame a sequence
WHOLE = {
    "alignments of labels": "ForwardBackward (LabelsToGraph (x), 2 .* x, 3)",
    "alignments, delayed": "ForwardBackward (LabelsToGraph (x), 2 .* x, 3, delayConstraint = 1)",
    "edits": "EditDistanceError (x, ReconcileDynamicAxis (BS.Sequences.Last (x), x), squashInputs = true)",
    "a label a sequence": "CrossEntropyWithSoftmax (y, BS.Sequences.Last (Tanh (x)))",
    "a loop's label": "CrossEntropyWithSoftmax (y, BS.Sequences.Last (h)) ; h = Tanh (x + PastValue (4, h))",
    "errors of another axis": "ClassificationError (BS.Sequences.First (l), BS.Sequences.Last (x))",
    "selected frames": "SumElements (BS.Sequences.Gather (ReduceMax (x) > 1, x))",
    "fractions": "SumElements (BS.Sequences.Gather (0.3 + 0 * ReduceSum (x), x))",
    "a loop": "SumElements (h) ; h = Tanh (BS.Sequences.Slice (-2, 0, x) + PastValue (4, h))",
    "words repeated": "SumElements (x .* BS.Sequences.BroadcastSequenceAs (x, BS.Sequences.Last (l)))",
    "stack": "SumElements (OptimizedRNNStack (ConstantTensor (0.1, 3:72), x, 3, bidirectional = true))",
    "two frames in one": "SumElements (Tanh (Reshape (x, 8)))",
}


@pytest.mark.parametrize("case", WHOLE)
def test_whole_sequences_are_exported(case: str) -> None:
    """One program for minibatches of any number of sequences."""
    text = f"""{{ t = DynamicAxis() ; u = DynamicAxis()
        x = Input {{4, dynamicAxis = t}} ; l = Input {{4, dynamicAxis = u}} ; y = Input {{4}} ; loss = {WHOLE[case]}
        outputNodes = loss }}"""
    graph, engine = graph_of(text, "float"), cast("Any", load("xla"))
    exported = engine.export(graph, ("cpu",), longest=8)
    (_, streams, needed), _ = exported.in_tree.unflatten(list(exported.in_avals))
    parameters = constants(exported, graph)
    random = np.random.default_rng(0)
    for lengths in ([3, 2, 4], [2, 8, 6, 2, 4]):
        of_axis = {"t": [n + n % 2 for n in lengths], "u": lengths[::-1], "*": [1] * len(lengths)}
        frames = {axis: layout(np.array(each), may_be_regular=False) for axis, each in of_axis.items()}
        streamed = {"x": "t", "l": "u", "y": "*"}
        feeds = {n: np.eye(4, dtype=np.float32)[random.integers(0, 4, sum(of_axis[streamed[n]]))] * 2 for n in streams}
        found = exported.call(parameters, feeds, {axis: tables(frames[axis], 8) for axis in needed})["loss"]
        expected = load("reference").function(graph)(parameters, feeds, Environment(frames=frames)).outputs["loss"]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_a_network_without_sequences_takes_no_axes() -> None:
    graph = graph_of("{ x = Input {2} ; loss = SumElements (Tanh (x)) ; criterionNodes = (loss) }", "float")
    engine: Any = load("xla")
    assert len(engine.export(graph, ("cpu",)).in_avals) == 1
