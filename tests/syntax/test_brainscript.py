"""Spans, comments as documentation, include and depth of the BrainScript parser."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphc.diagnostics import CODES, DiagnosticError, SourceFile, SourceText
from graphc.syntax import ast
from graphc.syntax.brainscript import IncludePath, parse_expression, parse_members


def expression(text: str) -> ast.Expr:
    return parse_expression(SourceText.from_string(text))


def members(text: str, **options: IncludePath) -> dict[str, ast.Member]:
    return {m.name: m for m in parse_members(SourceText.from_string(text), **options).members}


def nodes(expr: ast.Expr) -> list[ast.Expr]:
    """Every expression below, itself first."""
    found, stack = [], [expr]
    while stack:
        node = stack.pop()
        found.append(node)
        for name in node.__dataclass_fields__:
            value = getattr(node, name)
            for item in value if isinstance(value, tuple) else (value,):
                if isinstance(item, ast.Argument | ast.Member):
                    item = item.value
                elif isinstance(item, ast.Parameter):
                    item = item.default
                if isinstance(item, ast.Expr):
                    stack.append(item)
    return found


# spans


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("(a + b)*c - -d", ["(a + b)*c - -d", "-d", "d", "(a + b)*c", "c", "a + b", "b", "a"]),
        ("f (x, k=(y)) .m [0]", ["f (x, k=(y)) .m [0]", "0", "f (x, k=(y)) .m", "f (x, k=(y))", "y", "x", "f"]),
        ("((a:b):c)", ["(a:b):c", "c", "b", "a"]),
        ("new T { m = 1 }.n", ["new T { m = 1 }.n", "new T { m = 1 }", "{ m = 1 }", "1"]),
        ("if p then 'x' else [|1|]", ["if p then 'x' else [|1|]", "[|1|]", "1", "'x'", "p"]),
        ("array[0..n](i=>i)", ["array[0..n](i=>i)", "i=>i", "i", "n", "0"]),
        ("{X[i:0..2](a)=a}", ["{X[i:0..2](a)=a}", "[i:0..2](a)=a", "(a)=a", "(a)=a", "a", "2", "0"]),
    ],
)
def test_spans_cover_exactly_the_text(text: str, spans: list[str]) -> None:
    expr = expression(text)
    assert sorted(n.span.text for n in nodes(expr)) == sorted(spans)
    assert {n.span.file.text for n in nodes(expr)} == {text}


def test_names_and_operators_have_places_of_their_own() -> None:
    binary = expression("a\n  .b ** f(x=1)")
    assert isinstance(binary, ast.Binary) and isinstance(binary.left, ast.Dot) and isinstance(binary.right, ast.Call)
    assert str(binary.operator_span) == "<string>:2:6"
    assert str(binary.left.name_span) == "<string>:2:4"
    assert binary.right.arguments[0].span.text == "x=1"
    member = members("  f(x, y = 2) = x")["f"]
    assert isinstance(member.value, ast.Lambda)
    assert member.name_span.text == "f"
    assert [p.span.text for p in member.value.parameters] == ["x", "y = 2"]


def test_places_survive_cutting_and_substitution() -> None:
    file = SourceFile("net.cntk", "dim = 28\nnet = { a = W # weights\n * $dim$ + q }\n")
    whole = SourceText.of(file)
    at = file.text.index
    text = SourceText.join(
        [whole[at("a = W") : at("# w")], whole[at(" * ") : at("$dim$")], whole[6:8], whole[at(" + q") : at(" }")]]
    )
    (member,) = parse_members(text).members
    value = member.value
    assert isinstance(value, ast.Binary) and isinstance(value.left, ast.Binary)
    assert [str(n.span) for n in (value.left.left, value.left.right, value.right)] == [
        "net.cntk:2:13",
        "net.cntk:1:7",
        "net.cntk:3:12",
    ]
    assert member.name_span.text == "a"


# documentation


def test_comment_lines_directly_above_document_a_member() -> None:
    text = """# not this one

    // a dense layer
    ## with bias
    f(x) = {
        # weights
        W = 1 ; V = 2
        y = 3  # y
    }
    # too
    # late
    """
    f = members(text)["f"]
    assert f.doc == "a dense layer\nwith bias"
    assert isinstance(f.value, ast.Lambda) and isinstance(f.value.body, ast.Record)
    assert [m.doc for m in f.value.body.members] == ["weights", "", ""]


# include


@pytest.fixture
def library(tmp_path: Path) -> Path:
    files = {
        "lib/all.bs": "# first\na = 1\ninclude 'deep/more.bs' z = 26",
        "lib/deep/more.bs": "b = { include 'inner.bs' }\n",
        "lib/deep/inner.bs": "c = 3 ; d = 4",
        "program/core.bs": "core = 1",
        "cycle.bs": "include 'cycle2.bs'",
        "cycle2.bs": "x = 1\ninclude 'cycle.bs'",
        "wrong.bs": "\n x = ^",
        "record.bs": "{ q = 1 }",
        "bom.bs": "\ufeffx = 1",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "binary.bs").write_bytes(b"x = \xff\xfe")
    return tmp_path


def test_include_splices_members_of_files(library: Path) -> None:
    path = IncludePath((library,), program=library / "program")
    found = members("before = 0 include 'lib\\all.bs' include 'elsewhere/core.bs'", includes=path)
    assert list(found) == ["before", "a", "b", "z", "core"]
    assert found["a"].doc == "first"
    assert str(found["a"].name_span) == f"{library}/lib/all.bs:2:1"
    inner = found["b"].value
    assert isinstance(inner, ast.Record)
    assert [m.name for m in inner.members] == ["c", "d"]


@pytest.mark.parametrize("text", ["new T include 'record.bs'", "f(include 'record.bs')", 'include "record.bs"'])
def test_include_stands_wherever_its_tokens_may(library: Path, text: str) -> None:
    parsed = parse_expression(SourceText.from_string(text), includes=IncludePath((library,)))
    assert parsed == expression(text.replace("include 'record.bs'", "{q=1}").replace('include "record.bs"', "{q=1}"))


def test_include_looks_beside_the_file_that_includes(library: Path) -> None:
    file = SourceFile(str(library / "main.bs"), "include 'bom.bs'")
    assert [m.name for m in parse_members(SourceText.of(file)).members] == ["x"]


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("y = 2 include 'nowhere.bs'", "<string>:1:15", "included file 'nowhere.bs' not found"),
        ("include 'cycle.bs'", "{}/cycle2.bs:2:9", "cyclic include of 'cycle.bs'"),
        ("include 'wrong.bs'", "{}/wrong.bs:2:6", "unexpected character: ^"),
        ("include 'binary.bs'", "<string>:1:9", "is not UTF-8 text"),
        ("x = 1 include 'bom.bs'", "{}/bom.bs:1:1", "duplicate member definition 'x'"),
        ("include ''", "<string>:1:9", "included file '' not found"),
        ("include 'a\0b'", "<string>:1:9", "not found"),
    ],
)
def test_include_that_fails_is_diagnosed(library: Path, text: str, place: str, message: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        members(text, includes=IncludePath((library,)))
    (diagnostic,) = caught.value.diagnostics
    assert message in diagnostic.message
    # the byte-order mark is no column of the file that an editor shows
    assert str(diagnostic.span) == place.format(library)


# errors


def test_unbalanced_bracket_points_at_its_opening() -> None:
    with pytest.raises(DiagnosticError) as caught:
        members("a = {\n  b = (1\n}\n")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "GC0155"
    assert str(diagnostic.span) == "<string>:3:1"
    assert [(label.message, str(label.span)) for label in diagnostic.labels] == [("'(' opened", "<string>:2:7")]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("f(a,)", "no comma"),
        ("{a=1, b=2}", "not by ','"),
        ("[1]", "[| a ; b |]"),
        ("a ^ b", "'**'"),
        ("(x, y) => x", "f(x, y)"),
        ("{a.b = 1}", "no dots"),
        ("if a = b then c else d", "'=='"),
        ("1..2", "range"),
        ("'it''s'", "'+'"),
        ("a]", "nothing opens"),
        ("{ new = 1 }", "reserved"),
        ("if a then b", "'else'"),
        ("a : x => b", "parentheses"),
        ("\N{LEFT DOUBLE QUOTATION MARK}a", "straight"),
    ],
)
def test_probable_mistake_gets_a_hint(text: str, hint: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        expression(text)
    assert hint in (caught.value.diagnostics[0].hint or "")


# depth

N = 10_000
DEEP = {
    "parentheses": "(" * N + "a" + ")" * N,
    "sum": " + ".join("a" * N),
    "list": " : ".join("a" * N),
    "nested lists": "(" * N + "a" + ":b)" * N,
    "signs": "-" * N + "a",
    "conditionals": "if a then b else " * N + "c",
    "functions": "x => " * N + "x",
    "calls": "f(" * N + "a" + ")" * N,
    "postfixes": "f" + "(a)[b].c" * N,
    "records": "{a=" * N + "1" + "}" * N,
    "literals": "[|" * N + "|]" * N,
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP.keys())
def test_depth_is_no_limit(text: str) -> None:
    assert expression(text).span.text.strip("()") == text.strip("()")


@pytest.mark.parametrize("text", ["(" * N, "{a=" * N, "a" + " + a" * N + " +", "f(" * N + "]"])
def test_depth_does_not_hide_an_error(text: str) -> None:
    with pytest.raises(DiagnosticError):
        expression(text)


def test_importing_the_parser_does_not_load_lark() -> None:
    code = "import sys, graphc.syntax.brainscript, graphc.syntax.printer; sys.exit('lark' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


# any text


WORDS = "a b.c 1 .5 'x' \" ' = == => .. . , ; : ( ) { } [ ] [| |] + - * ! << if else new array true /* */ // # ^ \n"


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(WORDS.split(" ")), max_size=12).map(" ".join) | st.text(max_size=20))
def test_any_text_is_parsed_or_diagnosed(text: str) -> None:
    for parse in (parse_expression, parse_members):
        try:
            parse(SourceText.from_string(text))
        except DiagnosticError as error:
            (diagnostic,) = error.diagnostics
            assert diagnostic.span is not None
            assert diagnostic.code in CODES
            assert diagnostic.render()
