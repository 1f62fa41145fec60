"""Masks and samples from CNTK's engines: the recorded ones, and the order in which a run draws them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphc.backend import Environment
from graphc.backends.reference import ReferenceBackend
from graphc.data.mersenne import MT19937_64
from graphc.ir import DEFAULT_AXIS, Graph
from graphc.ops.random import Dropout
from graphc.ops.sources import InputValue
from graphc.train.node_streams import NodeStreams
from graphc.train.uniform import uniform

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "rng_vectors.json").read_text("utf-8"))
DTYPE = "float32"


def streams(*names: str, counts: tuple[int, ...] = (5, 5), epochs: int = 1) -> NodeStreams:
    found = NodeStreams(names)
    for epoch in range(1, epochs + 1):
        found.plan(epoch, np.array(counts))
    return found


def test_recorded_masks() -> None:
    """Two minibatches of [7 x 5] from seed 9: that of the only stochastic node in the tenth epoch."""
    vector = VECTORS["dropout"]
    x = InputValue(name="x", shape=(7,), axis=DEFAULT_AXIS.name)()
    graph = Graph({"y": Dropout(name="d")(x)})
    nodes = streams("d", epochs=vector["seed"] + 1)

    class Stream:
        def __init__(self, minibatch: int) -> None:
            self.minibatch = minibatch

        def uniform(self, name: str, shape: tuple[int, ...]) -> Any:
            return nodes.uniform(name, vector["seed"] + 1, self.minibatch, shape, DTYPE)

    run = ReferenceBackend().function(graph, training=True)
    for minibatch, expected in enumerate((vector["kept_mask_mb1"], vector["kept_mask_mb2"])):
        environment = Environment(settings={"dropout_rate": np.float32(vector["rate"])}, random=Stream(minibatch))
        y = run({}, {"x": np.ones((5, 7), np.float32)}, environment).outputs["y"]
        assert "".join("1" if kept else "0" for kept in y.reshape(-1)) == expected
        assert set(y.reshape(-1).tolist()) == {0.0, float(np.float32(vector["scale"]))}


def words(seed: int, count: int, skipped: int = 0) -> list[float]:
    return uniform(MT19937_64(seed), skipped + count, 0, 1, DTYPE)[skipped:].tolist()


def test_an_engine_goes_on_within_an_epoch_and_not_beyond() -> None:
    nodes = streams("a", "b", counts=(2, 3), epochs=2)
    drawn = {
        (name, epoch, minibatch): nodes.uniform(name, epoch, minibatch, (3, 4), DTYPE)
        for epoch in (1, 2)
        for minibatch in (0, 1)
        for name in "ab"
    }
    for (name, epoch, minibatch), numbers in drawn.items():
        seed = (epoch - 1) * 2 + "ab".index(name)
        frames, before = ((2, 0), (3, 2))[minibatch]
        assert numbers[:frames].reshape(-1).tolist() == words(seed, frames * 4, before * 4)
        assert (numbers[frames:] == 1).all()  # padding is kept


def test_the_same_is_drawn_again() -> None:
    nodes = streams("a", counts=(2, 2, 2))
    first, last = (nodes.uniform("a", 1, minibatch, (2, 3), DTYPE).copy() for minibatch in (0, 2))
    # asked out of order, as by a run that goes on in the middle
    assert (nodes.uniform("a", 1, 2, (2, 3), DTYPE) == last).all()
    assert (nodes.uniform("a", 1, 0, (2, 3), DTYPE) == first).all()
    assert (streams("a", counts=(2, 2, 2)).uniform("a", 1, 2, (2, 3), DTYPE) == last).all()


def test_epochs_that_are_over_are_forgotten() -> None:
    nodes = streams("a", epochs=4)
    nodes.uniform("a", 3, 0, (5, 2), DTYPE)
    with pytest.raises(KeyError):
        nodes.uniform("a", 1, 0, (5, 2), DTYPE)
