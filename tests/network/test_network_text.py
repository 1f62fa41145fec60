"""Network text parses back, malformed text is diagnosed, and the JSON object is the one of the command line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphc.diagnostics import DiagnosticError, Diagnostics, SourceText
from graphc.ir import GROUPS, ElementType, Op
from graphc.network.build import build_network
from graphc.network.network import Network, NetworkNode
from graphc.network.session import Session
from graphc.network.special import AxisSource
from graphc.network.text import equal_networks, format_network, network_json, parse_network
from graphc.ops.delays import FutureValue, PastValue
from graphc.ops.elementwise import Plus
from graphc.ops.initializers import Initializer
from graphc.ops.random import Dropout
from graphc.ops.shaping import RowStack, Slice
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.ops.unary import Sigmoid

MODEL = """{
    features = Input{50} ; labels = SparseInput{10}
    model = Sequential (DenseLayer{20, activation=Sigmoid} : Dropout : BatchNormalizationLayer{} : LinearLayer{10})
    z = model (features) ; state = Tanh (z + PastValue (0, state, timeStep=2))
    ce = CrossEntropyWithSoftmax (labels, z) ; errs = ClassificationError (labels, z)
    featureNodes = (features) ; labelNodes = (labels)
    criterionNodes = (ce) ; evaluationNodes = (errs) ; outputNodes = (z)
}"""


@pytest.mark.parametrize("precision", ["float", "double"])
def test_a_model_comes_back(build: Any, precision: str) -> None:
    network = build(MODEL, precision=precision)
    text = format_network(network)
    again = parse_network(text)
    assert equal_networks(network, again)
    assert format_network(again) == text
    assert again["z"].tags == ("output",)


def test_inferred_parameters_keep_shape_and_seed(build: Any) -> None:
    again = parse_network(format_network(build("{ x = Input{3} ; z = LinearLayer{2, init='heNormal'} (x) }")))
    op = again["z.W"].op
    assert isinstance(op, LearnableParameter)
    assert op.shape == (2, 3)
    assert op.initializer == Initializer("heNormal", seed=1)


_NAMES = st.one_of(
    st.sampled_from(
        ["W0*features+B0", "z.PlusArgs[0]", "inputs.arr[1].res", "feature", "root", "a b", 'q"uote', "ü", "[1]"]
    ),
    st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=8),
)
_OPERATORS: list[tuple[Op, int]] = [
    (Sigmoid(), 1),
    (Plus(), 2),
    (Slice(1, 0, 2), 1),
    (RowStack(3), 3),
    (PastValue((4,), 3, 0.5), 1),
    (FutureValue(), 2),
    (Dropout(""), 1),
    (InputValue("", (3, None), "axis"), 0),
    (LearnableParameter("", (2, None), 0.5, Initializer("fromLiteral", literal='1 2\n"3" 4')), 0),
    (AxisSource("", ElementType.FLOAT64), 0),
]


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Any operations on any inputs, cycles included: text says nothing about meaning."""
    names = draw(st.lists(_NAMES, min_size=1, max_size=6, unique_by=str.lower))
    network = Network(draw(st.sampled_from(ElementType)))
    wanted = []
    for name in names:
        op, arity = draw(st.sampled_from(_OPERATORS))
        node = NetworkNode(name, op, [])
        network.add(node)
        wanted.append((node, arity))
    for node, arity in wanted:
        node.inputs = [draw(st.sampled_from(list(network))) for _ in range(arity)]
    for group in draw(st.lists(st.sampled_from(GROUPS))):
        network.join(draw(st.sampled_from(list(network))), group)
    return network


@settings(max_examples=60, deadline=None)
@given(networks())
def test_any_network_comes_back(network: Network) -> None:
    text = format_network(network)
    again = parse_network(text)
    assert equal_networks(network, again)
    assert format_network(again) == text


def _model_text() -> str:
    source = SourceText.from_string(MODEL)
    return format_network(build_network(source, session=Session(), diagnostics=Diagnostics()))


_TEXT = _model_text()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(_TEXT)), st.integers(0, 40), st.text('=(),[]"%:x*\n Tw1', max_size=6))
def test_damaged_text_gives_a_network_or_diagnostics(at: int, count: int, inserted: str) -> None:
    try:
        parse_network(_TEXT[:at] + inserted + _TEXT[at + count :])
    except DiagnosticError as error:
        assert all(d.span is not None for d in error.diagnostics)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = Sigmoid(b)\n", "there is no node b"),
        ("a = InputValue(shape=(3,))\nA = InputValue(shape=(3,))\n", "A is defined twice"),
        ("a = Sigmoid()\n", "Sigmoid takes 1 inputs, 0 were given"),
        ("a = Sigmoyd(a)\n", "there is no operation Sigmoyd"),
        ("a = Sigmoid(Tanh(a))\n", "the inputs of a node are names"),
        ("%1 = InputValue(shape=(3,))\n", "a name and one operation"),
        ("a = InputValue(shape=(3,))\nb = a\n", "a name and one operation"),
        ("a = InputValue(dims=(3,))\n", "InputValue has no attribute dims"),
        ("a = InputValue(shape=(3,)) : float32[4 x *]\n", "a is float32[3 x *], not float32[4 x *]"),
        ("feature a\n", "there is no node a"),
        ("features a\n", "'features' is no statement"),
        ("update a = b\n", "no statement of a network"),
        ("element int8\n", "'element' is no statement"),
        ("a = \n", ""),
    ],
)
def test_malformed_text(text: str, words: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        parse_network(text)
    (found,) = caught.value.diagnostics
    assert words in found.message


def test_json(build: Any) -> None:
    network = build(
        """{ features = Input{2} ; labels = Input{2}
             H1 = Sigmoid (W0 * features + B0) ; W0 = Parameter{50, 2} ; B0 = Parameter{50, 1} ; z = LinearLayer{2} (H1)
             ce = CrossEntropyWithSoftmax (labels, z) ; err = ClassificationError (labels, z)
             criterionNodes = (ce) ; evaluationNodes = (err) ; outputNodes = (z) }"""
    )
    entry = json.loads(json.dumps(network_json(network, "Train")))
    assert list(entry) == ["section", "parameters", "tensors", "nodes", "inputs", "outputs", "criteria", "evaluations"]
    assert entry["section"] == "Train"
    assert entry["parameters"] == 100 + 50 + 100 + 2
    assert entry["tensors"] == {"W0": [50, 2], "B0": [50, 1], "z.W": [2, 50, 1], "z.b": [2]}
    assert entry["nodes"]["H1"] == ["Sigmoid", [50, 1, "*"]]
    assert entry["nodes"]["ce"] == ["CrossEntropyWithSoftmax", [1]]
    assert set(entry["nodes"]) == set(network.names)
    assert entry["inputs"] == {"features": [2, "*"], "labels": [2, "*"]}
    assert (entry["outputs"], entry["criteria"], entry["evaluations"]) == (["z"], ["ce"], ["err"])
