"""Printed trees parse to themselves, with no parentheses to spare."""

import pytest
from hypothesis import HealthCheck, given, settings

from graphc.diagnostics import SourceFile, SourceText
from graphc.syntax.ast import Expr, Lambda, Name, Parameter, Record, String
from graphc.syntax.brainscript import parse_expression, parse_members
from graphc.syntax.printer import format_expression, format_record
from graphc.testing.syntax import expressions, records

SETTINGS = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@SETTINGS
@given(expressions(max_leaves=12))
def test_expression_survives_printing(expr: Expr) -> None:
    text = format_expression(expr)
    assert parse_expression(SourceText.from_string(text)) == expr, text


@SETTINGS
@given(records(max_leaves=10))
def test_record_survives_printing(record: Record) -> None:
    text = format_record(record)
    assert parse_members(SourceText.from_string(text)) == record, text
    assert format_record(parse_members(SourceText.from_string(text))) == text


# Each is already canonical: it is printed as it stands.
CANONICAL = """
(a + b) * c
a + b * c - d
a - (b - c)
-(a + b) ** 2
-a.b(c)
(-a).b
!(a && b) || c
a == b == c
a == (b == c)
a : b + c : (d : e) : f
[|a : b; c|]
[||]
[|a|]
(a : b) >> c
(x => y)(3)
a : (x => b)
x => y => x : y
(if a then b else c) + d
a + if p then 1 else 2 * 3
a * (if p then 1 else 2) + 3
-if a then b else c : d
(if a then b else c).d
if a then x => b else if c then d else e
new X { a = 1 }.b
new X (r.b)
new X -a + b
new X (-a).b
(5).x
new X (5).x
array[0..N - 1](i => i * i)
f(a, b=1)(c)[2].d
{ f(x, y=2, z) = x; X[i:0..3](a) = a * i; Y[i:0..3] = i; g() = 1 }
"it's" + 'a "quoted" word'
1e+300 * 0.5
"""


@pytest.mark.parametrize("text", CANONICAL.strip().splitlines())
def test_text_has_no_parentheses_to_spare(text: str) -> None:
    assert format_expression(parse_expression(SourceText.from_string(text))) == text


def test_file_keeps_comments_and_nests_lines() -> None:
    text = "# a layer\nf(x) = {\n    # its weights\n    W = 1\n    y = g({ a = 1 })\n}\nz = 2\n"
    assert format_record(parse_members(SourceText.from_string(text))) == text


@pytest.mark.parametrize(
    "text",
    [
        "a" + " + a" * 10_000,
        "-" * 10_000 + "a",
        "f(" * 10_000 + "a" + ")" * 10_000,
        "{ a = " * 10_000 + "1" + " }" * 10_000,
        "a - (" * 10_000 + "a - b" + ")" * 10_000,
    ],
    ids=["sum", "signs", "calls", "records", "parentheses"],
)
def test_depth_is_no_limit(text: str) -> None:
    assert format_expression(parse_expression(SourceText.from_string(text))) == text


SPAN = SourceFile("", "").span()


@pytest.mark.parametrize(
    "tree",
    [
        Lambda(SPAN, (Parameter("x", None, SPAN), Parameter("y", None, SPAN)), Name(SPAN, "x")),
        String(SPAN, "both ' and \""),
    ],
)
def test_tree_without_text_is_refused(tree: Expr) -> None:
    with pytest.raises(ValueError):
        format_expression(tree)
