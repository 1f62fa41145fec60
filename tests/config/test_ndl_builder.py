"""Where an NDLNetworkBuilder finds its statements and macros, and what the commands make of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from graphc.cli.main import main

CONFIGURATION = """
command = train
train = [
    action = train ; modelPath = "$RunDir$/model" ; dim = 2
    NDLNetworkBuilder = [ BUILDER ]
    SGD = [ minibatchSize = 4 ; maxEpochs = 1 ; learningRatesPerMB = 0.1 ]
    reader = [
        readerType = CNTKTextFormatReader ; file = "$RunDir$/data.txt"
        input = [ features = [ dim = 2 ; format = dense ] ; labels = [ dim = 2 ; format = dense ] ]
    ]
]
RUN
net = [ NET ]
macros = [ LAYER ]
"""
LAYER = "Layer(x, rows, cols)\n# a comment\n[ W = Parameter(rows, cols)\n y = Sigmoid(Times(W, x)); ]\n"
NET = """
    features = Input($dim$, tag=feature) # dim is that of the command
    labels = Input($dim$, tag=label)
    h = Layer(features, 4, 2)
    ce = CrossEntropyWithSoftmax(labels, Layer(h, 2, 4), tag=criterion)
"""
BUILDERS = {
    "sections": "run = net ; load = macros",
    "itself": LAYER + NET,
    "one file": 'networkDescription = "$RunDir$/whole.ndl"',
    "file with sections": 'networkDescription = "$RunDir$/parts.ndl"',
    "file with sections named here": 'networkDescription = "$RunDir$/unnamed.ndl" ; run = net ; load = defs',
    "file of macros": 'networkDescription = "$RunDir$/bare.ndl" ; ndlMacros = "$RunDir$/other.ndl+$RunDir$/macros.ndl"',
    "backslashes": r'networkDescription = "$RunDir$\bare.ndl" ; ndlMacros = "$RunDir$\macros.ndl"',
}

Write = Callable[[str], Path]


@pytest.fixture
def configuration(tmp_path: Path) -> Write:
    files = {
        "whole.ndl": LAYER + NET,
        "parts.ndl": f"load = defs\nrun = net\ndefs = [ {LAYER} ]\nnet = [ {NET} ]",
        "unnamed.ndl": f"defs = [ {LAYER} ]\nnet [ {NET} ]",
        "bare.ndl": NET,
        "macros.ndl": f"load = used\nunused = [ Layer(x) {{ y = Tanh(x) }} ]\nused = [ {LAYER} ]",
        "other.ndl": "Other(x) { y = Tanh(x) }",
        "data.txt": "|features 1 2 |labels 1 0\n" * 8,
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    def write(builder: str) -> Path:
        path = tmp_path / "a.cntk"
        text = CONFIGURATION.replace(" BUILDER ", f" {builder} ").replace(" NET ", NET).replace(" LAYER ", LAYER)
        path.write_text(text.replace("RUN\n", "run = NDLNetworkBuilder\n" if builder == BUILDERS["itself"] else ""))
        return path

    return write


@pytest.mark.parametrize("builder", BUILDERS)
def test_statements_are_found(
    builder: str, configuration: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = configuration(BUILDERS[builder])
    status = main(["compile", str(path), "--json", f"RunDir={tmp_path}"])
    told = capsys.readouterr()
    assert status == 0, told.err
    (network,) = json.loads(told.out)["networks"]
    assert network["nodes"]["h.y"] == ["Sigmoid", [4, "*"]]
    assert network["parameters"] == 16


@pytest.mark.parametrize(
    "builder,code,place,told",
    [
        ("run = nett ; load = macros", "GC0506", "a.cntk:5:33", "did you mean net?"),
        ("run = net ; load = macro", "GC0506", "a.cntk:5:46", "did you mean macros?"),
        ('networkDescription = "$RunDir$/whol.ndl"', "GC0001", "", "whole.ndl"),
        ('networkDescription = "$RunDir$/a.ndl+$RunDir$/b.ndl"', "GC0503", "", "more than one file"),
        ('networkDescription = "$RunDir$/bare.ndl" ; ndlMacros = "$RunDir$/marcos.ndl"', "GC0001", "", "macros.ndl"),
        ("randomSeedOffset = 3 ; run =", "GC0501", "a.cntk:5:5", "neither networkDescription nor run"),
        ('networkDescription = "$RunDir$/parts.ndl" ; run = nett', "GC0506", "a.cntk:5:77", "did you mean net?"),
        ('networkDescription = "$RunDir$/bare.ndl"', "GC0301", "bare.ndl:4:9", "Undefined function or macro 'Layer'"),
        ("run = net", "GC0301", "a.cntk:15:9", "Undefined function or macro 'Layer'"),
    ],
)
def test_what_is_missing_is_told_where_it_is_named(
    builder: str,
    code: str,
    place: str,
    told: str,
    configuration: Write,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["check", str(configuration(builder)), f"RunDir={tmp_path}"]) == 2
    said = capsys.readouterr().err
    assert said.count("error[") == 1, said
    assert f"error[{code}]" in said and told in said and place in said, said


def test_a_variable_that_nobody_defines_is_told_in_its_file(
    configuration: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = configuration(BUILDERS["one file"])
    path.write_text(path.read_text().replace("dim = 2\n", "dims = 2\n", 1))
    assert main(["check", str(path), f"RunDir={tmp_path}"]) == 2
    said = capsys.readouterr().err
    assert "error[GC0111]: no variable found with the name dim" in said and "whole.ndl:6:22" in said


def test_a_command_may_be_called_run(configuration: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = configuration(BUILDERS["one file"])
    path.write_text(path.read_text().replace("command = train\ntrain = [", "command = run\nrun = ["))
    assert main(["compile", str(path), f"RunDir={tmp_path}"]) == 0
    assert "h.y = Sigmoid" in capsys.readouterr().out


def test_files_alone(configuration: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configuration("")
    assert main(["check", str(tmp_path / "parts.ndl"), "dim=2"]) == 0
    assert main(["check", str(tmp_path / "other.ndl"), str(tmp_path / "whole.ndl"), "dim=2"]) == 0
    text = tmp_path / "net.txt"
    text.write_text(NET)
    capsys.readouterr()
    assert main(["check", "--json", "--lang", "ndl", str(text), "dim=2"]) == 2
    assert [e["line"] for e in json.loads(capsys.readouterr().out)["errors"]] == [4]
    macros = f"ndlMacros={tmp_path / 'macros.ndl'}"
    assert main(["check", "--lang", "ndl", str(text), "dim=2", macros]) == 0
    assert main(["check", str(tmp_path / "bare.ndl"), macros]) == 2
    assert "pass dim=VALUE" in capsys.readouterr().err


def test_stages_of_a_file_alone(configuration: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configuration("")
    path = str(tmp_path / "parts.ndl")
    for stage, told in (("network", "h.y = Sigmoid(h.unnamed1)"), ("ir", "Sigmoid"), ("hlo", "HloModule")):
        assert main(["compile", path, "--emit", stage, "dim=2"]) == 0
        assert told in capsys.readouterr().out
    assert main(["compile", path, "--emit", "ast", "dim=2"]) == 2
    assert "GC0005" in capsys.readouterr().err
