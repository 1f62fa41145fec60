"""Symbols go on as symbols: what moves them keeps their storage, and its value and gradients are the reference's."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from graphc.backend import Environment, load
from graphc.backends.reference.gradients import gradients
from graphc.data.layout import Room, layout
from graphc.diagnostics import Diagnostics, SourceText
from graphc.ir import Graph, Storage
from graphc.network.build import build_network
from graphc.network.lower import to_graph
from graphc.network.session import Session
from graphc.ops.products import Times
from graphc.ops.sources import LearnableParameter

LENGTHS = np.array([3, 1, 4])
FRAMES = int(LENGTHS.sum())
ONEHOT, SPARSE, DENSE = Storage.ONEHOT, Storage.SPARSE, Storage.DENSE

# expression of x [6 x *], y [6 x *] and c [1 x *], and how it is stored where x is onehot and where x is sparse
MOVES = {
    "Pass (x)": (ONEHOT, SPARSE),
    "Trace (x, say = 'words')": (ONEHOT, SPARSE),
    "NewReshape (x, 2:3)": (ONEHOT, SPARSE),
    "RowSlice (1, 3, x)": (ONEHOT, SPARSE),
    "RowStack (x : x)": (SPARSE, SPARSE),
    "Splice (x : RowSlice (2, 4, x) : x)": (SPARSE, SPARSE),
    "RowStack (x : y)": (DENSE, DENSE),
    "RowSlice (4, 5, RowStack (x : x))": (SPARSE, SPARSE),
    "Slice (1, 2, NewReshape (x, 2:3), axis = 2)": (ONEHOT, SPARSE),
    "Slice (1, 2, NewReshape (x, 2:3), axis = 1)": (ONEHOT, SPARSE),
    "Splice (NewReshape (x, 2:3) : NewReshape (x, 2:3), axis = 2)": (SPARSE, SPARSE),
    "PastValue (6, x, defaultHiddenActivation = 0)": (ONEHOT, SPARSE),
    "PastValue (6, x, defaultHiddenActivation = 0, timeStep = 2)": (ONEHOT, SPARSE),
    "FutureValue (6, x, defaultHiddenActivation = 0)": (ONEHOT, SPARSE),
    "PastValue (6, x, defaultHiddenActivation = 0.1)": (DENSE, DENSE),
    "BS.Sequences.First (x)": (ONEHOT, SPARSE),
    "BS.Sequences.Last (x)": (ONEHOT, SPARSE),
    "BS.Sequences.Gather (c, x)": (ONEHOT, SPARSE),
    "BS.Sequences.Scatter (c, BS.Sequences.Gather (c, x))": (ONEHOT, SPARSE),
    "BS.Sequences.Scatter (BS.Loop.IsFirst (x), BS.Sequences.Last (x))": (ONEHOT, SPARSE),
    "BS.Sequences.BroadcastSequenceAs (x, BS.Sequences.Last (x))": (DENSE, DENSE),
    "TimeReverse (x)": (ONEHOT, SPARSE),
    "ReconcileDynamicAxis (BS.Sequences.Last (x), x)": (ONEHOT, SPARSE),
    "Splice (PastValue (6, x, defaultHiddenActivation = 0) : x : FutureValue (6, x, defaultHiddenActivation = 0))": (
        SPARSE,
        SPARSE,
    ),
    "Tanh (x)": (DENSE, DENSE),
}


def built(expression: str, storage: Storage) -> Graph:
    text = f"""{{
        x = Input {{6}} ; y = Input {{6}} ; c = Input {{1}}
        s = {expression}
        W = ParameterTensor {{(4 : 0)}}
        z = Times (W, s, inferInputRankToMap = 0)
        loss = SumElements (Tanh (z))
        outputNodes = (z : loss : s)
    }}"""
    source = SourceText.from_string(text, "symbols.bs")
    diagnostics = Diagnostics()
    network = build_network(source, session=Session(), precision="double", diagnostics=diagnostics)
    diagnostics.raise_errors()
    return to_graph(network, ["z", "loss", "s"], storages={"x": storage})


def feeds(storage: Storage) -> dict[str, Any]:
    rng = np.random.default_rng(2)
    x: Any = rng.integers(0, 6, FRAMES).astype(np.int32)
    if storage is SPARSE:
        # 6 is no symbol, and some frames have one twice
        x = rng.integers(0, 7, (FRAMES, 3)).astype(np.int32), rng.normal(size=(FRAMES, 3))
    flags = np.array([1, 0, 1, 1, 0, 1, 1, 0])[:, None].astype(float)
    return {"x": x, "y": rng.normal(size=(FRAMES, 6)), "c": flags}


@pytest.mark.parametrize("room", [None, Room(12, 4, 5, 2)], ids=["exact", "padded"])
@pytest.mark.parametrize("storage", [ONEHOT, SPARSE], ids=["onehot", "sparse"])
@pytest.mark.parametrize("expression", MOVES)
def test_symbols_are_moved_as_frames_and_elements_are(expression: str, storage: Storage, room: Room | None) -> None:
    graph = built(expression, storage)
    product = next(n for n in graph.nodes if isinstance(n.op, Times) and n is graph.names["z"])
    assert product.inputs[1].type.storage is MOVES[expression][storage is SPARSE]
    parameters = {
        n.op.name: np.random.default_rng(3).normal(size=tuple(reversed(n.type.dims)))
        for n in graph.nodes
        if isinstance(n.op, LearnableParameter) and n.op.constant is None
    }
    given = feeds(storage)
    environment = Environment(frames={"*": layout(LENGTHS)})
    reference = load("reference").function(graph)(parameters, given, environment)
    expected = gradients(graph, "loss", ["W"], parameters, given, environment)["W"]
    padded = Environment(frames={"*": layout(LENGTHS, room)})
    more = (room.frames if room else FRAMES) - FRAMES

    def loss(parameters: Any) -> tuple[Any, Any]:
        fed = jax.tree.map(lambda x: np.concatenate([x, np.repeat(x[:1], more, axis=0)]), given)
        outputs = load("xla").function(graph)(parameters, fed, padded).outputs
        return outputs["loss"].sum(), outputs

    with jax.enable_x64(True):
        found, outputs = jax.grad(loss, has_aux=True)(parameters)
    for name, node in graph.roots.items():
        count = int(reference.frames[node.type.axis.name].count) if node.type.axis else None
        np.testing.assert_allclose(outputs[name][:count], reference.outputs[name][:count], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found["W"], expected, rtol=1e-8, atol=1e-9)
