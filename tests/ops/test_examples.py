"""Every operator's manual page shows an example, and the example is right."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, get_type_hints

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphc.backend import Environment
from graphc.backends.reference.evaluate import Step
from graphc.backends.reference.gradients import numerical
from graphc.backends.reference.random import PhiloxStream
from graphc.ir import DEFAULT_AXIS, Context, ElementType, Graph, Node, Op, operator
from graphc.ir.node import REGISTRY
from graphc.ops.sources import InputValue, LearnableParameter

OPERATORS = [op for op in dict.fromkeys(REGISTRY.values()) if op.family != "sources"]
# types only: statistics of the training set, and what looks across a sequence
WITHOUT_VALUE = {cls.names[0] for cls in OPERATORS if cls.evaluate is Op.evaluate}
# made by the compiler from BatchNormalization; the recorded vectors show what they compute
COMPILER_MADE = {"BatchNormalizationMean", "BatchNormalizationVariance", "BatchNormalizationCount"}
# operand index → why its gradient is not the derivative of the value
NOT_THE_DERIVATIVE = {
    ("CrossEntropyWithSoftmax", 1): "assumes that labels sum to 1",
    ("LambdaRank", 1): "a ranking has none",
    ("DummyCriterion", 2): "is given",
}

EXAMPLE = re.compile(r"Example: ``(\w+) \((.*)\) = (\[[^]]*\]) (.*)``")
OPERAND = re.compile(r"(\[[^]]*\])((?: -?[\d.]+)+)")
ATTRIBUTE = re.compile(r"(\w+)=([\w.:-]+)")


@dataclass
class Example:
    text: str
    node: Node
    values: list[np.ndarray]
    expected: np.ndarray


def examples(cls: type[Op]) -> list[Example]:
    return [read(m) for m in EXAMPLE.finditer(cls.__doc__ or "")]


def read(match: re.Match[str], element: ElementType = ElementType.FLOAT64) -> Example:
    """Operands and result are a shape and the elements in order of memory; ``*`` in a shape stands for frames."""
    name, arguments, result, numbers = match.groups()
    sources, values = [], []
    for index, (shape, elements) in enumerate(OPERAND.findall(arguments)):
        dims, has_frames = read_shape(shape)
        values.append(array(elements, dims))
        sources.append(source(f"x{index}", dims, has_frames, element))
    cls = operator(name)
    assert cls is not None, name
    node = cls(**attributes(cls, OPERAND.sub("", arguments)))(*sources)
    dims, has_frames = read_shape(result)
    assert node.type.shape == dims and (node.type.axis == DEFAULT_AXIS) == has_frames, (match[0], node.type)
    return Example(match[0], node, values, array(numbers, dims) if has_frames else array(numbers, dims)[0])


def source(name: str, dims: tuple[int, ...], has_frames: bool, element: ElementType) -> Node:
    return (InputValue if has_frames else LearnableParameter)(name, dims, element=element)()


def read_shape(text: str) -> tuple[tuple[int, ...], bool]:
    parts = text.strip("[]").split(" x ")
    return tuple(int(p) for p in parts if p != "*"), "*" in parts


def array(numbers: str, dims: tuple[int, ...]) -> np.ndarray:
    """All frames; a value without frames is the only one."""
    return np.array([float(n) for n in numbers.split()]).reshape((-1, *reversed(dims)))


def attributes(cls: type[Op], text: str) -> dict[str, Any]:
    fields = {author: field for field, author in cls.attribute_names().items()}
    given = {fields[name]: attribute(value) for name, value in ATTRIBUTE.findall(text)}
    return given | ({"name": "node"} if cls.identified and "name" in get_type_hints(cls) else {})


def attribute(text: str) -> Any:
    if ":" in text:
        return [attribute(part) for part in text.split(":")]
    if re.fullmatch(r"-?[\d.]+", text):
        return float(text) if "." in text else int(text)
    return {"true": True, "false": False}.get(text, text)


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
            if index in cls.no_gradient or (cls.names[0], index) in NOT_THE_DERIVATIVE:
                continue
            expected = numerical(step, example.node, xs, g, index)
            np.testing.assert_allclose(gradient, expected, rtol=1e-7, atol=1e-9, err_msg=example.text)


@pytest.mark.parametrize("cls", OPERATORS, ids=lambda c: c.names[0])
def test_evaluate_is_traceable_and_keeps_the_element_type(cls: type[Op]) -> None:
    for match in EXAMPLE.finditer(cls.__doc__ or ""):
        example = read(match, ElementType.FLOAT32)
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


def test_every_operator_has_a_manual_page() -> None:
    for cls in OPERATORS:
        assert cls.__doc__ is not None and not cls.__doc__.startswith(f"{cls.__name__}("), cls
        assert cls.family and len(cls.operands) >= (cls.arity[1] or 1), cls
