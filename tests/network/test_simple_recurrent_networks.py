"""The recurrent kinds of SimpleNetworkBuilder: names, order, seeds, links and shapes, and what they reject."""

from __future__ import annotations

import pytest

from graphc.actions.networks import Networks
from graphc.config.commands import Builder, NetworkSource
from graphc.config.experiment import read_experiment
from graphc.diagnostics import DiagnosticError, Diagnostics
from graphc.network.text import format_network, parse_network
from graphc.ops.sources import LearnableParameter
from graphc.syntax.configuration import configuration_from_text

CRITERIA = "trainingCriterion = crossEntropyWithSoftmax ; evalCriterion = errorPrediction"
CLASSES = (
    "trainingCriterion = classCrossEntropyWithSoftmax ; evalCriterion = classCrossEntropyWithSoftmax ; nbrClass = 3"
)
WORDS = f"layerSizes = 20:4:5:20 ; lookupTableOrder = 1 ; {CLASSES}"

# kind and settings → what is in the network beside the nodes that CNTK leaves unnamed, in order
NETWORKS = {
    "SIMPLERNN ; layerSizes = 6:4:5:3 ; recurrentLayer = 1:2": (
        CRITERIA,
        "features U0 W0 U1 W1 W2 labels criterion eval outputs",
    ),
    "SIMPLERNN ; layerSizes = 6:4:4:3 ; recurrentLayer = 2": (
        CRITERIA,
        "features U0 B0 U1 W1 W2 labels criterion eval outputs",
    ),
    "LSTM ; layerSizes = 6:4:5:3": (
        CRITERIA,
        "features WXO0 WXI0 WXF0 WXC0 bo0 bc0 bi0 bf0 WHI0 WCI0 WHF0 WCF0 WHO0 WCO0 WHC0 U1 B1 W2 labels "
        "CrossEntropyWithSoftmax EvalClassificationError outputs PosteriorProb",
    ),
    "LSTM ; layerSizes = 6:4:5:3 ; lookupTableOrder = 2 ; needPrior = true": (
        CRITERIA,
        "features E0 LookupTable WXO0 WXI0 WXF0 WXC0 bo0 bc0 bi0 bf0 WHI0 WCI0 WHF0 WCF0 WHO0 WCO0 WHC0 W2 labels "
        "CrossEntropyWithSoftmax EvalClassificationError outputs LogOfPrior ScaledLogLikelihood PosteriorProb",
    ),
    "CLASSLM ; layerSizes = 20:4:20 ; vocabSize = 20 ; recurrentLayer = 1": (
        CLASSES,
        "features U0 W0 W1 labels WeightForClassPostProb ClassPostProb TrainNodeClassBasedCrossEntropy",
    ),
    "CLASSLM ; layerSizes = 20:4:20 ; vocabSize = 20": (
        CLASSES,
        "features U0 B0 W1 labels WeightForClassPostProb ClassPostProb TrainNodeClassBasedCrossEntropy",
    ),
    "CLASSLSTM ; layerSizes = 20:4:5:20 ; lookupTableOrder = 1": (
        CLASSES,
        "features E0 LookupTable WXO0 WXI0 WXF0 WXC0 bo0 bc0 bi0 bf0 WHI0 WCI0 WHF0 WCF0 WHO0 WCO0 WHC0 W2 labels "
        "WeightForClassPostProb ClassPostProb TrainNodeClassBasedCrossEntropy outputs PosteriorProb",
    ),
    "CLSTM ; layerSizes = 20:4:5:20 ; lookupTableOrder = 1 ; auxfeatdim = 7": (
        CLASSES,
        "features E0 LookupTable WXO0 WXI0 WXF0 WXC0 bo0 bc0 bi0 bf0 WHI0 WCI0 WHF0 WCF0 WHO0 WCO0 WHC0 "
        "binaryFeature AuxTrans0 TimesToGetGlobalBias PlusGlobalBias W2 labels "
        "WeightForClassPostProb ClassPostProb TrainNodeClassBasedCrossEntropy outputs PosteriorProb",
    ),
    "LBLM ; layerSizes = 6:4:3 ; maOrder = 2 ; recurrentLayer = 1": (
        CRITERIA,
        "features pastValue1 DD1 pastValue2 DD2 U0 R1 bi0 W1 labels "
        "CrossEntropyWithSoftmax EvalClassificationError outputs",
    ),
    "NPLM ; layerSizes = 6:4:4:3 ; recurrentLayer = 1:2": (
        CRITERIA,
        "features bi0 WXI2 WXI3 WXI4 WXI1 WXI U1 W1 W2 labels CrossEntropyWithSoftmax EvalClassificationError",
    ),
}  # fmt: skip


@pytest.fixture
def simple():
    """The network of a section's entries."""

    def run(text):
        root = configuration_from_text(f"command=t\nt=[SimpleNetworkBuilder=[ {text} ]]")
        record = root.record("t").record("SimpleNetworkBuilder")
        networks = Networks(read_experiment(root).settings)
        return networks.build(NetworkSource(Builder.SIMPLE, record.span, record=record), Diagnostics())

    return run


@pytest.mark.parametrize("kind", NETWORKS)
def test_names_order_and_text(simple, kind):
    criteria, names = NETWORKS[kind]
    network = simple(f"rnnType = {kind} ; {criteria}")
    assert [n for n in network.names if not n.startswith("AutoName")] == names.split()
    unnamed = [n for n in network.names if n.startswith("AutoName")]
    assert sorted(unnamed, key=lambda name: int(name[8:])) == [f"AutoName{i + 1}" for i in range(len(unnamed))]
    assert format_network(parse_network(format_network(network))) == format_network(network)


@pytest.mark.parametrize("kind", NETWORKS)
def test_weights_count_seeds_in_their_order(simple, kind):
    network = simple(f"rnnType = {kind} ; {NETWORKS[kind][0]} ; initValueScale = 2")
    starts = [n.op.initializer for n in network if isinstance(n.op, LearnableParameter)]
    drawn = [s for s in starts if s.is_random]
    assert [(s.kind, s.scale, s.seed) for s in drawn] == [("uniform", 2.0, i) for i in range(1, len(drawn) + 1)]


def groups(network):
    return {group: [n.name for n in nodes] for group, nodes in network.groups.items() if nodes}


@pytest.mark.parametrize(
    "kind,outputs",
    [
        ("SIMPLERNN ; layerSizes = 6:4:5:3 ; recurrentLayer = 1:2", ["outputs"]),
        ("LSTM ; layerSizes = 6:4:5:3 ; lookupTableOrder = 2 ; needPrior = true", ["ScaledLogLikelihood"]),
        ("CLASSLM ; layerSizes = 20:4:20 ; vocabSize = 20", ["TrainNodeClassBasedCrossEntropy"]),
        ("CLSTM ; layerSizes = 20:4:5:20 ; lookupTableOrder = 1 ; auxfeatdim = 7", ["outputs"]),
    ],
)
def test_groups(simple, kind, outputs):
    network = simple(f"rnnType = {kind} ; {NETWORKS[kind][0]}")
    found = groups(network)
    assert found["output"] == outputs and found["label"] == ["labels"]
    assert found["feature"] == ["features", "binaryFeature"][: 1 + kind.startswith("CLSTM")]


def test_the_two_criteria_of_words_have_names_of_their_own(simple):
    network = simple(f"rnnType = CLASSLSTM ; {WORDS}")
    assert groups(network)["evaluation"] == groups(network)["criterion"] == ["TrainNodeClassBasedCrossEntropy"]
    assert [n.name for n in network["TrainNodeClassBasedCrossEntropy"].inputs][2:] == ["W2", "ClassPostProb"]


def test_a_layer_reads_its_past(simple):
    network = simple(f"rnnType = SIMPLERNN ; layerSizes = 6:4:3 ; recurrentLayer = 1 ; {CRITERIA}")
    (past,) = (n for n in network if n.is_delay)
    (layer,) = past.inputs
    assert layer.operation == "Sigmoid" and str(layer.type) == "[4 x *]"
    assert [source.inputs[0].name for source in layer.inputs[0].inputs] == ["U0", "W0"]
    assert (past.op.time_step, past.op.default_hidden_activation) == (1, 0.1)
    assert str(network["features"].op.storage) == str(network["features"].type.storage)
    assert network["features"].operation == "SparseInputValue"


def test_gates_start_as_they_are_told_and_can_be_left_out(simple):
    text = f"rnnType = LSTM ; layerSizes = 6:4:3 ; forgetGateInitVal = 1 ; inputGateInitVal = 2 ; {CRITERIA}"
    network = simple(text)
    values = {name: network[name].op.initializer.value for name in ("bf0", "bi0", "bo0", "bc0")}
    assert values == {"bf0": 1.0, "bi0": 2.0, "bo0": -1.0, "bc0": 0.0}
    assert sum(n.operation == "DiagTimes" for n in network) == 3
    open_gates = simple(f"{text} ; constForgetGateValue = true ; constOutputGateValue = true")
    assert sum(n.operation == "DiagTimes" for n in open_gates) == 1
    assert "WHF0" in open_gates


def test_a_table_of_words_is_as_wide_as_the_first_layer(simple):
    network = simple(f"rnnType = LSTM ; layerSizes = 6:4:5:3 ; lookupTableOrder = 2 ; sparseinput = true ; {CRITERIA}")
    shapes = {name: str(network[name].type) for name in ("E0", "LookupTable", "WXO0")}
    assert shapes == {"E0": "[4 x 3]", "LookupTable": "[8 x *]", "WXO0": "[5 x 8]"}
    assert network["features"].operation == "SparseInputValue"


def test_dropout_follows_every_layer(simple):
    text = f"layerSizes = 6:4:5:3 ; recurrentLayer = 1 ; {CRITERIA} ; addDropoutNodes = true"
    assert sum(n.operation == "Dropout" for n in simple(f"rnnType = SIMPLERNN ; {text}")) == 2
    # one inside of each LSTM layer, and one behind every layer but the first
    assert sum(n.operation == "Dropout" for n in simple(f"rnnType = LSTM ; {text}")) == 3


@pytest.mark.parametrize(
    "text,code,words,place",
    [
        (f"rnnType = CLASSLM ; layerSizes = 9:4:9 ; {CLASSES} ; vocabSize = 8", "GC0503", "vocabSize is 8", "8"),
        (f"rnnType = CLASSLM ; layerSizes = 9:4:9 ; {CLASSES}", "GC0503", "vocabSize is -1", "SimpleNetworkBuilder"),
        (
            f"rnnType = CLASSLSTM ; {WORDS} ; nbrClass = 0",
            "GC0503",
            "nbrClass must say how many classes of words there are",
            "0",
        ),
        (
            f"rnnType = CLASSLSTM ; layerSizes = 9:4:5:9 ; {CLASSES}",
            "GC0503",
            "lookupTableOrder is 0",
            "SimpleNetworkBuilder",
        ),
        (
            f"rnnType = NPLM ; layerSizes = 6:4:3 ; recurrentLayer = 2 ; {CRITERIA}",
            "GC0503",
            "recurrentLayer does not begin with 1",
            "2",
        ),
        (
            f"rnnType = LSTM ; layerSizes = 6:4:3 ; {CLASSES}",
            "GC0504",
            "trainingCriterion needs a network that knows classes of words",
            "classCrossEntropyWithSoftmax",
        ),
        (
            f"layerSizes = 6:4:3 ; {CLASSES}",
            "GC0504",
            "trainingCriterion needs a network that knows classes of words",
            "classCrossEntropyWithSoftmax",
        ),
        (f"rnnType = LSTM ; layerSizes = 7:4:3 ; lookupTableOrder = 2 ; {CRITERIA}", "GC0201", "x is [7 x *]", "2"),
        (f"rnnType = LSTM ; layerSizes = 6:4:3 ; recurrentLayer = -1 ; {CRITERIA}", "GC0503", "out of range", "-1"),
    ],
)
def test_what_does_not_fit_is_told_at_its_place(simple, text, code, words, place):
    with pytest.raises(DiagnosticError) as caught:
        simple(text)
    (found,) = caught.value.diagnostics
    assert (found.code, found.span and found.span.text) == (code, place)
    assert words in found.message
