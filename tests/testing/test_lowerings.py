"""Every operator on every backend: the reference's values and gradients; the shared bodies trace without branches."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphc.backend import load
from graphc.ir import Context, ElementType, Frames, Node, Op, parse_graph
from graphc.ir.layout import align, array_shape
from graphc.testing import RECIPES, Style, check_lowering
from graphc.testing.choices import Seeded
from graphc.testing.drawing import Drawing
from graphc.testing.lowering import Mode, compare
from graphc.testing.recipes import recipes
from graphc.testing.runs import OPTIONS, examples, options
from graphc.testing.truncated import check_truncated
from graphc.testing.whole_graphs import check_whole_graphs

OPERATORS = list(recipes())
# but for loops, which each backend has a form of its own for
SHARED = [cls for cls in OPERATORS if cls.evaluate is not Op.evaluate]
MANY = 200
# primitives that choose what is computed by a value
BRANCHES = {"cond", "while", "switch"}


ALONG_SEQUENCES = list(recipes("sequences"))
OF_FRAMES = [cls for cls in OPERATORS if cls not in ALONG_SEQUENCES]


@pytest.mark.parametrize("half", [0, 1])
def test_operators_on_xla(half: int) -> None:
    check_lowering("xla", operators=OF_FRAMES[half::2])


def test_operators_along_sequences_on_xla() -> None:
    check_lowering("xla", operators=ALONG_SEQUENCES)


def test_whole_graphs_on_xla() -> None:
    check_whole_graphs(load("xla"), examples(6))


def test_loops_on_pieces_of_sequences_on_xla() -> None:
    check_truncated(load("xla"), examples(6))


# what properties have found, as text
FOUND = {
    "one-hot images are normalized": """
        x = InputValue(shape=(3,), storage=onehot)
        scale = Parameter(shape=3)
        mean = Parameter(shape=3)
        variance = Parameter(shape=3)
        count = Parameter(shape=1)
        z = BatchNormalization(x, scale, scale, mean, variance, count)
        root z
        update mean = BatchNormalizationMean(x, scale, scale, mean, variance, count)
        update variance = BatchNormalizationVariance(x, scale, scale, mean, variance, count)
    """,
    "a matrix of each frame is one-hot": """
        A = InputValue(shape=(2, 3), storage=onehot)
        B = InputValue(shape=3)
        z = Times(A, B)
    """,
    "a transposed matrix of each frame is one-hot": """
        A = InputValue(shape=(3, 2), storage=onehot)
        B = InputValue(shape=3)
        z = TransposeTimes(A, B)
    """,
    "a one-hot image is pooled and read without gradient": """
        x = InputValue(shape=(4, 1, 2), storage=onehot)
        y = Pooling(x, poolKind="max", kernelDims=(2,), stride=(2,), autoPadding=(false,))
        z = MaxUnpooling(y, x, kernelDims=(2,), stride=(2,), autoPadding=(false,))
        root z
    """,
    "given derivatives are the same for all frames": """
        objectives = InputValue(shape=1)
        derivatives = Parameter(shape=3)
        prediction = InputValue(shape=3)
        z = DummyCriterion(objectives, derivatives, prediction)
        root z
    """,
}


@pytest.mark.parametrize("title", FOUND)
def test_what_was_found(title: str) -> None:
    graph = parse_graph(textwrap.dedent(FOUND[title]))
    for training in (False, True):
        compare(load("xla"), graph, Mode(ElementType.FLOAT32, Style.DISTINCT, training))


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted({cls.family for cls in RECIPES}))
def test_many_on_xla(family: str) -> None:
    token = OPTIONS.set(dataclasses.replace(options(), examples=examples(MANY)))
    try:
        check_lowering("xla", family=family)
    finally:
        OPTIONS.reset(token)


@pytest.mark.slow
def test_many_whole_graphs_on_xla() -> None:
    check_whole_graphs(load("xla"), examples(MANY))


@pytest.mark.parametrize("cls", SHARED, ids=lambda cls: cls.names[0])
def test_shared_bodies_have_no_branch_on_values(cls: type[Op]) -> None:
    for seed in range(3):
        node = RECIPES[cls].make(Drawing(Seeded.of(cls.names[0], seed)), cls)
        for training in (False, True):
            found = {equation for jaxpr in bodies(node, training) for equation in primitives(jaxpr)}
            assert not found & BRANCHES


def bodies(node: Node, training: bool) -> Iterator[Any]:
    """What the operator's meaning and gradient are traced to; tracing fails where Python branches on a value."""
    c = Context(jnp, tuple(n.type for n in node.inputs), node.type, training=training, frames=Frames(3))
    xs = [operand(node, source) for source in node.inputs]
    yield jax.make_jaxpr(lambda *xs: node.op.evaluate(c, *xs))(*xs).jaxpr
    if hasattr(node.op, "pullback"):
        y = jax.eval_shape(lambda *xs: node.op.evaluate(c, *xs), *xs)
        pullback = node.op.pullback  # pyright: ignore[reportAttributeAccessIssue]
        yield jax.make_jaxpr(lambda y, *xs: [g for g in pullback(c, xs, y, y) if g is not None])(y, *xs).jaxpr


def operand(node: Node, source: Node) -> Any:
    x = np.zeros(array_shape(source.type, *[3] * (source.type.axis is not None)), source.type.element.value)
    return align(x, source.type, node.type.rank) if node.op.aligned else x


def primitives(jaxpr: Any) -> Iterator[str]:
    for equation in jaxpr.eqns:
        yield equation.primitive.name
        for value in equation.params.values():
            for part in value if isinstance(value, tuple | list) else (value,):
                inner = getattr(part, "jaxpr", part)
                if hasattr(inner, "eqns"):
                    yield from primitives(inner)
