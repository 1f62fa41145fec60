"""``graphc help`` tells about everything that has a name, from the one place that knows it."""

from __future__ import annotations

import pytest

from graphc.cli.help import pages
from graphc.cli.library_pages import entries, library
from graphc.cli.main import main
from graphc.config.schema import SECTIONS
from graphc.diagnostics import DiagnosticError, SourceText
from graphc.ir.node import REGISTRY
from graphc.network.operations import UNSUPPORTED
from graphc.syntax.brainscript import parse_members


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("DenseLayer", "DenseLayer {outDim, bias=true, activation=(x=>x), init='glorotUniform',"),
        ("DenseLayer", "  A LinearLayer and a function of its result.\n  defined in library/layers.bs:"),
        ("ReLU", "ReLU\n  the same as CNTK2.ReLU ("),
        ("BS.Loop.IsFirst", "BS.Loop.IsFirst (x)\n"),
        ("Loop.IsFirst", "BS.Loop.IsFirst (x)\n"),
        ("isfirst", "BS.Loop.IsFirst (x)\n"),
        ("BS.Boolean", "BS.Boolean: a group of the library"),
        ("BS.Boolean", "  BS.Boolean.Xor (a, b)"),
        ("Slice", "BS.Sequences.Slice"),
        ("SquareError", "operation SquareError (x, y)\n  The sum of squared differences"),
        ("ClassificationError", "operation ClassificationError (labels, z, [topN])\n  also called ErrorPrediction"),
        ("RowStack", "operation RowStack (x, …)"),
        ("Convolution", "    kernelDims: integers\n    mapDims: integers, default 0"),
        ("LatticeSequenceWithSoftmax", "not supported: it needs lattice files"),
        ("SGD.maxEpochs", "maxEpochs: a key of SGD sections\n  number of epochs\n  integer; required"),
        ("sgd.MAXEPOCHS", "maxEpochs: a key of SGD sections"),
        ("optimizer.maxEpochs", "maxEpochs: a key of SGD sections"),
        (
            "reader.randomize",
            "  boolean, none or auto; default true\n  looked for in the section",
        ),
        ("evalNodeNames", "  names; default none"),
        ("numMBsToShowResult", "numMBsToShowResult: a key of test commands"),
        ("numMBsToShowResult", "numMBsToShowResult: a key of SGD sections"),
        ("SGD.gradientcheck", "not implemented yet: ignored, with a warning"),
        ("SGD.truncated", "rates per minibatch are those of a row"),
        ("reader.truncated", "cut sequences into pieces, between which gradients stop"),
        ("reader.truncationLength", "frames of a row"),
        ("lockGPU", "no effect in graphc"),
        ("SGD", "keys of SGD sections:\n  maxEpochs  "),
        ("SGD", "SGD: a key of train commands"),
    ],
)
def test_what_is_said(name: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", name]) == 0
    assert said in capsys.readouterr().out


def test_everything_has_a_page() -> None:
    for name, entry in library().items():
        assert pages(name)[0].startswith(name), name
        assert "=>" not in entry.signature.partition("=")[0]
    for operation in [*REGISTRY, *UNSUPPORTED]:
        assert pages(operation)
    for kind, keys in SECTIONS.items():
        assert all(f"{key.name}: a key of " in pages(f"{kind}.{key.name}")[0] for key in keys)


def test_a_comment_holds_for_the_members_below_it_up_to_an_empty_line() -> None:
    text = "# halves\na = 1\nb = 2\n\nc = 3\n# a group\nd = { e = 4 }\nf = 5\n"
    members = parse_members(SourceText.from_string(text)).members
    found = {entry.name: entry.doc for entry in entries(members)}
    assert found == {"a": "halves", "b": "halves", "c": "", "d": "a group", "d.e": "", "f": ""}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("DenseLayr", "DenseLayer"),
        ("BS.Loop.IsFrst", "BS.Loop.IsFirst"),
        ("SquareEror", "SquareError"),
        ("SGD.momentmPerMB", "SGD.momentumPerMB"),
        ("maxEpoch", "maxEpochs"),
        ("qqqqqq", "graphc help BS lists"),
    ],
)
def test_unknown_names(name: str, meant: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        pages(name)
    (found,) = caught.value.diagnostics
    assert found.code == "GC0005" and found.hint and meant in found.hint


def test_without_a_name_the_commands_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help"]) == 0
    assert capsys.readouterr().out.startswith("usage: graphc COMMAND")
