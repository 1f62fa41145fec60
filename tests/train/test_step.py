"""Training and evaluation steps: against the reference, with several minibatches a dispatch, padded, repeated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphc.backend import Environment, load
from graphc.backends.reference import gradients
from graphc.data.columns import DenseColumn, SparseColumn
from graphc.ir import ElementType, Graph, Node, Storage
from graphc.ops.convolution import Convolution
from graphc.ops.criteria import ClassificationError, CrossEntropyWithSoftmax, SquareError
from graphc.ops.elementwise import Plus
from graphc.ops.initializers import Initializer
from graphc.ops.normalization import BatchNormalization
from graphc.ops.pooling import MaxPooling
from graphc.ops.products import Times
from graphc.ops.random import Dropout
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.ops.unary import RectifiedLinear
from graphc.train.evaluation import EvaluationStep
from graphc.train.feeds import Minibatches, inputs, to_device
from graphc.train.initialise import initialise
from graphc.train.learner import Learner
from graphc.train.step import TrainingState, TrainingStep

SAMPLES, CLASSES = 23, 3
FLOAT64 = ElementType.FLOAT64
IMAGE = InputValue("features", (4, 4, 1))()


def weights(name: str, *shape: int, element: ElementType = ElementType.FLOAT32) -> Node:
    return LearnableParameter(name, shape, initializer=Initializer("glorotUniform"), element=element)()


def frozen(name: str, size: int, value: float) -> Node:
    return LearnableParameter(name, (size,), 0.0, Initializer("fixedValue", value=value), is_state=True)()


def with_criteria(z: Node, element: ElementType = ElementType.FLOAT32) -> Graph:
    labels = InputValue("labels", (CLASSES,), element=element)()
    return Graph({"ce": CrossEntropyWithSoftmax()(labels, z), "errs": ClassificationError()(labels, z), "z": z})


def dense(element: ElementType = ElementType.FLOAT32, dropout: bool = False) -> Graph:
    x = InputValue("features", (4, 4, 1), element=element)()
    h = RectifiedLinear()(
        Plus()(Times()(weights("W", 5, 4, 4, 1, element=element), x), weights("b", 5, element=element))
    )
    h = Dropout("drop")(h) if dropout else h
    return with_criteria(Times()(weights("V", CLASSES, 5, element=element), h), element)


def convolutional() -> Graph:
    x = InputValue("features", (4, 4, 1))()
    h = MaxPooling(2, 2, 2, 2)(RectifiedLinear()(Convolution((3, 3), (2,))(weights("K", 3, 3, 1, 2), x)))
    return with_criteria(Times()(weights("V", CLASSES, 2, 2, 2), h))


def normalised() -> Graph:
    x = InputValue("features", (4, 4, 1))()
    h = Times()(weights("W", 5, 4, 4, 1), x)
    scale = LearnableParameter("scale", (5,), initializer=Initializer("fixedValue", value=1))()
    state = frozen("mean", 5, 0), frozen("variance", 5, 0), frozen("count", 1, 0)
    op, operands = BatchNormalization(normalization_time_constant=20), (h, scale, weights("b", 5), *state)
    updates = tuple((operands[i], new(*operands)) for i, new in op.updates().items())
    graph = with_criteria(Times()(weights("V", CLASSES, 5), op(*operands)))
    return Graph(graph.roots, updates=updates)


def columns(element: ElementType = ElementType.FLOAT32) -> dict[str, DenseColumn]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(SAMPLES, 16)).astype(element.value)
    return {
        "features": DenseColumn(x),
        "labels": DenseColumn(np.eye(CLASSES, dtype=x.dtype)[rng.integers(0, 3, SAMPLES)]),
    }


def minibatches(size: int = 4) -> Minibatches:
    order = np.random.default_rng(1).permutation(SAMPLES)
    return Minibatches.of([order[i : i + size] for i in range(0, SAMPLES, size)], size)


def train(graph: Graph, epochs: int = 1, **more: Any) -> tuple[TrainingStep, TrainingState]:
    element = graph.roots["ce"].type.element
    settings = more.pop("settings", {})
    step = TrainingStep(graph, "ce", ["errs"], **more)
    state = step.state(initialise(step.graph, 3))
    data = to_device_of(step, element)
    for number in range(epochs):
        plan = minibatches()
        epoch = step.epoch(plan, learning_rate=0.05, momentum_per_sample=0.8, settings=settings, seed=5, epoch=number)
        state = step.run(step.begin(state), data, epoch, 0, len(plan))
    return step, state


def to_device_of(step: TrainingStep | EvaluationStep, element: ElementType = ElementType.FLOAT32) -> Any:
    return to_device(step.graph, columns(element), step.device)


def reference(graph: Graph, epochs: int, learner: Learner) -> tuple[dict[str, np.ndarray], float]:
    """Parameters and the last epoch's criterion after the same training, in NumPy and float64."""
    graph = graph.select(["ce"])
    values: dict[str, Any] = {n: x.astype(np.float64) for n, x in initialise(graph, 3).items()}
    trained = [n.op for n in graph.nodes if isinstance(n.op, LearnableParameter) and n.op.is_trained]
    state = {p.name: learner.initial_state(values[p.name]) for p in trained}
    from graphc.backends.reference.evaluate import FLOAT64 as BACKEND
    from graphc.train.learner import Rates

    run, total = BACKEND.function(graph, training=True), 0.0
    data = columns(FLOAT64)
    for _ in range(epochs):
        total, plan = 0.0, minibatches()
        rates = learner.rates(plan.columns, 0.05, 0.8, "float64")
        for row, count, rate in zip(plan.indices, plan.counts, rates, strict=True):
            feeds = {
                n: data[n].values[row[:count]].reshape(count, *reversed(node.type.dims))
                for n, node in inputs(graph).items()
            }
            results = run(values, feeds, Environment())
            total += float(results.outputs["ce"][0])
            found = gradients(graph, "ce", [p.name for p in trained], values, feeds)
            values |= results.updates
            for p in trained:
                values[p.name], state[p.name] = learner.update(
                    np, values[p.name], found[p.name], state[p.name], Rates(*rate), 1.0, 1.0
                )
    return values, total


@pytest.mark.parametrize("network", [dense, convolutional, normalised])
def test_training_is_the_references(network: Callable[[], Graph]) -> None:
    learner = Learner(l2=0.01)
    step, state = train(network(), epochs=2, learner=learner)
    expected, criterion = reference(network(), 2, learner)
    for name, value in state.parameters().items():
        np.testing.assert_allclose(value, expected[name], rtol=2e-4, atol=2e-5, err_msg=name)
    assert step.totals(state).sums["ce"] == pytest.approx(criterion, rel=1e-4)


def test_double_training_is_the_references() -> None:
    step, state = train(dense(FLOAT64), epochs=2)
    expected, criterion = reference(dense(FLOAT64), 2, Learner())
    for name, value in state.parameters().items():
        assert value.dtype == np.float64
        np.testing.assert_allclose(value, expected[name], rtol=1e-9, atol=1e-12, err_msg=name)
    assert step.totals(state).sums["ce"] == pytest.approx(criterion, rel=1e-12)


@pytest.mark.parametrize("network", [dense, convolutional, normalised])
def test_minibatches_a_dispatch_change_no_value(network: Callable[[], Graph]) -> None:
    (one, a), (two, b) = (train(network(), minibatches_per_dispatch=k) for k in (1, 2))
    for name, value in a.parameters().items():
        np.testing.assert_array_equal(value, b.parameters()[name], err_msg=name)
    assert one.totals(a) == two.totals(b)


def test_training_repeats_exactly_and_follows_the_seed() -> None:
    first, again, other = (
        train(dense(dropout=True), settings={"dropout_rate": rate})[1].parameters() for rate in (0.5, 0.5, 0.25)
    )
    assert all(np.array_equal(first[n], again[n]) for n in first)
    assert not np.array_equal(first["V"], other["V"])


def test_dropout_rate_of_zero_draws_nothing() -> None:
    with_rate, without = (train(dense(dropout=True), settings=s)[1].parameters() for s in ({"dropout_rate": 0.0}, {}))
    assert all(np.array_equal(with_rate[n], without[n]) for n in without)


@pytest.mark.parametrize("network", [dense, convolutional])
def test_training_goes_on_where_it_stopped(network: Callable[[], Graph]) -> None:
    _, whole = train(network(), epochs=2)
    step, half = train(network(), epochs=1)
    state = step.state(half.parameters(), half.learner())
    epoch = step.epoch(minibatches(), learning_rate=0.05, momentum_per_sample=0.8, seed=5, epoch=1)
    data = to_device_of(step)
    state = step.run(step.begin(state), data, epoch, 0, 2)
    state = step.run(step.begin(state, 2), data, epoch, 2, 4)
    for name, value in whole.parameters().items():
        np.testing.assert_array_equal(value, state.parameters()[name], err_msg=name)


def test_a_step_leaves_what_it_was_given() -> None:
    step = TrainingStep(dense(), "ce")
    values = initialise(step.graph, 3)
    before = {n: x.copy() for n, x in values.items()}
    state, data = step.state(values), to_device_of(step)
    kept = state.parameters()
    epoch = step.epoch(minibatches(), learning_rate=0.05)
    for _ in range(3):
        state = step.run(step.begin(state), data, epoch, 0, 3)
    assert all(np.array_equal(before[n], values[n]) and np.array_equal(before[n], kept[n]) for n in values)
    assert not np.array_equal(state.parameters()["W"], before["W"])


def test_first_bad_minibatch_is_known() -> None:
    step = TrainingStep(dense(), "ce", ["errs"])
    data = {n: DenseColumn(c.values.copy()) for n, c in columns().items()}
    plan = minibatches()
    data["features"].values[plan.indices[2, 1]] = np.nan
    epoch = step.epoch(plan, learning_rate=0.05)
    on_device = to_device(step.graph, data, step.device)
    state = step.run(step.begin(step.state(initialise(step.graph))), on_device, epoch, 0, len(plan))
    assert step.totals(state).first_bad == {"ce": 2}


def test_frozen_parameters_stay() -> None:
    x = InputValue("features", (4, 4, 1))()
    fixed = LearnableParameter("F", (CLASSES, 4, 4, 1), 0.0, Initializer("uniform"))()
    graph = with_criteria(Plus()(Times()(fixed, x), weights("b", CLASSES)))
    step, state = train(graph)
    assert np.array_equal(state.parameters()["F"], initialise(step.graph, 3)["F"])
    assert set(state.learner()) == {"b"}


def test_parameters_of_metrics_alone_stay() -> None:
    x, labels = InputValue("features", (4, 4, 1))(), InputValue("labels", (CLASSES,))()
    z = Times()(weights("W", CLASSES, 4, 4, 1), x)
    other = SquareError()(labels, Times()(weights("M", CLASSES, 4, 4, 1), x))
    graph = Graph({"ce": CrossEntropyWithSoftmax()(labels, z), "errs": other})
    step, state = train(graph, learner=Learner(l2=0.1))
    assert np.array_equal(state.parameters()["M"], initialise(step.graph, 3)["M"])


@pytest.mark.parametrize("size", [4, 23, 64])
def test_evaluation_does_not_depend_on_the_minibatch_size(size: int) -> None:
    graph = convolutional()
    step = EvaluationStep(graph, ["ce", "errs", "z"])
    values, data = step.place(initialise(step.graph, 3)), to_device_of(step)
    plan = Minibatches.of([np.arange(i, min(i + size, SAMPLES)) for i in range(0, SAMPLES, size)], size)
    table = step.table(plan)
    feeds = {"features": columns()["features"].values, "labels": columns()["labels"].values}
    expected = (
        load("reference")
        .function(graph)(
            initialise(graph, 3),
            {n: feeds[n].reshape(SAMPLES, *reversed(node.type.dims)) for n, node in inputs(graph).items()},
            Environment(),
        )
        .outputs
    )
    sums = step.totals(values, data, table).sums
    assert sums == {n: pytest.approx(float(expected[n].sum()), rel=1e-4, abs=1e-4) for n in ("ce", "errs", "z")}
    shown = np.concatenate([part["z"] for part in step.outputs(values, data, table)])
    np.testing.assert_allclose(shown, expected["z"], rtol=1e-4, atol=1e-5)


def test_sparse_and_onehot_columns_train_like_dense_ones() -> None:
    indices = np.array([1, 2, 0, 3, 3], np.int32)
    offsets = np.array([0, 2, 3, 3, 5], np.int64)
    bags = SparseColumn(indices, np.array([1, 2, -1, 0.5, 1], np.float32), offsets, 4)
    hot = DenseColumn(np.eye(CLASSES, dtype=np.float32)[[0, 2, 1, 1]])
    found = []
    for bag_storage, label_storage in ((Storage.DENSE, Storage.DENSE), (Storage.SPARSE, Storage.ONEHOT)):
        x = InputValue("x", (4,), storage=bag_storage)()
        labels = InputValue("labels", (CLASSES,), storage=label_storage)()
        z = Times()(weights("E", CLASSES, 4), x)
        step = TrainingStep(Graph({"ce": CrossEntropyWithSoftmax()(labels, z)}), "ce")
        data = to_device(step.graph, {"x": bags, "labels": hot}, step.device)
        plan = Minibatches.of([np.array([0, 1]), np.array([2, 3])])
        epoch = step.epoch(plan, learning_rate=0.1)
        state = step.run(step.begin(step.state(initialise(step.graph))), data, epoch, 0, 2)
        found.append((state.parameters()["E"], step.totals(state).sums["ce"]))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-5, atol=1e-6)
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-6)


def test_criterion_of_each_frame_is_summed() -> None:
    x, y = InputValue("features", (4, 4, 1))(), InputValue("labels", (CLASSES,))()
    z = Times()(weights("W", CLASSES, 4, 4, 1), x)
    graph = Graph({"ce": RectifiedLinear()(Plus()(z, y)), "errs": SquareError()(z, y)})
    (_, a), (_, b) = train(graph), train(graph, minibatches_per_dispatch=3)
    assert all(np.array_equal(a.parameters()[n], b.parameters()[n]) for n in a.parameters())


def noisy(dispatch: int = 1, seed: int = 0) -> dict[str, np.ndarray]:
    """What two epochs of noise add to the parameters of a network that learns nothing."""
    graph = with_criteria(Times()(weights("V", CLASSES, 400), Times()(weights("W", 400, 4, 4, 1), IMAGE)))
    step = TrainingStep(graph, "ce", minibatches_per_dispatch=dispatch)
    initial = initialise(step.graph)
    state, data = step.state(initial), to_device_of(step)
    for number in (1, 2):
        epoch = step.epoch(minibatches(), learning_rate=0, noise=0.01, seed=seed, epoch=number)
        state = step.run(step.begin(state), data, epoch, 0, len(epoch.minibatches))
    return {n: v - initial[n] for n, v in state.parameters().items()}


def test_noise_has_its_deviation() -> None:
    for added in noisy().values():
        # 6 minibatches an epoch
        assert added.std() == pytest.approx(0.01 * np.sqrt(12), rel=0.1)
        assert abs(added.mean()) < 4 * added.std() / np.sqrt(added.size)


def test_noise_repeats_and_follows_the_seed() -> None:
    once, again, other = noisy(), noisy(dispatch=4), noisy(seed=1)
    assert all((once[n] == again[n]).all() and (once[n] != other[n]).any() for n in once)
