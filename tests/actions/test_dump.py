"""``action = dumpNode``: saved models as text, byte for byte, and which nodes are chosen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from graphc.actions.dump import as_matrix, node_tokens
from graphc.cli.main import main
from graphc.diagnostics import Diagnostics, SourceText
from graphc.network.build import build_network
from graphc.network.session import Session
from graphc.network.text import format_network
from graphc.train.checkpoint import save_model

MODEL = """{
    features = Input {(2:3)}
    W = ParameterTensor {(2:2:3)}
    b = ParameterTensor {2, learningRateMultiplier = 0}
    z = W * features + b
    outputNodes = (z)
}"""
RULE = "#" * 68
# a blank stands before every token, newlines included, so a line ends with one and the first is almost empty
FROZEN, TRAINED = (f"learningRateMultiplier={x}.000000  NeedsGradient={y}" for x, y in ((0, "false"), (1, "true")))
B = f" \nb=LearnableParameter [2,1]   {FROZEN} \n -0.5 \n 0.100000001 \n {RULE}"
FEATURES = " \nfeatures=InputValue [ 2 x 3 ]"
W = f" \nW=LearnableParameter [2,6]   {TRAINED} \n 0 2 4 6 8 10 \n 1 3 5 7 9 11 \n {RULE}"
Z = " \nz=Plus ( z.PlusArgs[0] , b ) \nz.PlusArgs[0]=Times ( W , features )"


def built(text: str):
    return build_network(SourceText.from_string(text), session=Session(), diagnostics=Diagnostics())


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    values = {"W": np.arange(12, dtype=np.float32).reshape(3, 2, 2), "b": np.array([-0.5, 0.1], np.float32)}
    save_model(Path("m"), values, format_network(built(MODEL)))
    return tmp_path


def dump(*settings: str, action: str = "dumpNode", status: int = 0) -> list[dict[str, object]]:
    keys = " ; ".join(("modelPath = m", f"action = {action}", *settings))
    Path("a.cntk").write_text(f"command = D\nD = [ {keys} ]")
    assert main(["run", "a.cntk", "--metrics", "metrics"]) == status
    return [e for e in map(json.loads, Path("metrics").read_text().splitlines()) if e["event"] == "dump"]


@pytest.mark.parametrize("action", ["dumpNode", "dumpNodes", "dumpnode"])
def test_all_nodes_by_name(action, model):
    (event,) = dump(action=action)
    assert event == {"section": "D", "event": "dump", "path": "m.__AllNodes__.txt", "nodes": 5}
    assert Path("m.__AllNodes__.txt").read_text() == B + FEATURES + W + Z


@pytest.mark.parametrize(
    "settings,file,expected",
    [
        (["nodeName = W"], "m.W.txt", W),
        (["nodeName = w"], "m.w.txt", W),
        (["nodeName = W", "outputFile = out/text"], "out/text", W),
        (["nodeNameRegex = '[bW]'", "nodeName = z"], "m.z.txt", ""),
        (["nodeNameRegex = [bW]", "outputFile = t"], "t", B + W),
        (["nodeNameRegex = z", "outputFile = t"], "t", " \nz=Plus ( z.PlusArgs[0] , b )"),
        (["nodeName = b", "printMetadata = false"], "m.b.txt", " -0.5 \n 0.100000001 \n"),
        (["nodeName = b", "printValues = false"], "m.b.txt", B.partition(" \n -0.5")[0]),
    ],
)
def test_which_nodes_and_what_of_them(settings, file, expected, model):
    dump(*settings)
    assert Path(file).read_text() == expected


def test_an_unknown_node_prints_all_with_a_warning(model, capfd):
    dump("nodeName = Wx")
    assert "no node named 'Wx', so all nodes are printed" in capfd.readouterr().err
    assert Path("m.Wx.txt").read_text() == B + FEATURES + W + Z


@pytest.mark.parametrize(
    "settings,said",
    [
        (["printValues = false", "printMetadata = false"], "GC0504"),
        (["nodeNameRegex = '*a'"], "GC0503"),
        (["modelPath = none"], "GC0001"),
    ],
)
def test_wrong_settings(settings, said, model, capfd):
    dump(*settings, status=2)
    assert said in capfd.readouterr().err


def test_attributes_of_convolution_and_pooling():
    text = """{
        x = Input {(6:6:2)}
        c = ConvolutionalLayer {3, (3:3), pad = true, bias = false} (x)
        p = MaxPoolingLayer {(2:2), stride = 2} (c)
        outputNodes = (p)
    }"""
    nodes = {n.operation: n for n in built(text)}
    convolution = "".join(f" {t}" for t in node_tokens(nodes["Convolution"], {}))
    assert "Geometry:  Input: 6 x 6 x 2, Output: 6 x 6 x 3, Kernel: 3 x 3, Map: 3, Stride: 1" in convolution
    assert "AutoPad: (1)" in convolution and convolution.endswith(" PoolKind:  0 \n")
    assert "".join(f" {t}" for t in node_tokens(nodes["Pooling"], {})).endswith(" PoolKind:  1 \n")


def test_double_precision_has_more_digits():
    network = build_network(
        SourceText.from_string("{ x = Input {1} ; w = ParameterTensor {1} ; z = w * x }"),
        precision="double",
        session=Session(),
        diagnostics=Diagnostics(),
    )
    tokens = node_tokens(network["w"], {"w": np.array([0.1])})
    assert "0.10000000000000001" in list(tokens)


def test_matrices_of_tensors():
    assert as_matrix(np.arange(3.0)).tolist() == [[0.0], [1.0], [2.0]]
    # [2 x 3 x 2] is stored (2, 3, 2) with the first axis last
    assert as_matrix(np.arange(12.0).reshape(2, 3, 2)).shape == (2, 6)
