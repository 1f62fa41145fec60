"""Trees survive their array form; the cache saves the parser's work and never anything else."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings

from graphc.diagnostics import DiagnosticError, SourceFile, SourceText
from graphc.syntax.ast import Expr, Member, Number, Record
from graphc.syntax.brainscript import IncludePath, parse_expression, parse_members
from graphc.syntax.cache import cached_expression, cached_parse
from graphc.syntax.printer import format_expression
from graphc.syntax.trees import ForeignSpanError, decode, decode_record, encode, encode_record
from graphc.testing.syntax import expressions

ROOT = Path(__file__).parents[2]
TEXT = """
# the one
one = 1
f(x, y=one) = { z = if x then y : 2 else [| |] ; X[i:0..3] = array[0..i](j => -j .* "s") }.z[0]
g = new T { a = true } + f(one, y=f{3}).q
"""


def no_parser(text: SourceText) -> Record:
    raise AssertionError("parsed although cached")


# trees


@settings(max_examples=100, deadline=None)
@given(expressions(max_leaves=12))
def test_tree_survives_its_array_form(tree: Expr) -> None:
    # parsed, so that the spans are places and not all the same
    file = SourceFile("<text>", format_expression(tree))
    expr = parse_expression(SourceText.of(file))
    again = decode(json.loads(json.dumps(encode(expr, file))), file)
    assert again == expr
    # spans are not compared, but written again
    assert encode(again, file) == encode(expr, file)


def test_record_is_decoded_member_by_member() -> None:
    file = SourceFile("<text>", TEXT)
    record = parse_members(SourceText.of(file))
    lines = encode_record(record, file).split("\n")
    lines[2] = "[broken"
    one, _, g = decode_record("\n".join(lines), file).members
    assert one == record.members[0] and record.members[0] == one and hash(one) == hash(record.members[0])
    assert g == record.members[2] and g != record.members[1]
    assert (one.name, one.doc, one.name_span) == ("one", "the one", record.members[0].name_span)
    assert one.value is one.value
    assert one.value.span == record.members[0].value.span
    assert replace(one, doc="") == one
    match one:
        case Member(name="one", value=Number(value=1)):
            pass
        case _:
            pytest.fail("a lazy member does not match as a member")


def test_depth_is_no_limit() -> None:
    text = "-" * 10_000 + "a" + " + a" * 10_000
    file = SourceFile("<text>", text)
    array = encode(parse_expression(SourceText.of(file)), file)
    assert encode(decode(json.loads(json.dumps(array)), file), file) == array


def test_text_of_another_file_is_refused() -> None:
    file = SourceFile("<text>", "a")
    with pytest.raises(ForeignSpanError):
        encode(parse_expression(SourceText.of(file)), SourceFile("<other>", "a"))


# cache


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "syntax"


def entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.exists() else []


def test_second_parse_comes_from_the_cache(folder: Path) -> None:
    first = cached_parse(SourceFile("a.bs", TEXT), parse_members)
    file = SourceFile("elsewhere/a.bs", TEXT)
    second = cached_parse(file, no_parser)
    assert second == first
    assert second.members[1].value.span.file is file
    assert second.members[1].value.span.text == first.members[1].value.span.text
    assert [m.doc for m in second.members] == ["the one", "", ""]
    (entry,) = entries(folder)
    if os.name == "posix":
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(entry.stat().st_mode) == 0o600


def test_section_of_a_file_is_cached_by_its_place(folder: Path) -> None:
    file = SourceFile("a.cntk", "net = [ a = 1 ]\nother = [ a = 1 ]")
    for start, end in [(7, 13), (25, 31)]:
        text = SourceText.of(file, start, end)
        (member,) = cached_parse(text, parse_members).members
        (again,) = cached_parse(text, no_parser).members
        assert again.name_span == member.name_span == text.span(1, 2)


def test_other_text_is_parsed(folder: Path) -> None:
    assert cached_parse(SourceFile("", "a = 1"), parse_members) != cached_parse(SourceFile("", "a = 2"), parse_members)


@pytest.mark.parametrize(
    "damage",
    [
        lambda entry: entry.write_bytes(b""),
        lambda entry: entry.write_bytes(b"\xff\x00"),
        lambda entry: entry.write_text(entry.read_text("utf-8").replace("one", "two"), "utf-8"),
        lambda entry: entry.write_text(entry.read_text("utf-8")[:-9], "utf-8"),
    ],
    ids=["empty", "binary", "altered", "cut"],
)
def test_damaged_entry_is_rebuilt(folder: Path, damage: Callable[[Path], None]) -> None:
    file = SourceFile("a.bs", TEXT)
    record = cached_parse(file, parse_members)
    damage(entries(folder)[0])
    assert cached_parse(file, parse_members) == record
    assert cached_parse(file, no_parser) == record


@pytest.mark.parametrize("place", ["file", "file/below", "nul\0"])
def test_unusable_folder_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr("graphc.caches._root", lambda: tmp_path / place)
    assert cached_parse(SourceFile("a.bs", TEXT), parse_members).members


def test_unwritable_folder_is_ignored(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise PermissionError("read-only")

    monkeypatch.setattr(os, "open", refuse)
    assert cached_parse(SourceFile("a.bs", TEXT), parse_members).members
    assert entries(folder) == []


@pytest.mark.skipif(os.name != "posix", reason="needs Unix permissions")
def test_folder_that_others_may_write_is_not_trusted(folder: Path) -> None:
    file = SourceFile("a.bs", TEXT)
    cached_parse(file, parse_members)
    folder.chmod(0o777)
    with pytest.raises(AssertionError, match="parsed although cached"):
        cached_parse(file, no_parser)


def test_an_expression_is_cached_apart_from_members(folder: Path) -> None:
    text = SourceText.from_string("[ a = 1 ]")
    first = cached_expression(text, parse_expression)
    assert cached_expression(text, no_parser) == first
    with pytest.raises(DiagnosticError):
        cached_parse(text, parse_members)


@pytest.mark.parametrize("included", ["b = 1", ""])
@pytest.mark.parametrize("text", ["a = { include 'b.bs' }", 'a = {include # here\n"b.bs"}'])
def test_tree_with_included_text_is_not_kept(folder: Path, tmp_path: Path, included: str, text: str) -> None:
    (tmp_path / "b.bs").write_text(included)
    path = IncludePath((tmp_path,))
    cached_parse(SourceFile("a.bs", text), lambda text: parse_members(text, includes=path))
    assert entries(folder) == []


def test_entries_that_are_not_used_are_dropped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphc.syntax.cache._KEPT", 4)
    for number in range(4):
        cached_parse(SourceFile("", f"a = {number}"), parse_members)
    for entry in entries(folder):
        os.utime(entry, (1, 1))
    cached_parse(SourceFile("", "a = 0"), no_parser)
    cached_parse(SourceFile("", "a = 4"), parse_members)
    assert len(entries(folder)) == 2
    for number in (0, 4):
        cached_parse(SourceFile("", f"a = {number}"), no_parser)


def test_cached_run_does_not_load_lark(folder: Path) -> None:
    code = """if True:
        import sys
        from graphc.diagnostics import SourceFile
        from graphc.syntax.brainscript import parse_members
        from graphc.syntax.cache import cached_expression, cached_parse
        assert cached_parse(SourceFile("", "a = b + 1"), parse_members).members[0].value
        sys.exit("lark" in sys.modules)
    """
    statuses = [subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode for _ in range(2)]
    assert statuses == [1, 0]
