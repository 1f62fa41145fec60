"""The canonical form: what it looks like, that it is its own, and that nothing but white space changes."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphc.diagnostics import DiagnosticError, SourceText
from graphc.syntax import formatter
from graphc.syntax.ast import Record
from graphc.syntax.brainscript import parse_members
from graphc.syntax.configuration import ConfigurationRecord, configuration_from_text
from graphc.syntax.formatter import format_configuration, format_script
from graphc.syntax.formatter_lexemes import Kind, lex_script
from graphc.syntax.printer import format_record
from graphc.testing.syntax import records

ROOT = Path(__file__).parents[2]
SETTINGS = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a=1", "a = 1"),
        ("a  =  b+c*d", "a = b + c * d"),
        ("a = - b - - c", "a = - b - - c"),
        ("a = -b-c", "a = -b - c"),
        ("a = !b&&c", "a = !b && c"),
        ("f(x,y) = x", "f(x, y) = x"),
        ("f  (x ,y) = x", "f (x, y) = x"),
        ("f {x, bias=true, pad = false} = x", "f {x, bias=true, pad = false} = x"),
        ("f {x, bias= true} = x", "f {x, bias = true} = x"),
        ("a = 8:8 : 1", "a = 8:8 : 1"),
        ("a = x=>x", "a = x => x"),
        ("a = array [ 0..n ] (f)", "a = array [ 0..n ] (f)"),
        ("a = 1;b = 2", "a = 1; b = 2"),
        ("a = [x=1;y=2]", "a = [x = 1; y = 2]"),
        ("a = new T [x=1]", "a = new T [x = 1]"),
        ("a = f [1]", "a = f [1]"),
        ("a = 'x  y'", "a = 'x  y'"),
        ("a = 1 // why", "a = 1  // why"),
        ("a = 1     # why   ", "a = 1     # why"),
        ("a = 1 /* b   c */ + 2", "a = 1 /* b   c */ + 2"),
        ("a = 1\n\n\n\nb = 2", "a = 1\n\nb = 2"),
        ("\n\na = 1\n\n", "a = 1"),
        ("a = {\nb = 1\n}", "a = {\n    b = 1\n}"),
        ("a = {\nb = 1\n}.b", "a = {\n    b = 1\n}.b"),
        ("a =\nb", "a =\n    b"),
        ("a = b\n+ c\nd = 1", "a = b\n    + c\nd = 1"),
        ("a = f (\nx,\ny\n)", "a = f (\n    x,\n    y\n)"),
        ("a = f ({\nb = 1\n})", "a = f ({\n    b = 1\n})"),
        ("a=f(x,\n    y)", "a = f(x,\n      y)"),
        ("a = f (x,\n  y)", "a = f (x,\n    y)"),
        ("a   = if b then c\n      else d", "a = if b then c\n    else d"),
        ("a =  if b then c\n     else d", "a = if b then c\n    else d"),
        ("f (x,\n   y) = {\nz = x\n}", "f (x,\n   y) = {\n    z = x\n}"),
        ("a   = 1\nbcd = 2", "a   = 1\nbcd = 2"),
        ("a     = 1\nbcd   = 2", "a   = 1\nbcd = 2"),
        ("a   = 1\n# c\nbcd = 2", "a   = 1\n# c\nbcd = 2"),
        ("a = 1   # x\nbc= 2   # y", "a = 1    # x\nbc = 2   # y"),
        ("a = 1   # x\n        # y", "a = 1   # x\n        # y"),
        ("{\n# c\na = 1\n  # d\n}", "{\n    # c\n    a = 1\n    # d\n}"),
        ("a = (\n// c\nb)", "a = (\n    // c\n    b)"),
        ("/* c */\na = 1", "/* c */\na = 1"),
        ("include 'x.bs'\na=1", "include 'x.bs'\na = 1"),
        ("a = 'x\n  y'\nb=1", "a = 'x\n  y'\nb = 1"),
        ("\ta = 1\r\n\tb=2\r\n", "a = 1\r\nb = 2"),
        ("\ufeffa=1", "\ufeffa = 1"),
        ("", ""),
    ],
)
def test_scripts(before: str, after: str) -> None:
    result = format_script(before)
    end = "\r\n" if "\r" in before else "\n"
    assert result == (after + end if after else "")
    assert format_script(result) == result


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a=1", "a = 1"),
        ("a  =  x  y  ", "a = x  y"),
        ("a=[b=1;c=2]", "a = [b = 1; c = 2]"),
        ("a = {\nb = 1 , c=2\n}", "a = {\n    b = 1, c = 2\n}"),
        ("rate=0.1*3:0.05", "rate = 0.1*3:0.05"),
        ("a = (x:\n  y)", "a = (x:\n    y)"),
        ("a = ( x :  y )", "a = ( x :  y )"),
        ("a = foo  [1]", "a = foo  [1]"),
        ("a = [|b=1;|c=2]", "a = [|b=1;|c=2]"),
        ("a=x#y # z", "a = x#y  # z"),
        ("a=#x", "a =#x"),
        ('a="x  #  y"', 'a = "x  #  y"'),
        ("// c\na=1", "// c\na = 1"),
        ("flag\na=1", "flag\na = 1"),
        ("a=1[b;2]", "a = 1[b; 2]"),
        ("a=1:[2;3:4]:{5;{6;7}}", "a = 1:[2; 3:4]:{5; {6; 7}}"),
        ("include=b.cntk\na=1", None),
        ("T=[\n  BrainScriptNetworkBuilder={\nx=Input{$d$}*2 // it's\n}\n]", None),
        ("BrainScriptNetworkBuilder=(\nBS.Network.Load('$m$')\n)", None),
    ],
)
def test_configurations(before: str, after: str | None) -> None:
    expected = {
        "include": "include=b.cntk\na = 1",
        "T": "T = [\n    BrainScriptNetworkBuilder = {\n        x = Input{$d$} * 2  // it's\n    }\n]",
        "BrainScriptNetworkBuilder": "BrainScriptNetworkBuilder = (\n    BS.Network.Load('$m$')\n)",
    }
    result = format_configuration(before)
    assert result == (after or expected[before.partition("=")[0]]) + "\n"
    assert format_configuration(result) == result


@pytest.mark.parametrize("text", ["a = (1", "a = 1)", "a = 2 *", "a = 'x", "a = 1 /* c", "a = $x$"])
def test_malformed_scripts_are_refused(text: str) -> None:
    with pytest.raises(DiagnosticError):
        format_script(text)


@pytest.mark.parametrize("text", ["a = (1", "a = 1)", "a = ( ]", '"x', "BrainScriptNetworkBuilder = { a = ` }"])
def test_malformed_configurations_are_refused(text: str) -> None:
    with pytest.raises(DiagnosticError):
        format_configuration(text)


def test_deep_nesting_is_no_traceback() -> None:
    with pytest.raises(DiagnosticError) as caught:
        format_configuration("a = " + "[\nb=" * 200 + "1" + "]" * 200)
    assert caught.value.diagnostics[0].code == "GC0108"
    assert format_script("a = " + "+".join("b" * 500)).count(" + ") == 499


def test_a_changed_meaning_is_never_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formatter, "_layout", lambda text, lexemes: text.replace("1", "2"))
    for format_text in (format_script, format_configuration):
        with pytest.raises(DiagnosticError) as caught:
            format_text("a = 1")
        assert caught.value.diagnostics[0].code == "GC0006"


@pytest.mark.parametrize("path", sorted((ROOT / "graphc/script/library").glob("*.bs")), ids=lambda p: p.name)
def test_library_files(path: Path) -> None:
    text = path.read_text("utf-8")
    result = format_script(text, path.name)
    assert format_script(result) == result
    # indentation is the author's already
    assert [_margin(x) for x in result.splitlines()] == [_margin(x) for x in text.splitlines()]


def _margin(line: str) -> int:
    return len(line) - len(line.lstrip())


@pytest.mark.parametrize("path", sorted(ROOT.glob("models/**/*.cntk")), ids=lambda p: p.name)
def test_shipped_models(path: Path) -> None:
    text = path.read_text("utf-8")
    result = format_configuration(text, path.name)
    assert result == text
    assert format_configuration(textwrap.indent(text.replace("    ", "\t"), "  ")).split() == result.split()


GAPS = ["", " ", "  ", "\t", "\n", "\n\n\n", " \n   ", "\n        ", " /* c */ ", " // c'\n", "#(\n ", " /* a\n  b */"]


@SETTINGS
@given(records(max_leaves=8), st.data())
def test_any_white_space(record: Record, data: st.DataObject) -> None:
    printed = format_record(record)
    text, at = "", 0
    for lexeme in lex_script(printed):
        gap = printed[at : lexeme.start]
        drawn = data.draw(st.sampled_from(GAPS))
        # between words there must be some; a `/` before a comment would be another
        text += (drawn or gap) if not text.endswith("/") else gap
        text += lexeme.text
        at = lexeme.end
    assert parse_members(SourceText.from_string(text)) == record
    result = format_script(text)
    assert parse_members(SourceText.from_string(result)) == record
    assert format_script(result) == result
    assert [x.text for x in lex_script(result)] == [x.text for x in lex_script(text)]
    assert not any(line != line.rstrip() for line in result.split("\n") if not _is_verbatim(text))


def _is_verbatim(text: str) -> bool:
    return any("\n" in x.text for x in lex_script(text) if x.kind is not Kind.COMMENT)


BLANKS = st.sampled_from(["", " ", "   ", "\t"])
ENDS = st.sampled_from(["\n", " \n\n\n", " ; ", ";", ", ", " # it's [\n", "\n# c\n  "])
LEAVES = st.sampled_from(
    ["1", "x  y", "0.1*3:0.2", "(a:b)", "( a\n : b )", '"q  r"', "$v$", "f [1]", "a#b", "(1 :  2)"]
)


def sections() -> st.SearchStrategy[str]:
    def section(value: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        entry = st.tuples(BLANKS, st.sampled_from("abcde"), BLANKS, st.just("="), BLANKS, value, ENDS).map("".join)
        return st.lists(entry, min_size=1, max_size=4).map("".join)

    def group(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        brackets = st.sampled_from([("[", "]"), ("{", "}"), ("(", ")")])
        start = st.sampled_from(["", " ", "\n", " # c\n"])
        return st.tuples(brackets, start, section(inner)).map(lambda x: f"{x[0][0]}{x[1]}{x[2]}{x[0][1]}")

    return section(st.recursive(LEAVES, group, max_leaves=6))


@SETTINGS
@given(sections())
def test_any_configuration(text: str) -> None:
    result = format_configuration(text)
    assert format_configuration(result) == result
    assert settled(configuration_from_text(result)) == settled(configuration_from_text(text))


def settled(record: ConfigurationRecord) -> dict[str, object]:
    """All settings as their readers see them."""
    found: dict[str, object] = {}
    for key, entry in record.entries.items():
        is_section = "=" in entry.value.text and any(c in entry.value.text for c in "[{(")
        value = ConfigurationRecord(entry.value, record.context, record, (*record.path, key)) if is_section else None
        found[key] = settled(value) if value else _elements(entry.value.text)
    return found


def _elements(text: str) -> list[str] | str:
    if text[:1] != "(":
        return text
    return [v.string() for v in configuration_from_text(f"a = {text}").get("a").plain_array()]  # pyright: ignore
