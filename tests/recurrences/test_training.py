"""Training of recurrent networks: neither the shapes of minibatches nor who shares a lane changes what is learnt."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from graphc.data.batches import Batches, Shape
from graphc.data.columns import DenseColumn, Stream
from graphc.data.layout import Room
from graphc.data.minibatches import Minibatch
from graphc.ops.sources import LearnableParameter
from graphc.testing.values import Style, random_parameters
from graphc.train.feeds import Minibatches, to_device
from graphc.train.step import TrainingStep
from tests.recurrences.cases import graph_of

TEXT = """{
    x = Input {2}
    h = Tanh (W * n + R * PastValue (0, h, initialState = b) + b) ; g = Sigmoid (V * h + R * FutureValue (0, g))
    n = BatchNormalizationLayer {} (x)
    W = ParameterTensor {(2:2)} ; R = ParameterTensor {(2:2)} ; V = ParameterTensor {(2:2)} ; b = ParameterTensor {2}
    loss = SquareError (x, g) ; criterionNodes = (loss)
}"""
LENGTHS = np.array([3, 1, 5, 2, 4, 4])
MINIBATCHES = ([0, 1, 2], [3, 4], [5])
# none: each minibatch has the room that it needs
SHAPES: dict[str, tuple[Shape, ...]] = {
    "own": (),
    "one lane": ((Room(12, 4, 12, 1),),),
    "a lane each": ((Room(16, 3, 6, 3),),),
    "wide": ((Room(32, 8, 5, 8),),),
}


@cache
def trained(shapes: tuple[Shape, ...]) -> tuple[dict[str, np.ndarray], float]:
    graph = graph_of(TEXT)
    step = TrainingStep(graph, "loss")
    values = np.random.default_rng(0).normal(size=(LENGTHS.sum(), 2))
    columns = {"x": DenseColumn(values)}
    stream = Stream(columns["x"], np.concatenate([[0], np.cumsum(LENGTHS)]))
    counts = [int(LENGTHS[list(m)].sum()) for m in MINIBATCHES]
    minibatches = [
        Minibatch(np.array(m), LENGTHS[list(m)], count, count) for m, count in zip(MINIBATCHES, counts, strict=True)
    ]
    batches = Batches(minibatches, {"*": stream}, shapes)
    parameters = {**random_parameters(graph, style=Style.DISTINCT)}
    for node in graph.nodes:
        if isinstance(node.op, LearnableParameter) and node.op.name.startswith("n."):
            parameters[node.op.name] = np.full(node.type.dims, float(node.op.name.endswith("scale")))
    state = step.begin(step.state(parameters))
    epoch = step.epoch(Minibatches.of_sequences(batches), learning_rate=0.05)
    state = step.run(state, to_device(step.graph, columns, step.device), epoch, 0, len(minibatches))
    return state.parameters(), step.totals(state).sums["loss"]


@pytest.mark.parametrize("name", [name for name in SHAPES if name != "own"])
def test_shapes_change_nothing(name: str) -> None:
    expected, loss = trained(SHAPES["own"])
    found, total = trained(SHAPES[name])
    assert total == pytest.approx(loss, rel=1e-12)
    for parameter, value in expected.items():
        np.testing.assert_allclose(found[parameter], value, rtol=1e-9, atol=1e-11, err_msg=parameter)


def test_a_program_of_its_own_for_the_update_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    expected, loss = trained(())
    monkeypatch.setattr("graphc.train.step.MANY_PARAMETERS", 0)
    found, total = trained.__wrapped__(())
    assert total == pytest.approx(loss, rel=1e-12)
    for parameter, value in expected.items():
        np.testing.assert_allclose(found[parameter], value, rtol=1e-12, err_msg=parameter)
