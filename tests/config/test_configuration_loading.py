"""Files, arguments and presets: what wins, where values come from, and what is said when they are wrong."""

import contextlib
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphc.diagnostics import DiagnosticError, SourceText
from graphc.syntax.configuration import configuration_from_text, default_presets, load_configuration


def failure(call) -> Any:
    with pytest.raises(DiagnosticError) as caught:
        call()
    return caught.value.diagnostics[0]


def place(span) -> str:
    return f"{Path(span.file.name).name}:{span.line}:{span.column} {span.text}"


def written(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_values_point_into_files_and_arguments(tmp_path):
    file = written(tmp_path, "a.cntk", "# first\nT = [ # a section\n  x = 5 # five\n  y = $n$\n]\nn = 1\n")
    root = load_configuration([file], ["n=7", "T=[z=hello]"])
    section = root.record("T")
    assert place(section.require("x").span) == "a.cntk:3:7 5"
    assert place(section.require("y").span) == "<argument 1>:1:3 7"
    assert place(section.require("z").span) == "<argument 2>:1:6 hello"
    assert place(section.key_span("y")) == "a.cntk:4:3 y"
    assert section.require("z").path == "T:z"


def test_a_wrong_value_is_blamed_where_it_is_defined_and_labelled_where_it_is_used():
    root = configuration_from_text("n = many\nSGD = [ maxEpochs = $n$ ]", name="a.cntk")
    found = failure(lambda: root.record("SGD").integer("maxEpochs"))
    assert place(found.span) == "a.cntk:1:5 many"
    assert place(found.labels[0].span) == "a.cntk:2:9 maxEpochs"
    assert found.labels[0].message == "it is the value of SGD:maxEpochs"


def test_cntk_command_line(tmp_path):
    (tmp_path / "run").mkdir()
    written(tmp_path, "run/a.cntk", "x = 1\ny = $RunDir$/z\n")
    written(tmp_path, "run/b.cntk", "x = 2\n")
    arguments = [f"currentDirectory={tmp_path}/run", "ConfigFile=a.cntk+b.cntk", "RunDir=/r", "flag"]
    root = load_configuration([], arguments)
    assert (root.string("x"), root.string("y"), root.boolean("flag")) == ("2", "/r/z", True)
    assert root.string("currentDirectory") == f"{tmp_path}/run"
    assert root.context.directory == tmp_path / "run"
    assert root.context.include_directories == (tmp_path / "run",) * 2


def test_presets_hold_where_the_file_says_nothing(tmp_path):
    file = written(
        tmp_path, "a.cntk", "RunDir = /mine\nd = $ConfigDir$/data\nr = $RunDir$\ns = [ConfigDir = $ConfigDir$/s]"
    )
    root = load_configuration([file], presets=default_presets(file))
    assert root.string("d") == f"{tmp_path}/data"
    assert root.string("r") == "/mine"
    assert root.record("s").string("ConfigDir") == f"{tmp_path}/s"
    assert load_configuration([file], ["ConfigDir=/c"], presets=default_presets(file)).string("d") == "/c/data"


def test_include(tmp_path):
    written(tmp_path, "inner.cntk", "b = 2 # two\n")
    file = written(tmp_path, "a.cntk", f"a = 1\ninclude={tmp_path}/inner.cntk+{tmp_path}/inner.cntk\n")
    root = load_configuration([file])
    assert root.string("b") == "2"
    assert [d.code for d in root.context.diagnostics.warnings] == ["GC0107"]


@pytest.mark.parametrize(
    "name,content,code,message",
    [
        ("a.cntk", b"", "GC0003", "is empty"),
        ("a.cntk", b" \n\t\n", "GC0003", "is empty"),
        ("a.cntk", b"# nothing\n", "GC0003", "holds no setting"),
        ("a.cntk", b"a = 1\n\0\0", "GC0002", "byte 0x00 at offset 6, line 2"),
        ("a.cntk", b"a = \xe9", "GC0002", "byte 0xe9 at offset 4"),
        ("a.cntk", "a = 1".encode("utf-16"), "GC0002", "byte 0xff"),
    ],
)
def test_unusable_files(tmp_path, name, content, code, message):
    found = failure(lambda: load_configuration([written(tmp_path, name, content)]))
    assert found.code == code and message in found.message
    assert found.span is not None


def test_a_missing_file_suggests_its_neighbour(tmp_path):
    written(tmp_path, "convnet.cntk", "a = 1")
    found = failure(lambda: load_configuration([tmp_path / "convnt.cntk"]))
    assert found.code == "GC0001" and found.hint == f"did you mean {tmp_path}/convnet.cntk?"
    found = failure(lambda: load_configuration([], [f"configFile={tmp_path}/convnt.cntk"]))
    assert place(found.span).startswith("<argument 1>:1:12")
    assert failure(lambda: load_configuration([tmp_path])).message.endswith("is a folder, not a file")


def test_byte_order_mark_and_line_ends(tmp_path):
    file = written(tmp_path, "a.cntk", b"\xef\xbb\xbfa = 1\r\nb = 2 # c\r\n# d\r\ns = [\r\n x = 3\r\n]\r\n")
    root = load_configuration([file])
    assert (root.string("a"), root.string("b"), root.record("s").string("x")) == ("1", "2", "3")
    assert place(root.record("s").require("x").span) == "a.cntk:5:6 3"


@pytest.mark.parametrize(
    "text,code,where,label,hint",
    [
        ("a = [\n b = ( 1 ]\n", "GC0101", "2:10 ]", "2:6 (", None),
        ("a = [ b = 1\n\nc = 2\n", "GC0102", "1:5 [", None, None),
        ("a = 1 }", "GC0101", "1:7 }", None, None),
        ('a = "x\n', "GC0102", '1:5 "', None, None),
        ("s =\n[ a = 1 ]\n", "GC0103", "1:1 s =", None, "bracket on the line of the key"),
        ("Data = 1\na = $Dta$/x", "GC0111", "2:5 $Dta$", None, "did you mean $Data$?"),
        ("a = $zzz$", "GC0111", "1:5 $zzz$", None, "pass zzz=VALUE"),
        ("a = $a$", "GC0112", "1:5 $a$", None, "pass a=VALUE"),
        ("a = $b$\nb = x$a$", "GC0112", "2:6 $a$", "1:1 a", None),
    ],
)
def test_errors_point_at_their_cause(text, code, where, label, hint):
    found = failure(lambda: configuration_from_text(text).get_text("a"))
    assert found.code == code
    assert place(found.span) == f"<string>:{where}"
    if label:
        assert place(found.labels[0].span) == f"<string>:{label}"
    if hint:
        assert hint in (found.hint or "")


def test_unbalanced_argument():
    found = failure(lambda: configuration_from_text("a = 1", ["b=2", "T=[SGD=[x=1]"]))
    assert place(found.span) == "<argument 2>:1:3 ["


def test_missing_parameters_name_their_path_and_the_likely_slip():
    root = configuration_from_text("T = [ SGD = [ maxEpoch = 3 ] ]")
    found = failure(lambda: root.record("T").record("SGD").integer("maxEpochs"))
    assert found.message == "required parameter missing: T:SGD:maxEpochs"
    assert place(found.span) == "<string>:1:15 maxEpoch"
    assert found.hint == "did you mean maxEpochs where it says maxEpoch?"
    empty = configuration_from_text("a =\nb = default")
    for key in "ab":
        assert failure(lambda key=key: empty.string(key)).message == f"required parameter has no value: {key}"


@pytest.mark.parametrize(
    "text,read,hint",
    [
        ("a = 1e3", "integer", "write 1000"),
        ("a = 99999999999999999999999", "integer", None),
        ("a = x1", "number", None),
        ("a = yes", "boolean", "write true or false"),
        ("a = word", "record", "between [ and ]"),
    ],
)
def test_wrong_types(text, read, hint):
    found = failure(lambda: getattr(configuration_from_text(text), read)("a"))
    assert found.code == "GC0502" and place(found.span) == f"<string>:1:5 {text[4:]}"
    assert (hint is None) == (found.hint is None) and (hint or "") in (found.hint or "")


SCRIPT = """
T = [
  BrainScriptNetworkBuilder = {
    // an unbalanced } and a " and $nothing$ in a comment
    /* ] it's ( */
    a = '([{' : "}" # and ) this
    d = $dim$
    x=1#{ no blank before it
  }
  n = 4
]
dim = 3
"""


def test_brainscript_sections_keep_their_own_lexical_rules():
    command = configuration_from_text(SCRIPT).record("T")
    assert command.integer("n") == 4
    text = command.get_text("BrainScriptNetworkBuilder")
    assert "and ) this" not in text.text and "d = 3" in text.text and "'([{'" in text.text
    at = text.text.index("x=1")
    assert place(text.span(at, at + 3)) == "<string>:8:5 x=1"
    assert place(text.span(text.text.index("3\n"), text.text.index("3\n") + 1)) == "<string>:12:7 3"


def test_unknown_variables_of_brainscript_are_found_when_it_is_fetched():
    root = configuration_from_text("T = [ n = 1\n BrainScriptNetworkBuilder = ( f ($none$) ) ]")
    command = root.record("T")
    assert command.integer("n") == 1
    assert place(failure(lambda: command.get_text("BrainScriptNetworkBuilder")).span) == "<string>:2:35 $none$"


def test_root_names_win_inside_sections_even_over_their_own():
    root = configuration_from_text("p = /r\nT = [ p = /t\n q = $p$/x ; U = [ r = $p$/y ] ]")
    assert root.record("T").string("q") == "/r/x"
    assert root.record("T").record("U").string("r") == "/r/y"


def test_whole_files_are_substituted_from_the_inside_out():
    root = configuration_from_text("p = 1\nT = [ p = 2 ]")
    assert root.record("T").substitute(SourceText.from_string("W = $p$")).text == "W = 2"


def test_growth_without_end_is_refused():
    lines = ["a0 = xxxxxxxxxx"] + [f"a{i + 1} = $a{i}$$a{i}$" for i in range(60)]
    assert failure(lambda: configuration_from_text("\n".join(lines)).string("a60")).code == "GC0114"
    chain = [f"a{i} = $a{i + 1}$" for i in range(5000)]
    assert failure(lambda: configuration_from_text("\n".join(chain)).string("a0")).code == "GC0114"
    assert failure(lambda: configuration_from_text("a = 1*99999999").array("a")).code == "GC0503"


def test_all_unknown_variables_of_a_value_are_reported():
    root = configuration_from_text("T = [ BrainScriptNetworkBuilder = { a = $x$ ; b = $y$ ; c = $x$ } ]")
    with pytest.raises(DiagnosticError) as caught:
        root.record("T").get_text("BrainScriptNetworkBuilder")
    assert [d.span.text for d in caught.value.diagnostics if d.span] == ["$x$", "$y$", "$x$"]
    lines = [f"a{i + 1} = $a{i}$$a{i}$" for i in range(60)]
    assert failure(lambda: configuration_from_text("\n".join(lines)).string("a60")).code == "GC0111"


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab=[]{}():;,*$\"'#/ \n-_.", max_size=60))
def test_any_text_is_read_or_diagnosed(text):
    try:
        root = configuration_from_text(f"x = 1\n{text}")
        for key in root.own_keys():
            for read in (root.string, root.array, root.record):
                with contextlib.suppress(DiagnosticError):
                    read(key)
    except DiagnosticError as error:
        assert all(d.span is not None and d.span.end <= len(d.span.file.text) for d in error.diagnostics)


@pytest.mark.parametrize(
    "text",
    ["[" * 5000 + "]" * 5000, " " * 100000, "a=" + "\n" * 50000, "BrainScriptNetworkBuilder={" + "/*" * 50000 + "}"],
)
def test_long_nonsense_takes_no_long_time(text):
    # of the processor: others may be busy beside this test
    start = time.process_time()
    with contextlib.suppress(DiagnosticError):
        configuration_from_text(f"x = 1\n{text}")
    assert time.process_time() - start < 2


def test_a_thousand_lines_load_at_once():
    section = "".join(f"  key{i} = $root$/{i} # comment\n" for i in range(48))
    text = "root = /r\n" + "".join(f"S{i} = [\n{section}]\n" for i in range(20))
    start = time.process_time()
    root = configuration_from_text(text)
    assert root.record("S19").string("key47") == "/r/47"
    # 0.02 s; a second for what grows with the square of the lines
    assert time.process_time() - start < 1
