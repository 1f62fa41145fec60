"""Column-sparse parameters: which they are, and that a minibatch changes only the columns that it touches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphc.data.columns import SparseColumn
from graphc.ir import Graph, Node, Storage
from graphc.ops.columns import column_sparse
from graphc.ops.criteria import SquareError
from graphc.ops.elementwise import Plus
from graphc.ops.products import Times, TransposeTimes
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.ops.unary import Tanh
from graphc.train.feeds import Minibatches, to_device
from graphc.train.learner import Learner, Rates
from graphc.train.step import TrainingStep

VOCABULARY, WIDTH = 12, 3
ONEHOT = InputValue("x", (VOCABULARY,), storage=Storage.ONEHOT)()
SPARSE = InputValue("x", (VOCABULARY,), storage=Storage.SPARSE)()
DENSE = InputValue("y", (VOCABULARY,))()
E = LearnableParameter("E", (WIDTH, VOCABULARY))()
R = LearnableParameter("R", (WIDTH, WIDTH))()


def summed(*terms: Node) -> Graph:
    total = terms[0]
    for term in terms[1:]:
        total = Plus()(total, term)
    return Graph({"loss": SquareError()(total, Times()(R, total))})


WHICH = {
    "a product with symbols": (summed(Times()(E, ONEHOT)), {"E"}),
    "products with both kinds": (summed(Times()(E, SPARSE), Times()(E, ONEHOT)), {"E"}),
    "a product with numbers": (summed(Times()(E, DENSE)), set()),
    "one path that is none": (summed(Times()(E, ONEHOT), Times()(E, DENSE)), set()),
    "the table itself is read": (summed(Times()(E, ONEHOT), Times()(Tanh()(E), ONEHOT)), set()),
    "its rows are chosen": (summed(TransposeTimes()(LearnableParameter("E", (VOCABULARY, WIDTH))(), ONEHOT)), set()),
}


@pytest.mark.parametrize("case", WHICH)
def test_every_gradient_path_must_be_a_product_with_symbols(case: str) -> None:
    graph, expected = WHICH[case]
    assert column_sparse(graph, {"x"}) == expected


def test_inputs_that_are_stored_densely_do_not_count() -> None:
    assert column_sparse(summed(Times()(E, ONEHOT)), set()) == set()


def bags(samples: int) -> SparseColumn:
    """Up to three entries a sample, of half of the symbols; some samples have the same one twice, some none."""
    rng = np.random.default_rng(4)
    counts = rng.integers(0, 4, samples)
    indices = 2 * rng.integers(0, VOCABULARY // 2, counts.sum()) + 1
    values = rng.normal(size=counts.sum()).astype(np.float32)
    return SparseColumn(indices.astype(np.int32), values, np.concatenate([[0], np.cumsum(counts)]), VOCABULARY)


def symbols(samples: int) -> SparseColumn:
    indices = np.random.default_rng(5).integers(0, VOCABULARY // 2, samples).astype(np.int32)
    return SparseColumn(indices, np.ones(samples, np.float32), np.arange(samples + 1), VOCABULARY)


def by_definition(
    learner: Learner, column: SparseColumn, minibatches: list[np.ndarray], rate: float, momentum: float
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The loss is the sum of (E x - 1)² over all frames."""
    w = start().astype(np.float64)
    state = {key: value.astype(np.float64) for key, value in learner.initial_state(w).items()}
    table = learner.rates(np.array([len(m) for m in minibatches]), rate, momentum, "float64")
    for rates, samples in zip(table, minibatches, strict=True):
        x = column.dense()[samples].astype(np.float64)
        g = x.T @ (2 * (x @ w - 1))
        # a column is touched by an entry, whatever its value
        entries = [column.indices[column.offsets[s] : column.offsets[s + 1]] for s in samples]
        touched = np.unique(np.concatenate(entries))
        taken = {key: value[touched] for key, value in state.items()}
        ones = np.ones(len(touched))
        w[touched], taken = learner.update_columns(np, w[touched], g[touched], taken, Rates(*rates), 1.0, ones)
        for key, value in taken.items():
            state[key][touched] = value
        w = learner.moved(np, w, Rates(*rates), 1.0, 1.0, None)
    return w, state


def start() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(VOCABULARY, WIDTH)).astype(np.float32)


LEARNERS = {
    "momentum": Learner(),
    "nesterov": Learner(nesterov=True),
    "adagrad": Learner(rule="AdaGrad"),
    "adagrad without average": Learner(rule="AdaGrad", norm_with_average_multiplier=False),
    "clipped to a norm": Learner(clipping_threshold=0.05, clip_by_truncation=False),
    "truncated": Learner(clipping_threshold=0.05),
    "l1": Learner(l1=0.01),
}


def trained(
    learner: Learner, column: SparseColumn, minibatches: list[np.ndarray], rate: float, momentum: float, **more: Any
) -> tuple[dict[str, np.ndarray], dict[str, dict[str, np.ndarray]]]:
    storage = Storage.ONEHOT if column.is_onehot else Storage.SPARSE
    x = InputValue("x", (VOCABULARY,), storage=storage)()
    ones = LearnableParameter("one", (WIDTH,), 0.0)()
    graph = Graph({"loss": SquareError()(ones, Times()(E, x))})
    step = TrainingStep(graph, "loss", learner=learner, column_sparse={"E"}, device="cpu", **more)
    state = step.state({"E": start(), "one": np.ones(WIDTH, np.float32)})
    columns = to_device(step.graph, {"x": column}, step.device)
    epoch = step.epoch(Minibatches.of(minibatches), learning_rate=rate, momentum_per_sample=momentum)
    state = step.run(step.begin(state), columns, epoch, 0, len(minibatches))
    return state.parameters(), state.learner()


@pytest.mark.parametrize("column", [symbols(30), bags(30)], ids=["onehot", "sparse"])
@pytest.mark.parametrize("rule", LEARNERS)
def test_updates_follow_the_rule_for_touched_columns(rule: str, column: SparseColumn) -> None:
    minibatches = [np.arange(30)[i : i + 8] for i in range(0, 30, 8)] * 2
    w, state = by_definition(LEARNERS[rule], column, minibatches, 0.02, 0.9)
    found, learner = trained(LEARNERS[rule], column, minibatches, 0.02, 0.9)
    np.testing.assert_allclose(found["E"], w, rtol=2e-5, atol=2e-6)
    for key, value in state.items():
        np.testing.assert_allclose(learner["E"][key], value, rtol=2e-5, atol=2e-6)


def test_columns_that_no_frame_touches_stay() -> None:
    found, learner = trained(Learner(), bags(30), [np.arange(30)] * 3, 0.02, 0.9)
    np.testing.assert_array_equal(found["E"][::2], start()[::2])
    assert not learner["E"]["smoothed_gradient"][::2].any()


def test_padding_touches_nothing() -> None:
    minibatches = [np.arange(20, 28), np.arange(20, 23)]
    column = symbols(30)
    w, _ = by_definition(Learner(), column, minibatches, 0.02, 0.9)
    found, _ = trained(Learner(), column, minibatches, 0.02, 0.9)
    np.testing.assert_allclose(found["E"], w, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("rule", [Learner(rule="FSAdaGrad"), Learner(rule="RmsProp"), Learner(l2=0.1)])
def test_rules_that_move_every_column_take_the_whole_gradient(rule: Learner) -> None:
    minibatches = [np.arange(30)[i : i + 8] for i in range(0, 30, 8)]
    found, _ = trained(rule, symbols(30), minibatches, 0.02, 0.9)
    graph = Graph({"loss": SquareError()(LearnableParameter("one", (WIDTH,), 0.0)(), Times()(E, ONEHOT))})
    step = TrainingStep(graph, "loss", learner=rule, device="cpu")
    state = step.state({"E": start(), "one": np.ones(WIDTH, np.float32)})
    columns = to_device(step.graph, {"x": symbols(30)}, step.device)
    epoch = step.epoch(Minibatches.of(minibatches), learning_rate=0.02, momentum_per_sample=0.9)
    whole = step.run(step.begin(state), columns, epoch, 0, len(minibatches)).parameters()
    np.testing.assert_array_equal(found["E"], whole["E"])


def test_without_momentum_both_rules_are_one() -> None:
    column, minibatches = bags(30), [np.arange(30)[i : i + 7] for i in range(0, 30, 7)]
    dense = Learner()
    w = start().astype(np.float64)
    state = dense.initial_state(w)
    for samples in minibatches:
        x = column.dense()[samples].astype(np.float64)
        rates = Rates(float(len(samples)), 0.02, 0.0, 0.0)
        w, state = dense.update(np, w, x.T @ (2 * (x @ w - 1)), state, rates, 1.0, 1.0)
    found, _ = trained(dense, column, minibatches, 0.02, 0.0)
    np.testing.assert_allclose(found["E"], w, rtol=2e-5, atol=2e-6)
