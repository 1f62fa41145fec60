"""Operators between nodes, numbers and booleans: the operation that each becomes, or why there is none."""

from __future__ import annotations

from typing import Any

import pytest

from graphc.diagnostics import DiagnosticError
from graphc.network.network import NetworkNode
from graphc.ops.sources import LearnableParameter

# member of a nested record, so that constants have its name -> operation and inputs, `=` and a constant's value
BECOMES = """
x + y       -> Plus x y
x - 2       -> Minus x =2
y * x       -> Times y x
x * 2       -> ElementTimes x =2
2 * x       -> ElementTimes =2 x
x .* y      -> ElementTimes x y
x / 4       -> ElementTimes x =0.25
1 / x       -> Reciprocal x
x < y       -> Less x y
x >= 1      -> GreaterEqual x =1
x != y      -> NotEqual x y
x && y      -> ElementTimes x y
x && true   -> ElementTimes x =1
-x          -> Negate x
!x          -> Minus =1 x
!3          -> Minus =1 =3
if x then y else 2   -> If x y =2
"""

# what a boolean decides alone is one of the operands itself
IS = """
x && false  -> x
x || true   -> x
+x          -> x
if 1 < 2 then x else y   -> x
"""

REFUSED = """
x || y      -> BS.Boolean.Or
x || false  -> BS.Boolean.Or
x ** 2      -> x .* x
x % y       ->
x / y       -> only 1 by a node
2 / x       -> only 1 by a node
x + true    ->
x && 1      ->
"""


def lines(table: str) -> list[Any]:
    rows = (line.partition("->") for line in table.strip().splitlines())
    return [pytest.param(expression.strip(), fact.strip(), id=expression.strip()) for expression, _, fact in rows]


def value(build: Any, expression: str) -> NetworkNode:
    return build(f"{{ x = Input{{3}} ; y = Input{{(3:3)}} ; r = {{ a = {expression} }} ; z = Pass (r.a) }}")[
        "z"
    ].inputs[0]


@pytest.mark.parametrize(("expression", "fact"), lines(BECOMES))
def test_becomes(build: Any, expression: str, fact: str) -> None:
    node = value(build, expression)
    inputs = [f"={n.op.constant:g}" if isinstance(n.op, LearnableParameter) else n.name for n in node.inputs]
    assert " ".join([node.operation, *inputs]) == fact


@pytest.mark.parametrize(("expression", "name"), lines(IS))
def test_is(build: Any, expression: str, name: str) -> None:
    assert value(build, expression).name == name


@pytest.mark.parametrize(("expression", "hint"), lines(REFUSED))
def test_refused(build: Any, expression: str, hint: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        value(build, expression)
    (found,) = caught.value.diagnostics
    assert found.code == "GC0306"
    assert found.span is not None and found.span.text == expression
    assert hint in (found.hint or "")
    assert bool(hint) == bool(found.hint)
