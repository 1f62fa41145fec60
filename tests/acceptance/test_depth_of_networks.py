"""Networks as deep as they come build in seconds, without recursion, in time about linear in their depth."""

from __future__ import annotations

import time

import pytest

from graphc.diagnostics import Diagnostics, SourceText
from graphc.network.build import build_network
from graphc.network.lower import to_graph
from graphc.network.session import Session


def mlp(layers):
    """A chain of layers, each with a name of its own as a program that writes networks gives it."""
    chain = "\n".join(
        f"h{k} = Sigmoid (W{k} * h{k - 1}) ; W{k} = ParameterTensor {{3:3}}" for k in range(1, layers + 1)
    )
    return f"""{{
        h0 = Input {{3}} ; labels = Input {{3}}
        {chain}
        ce = CrossEntropyWithSoftmax (labels, h{layers})
        criterionNodes = (ce)
    }}"""


def recursive_mlp(layers):
    return f"""{{
        h (k) = if k == 0 then x else DenseLayer {{3, activation=Sigmoid}} (h (k - 1))
        x = Input {{3}} ; labels = Input {{3}}
        z = h ({layers})
        ce = CrossEntropyWithSoftmax (labels, z)
        criterionNodes = (ce)
    }}"""


def resnet(*blocks):
    """Bottleneck blocks of three convolutions in four stages, as ResNet-50, -101 and -152 have them."""
    stages = "\n".join(
        f"s{k} = LayerStack {{{n}, i => Block {{{2**k}, if i == 0 then {1 if k == 1 else 2} else 1}}}} (s{k - 1})"
        for k, n in enumerate(blocks, 1)
    )
    return f"""{{
        ConvBN {{c, kernel, stride}} = Sequential (
            ConvolutionalLayer {{c, kernel, stride=stride, pad=true, bias=false}} :
            BatchNormalizationLayer {{spatialRank=2}})
        Block {{c, stride}} = {{
            apply (x) = {{
                narrow = ReLU (ConvBN {{c, (1:1), 1}} (x))
                wide   = ReLU (ConvBN {{c, (3:3), stride}} (narrow))
                branch = ConvBN {{4 * c, (1:1), 1}} (wide)
                r = ReLU (branch + ConvBN {{4 * c, (1:1), stride}} (x))
            }}.r
        }}.apply
        s0 = Input {{(32:32:4)}} ; labels = Input {{5}}
        {stages}
        z = LinearLayer {{5}} (s{len(blocks)})
        ce = CrossEntropyWithSoftmax (labels, z)
        criterionNodes = (ce)
    }}"""


def build(text):
    """Graph of a network, without the library's syntax tree counting: that is cached."""
    diagnostics = Diagnostics()
    network = build_network(SourceText.from_string(text), session=Session(), diagnostics=diagnostics)
    assert not diagnostics.errors
    return to_graph(network)


@pytest.mark.parametrize(
    "text,parameters",
    [
        (mlp(1000), 1000),
        (recursive_mlp(1000), 2000),
        # 50 blocks of four convolutions, each with five parameters of its normalization; the last layer has two
        (resnet(3, 8, 36, 3), 50 * 4 * 6 + 2),
    ],
    ids=["MLP of 1,000 layers", "recursive MLP of 1,000 layers", "ResNet of 152 layers"],
)
def test_deep_networks_build(text, parameters):
    started = time.process_time()
    graph = build(text)
    assert sum(n.op.names[0] == "LearnableParameter" for n in graph.nodes) == parameters
    # one or two seconds of the processor; the limit only tells linear from quadratic on a slow machine
    assert time.process_time() - started < 30


@pytest.mark.parametrize("family", [mlp, recursive_mlp, lambda n: resnet(n)], ids=["MLP", "recursive MLP", "ResNet"])
def test_time_grows_with_depth_and_not_its_square(family):
    build(family(2))
    small, large = (fastest(family(n)) for n in (20, 160))
    # eight times the depth: linear is 8, quadratic 64
    assert large < 24 * small


def fastest(text):
    seconds = []  # of the processor: what else the machine does is not counted
    for _ in range(2):
        started = time.process_time()
        build(text)
        seconds.append(time.process_time() - started)
    return min(seconds)
