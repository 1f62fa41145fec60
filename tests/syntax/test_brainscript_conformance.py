"""The examples of parsing in the specification, and the cases of tests/conformance/parsing.txt."""

from pathlib import Path

import pytest

from graphc.diagnostics import DiagnosticError, SourceText
from graphc.syntax import ast
from graphc.syntax.brainscript import parse_expression, parse_members
from tests.conformance.examples import cases

FILE = Path(__file__).parents[1] / "conformance" / "parsing.txt"
CASES = [
    pytest.param(*line.split("\t"), id=line.partition("\t")[0])
    for line in FILE.read_text("utf-8").splitlines()
    if line and (not line.startswith("# ") or "\t" in line)
]
SIGNS = {"-": "neg", "!": "not", "+": "pos"}


@pytest.mark.parametrize(("source", "expected"), [*cases("P"), *CASES])
def test_parsing(source: str, expected: str) -> None:
    text = source.replace("⏎", "\n")
    if expected.startswith("ERR "):
        _, place, message = expected.split(" ", 2)
        with pytest.raises(DiagnosticError) as caught:
            parse(text)
        (diagnostic,) = caught.value.diagnostics
        assert diagnostic.span is not None
        assert message in diagnostic.message
        assert f"{diagnostic.span.line}:{diagnostic.span.column}" == place
        assert diagnostic.render()
    else:
        assert show(parse(text)).replace("\n", "⏎") == expected


def parse(text: str) -> ast.Expr:
    if text.startswith("members "):
        return parse_members(SourceText.from_string(text.removeprefix("members ")))
    return parse_expression(SourceText.from_string(text))


def show(e: ast.Expr) -> str:
    match e:
        case ast.Number(value=value):
            return f"{value:g}"
        case ast.String(value=value):
            return f'"{value}"'
        case ast.Bool(value=value):
            return str(value).lower()
        case ast.Name(name=name):
            return name
        case ast.Unary(operator=operator, operand=operand):
            return form(SIGNS[operator], show(operand))
        case ast.Binary(operator=operator, left=left, right=right):
            return form(operator, show(left), show(right))
        case ast.List(items=items):
            return form("list", *map(show, items))
        case ast.Call(function=function, arguments=arguments):
            given = [(a.name, a.value) for a in arguments]
            named = [f"{name}={show(value)}" for name, value in given if name]
            return form("call", show(function), *(show(value) for name, value in given if not name), *named)
        case ast.Index(base=base, index=index):
            return form("index", show(base), show(index))
        case ast.Dot(base=base, name=name):
            return form(".", show(base), name)
        case ast.Lambda(parameters=parameters, body=body):
            positional = [p.name for p in parameters if p.default is None]
            optional = [f"{p.name}={show(p.default)}" for p in parameters if p.default is not None]
            return form("lambda", f"({' '.join(positional + optional)})", show(body))
        case ast.Record(members=members):
            return form("record", *(f"{m.name}={show(m.value)}" for m in members))
        case ast.Array(first=first, last=last, function=function):
            return form("array", show(first), show(last), show(function))
        case ast.New(type_name=type_name, argument=argument):
            return form("new", type_name, show(argument))
        case ast.If(condition=condition, then=then, otherwise=otherwise):
            return form("if", show(condition), show(then), show(otherwise))
        case _:
            raise AssertionError(e)


def form(*parts: str) -> str:
    return f"({' '.join(parts)})"
