"""Every shipped model goes to every platform: as it predicts, and as it trains."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from graphc.actions.check import check
from graphc.backend import load
from graphc.data.batches import Batches
from graphc.data.columns import DenseColumn, Stream
from graphc.data.minibatches import Minibatch
from graphc.ir import Graph, Storage
from graphc.network.lower import to_graph
from graphc.ops.lengths import has_sequences
from graphc.passes.pipeline import optimise
from graphc.syntax.configuration import default_presets, load_configuration
from graphc.train.feeds import Minibatches, inputs, to_device
from graphc.train.initialise import initialise
from graphc.train.step import TrainingStep

MODELS = sorted((Path(__file__).parents[2] / "models").rglob("*.cntk"))
PLATFORMS = ("cpu", "cuda", "tpu")


@cache
def graph_of(path: Path) -> Graph:
    result = check(load_configuration([str(path)], [], presets=default_presets(path)))
    result.found.raise_errors()
    network = next(n.network for n in result.networks if n.trains)
    return optimise(to_graph(network, [node.name for node in network.roots]))


@pytest.mark.parametrize("path", MODELS, ids=lambda p: p.stem)
def test_shipped_model_is_exported_for_every_platform(path: Path) -> None:
    backend: Any = load("xla")
    graph = graph_of(path)
    exported = backend.export(graph)
    assert exported.platforms == PLATFORMS
    assert len(exported.mlir_module_serialized) > 0


def sequences(graph: Graph) -> Minibatches:
    """Sequences of 3 and 5 frames; on further axes, of one frame each."""
    axes = sorted({n.type.axis.name for n in inputs(graph).values() if n.type.axis is not None})
    lengths = [np.array([3, 5]), *(np.array([1, 1]) for _ in axes[1:])]
    streams = {
        axis: Stream(DenseColumn(np.zeros((8, 1), np.float32)), np.concatenate([[0], np.cumsum(each)]))
        for axis, each in zip(axes, lengths, strict=True)
    }
    return Minibatches.of_sequences(Batches([Minibatch(np.arange(2), lengths[0], 8, 8)], streams))


@pytest.mark.parametrize("path", MODELS, ids=lambda p: p.stem)
def test_shipped_model_trains_on_every_platform(path: Path) -> None:
    graph = graph_of(path)
    criterion, *metrics = [*graph.groups["criterion"], *graph.groups["evaluation"]]
    step = TrainingStep(graph, criterion, metrics, device="cpu")
    assert all(n.type.storage is Storage.DENSE for n in inputs(step.graph).values())
    columns = {n: DenseColumn(np.zeros((8, node.type.size), np.float32)) for n, node in inputs(step.graph).items()}
    data = to_device(step.graph, columns, step.device)
    minibatches = sequences(step.graph) if has_sequences(step.graph) else Minibatches.of([np.arange(8)])
    epoch = step.epoch(minibatches, learning_rate=0.1, settings={"dropout_rate": 0.5})
    state = step.state(initialise(step.graph))
    given = state.carry, state.tally, state.fixed, data, epoch.tables
    if minibatches.batches is None:
        traced = jax.jit(partial(step._on_frames, True)).trace(*given)
    else:
        traced = jax.jit(step._on_sequences).trace(*given, jax.device_put(minibatches.batches[0], step.device))
    for platform in PLATFORMS:
        assert traced.lower(lowering_platforms=(platform,)).as_text()
