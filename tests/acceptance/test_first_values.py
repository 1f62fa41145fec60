"""From a network's text to the numbers that CNTK starts with and the first steps it takes from them.

Needs nothing but the vectors: initial values of CNTK's own test networks, and the order in which it shuffles 40 lines.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from graphc.diagnostics import Diagnostics, SourceText
from graphc.network.build import build_network
from graphc.network.lower import to_graph
from graphc.network.session import Session
from graphc.train.initialise import initialise

# Parameters are seeded by the order of their construction: as the criterion is taken apart, a product's left side first
STACK = """{
    features = Input {2} ; labels = Input {2}
    W0 = Parameter (50, 0, init='uniform', randomSeed=1)
    W1 = Parameter (50, 0, init='uniform', randomSeed=2)
    W2 = Parameter (2, 0, init='uniform', randomSeed=3)
    z = W2 * Sigmoid (W1 * Sigmoid (W0 * features))
    ce = CrossEntropyWithSoftmax (labels, z, tag='criterion')
}"""
CONVOLUTIONS = """{
    Conv (x, maps, channels) = {
        W = Parameter (maps, 25 * channels, init='uniform', initValueScale=10)
        y = Convolution (W, x, (5:5:channels), mapDims=maps, stride=(1:1:channels), autoPadding=false,
                         imageLayout='cudnn')
    }.y
    conv1 = ReLU (Conv (image, 16, 1))
    conv2 = Conv (MaxPooling (conv1, 2, 2, 2, 2), 32, 16)
    image = Input {(28:28:1)}
    outputNodes = (conv2)
    A1 = conv1 ; A2 = conv2
    criterionNodes = (A1 : A2)
}"""
DENSE = """{
    x = Input {25} ; f = Input {50}
    dense = ParameterTensor {(5:25), init='gaussian'} * x
    lstmW = ParameterTensor {(100:50), init='gaussian'} * f
    lstmH = ParameterTensor {(100:25), init='gaussian'} * x
    outputNodes = (dense : lstmW : lstmH)
}"""
GLOROT = """{
    image = Input {(28:28:1)}
    h = Times (ParameterTensor {(200:28:28:1), init='glorotUniform', randomSeed=2}, image, outputRank=1)
    conv = Convolution (ParameterTensor {(5:5:1:16), init='glorotUniform', initFilterRank=2, initOutputRank=-1, randomSeed=3}, image, (5:5), mapDims=16)
    outputNodes = (h : conv)
}"""  # noqa: E501
CASES = {
    "Simple2d W0 [50 x 2] CPU seed 1": (STACK, "W0"),
    "Simple2d W1 [50 x 50] CPU seed 2": (STACK, "W1"),
    "Simple2d W2 [2 x 50] CPU seed 3": (STACK, "W2"),
    "QuickE2E conv1 W [16 x 25] seed 1": (CONVOLUTIONS, (16, 25)),
    "QuickE2E conv2 W [32 x 400] seed 2": (CONVOLUTIONS, (32, 400)),
    "SequenceClassification Dense W [5 x 25] gaussian-boost seed 1": (DENSE, (5, 25)),
    "SequenceClassification LSTM W [100 x 50] gaussian-boost seed 2": (DENSE, (100, 50)),
    "SequenceClassification LSTM H [100 x 25] gaussian-boost seed 3": (DENSE, (100, 25)),
    "glorotUniform [200 x 28 x 28 x 1] seed 2": (GLOROT, (200, 28, 28, 1)),
    "glorotUniform conv [5 x 5 x 1 x 16] filterRank 2 outputRank -1 seed 3": (GLOROT, (5, 5, 1, 16)),
}


def initial_values(text):
    diagnostics = Diagnostics()
    network = build_network(SourceText.from_string(text), session=Session(), diagnostics=diagnostics)
    return initialise(to_graph(network), generator="cntk")


@pytest.mark.parametrize("name", CASES)
def test_initial_values_of_recorded_networks(name, vectors):
    text, which = CASES[name]
    values = initial_values(text)
    # arrays have the author's axes reversed, so their bytes are CNTK's column-major ones
    (found,) = [v for k, v in values.items() if which in (k, v.shape[::-1])]
    expected = vectors["parameter_fills"][name]
    np.testing.assert_array_equal(found.reshape(-1)[:8], np.array(expected["first8_f32"], np.float32))
    assert hashlib.sha256(np.ascontiguousarray(found).tobytes()).hexdigest() == expected["sha256_all"]


CONFIGURATION = """
command = train
train = {{
    action = "train" ; modelPath = "$RunDir$/model" ; traceLevel = 1
    BrainScriptNetworkBuilder = {network}
    SGD = {{
        epochSize = 20 ; minibatchSize = 5 ; maxEpochs = 1 ; numMBsToShowResult = 1
        learningRatesPerMB = 0.5 ; momentumPerMB = 0.9 ; L2RegWeight = 0.01
    }}
    reader = {{
        readerType = "CNTKTextFormatReader" ; file = "$RunDir$/data.txt"
        input = {{ features = {{ dim = 2 ; format = "dense" }} ; labels = {{ dim = 2 ; format = "dense" }} }}
    }}
}}
"""


def test_first_steps_follow_the_recipe(vectors, run_cntk, tmp_path):
    """Order, initial values, rates and momentum at once, against the arithmetic written out."""
    (order,) = [
        case["first20"]
        for case in vectors["block_randomizer"]
        if case["sequences_per_chunk"] == [40] and case["sweep"] == 0
    ]
    x = np.sin(np.arange(80, dtype=np.float64)).round(3).reshape(40, 2)
    labels = np.eye(2)[np.arange(40) // 3 % 2]
    rows = [f"|features {a} {b} |labels {p:g} {q:g}\n" for (a, b), (p, q) in zip(x, labels, strict=True)]
    (tmp_path / "data.txt").write_text("".join(rows))
    (tmp_path / "first.cntk").write_text(CONFIGURATION.format(network=STACK))

    run = run_cntk(tmp_path / "first.cntk")

    expected = list(losses(initial_values(STACK), x[order], labels[order]))
    assert [e["metrics"]["ce"] for e in run.minibatches] == pytest.approx(expected, abs=1e-6, rel=0)


def losses(values, x, labels, size=5, rate=0.5, momentum=0.9, l2=0.01):
    """Mean loss of each minibatch of the sigmoid stack under momentum of unit gain."""
    weights = [values[f"W{k}"].T.astype(np.float64) for k in range(3)]
    smoothed = [np.zeros_like(w) for w in weights]
    for start in range(0, len(x), size):
        target = labels[start : start + size].T
        layers = [x[start : start + size].T]
        for w in weights[:2]:
            layers.append(1 / (1 + np.exp(-w @ layers[-1])))
        z = weights[2] @ layers[-1]
        softmax = np.exp(z) / np.exp(z).sum(axis=0)
        yield -(target * np.log(softmax)).sum() / size
        error = softmax - target
        for k in (2, 1, 0):
            # sums over the minibatch; the penalty counts once a sample, the rate is that of a sample
            gradient = error @ layers[k].T + l2 * size * weights[k]
            error = (weights[k].T @ error) * layers[k] * (1 - layers[k])
            smoothed[k] = momentum * smoothed[k] + (1 - momentum) * (rate / size) * gradient
            weights[k] = weights[k] - smoothed[k]
