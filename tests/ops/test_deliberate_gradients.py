"""Where a gradient is deliberately not the derivative, it is what CNTK's formula says: on every backend and storage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphc.backend import Environment, load
from graphc.ir import ElementType, Graph, Node, Op, Storage
from graphc.ops.criteria import CrossEntropyWithSoftmax, Logistic
from graphc.ops.sources import InputValue, LearnableParameter

FRAMES, REAL = 4, 3
CLASSES = 5
# the weight of the criterion, as when it is one of several
OUTER = 1.75

Formula = Callable[[np.ndarray, np.ndarray, np.ndarray | None], np.ndarray]


def softmax_minus_labels(labels: np.ndarray, z: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    shifted = np.exp(z - z.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True) - labels


def weighted_alone(labels: np.ndarray, p: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    found = -(2 * labels - 1) / (2 * p * labels + 1 - labels - p)
    return found if weights is None else weights * found


def soft_labels(numbers: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """The sums over classes are 0 or far from 1."""
    labels = numbers.uniform(0.0, 2.0, shape)
    labels[0] = 0
    return labels


def zero_or_one(numbers: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return numbers.integers(0, 2, shape).astype(float)


# operator, size of a sample, labels, range of the second operand, size of the weights, gradient by the second operand
CASES = {
    "labels that do not sum to 1": (CrossEntropyWithSoftmax(), CLASSES, soft_labels, (-2, 2), 0, softmax_minus_labels),
    "one class": (CrossEntropyWithSoftmax(), 1, soft_labels, (-2, 2), 0, softmax_minus_labels),
    "weights of frames": (Logistic(), 1, zero_or_one, (0.1, 0.9), 1, weighted_alone),
    "weights of elements": (Logistic(), CLASSES, zero_or_one, (0.1, 0.9), CLASSES, weighted_alone),
    "a weight for all elements": (Logistic(), CLASSES, zero_or_one, (0.1, 0.9), 1, weighted_alone),
}


@pytest.mark.parametrize("backend", ["reference", "xla"])
@pytest.mark.parametrize("second_has_frames", [True, False])
@pytest.mark.parametrize("title", CASES)
def test_the_formula_holds(title: str, second_has_frames: bool, backend: str) -> None:
    op, size, draw, (low, high), weighted, formula = CASES[title]
    numbers = np.random.default_rng(0)
    labels = draw(numbers, (FRAMES, size))
    second = numbers.uniform(low, high, (FRAMES if second_has_frames else 1, size))
    weights = numbers.uniform(0.5, 4.0, (FRAMES, weighted)) if weighted else None
    feeds = {"labels": labels} | ({"weights": weights} if weights is not None else {})
    given = {"z": second} if second_has_frames else {"z": second[0]}
    node = applied(op, size, weighted, second_has_frames)
    found = gradient(backend, node, feeds, given, second_has_frames)

    expected = OUTER * formula(labels, second, weights)[:REAL]
    wanted = expected if second_has_frames else expected.sum(axis=0)
    np.testing.assert_allclose(found[:REAL] if second_has_frames else found, wanted, rtol=1e-12, atol=1e-12)
    if second_has_frames:
        assert not found[REAL:].any(), "padding has a gradient"


@pytest.mark.parametrize("backend", ["reference", "xla"])
def test_the_formula_holds_for_sparse_labels(backend: str) -> None:
    indices = np.array([[0, 3], [2, 2], [4, 1], [0, 0]], np.int32)
    values = np.array([[0.5, 2.0], [1.5, 1.0], [0.0, 0.25], [9.0, 9.0]])
    labels = np.zeros((FRAMES, CLASSES))
    np.add.at(labels, (np.arange(FRAMES)[:, None], indices), values)
    z = np.random.default_rng(1).uniform(-2, 2, (FRAMES, CLASSES))
    node = applied(CrossEntropyWithSoftmax(), CLASSES, 0, True, Storage.SPARSE)
    found = gradient(backend, node, {"labels": (indices, values)}, {"z": z}, True)
    np.testing.assert_allclose(found[:REAL], OUTER * softmax_minus_labels(labels, z, None)[:REAL], rtol=1e-12)


def test_these_operands_are_declared_to_differ() -> None:
    for op, *_ in CASES.values():
        assert 1 in op.gradient_differs


def applied(op: Op, size: int, weighted: int, second_has_frames: bool, storage: Storage = Storage.DENSE) -> Node:
    kind = ElementType.FLOAT64
    labels = InputValue("labels", (size,), element=kind, storage=storage)()
    second = (
        InputValue("z", (size,), element=kind) if second_has_frames else LearnableParameter("z", (size,), element=kind)
    )
    weights = [InputValue("weights", (weighted,), element=kind)()] if weighted else []
    return op(labels, second(), *weights)


def gradient(backend: str, node: Node, feeds: dict[str, Any], second: dict[str, Any], is_fed: bool) -> np.ndarray:
    run: Any = load(backend)
    parameters, inputs = ({}, {**feeds, **second}) if is_fed else (second, feeds)
    call = run.value_and_gradients(Graph({"value": node}), training=True)
    _, gradients = call(parameters, inputs, Environment(np.int32(REAL)), {"value": np.array([OUTER])})
    return np.asarray(gradients["z"])
