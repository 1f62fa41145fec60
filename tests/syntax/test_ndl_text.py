"""Text of the network description language: what it is cut into, and its canonical form."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphc.cli.main import main
from graphc.diagnostics import DiagnosticError, Diagnostics, SourceText
from graphc.syntax.formatter import format_description
from graphc.syntax.ndl import Array, Call, Expression, Literal, Macro, Name, Statement, parse_script

SCRIPT = """\
load=macros
run = net
macros =[
  # a fully connected layer
  FF(X1,W1, B1)
  {
T=Times(W1,X1);   #  product
    P = Plus(T,B1) # sum
  }

  Relu_(x)=RectifiedLinear( FF(x , w,b) )
]


net=[
  f = Input(3,   tag="feature")
  w  = Parameter(2,3, init=uniform)
  bias = Parameter(2)
  d = Delay(2, z , delayTime=1 ); z = FF(f,
      w, bias, stride={2, 2})
  OutputNodes=(z:d)
]
"""
CANONICAL = """\
load = macros
run = net
macros = [
    # a fully connected layer
    FF(X1, W1, B1)
    {
        T = Times(W1, X1);   #  product
        P = Plus(T, B1)  # sum
    }

    Relu_(x) = RectifiedLinear( FF(x, w, b) )
]

net = [
    f = Input(3, tag="feature")
    w = Parameter(2, 3, init=uniform)
    bias = Parameter(2)
    d = Delay(2, z, delayTime=1 ); z = FF(f,
        w, bias, stride={2, 2})
    OutputNodes = (z:d)
]
"""


def shown(expression: Expression) -> str:
    match expression:
        case Literal(value=value):
            return value
        case Name(text=text):
            return text.text
        case Array(items=items):
            return f"[{' '.join(map(shown, items))}]"
        case Call(function=function, arguments=arguments, options=options):
            given = [*map(shown, arguments), *(f"{o.name}={o.value}" for o in options)]
            return f"{function}({' '.join(given)})"
        case _:
            return "?"


def described(part: Statement | Macro) -> str:
    if isinstance(part, Macro):
        body = " ; ".join(map(described, part.body))
        return f"{part.name}({' '.join(map(str, part.parameters))}) {{{body}}}"
    return f"{part.name} = {shown(part.expression)}"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a = 3 ; b = a , c = -1.5e3", ["a = 3", "b = a", "c = -1.5e3"]),
        ('a = "x y"', ["a = x y"]),
        ("a = Plus(b, c)", ["a = Plus(b c)"]),
        ("a = Plus ( b : c )", ["a = Plus(b c)"]),
        ("a = Plus[b\nc]", ["a = Plus(b c)"]),
        ("a = Plus{Tanh(b), c, tag = output}", ["a = Plus(Tanh(b) c tag=output)"]),
        ('a = F(x, init="gaussian", stride={2, 2})', ["a = F(x init=gaussian stride={2, 2})"]),
        ("a = F(x*3, {1, 2})", ["a = F(x x x [1 2])"]),
        ("A = (b:c) ; B = {d, e}", ["A = [b c]", "B = [d e]"]),
        ("CE.BFF = BFF(x)", ["CE.BFF = BFF(x)"]),
        ("M(x, y) { a = x ; b = y }", ["M(x y) {a = x ; b = y}"]),
        ("M(x)\n\n[\na = x\n]\nb = M(c)", ["M(x) {a = x}", "b = M(c)"]),
        ("M(x) = Tanh(Sigmoid(x))", ["M(x) {None = Tanh(Sigmoid(x))}"]),
        ("M(x) = { Tanh(x) }", ["M(x) {None = Tanh(x)}"]),
        ("M(x) = [ a = Tanh(x) ; Exp(a) ]", ["M(x) {a = Tanh(x) ; None = Exp(a)}"]),
        ("M() { a = b }", ["M() {a = b}"]),
    ],
)
def test_parts(text: str, parts: list[str]) -> None:
    found = Diagnostics()
    assert [described(part) for part in parse_script(SourceText.from_string(text), found)] == parts
    assert not found.found


def test_what_is_malformed_hides_nothing_behind_it() -> None:
    found = Diagnostics()
    text = "a = 1 + 2\nb = Tanh(c d)\nM(x) { N(y) { z = y } }\nlonely\ne = 3"
    parts = parse_script(SourceText.from_string(text), found)
    assert [described(part) for part in parts] == ["a = ?", "b = ?", "M(x) {}", "e = 3"]
    assert [(d.code, d.span and d.span.line) for d in found.found] == [
        ("GC0154", 1),
        ("GC0154", 2),
        ("GC0153", 3),
        ("GC0153", 4),
    ]


def test_canonical_form() -> None:
    assert format_description(SCRIPT) == CANONICAL
    assert format_description(CANONICAL) == CANONICAL


@settings(max_examples=50, deadline=None)
@given(st.randoms(use_true_random=False))
def test_white_space_is_all_that_changes(random: Random) -> None:
    """Whatever the author's blanks, the result is its own canonical form and has his words in their order."""
    text = re.sub(r"[ \t]+(?=[=({\[])|(?<=[,=])[ \t]*", lambda m: " " * random.randrange(3), SCRIPT)
    result = format_description(text)
    assert format_description(result) == result
    assert re.sub(r"[ \t]|\n+(?=\n)", "", result) == re.sub(r"[ \t]|\n+(?=\n)", "", SCRIPT)


def test_no_comment_begins_where_none_was() -> None:
    assert format_description("a=F(x,#y)\n") == "a = F(x,#y)\n"


def test_a_malformed_script_is_left_alone() -> None:
    with pytest.raises(DiagnosticError):
        format_description("a = Plus(b, c\n")


def test_files_are_formatted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.ndl"
    path.write_text(SCRIPT)
    assert main(["fmt", "--check", str(path)]) == 1
    assert main(["fmt", str(path)]) == 0
    assert path.read_text() == CANONICAL
    assert main(["fmt", "--check", str(path)]) == 0
