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
from graphc.data.columns import DenseColumn
from graphc.ir import Graph, Storage
from graphc.network.lower import to_graph
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
    exported = backend.export(graph_of(path))
    assert exported.platforms == PLATFORMS
    assert len(exported.mlir_module_serialized) > 0


@pytest.mark.parametrize("path", MODELS, ids=lambda p: p.stem)
def test_shipped_model_trains_on_every_platform(path: Path) -> None:
    graph = graph_of(path)
    criterion, *metrics = [*graph.groups["criterion"], *graph.groups["evaluation"]]
    step = TrainingStep(graph, criterion, metrics, device="cpu")
    assert all(n.type.storage is Storage.DENSE for n in inputs(step.graph).values())
    columns = {n: DenseColumn(np.zeros((8, node.type.size), np.float32)) for n, node in inputs(step.graph).items()}
    data = to_device(step.graph, columns, step.device)
    epoch = step.epoch(Minibatches.of([np.arange(8)]), learning_rate=0.1, settings={"dropout_rate": 0.5})
    state = step.state(initialise(step.graph))
    traced = jax.jit(partial(step._on_frames, True)).trace(state.carry, state.tally, state.fixed, data, epoch.tables)
    for platform in PLATFORMS:
        assert traced.lower(lowering_platforms=(platform,)).as_text()
