"""Shapes that operators infer, the errors they give, the shapes they offer, and that values have inferred shapes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphc.backend import Environment
from graphc.backends.reference import BACKEND, PhiloxStream
from graphc.ir import DEFAULT_AXIS, ElementType, Graph, Op, Shape, ShapeError, TensorType, check_arity, operator
from graphc.ir.layout import array_shape
from graphc.ir.node import REGISTRY
from graphc.ops.elementwise import Plus
from graphc.ops.legacy_reshape import Restack
from graphc.ops.recurrence import Scan
from graphc.ops.sequences import Where
from graphc.ops.sources import InputValue, LearnableParameter

LINES = [
    line
    for line in (Path(__file__).parent / "shapes.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]
LINE = re.compile(r"(?P<name>\w+)(?:\((?P<attributes>[^)]*)\))? (?P<operands>.*) -> (?P<expected>.*)")
FRAMES = 3


def read_type(text: str) -> TensorType:
    parts = text.strip("[]").split(" x ")
    shape = tuple(None if p == "?" else int(p) for p in parts if p != "*")
    return TensorType(shape, axis=DEFAULT_AXIS if "*" in parts else None)


def read_operator(name: str, attributes: str | None) -> Op:
    cls = operator(name)
    assert cls is not None, name
    fields = {author: field for field, author in cls.attribute_names().items()} | {"name": "name"}
    pairs = [a.split("=") for a in (attributes or "").split(", ") if a]
    return cls(**{fields[key]: read_attribute(value) for key, value in pairs})


def read_attribute(text: str) -> Any:
    if ":" in text:
        return [read_attribute(part) for part in text.split(":")]
    return {"true": True, "false": False}.get(text, int(text) if re.fullmatch(r"-?\d+", text) else text)


def read(line: str) -> tuple[Op, list[TensorType], str]:
    match = LINE.fullmatch(line)
    assert match, line
    types = [read_type(t) for t in re.findall(r"\[[^]]*\]", match["operands"])]
    return read_operator(match["name"], match["attributes"]), types, match["expected"]


def inferred(op: Op, types: list[TensorType]) -> str:
    """As inference does it: the rules, and the final checks once everything is known."""
    try:
        check_arity(op, len(types))
        result = op.infer(*types)
        if all(t.is_complete for t in types):
            op.check(*types)
    except ShapeError as error:
        assert all(index < len(types) for index in error.operands)
        return f"error: {error.message}"
    return str(result)


@pytest.mark.parametrize("line", LINES)
def test_shapes(line: str) -> None:
    op, types, expected = read(line)
    assert inferred(op, types) == expected
    # inference names the axis that a condition makes; a text of one operator does not
    has_value = type(op).evaluate is not Op.evaluate and not isinstance(op, Where | Restack)
    if not expected.startswith("error") and all(t.is_complete for t in types) and has_value:
        check_value(op, types)


def check_value(op: Op, types: list[TensorType]) -> None:
    """The value has the inferred shape; the reference itself asserts it too."""
    sources, values, generator = [], {}, np.random.default_rng(0)
    for index, type in enumerate(types):
        name = f"x{index}"
        sources.append(InputValue(name, type.shape)() if type.axis else LearnableParameter(name, type.shape)())
        values[name] = generator.uniform(0.1, 0.9, array_shape(type, *[FRAMES] * bool(type.axis)))
    node = op(*sources)
    for training in (False, True):
        environment = Environment(settings={"dropout_rate": 0.5}, random=PhiloxStream(1, dtype="float32"))
        result = BACKEND.function(Graph({"y": node}), training=training)(values, values, environment).outputs["y"]
        assert result.shape == array_shape(node.type, *[FRAMES] * bool(node.type.axis))
        assert np.isfinite(result).all()
        assert result.dtype == "float32"


def test_the_table_has_every_operator() -> None:
    """Of elementwise operators, which take their shape rule from a base class, one for each base stands for all."""
    covered = {type(read(line)[0]) for line in LINES}
    for cls in REGISTRY.values():
        if cls.family == "elementwise":
            assert any(other.infer is cls.infer for other in covered), cls
        else:
            assert cls in covered or cls.family == "sources" or cls is Scan, cls


@pytest.mark.parametrize(
    ("operation", "types", "expected"),
    [
        ("Plus", "[?], [3 x 2 x *]", {0: (3, 2)}),
        ("Plus", "[3], [2 x *]", {}),
        ("If", "[?], [3], [1 x 2 x *]", {0: (3, 2)}),
        ("DiagTimes", "[?], [3 x *]", {0: (3,)}),
        ("DiagTimes", "[? x ?], [3 x 2 x *]", {0: (3, 1)}),
        ("Times", "[2 x ?], [3 x 5 x *]", {0: (2, 3)}),
        ("Times(inferInputRankToMap=0)", "[2 x ?], [3 x 5 x *]", {0: (2, 3, 5)}),
        ("Times(inferInputRankToMap=1)", "[2 x ?], [3 x 5 x *]", {0: (2, 3)}),
        ("Times(inferInputRankToMap=0, outputRank=2)", "[2 x 7 x ?], [3 x 5 x *]", {0: (2, 7, 3, 5)}),
        ("Times", "[? x 3], [3 x *]", {}),
        ("Times", "[2 x ?], [? x *]", {0: (2, None)}),
        ("TransposeTimes", "[? x 2], [3 x *]", {0: (3, 2)}),
        ("Convolution(kernelDims=3:3, mapDims=8)", "[?], [5 x 4 x 2 x *]", {0: (3, 3, 2, 8)}),
        ("Convolution(kernelDims=3:3, mapDims=8)", "[3 x 3 x ? x 8], [5 x 4 x 2 x *]", {0: (3, 3, 2, 8)}),
        ("Convolution(kernelDims=3:3, mapDims=8)", "[? x ?], [5 x 4 x 2 x *]", {0: (8, 18)}),
        ("Convolution(kernelDims=3:3, mapDims=8)", "[?], [? x *]", {}),
        ("BatchNormalization", "[4 x *], [? x 1], [4 x 1], [? x 1], [?], [1]", {1: (4, 1), 3: (4, 1)}),
        ("BatchNormalization(spatial=true)", "[5 x 3 x *], [? x 1], [3], [3], [3], [1]", {1: (3, 1)}),
        ("PerDimMeanVarNormalization", "[4 x *], [?], [4]", {1: (4,)}),
        ("OptimizedRNNStack(hiddenDims=4)", "[? x ?], [3 x *]", {0: (4, 36)}),
        ("OptimizedRNNStack(hiddenDims=4)", "[? x ?], [? x *]", {}),
        ("OptimizedRNNStack(hiddenDims=4, numLayers=2)", "[4 x 76], [3 x *], [? x ?]", {2: (4, 4)}),
    ],
)
def test_offers(operation: str, types: str, expected: dict[int, Shape]) -> None:
    op, operands, _ = read(f"{operation} {types} -> ")
    assert dict(op.offers(*operands)) == expected


def test_errors_blame_operands() -> None:
    op, types, _ = read("Times [10 x 784], [768 x *] -> ")
    with pytest.raises(ShapeError) as raised:
        op.infer(*types)
    assert raised.value.operands == (0, 1)
    with pytest.raises(ShapeError) as raised:
        Plus().infer(TensorType((1,)), *(TensorType((n,)) for n in (3, 2)))
    assert raised.value.operands == (1, 2)


def test_element_types_must_agree() -> None:
    single, double = (TensorType((3,), element) for element in (ElementType.FLOAT32, ElementType.FLOAT64))
    with pytest.raises(ShapeError, match="element types differ: float32 and float64"):
        Plus().infer(single, double)


DIMS = st.lists(st.integers(1, 3), min_size=1, max_size=4)


@settings(max_examples=40, deadline=None)
@given(full=DIMS, keep=st.lists(st.booleans(), min_size=4, max_size=4), rank=st.integers(1, 4))
def test_axes_that_lack_or_are_1_are_broadcast(full: list[int], keep: list[bool], rank: int) -> None:
    small = [d if k else 1 for d, k in zip(full, keep, strict=False)][:rank]
    for axes in ((DEFAULT_AXIS, DEFAULT_AXIS), (DEFAULT_AXIS, None), (None, DEFAULT_AXIS)):
        types = [TensorType(tuple(s), axis=a) for s, a in zip((full, small), axes, strict=True)]
        assert Plus().infer(*types).shape == tuple(full)
        check_value(Plus(), types)
