"""Recorded vectors of what no single operator computes: layers, initial values, statistics of the training set.

Each expression is written as its author wrote it, built with the library, and computed on its recorded inputs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphc.actions.check import check_script
from graphc.actions.statistics import uncomputed_statistics
from graphc.backend import Environment
from graphc.backends.reference import FLOAT64, gradients
from graphc.diagnostics import SourceFile
from graphc.ir import Graph
from graphc.network.lower import to_graph
from graphc.network.network import Network
from graphc.ops.sources import LearnableParameter
from graphc.ops.statistics import Mean
from graphc.train.initialise import initialise
from graphc.train.statistics import RunningStatistics

FILE = Path(__file__).parents[1] / "vectors" / "op_vectors.json"
VECTORS: dict[str, Any] = {v["id"]: v for v in json.loads(FILE.read_text("utf-8"))["vectors"]}

LAYERS = ("LayerNormalizationLayer", "StabilizerLayer")
STATISTICS = ("Mean_precompute", "InvStdDev_precompute", "MeanVarNorm", "LogPrior")
INITIAL = tuple(id for id in VECTORS if id.startswith("init_"))


def array_of(entry: dict[str, Any]) -> np.ndarray:
    return np.array(entry["data"], float)


def built(vector: dict[str, Any]) -> tuple[Network, Graph]:
    samples = [entry for entry in vector["inputs"] if entry["kind"] == "sample"]
    declared = [f"{entry['name']} = Input {{({':'.join(map(str, entry['shape']))})}}" for entry in samples]
    # a network has at least one input, and an expression without one is added to it
    anchor = [] if samples else ["x = Input {1}"]
    result = check_script(SourceFile("vector.bs", "\n".join(["{", *declared, *anchor, f"y = {vector['expr']}", "}"])))
    assert not result.found.errors, result.found.errors
    network = result.networks[0].network
    return network, to_graph(network, ["y"])


@pytest.mark.parametrize("id", INITIAL)
def test_initial_values(id: str) -> None:
    _, graph = built(VECTORS[id])
    (value,) = initialise(graph, generator="cntk").values()
    expected = array_of(VECTORS[id]["output"])
    assert value.shape == expected.shape
    np.testing.assert_allclose(value, expected, rtol=2e-8, atol=0)


@pytest.mark.parametrize("id", STATISTICS)
def test_statistics(id: str) -> None:
    network, graph = built(VECTORS[id])
    feeds = {entry["name"]: array_of(entry) for entry in VECTORS[id]["inputs"]}
    found: dict[str, np.ndarray] = {}
    for node in uncomputed_statistics(network, ()):
        running = RunningStatistics()
        running.add(feeds[node.inputs[0].name])
        found[node.name] = running.mean if isinstance(node.op, Mean) else running.inverse_deviation
    value = FLOAT64.function(graph)(found, feeds, Environment()).outputs["y"]
    np.testing.assert_allclose(value, array_of(VECTORS[id]["output"]), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("id", LAYERS)
def test_layers(id: str) -> None:
    vector = VECTORS[id]
    _, graph = built(vector)
    given = {entry["name"]: array_of(entry) for entry in vector["inputs"]}
    kinds = {entry["name"]: entry["kind"] for entry in vector["inputs"]}
    # parameters are recorded in the order in which the layer makes them
    learned = [n.op.name for n in graph.nodes if isinstance(n.op, LearnableParameter) and n.op.is_trained]
    recorded = [name for name, kind in kinds.items() if kind == "parameter"]
    names = dict(zip(recorded, learned, strict=True)) | {n: n for n, kind in kinds.items() if kind == "sample"}
    parameters = initialise(graph) | {names[name]: given[name] for name in recorded}
    feeds = {name: given[name] for name in given if kinds[name] == "sample"}
    value = FLOAT64.function(graph)(parameters, feeds, Environment()).outputs["y"]
    expected = array_of(vector["output"])
    np.testing.assert_allclose(value, expected, rtol=1e-7, atol=1e-7)

    cotangent = np.resize(vector["cotangent"], expected.shape)
    arguments = ("y", names.values(), parameters, feeds)
    found = gradients(graph, *arguments, training=False, cotangent=cotangent)
    for name, data in vector["grads"].items():
        wanted = np.array(data, float)
        np.testing.assert_allclose(found[names[name]], wanted, rtol=1e-6, atol=1e-7, err_msg=name)
