"""CNTK's text format, case by case (spec/training.md 8.1), and its two parsers against each other."""

from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphc.data import text_format
from graphc.data.columns import Dataset, DenseColumn, SparseColumn
from graphc.data.text_bulk import bulk_rows
from graphc.data.text_format import TextOptions, parse_text_format, read_text_format
from graphc.data.text_rows import Rows, TextInput
from graphc.data.text_scan import scan_rows
from graphc.diagnostics import DiagnosticError

DENSE = [TextInput("a", 2)]
BOTH = [TextInput("a", 2), TextInput("b", 4, sparse=True)]


def parse(text: str | bytes, inputs: list[TextInput] = DENSE, **options: object) -> Dataset:
    data = text.encode() if isinstance(text, str) else text
    return parse_text_format(data, "data.ctf", inputs, TextOptions(**options))  # pyright: ignore[reportArgumentType]


def dense(data: Dataset, name: str = "a") -> list[list[float]]:
    return data.streams[name].column.dense().tolist()


def errors(text: str | bytes, inputs: list[TextInput] = DENSE, **options: object) -> list[tuple[str, str]]:
    """Place and code of every error."""
    with pytest.raises(DiagnosticError) as caught:
        parse(text, inputs, **options)
    return [(str(d.span), d.code) for d in caught.value.diagnostics]


GOOD = {
    "pipe first": ("|a 1 2\n|a 3 4\n", [[1, 2], [3, 4]], [1, 1]),
    "blanks before the first pipe": ("  |a 1 2\n|a 3 4\n", [[1, 2], [3, 4]], [1, 1]),
    "blank lines before the first": ("\n \n|a 1 2\n", [[1, 2]], [1]),
    "ids join lines": ("7 |a 1 2\n7 |a 3 4\n8 |a 5 6\n", [[1, 2], [3, 4], [5, 6]], [2, 1]),
    "lines without id join too": ("7 |a 1 2\n|a 3 4\n8 |a 5 6\n", [[1, 2], [3, 4], [5, 6]], [2, 1]),
    "an id comes back": ("7 |a 1 2\n8 |a 3 4\n7 |a 5 6\n", [[1, 2], [3, 4], [5, 6]], [1, 1, 1]),
    "id next to the pipe": ("3|a 1 2\n4|a 3 4\n", [[1, 2], [3, 4]], [1, 1]),
    "ids ignored behind a line without": ("|a 1 2\n1 |a 3 4\n1 |a 5 6\n", [[1, 2], [3, 4], [5, 6]], [1, 1, 1]),
    "unknown stream": ("|a 1 2 |other x:y\n", [[1, 2]], [1]),
    "longer name is another stream": ("|a 1 2 |ab 3 4 5\n", [[1, 2]], [1]),
    "comment": ("|a 1 2 |# not |# a 3\n|# |#|a 3 4\n", [[1, 2], [3, 4]], [1, 1]),
    "escaped pipe in a comment": ("|# note |# still a note |a 1 2\n", [[1, 2]], [1]),
    "tabs and many blanks": ("|a\t1 \t 2\t\n", [[1, 2]], [1]),
    "windows line ends": ("|a 1 2\r\n|a 3 4\r\n", [[1, 2], [3, 4]], [1, 1]),
    "UTF-8 mark": (b"\xef\xbb\xbf|a 1 2\n", [[1, 2]], [1]),
    "UTF-8 comment": ("|a 1 2 |# größer\n", [[1, 2]], [1]),
    "numbers": ("|a 5. +1\n|a 1e2 -2.5E-1\n|a -0 007\n", [[5, 1], [100, -0.25], [0, 7]], [1, 1, 1]),
    "long numbers": ("|a 0.12345678901234567 123456789012345678\n", [[0.12345678901234567, 123456789012345678]], [1]),
    "numbers that touch": ("|a 1-2\n", [[1, -2]], [1]),
}


@pytest.mark.parametrize("text, values, lengths", GOOD.values(), ids=GOOD)
def test_read(text: str | bytes, values: list[list[float]], lengths: list[int]) -> None:
    data = parse(text)
    assert dense(data) == np.array(values, dtype=np.float32).tolist()
    assert data.lengths.tolist() == lengths
    assert not data.warnings


@pytest.mark.parametrize(
    "text, keys",
    [("5 |a 1 2\n5 |a 1 2\n18446744073709551615 |a 1 2\n", [5, 2**64 - 1]), ("\n|a 1 2\n9 |a 1 2\n", [1, 2])],
    ids=["of the author", "line numbers"],
)
def test_keys(text: str, keys: list[int]) -> None:
    assert parse(text).keys.tolist() == keys


def test_skipped_ids_make_every_line_a_sequence() -> None:
    assert parse("1 |a 1 2\n1 |a 3 4\n", skip_sequence_ids=True).lengths.tolist() == [1, 1]


def test_sparse() -> None:
    column = parse("|a 1 2 |b 1:1 3:-0.5\n|a 1 2 |b\n|b 0:2|a 1 2\n", BOTH).streams["b"].column
    assert isinstance(column, SparseColumn)
    assert column.indices.tolist() == [1, 3, 0] and column.offsets.tolist() == [0, 2, 2, 3]
    assert column.dense().tolist() == [[0, 1, 0, -0.5], [0, 0, 0, 0], [2, 0, 0, 0]]


def test_alias_and_jagged_streams() -> None:
    inputs = [TextInput("features", 1, alias="x"), TextInput("labels", 3, sparse=True, alias="y")]
    data = parse("0 |x 1 |y 2:1\n0 |x 2\n1 |x 3 |y 0:1\n", inputs)
    assert data.streams["features"].sequence_offsets.tolist() == [0, 2, 3]
    assert data.streams["labels"].sequence_offsets.tolist() == [0, 1, 2]
    assert data.lengths.tolist() == [2, 1] and not data.is_frames


def test_the_defining_stream_counts_and_chooses() -> None:
    inputs = [TextInput("x", 1), TextInput("y", 1, defines_mb_size=True)]
    data = parse("0 |x 1 |y 1\n0 |x 2\n1 |x 3\n2 |x 4 |y 4\n", inputs)
    assert data.lengths.tolist() == [1, 1] and data.keys.tolist() == [0, 2]
    assert dense(data, "x") == [[1], [2], [4]]
    assert errors("|x 1\n", inputs) == [("None", "GC0604")]


def test_onehot() -> None:
    inputs = [TextInput("d", 3), TextInput("s", 3, sparse=True)]
    yes = parse("|d 0 1 0 |s 2:1\n|d 1 0 0 |s 0:1\n", inputs)
    assert [s.column.is_onehot for s in yes.streams.values()] == [True, True]
    assert [s.column.onehot_indices().tolist() for s in yes.streams.values()] == [[1, 0], [2, 0]]
    for line in ("|d 0 2 0 |s 2:2\n", "|d 1 1 0 |s 0:1 1:1\n", "|d 0 0 0 |s\n"):
        assert not any(s.column.is_onehot for s in parse(line, inputs).streams.values())


def test_columns_have_the_wanted_type_and_cannot_be_written() -> None:
    column = parse("|a 0.1 2\n", dtype=np.float64).streams["a"].column
    assert isinstance(column, DenseColumn) and column.values.dtype == np.float64 and column.values[0, 0] == 0.1
    with pytest.raises(ValueError, match="read-only"):
        column.values[0, 0] = 1


BAD = {
    "blanks before a later id": ("1 |a 1 2\n 2 |a 3 4\n", [("2:2", "GC0601")]),
    "text for the first id": ("x |a 1 2\n", [("1:1", "GC0606")]),
    "id beyond 64 bits": ("1 |a 1 2\n18446744073709551616 |a 1 2\n", [("2:1", "GC0606")]),
    "too many values": ("|a 1 2\n|a 3 4 5\n", [("2:8", "GC0602")]),
    "too many values that touch": ("|a 1-2-3\n", [("1:1", "GC0602")]),
    "no leading digit": ("|a .5 1\n", [("1:4", "GC0601")]),
    "exponent behind a point": ("|a 1 1.e3\n", [("1:8", "GC0601")]),
    "exponent without digits": ("|a 1 1e\n", [("1:7", "GC0601")]),
    "nan": ("|a 1 nan\n", [("1:6", "GC0601")]),
    "infinity": ("|a 1 -inf\n", [("1:6", "GC0601")]),
    "hexadecimal": ("|a 1 0x1F\n", [("1:7", "GC0601")]),
    "pipe and blank": ("|a 1 2 | b 1\n", [("1:8", "GC0601")]),
    "pipe at the end": ("|a 1 2 |\n", [("1:8", "GC0601")]),
    "blank line": ("1 |a 1 2\n\n1 |a 3 4\n", [("2:1", "GC0601")]),
    "stream twice on a line": ("|a 1 2 |a 3 4\n", [("1:1", "GC0605")]),
    "no stream": ("|a 1 2\n|other 3 4\n", [("2:1", "GC0601")]),
    "index:value in a dense stream": ("|a 0:1\n", [("1:5", "GC0601")]),
    "two bad lines": ("|a 1 2\n|a x 2\n|a 1 2\n|a 1 ä\n", [("2:4", "GC0601"), ("4:6", "GC0601")]),
}


@pytest.mark.parametrize("text, expected", BAD.values(), ids=BAD)
def test_refused(text: str, expected: list[tuple[str, str]]) -> None:
    assert errors(text) == [(f"data.ctf:{place}", code) for place, code in expected]


BAD_SPARSE = {
    "index too large": ("|a 1 2 |b 1:1 4:1\n", ("1:15", "GC0603")),
    "no colon": ("|a 1 2 |b 1\n", ("1:11", "GC0601")),
    "blank before the colon": ("|a 1 2 |b 1 :1\n", ("1:11", "GC0601")),
    "blank behind the colon": ("|a 1 2 |b 1: 1\n", ("1:13", "GC0601")),
    "negative index": ("|a 1 2 |b -1:1\n", ("1:11", "GC0601")),
    "huge index": (f"|a 1 2 |b {'9' * 5000}:1\n", ("1:11", "GC0603")),
    "stream missing": ("|a 1 2 |b 1:1\n|a 1 2\n", ("2:1", "GC0604")),
}


@pytest.mark.parametrize("text, expected", BAD_SPARSE.values(), ids=BAD_SPARSE)
def test_refused_sparse(text: str, expected: tuple[str, str]) -> None:
    assert errors(text, BOTH) == [(f"data.ctf:{expected[0]}", expected[1])]


@pytest.mark.parametrize(
    "data, code",
    [(b"", "GC0003"), (b"\xef\xbb\xbf \n", "GC0003"), (b"\xff\xfe|\0a\0", "GC0002"), (b"|a \0\1", "GC0002")],
    ids=["empty", "blank", "UTF-16", "binary"],
)
def test_not_a_data_file(data: bytes, code: str) -> None:
    assert errors(data) == [("None", code)]


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DiagnosticError, match="cannot read data file") as caught:
        read_text_format(tmp_path / "none.ctf", DENSE)
    assert caught.value.diagnostics[0].code == "GC0001"


def test_message_points_at_the_value() -> None:
    with pytest.raises(DiagnosticError) as caught:
        parse("|a 1 2\n|a 1 2,5\n")
    assert str(caught.value).splitlines() == [
        "error[GC0601]: unexpected ',5' where a number should be",
        " --> data.ctf:2:7",
        "  |",
        "2 | |a 1 2,5",
        "  |       ^^",
    ]


def test_message_shows_the_surroundings_in_a_long_line() -> None:
    with pytest.raises(DiagnosticError) as caught:
        parse("|a 1 2 |c " + "7 " * 500 + "|a x " + "8 " * 500 + "\n", [*DENSE, TextInput("c", 500)])
    place, _, line, carets = str(caught.value).splitlines()[1:5]
    assert place == " --> data.ctf:1:1014"
    assert len(line) < 180 and line.startswith("1 | …7 7") and line.endswith("8…")
    assert line[carets.index("^")] == "x" and carets.endswith(" ^")


def test_warnings() -> None:
    data = parse("|a 1 2\n|a 3\n|a 4 5")
    assert dense(data) == [[1, 2], [3, 0], [4, 5]]
    assert [(str(w.span), w.code, w.severity.value) for w in data.warnings] == [
        ("data.ctf:2:1", "GC0607", "warning"),
        ("data.ctf:3:7", "GC0607", "warning"),
    ]


# Each text with the number of errors that CNTK counts in it.
COUNTED = {
    "part of a line": ("0 |a 1 2\n0 |a 3 4 |other 1\n0 |a 5 6 | 7\n", 1),
    "whole line": ("0 |a 1 2\n0 |a x\n0 |a 5 6\n", 3),  # the value, the row without samples, the missing row
    "blank line": ("0 |a 1 2\n\n0 |a 5 6\n", 2),
    "one sample too many": ("0 |a 1 2 |a 3 4\n", 1),
    "blank before an id": ("0 |a 1 2\n 1 |a 3 4\n", 1),
}


@pytest.mark.parametrize("text, count", COUNTED.values(), ids=COUNTED)
def test_max_errors_counts_as_cntk_does(text: str, count: int) -> None:
    assert parse(text, max_errors=count).warnings
    with pytest.raises(DiagnosticError) as caught:
        parse(text, max_errors=count - 1)
    assert caught.value.diagnostics
    if count > 1:
        assert "reached the maximum number of allowed errors" in str(caught.value)


def test_a_stream_without_samples_is_never_forgiven() -> None:
    assert errors("|a 1 2\n|a x 2\n", max_errors=100) == [("data.ctf:2:4", "GC0604")]


def test_many_errors_are_cut_short() -> None:
    with pytest.raises(DiagnosticError) as caught:
        parse("|a x\n" * 50)
    assert len(caught.value.diagnostics) == 10 and "40 more errors" in str(caught.value)


def test_chunks_follow_the_bytes_of_sequences() -> None:
    text = "".join(f"{s} |x {10 * s + t}\n" for s in range(24) for t in range(s % 3 + 1))
    data = parse(text, [TextInput("x", 1)])
    assert data.chunk_starts(60).tolist() == [0, 4, 7, 10, 13, 16, 19, 22, 24]
    assert data.chunk_starts(10**6).tolist() == [0, 24]
    assert data.chunk_starts(1).tolist() == list(range(25))
    assert data.byte_sizes.sum() == len(text)


# The two parsers -----------------------------------------------------------------------------------------------------

NUMBER = st.one_of(
    st.integers(-300, 300).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.from_regex(r"[+-]?[0-9]{1,20}(\.[0-9]{0,20})?", fullmatch=True),
    st.from_regex(r"[+-]?[0-9]{1,3}\.[0-9]{1,9}[eE][+-]?[0-9]{1,2}", fullmatch=True),
)
ODD = st.sampled_from(["x", ".5", "1.e3", "1-2", "0:1", ":", "1:", "|", "| ", "nan", "\r", "é", "\x01", "9" * 70])
BLANK = st.sampled_from([" ", "  ", "\t"])


@st.composite
def parts(draw: st.DrawFn) -> str:
    match draw(st.sampled_from("aaabbb#un")):
        case "a":
            return "|a" + "".join(draw(BLANK) + draw(NUMBER) for _ in range(2)) + draw(st.sampled_from(["", " "]))
        case "b":
            entries = draw(st.lists(st.tuples(st.integers(0, 3), NUMBER), max_size=3))
            return "|b" + "".join(f" {i}:{v}" for i, v in entries)
        case "#":
            return "|# " + draw(st.text("ab |#é:", max_size=5)).replace("|", "|#")
        case "u":
            return "|unknown 1 2 3"
        case _:
            return "|a " + draw(ODD) + " " + draw(NUMBER)


LINE = st.builds(lambda id, each, end: id + "".join(each) + end, st.sampled_from(["", "1 ", "2|# c", "12"]),
                 st.lists(parts(), min_size=1, max_size=4), st.sampled_from(["\n", "\n", "\r\n"]))  # fmt: skip


def assert_equal(fast: Rows, slow: Rows) -> None:
    assert slow.findings == []
    for name in ("starts", "ids", "has_id", "mentions"):
        np.testing.assert_array_equal(getattr(fast, name), getattr(slow, name))
    for one, other in zip(fast.streams, slow.streams, strict=True):
        for name in ("line", "counts", "indices"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        np.testing.assert_array_equal(one.values.astype(float), other.values)
        assert (np.signbit(one.values) == np.signbit(other.values)).all()


@settings(max_examples=400, deadline=None)
@given(st.lists(LINE, min_size=1, max_size=5))
def test_where_the_fast_parser_accepts_it_agrees_with_the_careful_one(lines: list[str]) -> None:
    block = "".join(lines).encode()
    fast = bulk_rows(block, BOTH)
    if fast is not None:
        assert_equal(fast, scan_rows(block, BOTH))


REGULAR = {
    "bytes": "|a 0 255 |b 1:1\n|a 3 17 |b 0:1\n",
    "floats": "|a 0.25 -1e-3 |b 1:0.5 2:7\n|a 3.5E+4 1. |b\n",
    "ids, comments, unknown streams": "1|a 1 2|b 0:1\r\n1 |# no |b 2:2 |a 3 4 |c x:y\r\n",
    "streams that come and go": "0 |a 1 2 |b 0:1\n0 |a 3 4\n0 |b 3:1\n",
}


@pytest.mark.parametrize("text", REGULAR.values(), ids=REGULAR)
def test_the_fast_parser_takes_regular_blocks(text: str) -> None:
    block = text.encode()
    fast = bulk_rows(block, BOTH)
    assert fast is not None
    assert_equal(fast, scan_rows(block, BOTH))


def test_blocks_do_not_show() -> None:
    lines = [f"{n // 3} |a {n} {n}.5 |b {n % 4}:1\n" for n in range(3000)]
    lines[1700] = "566 |a 1 |b 3:1\n"
    whole = parse("".join(lines), BOTH)
    with mock.patch.object(text_format, "_BLOCK", 1000), mock.patch.object(text_format, "_SMALLEST_BULK", 200):
        pieces = parse("".join(lines), BOTH)
    assert [str(w.span) for w in pieces.warnings] == [str(w.span) for w in whole.warnings] == ["data.ctf:1701:5"]
    for name in ("keys", "lengths", "places", "byte_sizes"):
        assert (getattr(pieces, name) == getattr(whole, name)).all()
    for name in "ab":
        assert (pieces.streams[name].column.dense() == whole.streams[name].column.dense()).all()
