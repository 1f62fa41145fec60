"""Every operator's manual page shows an example, and the example is right."""

from __future__ import annotations

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphc.backend import Environment
from graphc.backends.reference.evaluate import Step
from graphc.backends.reference.gradients import numerical
from graphc.backends.reference.random import PhiloxStream
from graphc.ir import Context, ElementType, Graph, Node, Op, TensorType
from graphc.ir.node import REGISTRY
from graphc.network.special import NETWORK_OPERATIONS
from graphc.ops import examples as pages
from graphc.ops.recurrence import Scan
from graphc.ops.sources import InputValue, LearnableParameter

# a loop has no operands of its own kind: tests/backends/test_sequence_vectors.py shows what it computes
OPERATORS = [op for op in dict.fromkeys(REGISTRY.values()) if op.family != "sources" and op is not Scan]
# types only: statistics of the training set, and what looks across a sequence
WITHOUT_VALUE = {cls.names[0] for cls in OPERATORS if cls.evaluate is Op.evaluate}
# types only, because they are about sequences of several frames (tests/backends/test_sequence_vectors.py)
WITHOUT_VALUE |= {"Where", "PackedIndex", "GatherPacked", "ScatterPacked", "ReconcileDynamicAxis", "TimeReverse"}
WITHOUT_VALUE |= {"LegacyReshapeFrames", "PastValue", "FutureValue", "GatherWindow", "BorderFrames"}
# drawn at random
WITHOUT_VALUE |= {"RandomSample"}
# made by the compiler from BatchNormalization; the recorded vectors show what they compute
COMPILER_MADE = {"BatchNormalizationMean", "BatchNormalizationVariance", "BatchNormalizationCount"}


@dataclass
class Example:
    text: str
    node: Node
    values: list[np.ndarray]
    expected: np.ndarray


def examples(cls: type[Op], element: ElementType = ElementType.FLOAT64) -> list[Example]:
    """Those with values."""
    return [built(shown) for shown in pages.examples(cls, element) if shown.expected]


def built(shown: pages.Example) -> Example:
    sources = [source(f"x{i}", type) for i, type in enumerate(shown.operands)]
    node = shown.op(*sources)
    assert node.type == shown.result, (shown.text, node.type)
    values = [array(numbers, type) for numbers, type in zip(shown.values, shown.operands, strict=True)]
    expected = array(shown.expected, shown.result)
    return Example(shown.text, node, values, expected if shown.result.axis is not None else expected[0])


def source(name: str, type: TensorType) -> Node:
    made = InputValue if type.axis is not None else LearnableParameter
    return made(name, type.shape, element=type.element)()


def array(numbers: pages.Numbers, type: TensorType) -> np.ndarray:
    """All frames; a value without frames is the only one."""
    return np.array(numbers).reshape((-1, *reversed(type.dims)))


def operands(example: Example) -> list[np.ndarray]:
    return [v if n.type.axis else v[0] for v, n in zip(example.values, example.node.inputs, strict=True)]


def step_of(example: Example, *, training: bool = False) -> Step:
    """An evaluation of the operator whose dynamic axis is known."""
    names = [n.op.name for n in example.node.inputs if isinstance(n.op, InputValue | LearnableParameter)]
    environment = Environment(settings={"dropout_rate": 0.5}, random=PhiloxStream(1))
    given = dict(zip(names, operands(example), strict=True))
    step = Step(given, given, environment, training=training)
    step.values(Graph({"y": example.node}))
    return step


@pytest.mark.parametrize("cls", OPERATORS, ids=lambda c: c.names[0])
def test_examples_compute_what_they_say(cls: type[Op]) -> None:
    found = examples(cls)
    assert bool(found) == (cls.names[0] not in WITHOUT_VALUE | COMPILER_MADE)
    for example in found:
        value = step_of(example).apply(example.node, operands_aligned(example))
        np.testing.assert_allclose(value, example.expected, rtol=1e-7, atol=1e-9, err_msg=example.text)


@pytest.mark.parametrize("cls", [c for c in OPERATORS if hasattr(c, "pullback")], ids=lambda c: c.names[0])
def test_pullbacks_are_derivatives(cls: type[Op]) -> None:
    generator = np.random.default_rng(0)
    for example in examples(cls):
        # inside every domain, and no two elements alike
        example.values = [generator.uniform(0.1, 0.9, v.shape) for v in example.values]
        step = step_of(example, training=True)
        xs = operands_aligned(example)
        y = step.apply(example.node, xs)
        g = generator.normal(size=y.shape)
        given = example.node.op.pullback(step.context(example.node), xs, y, g)  # pyright: ignore[reportAttributeAccessIssue]
        for index, gradient in enumerate(given):
            if index in cls.no_gradient or index in cls.gradient_differs:
                continue
            expected = numerical(step, example.node, xs, g, index)
            np.testing.assert_allclose(gradient, expected, rtol=1e-7, atol=1e-9, err_msg=example.text)


@pytest.mark.parametrize("cls", OPERATORS, ids=lambda c: c.names[0])
def test_evaluate_is_traceable_and_keeps_the_element_type(cls: type[Op]) -> None:
    for example in examples(cls, ElementType.FLOAT32):
        node = example.node
        c = Context(jnp, tuple(n.type for n in node.inputs), node.type)
        xs = [x.astype(np.float32) for x in operands_aligned(example)]
        y = jax.eval_shape(lambda *xs, c=c, node=node: node.op.evaluate(c, *xs), *xs)
        assert (y.shape, y.dtype) == (example.expected.shape, np.float32)
        if hasattr(cls, "pullback"):
            pullback = node.op.pullback  # pyright: ignore[reportAttributeAccessIssue]
            given = jax.eval_shape(lambda y, *xs, c=c, pullback=pullback: pullback(c, xs, y, y), y, *xs)
            assert all(g is None or g.dtype == np.float32 for g in given)


def operands_aligned(example: Example) -> list[np.ndarray]:
    step = Step({}, {}, Environment())
    return step.operands(example.node, dict(zip(example.node.inputs, operands(example), strict=True)))


@pytest.mark.parametrize(
    "cls",
    [*(c for c in dict.fromkeys(REGISTRY.values()) if c is not Scan), *NETWORK_OPERATIONS],
    ids=lambda c: c.names[0],
)
def test_every_operator_shows_its_types_and_has_a_cost(cls: type[Op]) -> None:
    found = pages.examples(cls)
    assert found
    for example in found:
        assert example.op.infer(*example.operands) == example.result, example.text
        cost = example.op.cost(example.result, *example.operands)
        assert 0 <= cost.flops < math.inf and 0 <= cost.bytes < math.inf, example.text
        # all work reads or writes something
        assert cost.bytes > 0 or cost.flops == 0, example.text


def test_every_operator_has_a_manual_page() -> None:
    for cls in OPERATORS:
        assert cls.__doc__ is not None and not cls.__doc__.startswith(f"{cls.__name__}("), cls
        assert cls.family and len(cls.operands) >= (cls.arity[1] or 1), cls
