"""Loops as the library writes them: the passes keep values and gradients, and do what they are for."""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np
import pytest

from graphc.backend import Environment, load
from graphc.backends.reference.gradients import gradients
from graphc.data.layout import layout
from graphc.diagnostics import Diagnostics, SourceText
from graphc.ir import Graph, Region
from graphc.network.build import build_network
from graphc.network.lower import to_graph
from graphc.network.session import Session
from graphc.ops.products import Times
from graphc.ops.recurrence import Scan
from graphc.ops.sources import LearnableParameter
from graphc.passes.hoist import hoist
from graphc.passes.pack import pack
from graphc.passes.pipeline import optimise
from graphc.passes.trim import trim
from graphc.testing.equivalence import check_pass
from graphc.testing.values import random_feeds, random_parameters

# name → equations of z, and how many products a step of each loop has in the end
MODELS: dict[str, tuple[str, list[int]]] = {
    "equation": ("W = ParameterTensor {(3:2)} ; R = ParameterTensor {(3:3)} ; b = ParameterTensor {3}\n"
                 "z = Tanh (W * x + R * PastValue (0, z) + b)", [1]),
    "library LSTM": ("z = BS.RNNs.RecurrentLSTMP (3, cellDim=4, x, inputDim=2).h", [2]),
    "library LSTM, square": ("z = BS.RNNs.RecurrentLSTMP (3, cellDim=3, x, inputDim=2).h", [1]),
    "stabilized": ("z = BS.RNNs.RecurrentLSTMP (3, cellDim=4, x, inputDim=2, enableSelfStabilization=true).h", [2]),
    "library GRU": ("z = BS.RNNs.RecurrentGRU (3, x, inputDim=2).h", [2]),
    "both directions": ("z = BS.RNNs.RecurrentBidirectionalLSTMPStack ((4:4), x, inputDim=2)[0].h", [1, 1]),
    "from the last frame": ("z = BS.RNNs.RecurrentLSTMP (3, x, inputDim=2, previousHook=BS.RNNs.NextHC).h", [1]),
    "trained initial state": ("h0 = ParameterTensor {3} ; R = ParameterTensor {(3:3)} ; S = ParameterTensor {(3:3)}\n"
                              "p = PastValue (0, z, initialState=h0)\n"
                              "z = Sigmoid (S * p) .* Tanh (R * p + ParameterTensor {(3:2)} * x)", [1]),
    "axis for a beam": ("R = ParameterTensor {(3:3)} ; S = ParameterTensor {(3:3)}\n"
                        "p = PastValue ((3:1), z * ConstantTensor (1, (1:1))) ; u = ReshapeDimension (x, 1, (2:1))\n"
                        "z = Sigmoid (S * p) .* Tanh (R * p + ParameterTensor {(3:2)} * u)", [2]),
    "window": ("w = BS.Sequences.PastValueWindow (2, Tanh (ParameterTensor {(3:2)} * x))\n"
               "z = Exp (w.value) .* w.valid", []),
    "repeated": ("z = BS.Sequences.BroadcastSequenceAs (x, BS.Sequences.Last (ParameterTensor {(3:2)} * x))", []),
}  # fmt: skip
LENGTHS = np.array([3, 1])


@cache
def raw(name: str) -> Graph:
    text = f"{{ x = Input {{2}}\n{MODELS[name][0]}\noutputNodes = z }}"
    network = build_network(
        SourceText.from_string(text, "model.bs"), precision="double", session=Session(), diagnostics=Diagnostics()
    )
    return to_graph(network, [network.groups["output"][0].name])


def environment() -> Environment:
    return Environment(frames={"*": layout(LENGTHS)})


@pytest.mark.parametrize("transform", [trim, pack, hoist], ids=lambda f: f.__name__)
@pytest.mark.parametrize("name", ["equation", "library LSTM", "trained initial state"])
def test_passes_on_loops_keep_their_laws(name: str, transform) -> None:  # pyright: ignore[reportMissingParameterType]
    check_pass(transform, raw(name), gradients=False)


@pytest.mark.parametrize("name", MODELS)
def test_values_over_several_sequences(name: str) -> None:
    before, after = raw(name), optimise(raw(name))
    (root,) = before.roots
    parameters, feeds = random_parameters(before), random_feeds(before, frames=int(LENGTHS.sum()))
    run = load("reference").function
    expected, found = (run(g)(parameters, feeds, environment()).outputs[root] for g in (before, after))
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


# the reference differentiates by differences, number by number
@pytest.mark.parametrize(
    "name", ["equation", "library GRU", "trained initial state", "repeated", "window", "axis for a beam"]
)
def test_gradients_over_several_sequences(name: str) -> None:
    before, after = raw(name), optimise(raw(name))
    (root,) = before.roots
    parameters, feeds = random_parameters(before), random_feeds(before, frames=int(LENGTHS.sum()))
    names = [n.op.name for n in before.nodes if isinstance(n.op, LearnableParameter) and n.op.is_trained]
    shape = load("reference").function(before)(parameters, feeds, environment()).outputs[root].shape
    weight = np.random.default_rng(0).normal(size=shape)
    expected, found = (
        gradients(g, root, names, parameters, feeds, environment(), cotangent=weight) for g in (before, after)
    )
    for each in names:
        np.testing.assert_allclose(found[each], expected[each], rtol=1e-6, atol=1e-9, err_msg=each)


@pytest.mark.parametrize("name", MODELS)
def test_a_step_is_left_with_few_products(name: str) -> None:
    regions = dict.fromkeys(n.op.region for n in optimise(raw(name)).nodes if isinstance(n.op, Scan))
    assert sorted(map(products, regions)) == MODELS[name][1]


def products(region: Region) -> int:
    return Counter(type(node.op) for node in region.body.nodes)[Times]


def test_input_gates_are_one_product_as_well() -> None:
    graph = optimise(raw("library LSTM"))
    assert Counter(type(node.op) for node in graph.nodes)[Times] == 1
