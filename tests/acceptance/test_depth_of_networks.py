"""Networks as deep as they come build in seconds, without recursion, in time about linear in their depth."""

from __future__ import annotations

import time

import pytest

from benchmarks.networks import mlp, recursive_mlp, resnet
from graphc.diagnostics import Diagnostics, SourceText
from graphc.network.build import build_network
from graphc.network.lower import to_graph
from graphc.network.session import Session


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
