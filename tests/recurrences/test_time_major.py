"""Sequences of one length: what is computed in the order of time, and that values and gradients do not tell."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from graphc.backend import Environment, load
from graphc.backends.xla.time_major import time_major_nodes
from graphc.data.layout import layout
from graphc.diagnostics import Diagnostics, SourceText
from graphc.ir import Graph, Storage
from graphc.network.build import build_network
from graphc.network.lower import to_graph
from graphc.network.session import Session
from graphc.passes.pipeline import optimise
from graphc.passes.prune import prune
from graphc.testing.values import random_parameters

LENGTHS = np.array([4, 4, 4])
WORDS = np.array([0, 5, 2, 2, 1, 1, 4, 3, 5, 0, 0, 2])
# name → equations of z [3], and which operations are computed in the order of time
MODELS: dict[str, tuple[str, list[str]]] = {
    "tagger": ("z = Out * L (Emb * x) + b", ["CrossEntropyWithSoftmax", "Plus", "Times", "Times", "Times"]),
    "two directions": (
        "z = Out * Splice (L (e) : g) ; e = Emb * x ; g = Tanh (In * e + Back * FutureValue (0, g))",
        ["CrossEntropyWithSoftmax", "RowStack", "Times", "Times", "Times"],
    ),
    # the delay wants the frames of a sequence one behind the other
    "delay behind": ("z = Out * PastValue (0, L (Emb * x))", ["Times", "Times"]),
    # masks are drawn frame by frame
    "dropout in front": ("z = Out * L (Dropout (Emb * x))", ["CrossEntropyWithSoftmax", "Times"]),
    "part of the embedding": (
        "e = Emb * x ; z = (Out * L (Slice (1, 5, e))) .* Slice (0, 3, e)",
        ["CrossEntropyWithSoftmax", "ElementTimes", "Slice", "Slice", "Times", "Times", "Times"],
    ),
}
PARAMETERS = """
    Emb = ParameterTensor {(6:6)} ; Out = ParameterTensor {(3:0)} ; b = ParameterTensor {3}
    In = ParameterTensor {(5:0)} ; Rec = ParameterTensor {(5:5)} ; Back = ParameterTensor {(5:5)}
    L (v) = { h = Tanh (In * v + Rec * PastValue (0, h)) }.h"""


@cache
def graph_of(name: str) -> Graph:
    text = f"""{{ x = Input {{6}} ; t = Input {{3}} ; {MODELS[name][0]}
        {PARAMETERS}
        ce = CrossEntropyWithSoftmax (t, z) ; criterionNodes = (ce) }}"""
    source = SourceText.from_string(text, "model.bs")
    network = build_network(source, precision="double", session=Session(), diagnostics=Diagnostics())
    return optimise(to_graph(network, ["ce", "z"], storages={"x": Storage.ONEHOT, "t": Storage.ONEHOT}))


@pytest.mark.parametrize("name", MODELS)
def test_values_and_gradients_do_not_tell(name: str) -> None:
    graph = graph_of(name)
    run = load("xla").value_and_gradients(graph)
    feeds = {"x": WORDS.astype(np.int32), "t": (WORDS % 3).astype(np.int32)}
    results = []
    for may_be_regular in (True, False):
        frames = layout(LENGTHS, may_be_regular=may_be_regular)
        weights = {"ce": np.ones(1), "z": np.linspace(-1, 1, 36).reshape(12, 3)}
        results.append(run(random_parameters(graph), feeds, Environment(frames={"*": frames}), weights))
    (found, gradients), (expected, wanted) = results
    for root in ("ce", "z"):
        np.testing.assert_allclose(found.outputs[root], expected.outputs[root], rtol=1e-12, atol=1e-14)
    assert gradients.keys() == wanted.keys()
    for each, gradient in wanted.items():
        np.testing.assert_allclose(gradients[each], gradient, rtol=1e-10, atol=1e-13, err_msg=each)


@pytest.mark.parametrize("name", MODELS)
def test_what_is_computed_in_the_order_of_time(name: str) -> None:
    graph = graph_of(name)
    trained = prune(replace(graph, roots={"ce": graph.roots["ce"]}))
    assert sorted(node.op.names[0] for node in time_major_nodes(trained, {"*"})) == sorted(MODELS[name][1])
    assert not time_major_nodes(trained, {"other"})
