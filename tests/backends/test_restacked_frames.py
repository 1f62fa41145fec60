"""Frames that the old Reshape puts into one or cuts into several: values, gradients, recurrences on the new axis."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from graphc.backend import Environment, load
from graphc.data.layout import Room, layout
from graphc.diagnostics import Diagnostics, SourceText
from graphc.ir import Graph
from graphc.network.build import build_network
from graphc.network.lower import to_graph
from graphc.network.session import Session
from graphc.ops.sources import LearnableParameter

LENGTHS = (4, 2, 6)
X = [np.arange(4.0 * n).reshape(n, 4) / 7 + i for i, n in enumerate(LENGTHS)]
# numRows, how the frames of a sequence become others
RESHAPES = {
    "two frames into one": ("8", lambda x: x.reshape(-1, 8)),
    "a frame into two": ("2", lambda x: x.reshape(-1, 2)),
    "a frame into four": ("1", lambda x: x.reshape(-1, 1)),
    "into images": ("8, imageWidth=2, imageHeight=2", lambda x: x.reshape(-1, 2, 2, 2)),
    "as they are": ("4", lambda x: x),
}


def graph(rows: str) -> Graph:
    text = f"""{{ x = Input {{4}} ; h = Reshape (x * 1, {rows})
        s = h .* ConstantTensor (0.5, 1) + PastValue (0, s, defaultHiddenActivation=0) ; z = SumElements (s .* s)
        outputNodes = (h : s : z) }}"""
    source = SourceText.from_string(text.replace("x * 1", "x .* ParameterTensor {1, init='fixedValue', value=1}"))
    found = Diagnostics()
    network = build_network(source, session=Session(), diagnostics=found, precision="double")
    assert not found.found
    return to_graph(network)


@pytest.mark.parametrize("reshape", RESHAPES)
@pytest.mark.parametrize("room", [None, Room(15, 5, 7, 3)], ids=["exact", "padded"])
@pytest.mark.parametrize("name", ["reference", "xla"])
def test_values_and_gradients(name: str, room: Room | None, reshape: str) -> None:
    rows, restack = RESHAPES[reshape]
    if name == "reference" and room is not None:
        pytest.skip("the reference is given real frames only")
    built = graph(rows)
    total = sum(LENGTHS)
    feed = np.full((total if room is None else room.frames, 4), 9.0)
    feed[:total] = np.concatenate(X)
    own = (n.op for n in built.nodes if isinstance(n.op, LearnableParameter))
    parameters = {op.name: np.ones(1) for op in own if op.constant is None}
    environment = Environment(frames={"*": layout(np.array(LENGTHS), room)})
    run = load(name).value_and_gradients(built)
    results, gradients = run(parameters, {"x": feed}, environment, {"z": np.ones(1)})

    frames = [restack(x) for x in X]
    sums = [np.cumsum(f * 0.5, axis=0) for f in frames]
    found = results.frames[built.roots["h"].type.axis.name]  # pyright: ignore[reportOptionalMemberAccess]
    assert found.sequences is not None
    count = int(found.count)
    for root, expected in (("h", frames), ("s", sums)):
        wanted = np.concatenate(expected)
        assert count == len(wanted)
        np.testing.assert_allclose(np.asarray(results.outputs[root])[:count], wanted, rtol=1e-12)
    assert np.asarray(found.sequences.lengths)[:3].tolist() == [len(f) for f in frames]
    # of the sum of squares by each element: its part in all sums behind it
    after = [np.cumsum((2 * s)[::-1], axis=0)[::-1] * 0.5 for s in sums]
    wanted = np.concatenate([g.reshape(x.shape) for g, x in zip(after, X, strict=True)])
    np.testing.assert_allclose(np.asarray(gradients["x"])[:total], wanted, rtol=1e-6)


CONFIGURATION = """
command = Train
Train = {
    action = "train" ; modelPath = "$Out$/m"
    BrainScriptNetworkBuilder = {
        x = Input {2}
        h = Reshape (x, 4)
        ce = SumElements (Tanh (ParameterTensor {(1:4)} * h)) ; criterionNodes = (ce) ; outputNodes = (h)
    }
    SGD = { maxEpochs = 1 ; minibatchSize = 8 ; learningRatesPerSample = 0.1 }
    reader = {
        readerType = "CNTKTextFormatReader" ; file = "$Out$/data.txt" ; randomize = false
        input = { x = { dim = 2 ; format = "dense" } }
    }
}
Write = {
    action = "write" ; modelPath = "$Out$/m" ; outputPath = "$Out$/o" ; format = { precisionFormat = ".0" }
    reader = {
        readerType = "CNTKTextFormatReader" ; file = "$Out$/data.txt"
        input = { x = { dim = 2 ; format = "dense" } }
    }
}
"""


@pytest.mark.parametrize("lengths", [(2, 4), (2, 3)])
def test_frames_that_are_left_over_are_told(lengths: tuple[int, ...], tmp_path: Any, capsys: Any) -> None:
    from graphc.cli.main import main

    name = f"h{sum(lengths)}"
    (tmp_path / "a.cntk").write_text(re.sub(r"\bh\b", name, CONFIGURATION))
    lines = [f"{i} |x {10 * i + 2 * t} {10 * i + 2 * t + 1}" for i, n in enumerate(lengths) for t in range(n)]
    (tmp_path / "data.txt").write_text("\n".join(lines) + "\n")
    status = main(["run", str(tmp_path / "a.cntk"), f"Out={tmp_path}", "command=Train:Write"])
    if sum(lengths) % 2:
        assert status == 1
        error = capsys.readouterr().err
        message = error[error.index("error[GC0613]") :].splitlines()[0]
        told = f"error[GC0613]: {name} puts 2 frames into one, but there are 3 in sequence 1, of minibatch 1"
        assert message == told
        assert "a.cntk:7:" in error
        return
    assert status == 0
    assert (tmp_path / f"o.{name}").read_text().splitlines() == ["0 1 2 3", "10 11 12 13", "14 15 16 17"]
