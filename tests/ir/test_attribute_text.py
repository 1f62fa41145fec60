"""Attributes of operators print and parse back, and wrong ones are named."""

from __future__ import annotations

import math

import pytest

import graphc.ops  # noqa: F401  (fills the registry)
from graphc.diagnostics import DiagnosticError
from graphc.ir import ElementType, Op, Storage
from graphc.ir.attributes import AttributeFault, format_attributes, format_value, make_op, parse_value
from graphc.ops.initializers import Initializer
from graphc.ops.shaping import Reshape, Slice
from graphc.ops.sources import InputValue, LearnableParameter


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (-2, "-2"),
        (0.1, "0.1"),
        (1e-05, "1e-05"),
        (2.0, "2.0"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (True, "true"),
        (False, "false"),
        (None, "none"),
        ("", '""'),
        ('a "b"\n\\ä', r'"a \"b\"\n\\ä"'),
        ("# x", '"# x"'),
        ((), "()"),
        ((3,), "(3,)"),
        ((3, 2), "(3, 2)"),
        ((True, (1.5, "x")), '(true, (1.5, "x"))'),
    ],
)
def test_value_round_trip(value: object, text: str) -> None:
    assert format_value(value) == text
    parsed = parse_value(text)
    assert parsed == value and type(parsed) is type(value)


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (Slice(0, 2), "beginIndex=0, endIndex=2"),
        (Reshape((3, None)), "dims=(3, none)"),
        (InputValue("x", (3,)), 'name="x", shape=(3,)'),
        (
            InputValue("x", (3,), element=ElementType.FLOAT64, storage=Storage.ONEHOT),
            'name="x", shape=(3,), element=float64, storage=onehot',
        ),
        (
            LearnableParameter("W", (2, 3), 0.5, Initializer("heNormal", scale=math.inf, literal="1 2\n")),
            'name="W", shape=(2, 3), learningRateMultiplier=0.5, '
            'initializer=Initializer(kind="heNormal", scale=inf, literal="1 2\\n")',
        ),
    ],
)
def test_operator_round_trip(op: Op, text: str) -> None:
    assert format_attributes(op) == text
    attributes = dict(parse_value(f"R({text})").fields)
    assert make_op(op.names[0].upper(), attributes) == op


def test_nan_is_equal_to_itself() -> None:
    first = make_op("LearnableParameter", {"name": "w", "shape": (1,), "learningRateMultiplier": parse_value("nan")})
    second = make_op("LearnableParameter", {"name": "w", "shape": (1,), "learning_rate_multiplier": float("nan")})
    assert first == second


@pytest.mark.parametrize(
    ("name", "attributes", "message", "hint"),
    [
        ("Slize", {}, "there is no operation Slize", "did you mean Slice?"),
        ("Slice", {"begin": 0, "ende": 2}, "Slice has no attribute ende", None),
        ("Slice", {"begin": 0, "endIndx": 2}, "Slice has no attribute endIndx", "did you mean endIndex?"),
        ("Slice", {"beginIndex": 0}, "Slice needs the attribute endIndex", None),
        ("Slice", {"begin": 0, "beginIndex": 1}, "the attribute beginIndex is given twice", None),
        ("Slice", {"begin": 0.5, "end": 2}, "the attribute begin of Slice is 0.5, not a whole number", None),
        ("Slice", {"begin": True, "end": 2}, "the attribute begin of Slice is true, not a whole number", None),
        ("Reshape", {"dims": (1, "x")}, 'the attribute dims of Reshape is "x", not a whole number', None),
        (
            "InputValue",
            {"name": "x", "shape": 3, "storage": parse_value("thick")},
            "the attribute storage of InputValue is thick, not one of dense, onehot, sparse",
            None,
        ),
        (
            "Parameter",
            {"name": "x", "shape": 3, "initializer": parse_value("Initializer(knd=1)")},
            "the attribute initializer of LearnableParameter is Initializer(...) with the unknown field knd",
            None,
        ),
    ],
)
def test_wrong_attributes(name: str, attributes: dict[str, object], message: str, hint: str | None) -> None:
    with pytest.raises(AttributeFault) as caught:
        make_op(name, attributes)
    assert caught.value.message == message
    assert hint is None or caught.value.hint == hint


def test_malformed_value_is_diagnosed() -> None:
    with pytest.raises(DiagnosticError, match="is out of place"):
        parse_value("(1, ")
