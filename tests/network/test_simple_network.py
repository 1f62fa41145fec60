"""SimpleNetworkBuilder: names, order, groups, seeds and keys of language.md 11."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from graphc.actions.networks import Networks
from graphc.actions.parameters import initial_values
from graphc.config.commands import Builder, NetworkSource
from graphc.config.experiment import read_experiment
from graphc.diagnostics import DiagnosticError, Diagnostics
from graphc.network.text import format_network, parse_network
from graphc.ops.sources import LearnableParameter
from graphc.syntax.configuration import configuration_from_text

CRITERIA = "trainingCriterion = crossEntropyWithSoftmax ; evalCriterion = errorPrediction"
STACK = f"layerSizes = 2:50*2:2 ; {CRITERIA} ; applyMeanVarNorm = true ; needPrior = true"
LAST = "CrossEntropyWithSoftmax EvalClassificationError"


@pytest.fixture
def simple():
    """The network of a section's entries."""

    def run(text, precision="float"):
        root = configuration_from_text(f"precision={precision}\ncommand=t\nt=[SimpleNetworkBuilder=[ {text} ]]")
        record = root.record("t").record("SimpleNetworkBuilder")
        networks = Networks(read_experiment(root).settings)
        return networks.build(NetworkSource(Builder.SIMPLE, record.span, record=record), Diagnostics())

    return run


@pytest.mark.parametrize(
    "text,names",
    [
        (
            f"layerSizes = 3:4:5:2 ; {CRITERIA} ; addDropoutNodes = true",
            "features W0 B0 W0*features W0*features+B0 H1 DropH1 W1 B1 W1*H1 W1*H1+B1 H2 DropH2 "
            f"W2 B2 W2*H1 HLast labels {LAST} PosteriorProb",
        ),
        (f"layerSizes = 3:2 ; {CRITERIA}", f"features W0 B0 W0*H-1 HLast labels {LAST} PosteriorProb"),
        (
            f"layerSizes = 3:4:2 ; {CRITERIA} ; layerTypes = none",
            f"features W0 B0 W0*features H1 W1 B1 W1*H0 HLast labels {LAST} PosteriorProb",
        ),
        (
            STACK,
            "features MeanOfFeatures InvStdOfFeatures MVNormalizedFeatures W0 B0 W0*features W0*features+B0 H1 "
            f"W1 B1 W1*H1 W1*H1+B1 H2 W2 B2 W2*H1 HLast labels {LAST} "
            "Prior LogOfPrior ScaledLogLikelihood PosteriorProb",
        ),
    ],
    ids=["dropout", "no hidden layer", "linear layers", "statistics"],
)
def test_names_and_order(simple, text, names):
    assert simple(text).names == names.split()


def test_layers_read_one_another(simple):
    network = simple(f"layerSizes = 3:4:5:2 ; {CRITERIA} ; addDropoutNodes = true ; layerTypes = Tanh:RectifiedLinear")
    sources = {node.name: [source.name for source in node.inputs] for node in network}
    assert sources["W2*H1"] == ["W2", "DropH2"] and sources["HLast"] == ["W2*H1", "B2"]
    assert sources["CrossEntropyWithSoftmax"] == ["labels", "HLast"]
    assert [network[name].operation for name in ("H1", "H2", "DropH1")] == ["Tanh", "RectifiedLinear", "Dropout"]
    shapes = {node.name: str(node.type) for node in network if node.name in ("W1", "B1", "W0*features", "HLast")}
    assert shapes == {"W1": "[5 x 4]", "B1": "[5 x 1]", "W0*features": "[4 x *]", "HLast": "[2 x 1 x *]"}


def test_the_last_layer_type_is_repeated(simple):
    network = simple(f"layerSizes = 3:4*3:2 ; {CRITERIA} ; layerTypes = Tanh:Sigmoid")
    assert [network[f"H{k}"].operation for k in (1, 2, 3)] == ["Tanh", "Sigmoid", "Sigmoid"]


@pytest.mark.parametrize(
    "criteria,groups",
    [
        (CRITERIA, ("CrossEntropyWithSoftmax", "EvalClassificationError")),
        ("trainingCriterion = SquareError ; evalCriterion = squareerror", ("SquareError", "SquareError")),
        ("trainingCriterion = Logistic ; evalCriterion = SquareError", ("Logistic", "SquareError")),
    ],
)
def test_groups(simple, criteria, groups):
    network = simple(f"layerSizes = 3:1 ; {criteria}")
    expected = {"feature": ["features"], "label": ["labels"], "output": ["HLast"]}
    expected |= {"criterion": [groups[0]], "evaluation": [groups[1]]}
    assert {g: [n.name for n in nodes] for g, nodes in network.groups.items()} == expected


def test_the_likelihood_is_the_output(simple):
    assert [n.name for n in simple(STACK).groups["output"]] == ["ScaledLogLikelihood"]


def test_weights_count_seeds_and_draw_cntks_values(simple):
    vectors = json.loads((Path(__file__).parents[1] / "vectors" / "rng_vectors.json").read_text())
    for network in (simple(STACK), simple(STACK)):  # every network counts from 1
        starts = {n.name: n.op.initializer for n in network if isinstance(n.op, LearnableParameter)}
        assert [(s.kind, s.seed) for s in starts.values()] == [
            *(("uniform", 1), ("fixedValue", -1), ("uniform", 2), ("fixedValue", -1)),
            *(("uniform", 3), ("fixedValue", -1)),
        ]
    values = initial_values(simple(STACK), 0, "cntk")
    for name, seed in (("W0 [50 x 2]", 1), ("W1 [50 x 50]", 2), ("W2 [2 x 50]", 3)):
        expected = vectors["parameter_fills"][f"Simple2d {name} CPU seed {seed}"]
        found = hashlib.sha256(np.ascontiguousarray(values[name[:2]]).tobytes()).hexdigest()
        assert found == expected["sha256_all"]


def test_normal_weights_and_precision(simple):
    network = simple(f"layerSizes = 3:4:2 ; {CRITERIA} ; uniformInit = false ; initValueScale = 0.5", "double")
    start = network["W1"].op.initializer
    assert (start.kind, start.scale, start.seed) == ("gaussian", 0.5, 2)
    assert {node.type.element.value for node in network} == {"float64"}


def test_the_text_of_the_network_reads_back(simple):
    network = simple(STACK)
    assert format_network(parse_network(format_network(network))) == format_network(network)


@pytest.mark.parametrize(
    "text,told",
    [
        (CRITERIA, [("GC0503", "layerSizes names 1 layer", "SimpleNetworkBuilder")]),
        (f"layerSizes = 3:0:2 ; {CRITERIA}", [("GC0503", "0 is out of range", "0")]),
        (
            "layerSizes = 3:2 ; trainingCriterion = SquareErrors ; evalCriterion = SquareError",
            [("GC0502", "'SquareErrors' is none of", "SquareErrors")],
        ),
        (
            "layerSizes = 3 ; evalCriterion = sequenceWithSoftmax",
            [
                ("GC0501", "trainingCriterion", "SimpleNetworkBuilder"),
                ("GC0503", "layerSizes names 1", "3"),
                ("GC0522", "evalCriterion sequenceWithSoftmax is not implemented yet", "sequenceWithSoftmax"),
            ],
        ),
        ("rnnType = NCELSTM", [("GC0522", "rnnType NCELSTM are not implemented yet", "NCELSTM")]),
        ("rnnType = lstm", [("GC0502", "must be written LSTM", "lstm")]),
        ("rnnType = CLASLM", [("GC0502", "'CLASLM' is none of", "CLASLM")]),
    ],
)
def test_what_is_wrong_is_told_at_its_place(simple, text, told):
    with pytest.raises(DiagnosticError) as caught:
        simple(text)
    found = caught.value.diagnostics
    assert [(d.code, d.span and d.span.text) for d in found] == [(code, span) for code, _, span in told]
    assert all(words in d.message for d, (_, words, _) in zip(found, told, strict=True))
