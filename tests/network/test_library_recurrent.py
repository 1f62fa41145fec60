"""Recurrent cells, stacks, attention and decoders: shapes through the delays, names of nodes, and seeds."""

from __future__ import annotations

from typing import Any

import pytest

from graphc.diagnostics import DiagnosticError
from graphc.network.network import Network
from graphc.ops.delays import Delay, FutureValue, PastValue
from graphc.ops.sources import LearnableParameter

SETTING = """x = Input{3} ; y = Input{3} ; q = Input{1} ; d = Input{5, dynamicAxis=n} ; n = DynamicAxis()
             y1 = x + y ; A (input, lstmState) = y"""

# An expression, its shape with the dynamic axis, and the number of parameters that are trained.
SHAPES = [
    # cells and stacks
    ("BS.RNNs.RecurrentLSTMP (4, x).h", "[4 x *]", 15),
    ("BS.RNNs.RecurrentLSTMP (4, x).c", "[4 x *]", 15),
    ("BS.RNNs.RecurrentLSTMP (4, cellDim=6, x).h", "[4 x *]", 16),
    ("BS.RNNs.RecurrentLSTMP (4, cellDim=6, x).c", "[6 x *]", 16),
    ("BS.RNNs.RecurrentLSTMP (4, cellDim=6, x, inputDim=3, enableSelfStabilization=true).h", "[4 x *]", 20),
    ("BS.RNNs.RecurrentLSTMP (4, x, previousHook=BS.RNNs.NextHC).h", "[4 x *]", 15),
    ("BS.RNNs.RecurrentLSTMP (4, x, augmentInputHook=A, augmentInputDim=3).h", "[4 x *]", 19),
    (
        "BS.RNNs.RecurrentLSTMP (4, cellDim=6, x, previousHook=BS.RNNs.PreviousHCWithTrainedInitialState{}).h",
        "[4 x *]",
        18,
    ),
    ("BS.RNNs.RecurrentLSTMPStack ((4:5), x)[1].h", "[5 x *]", 30),
    ("BS.RNNs.RecurrentLSTMPStack ((4:5), cellDims=(6:7), x, enableSelfStabilization=true)[1].h", "[5 x *]", 41),
    ("BS.RNNs.RecurrentBidirectionalLSTMPStack ((4:5), x)[1].h", "[10 x *]", 60),
    ("BS.RNNs.RecurrentBidirectionalLSTMPStack ((4:5), cellDims=(6:7), x)[1].c", "[14 x *]", 64),
    ("BS.RNNs.RecurrentGRU (4, x).h", "[4 x *]", 9),
    ("BS.RNNs.RecurrentGRU (4, cellDim=9, x, inputDim=3, enableSelfStabilization=true).c", "[4 x *]", 10),
    ("BS.RNNs.RecurrentGRU (4, x, previousHook=BS.RNNs.NextHCWithTrainedInitialState{}).h", "[4 x *]", 10),
    ("BS.RNNs.RecurrentGRU (4, x, augmentInputHook=A, augmentInputDim=3).h", "[4 x *]", 12),
    ("BS.RNNs.RecurrentGRUStack ((4:5), x)[1].h", "[5 x *]", 18),
    ("BS.RNNs.RecurrentBidirectionalGRUStack ((4:5), x)[1].h", "[10 x *]", 36),
    # layers
    ("RecurrentLSTMLayer{4} (x)", "[4 x *]", 3),
    (
        "RecurrentLSTMLayer{4, cellShape=6, goBackwards=true, usePeepholes=true, trainInitialState=true} (x)",
        "[4 x *]",
        9,
    ),
    ("RecurrentLSTMLayer{4, allowOptimizedEngine=true} (x)", "[4 x *]", 1),
    ("RecurrentLSTMLayer{4, allowOptimizedEngine=true, goBackwards=true} (x)", "[4 x *]", 3),
    ("RecurrentLSTMLayerStack{(4:5)} (x)", "[5 x *]", 6),
    ("RecurrentLSTMLayerStack{(4:4), allowOptimizedEngine=true} (x)", "[4 x *]", 1),
    ("RecurrentLSTMLayerStack{(4:5), allowOptimizedEngine=true} (x)", "[5 x *]", 2),
    ("DelayLayer{} (x)", "[3 x *]", 0),
    # recurrences over elementwise operations alone
    ("BS.Boolean.Toggle (q)", "[1 x *]", 0),
    ("BS.Loop.Iteration (x)", "[1 x *]", 0),
    ("BS.Loop.Count (x)", "[1 x first(*)]", 0),
    ("BS.Loop.PreviousOrDefault (x)", "[3 x *]", 0),
    ("BS.Loop.PreviousOrDefault (x, defaultValue=2)", "[3 x *]", 0),
    ("BS.Loop.NextOrDefault (x, defaultValue=BS.Sequences.Last (y))", "[3 x *]", 0),
    ("BS.Sequences.FoldL (Plus, 0, x)", "[3 x first(*)]", 0),
    ("BS.Sequences.FoldR (ElementTimes, 1, x)", "[3 x first(*)]", 0),
    ("BS.Sequences.Map (Tanh, x)", "[3 x *]", 0),
    # windows and what is built on them
    ("BS.Sequences.PastValueWindow (4, x).value", "[3 x 4 x first(*)]", 0),
    ("BS.Sequences.PastValueWindow (4, x).valid", "[1 x 4 x first(*)]", 0),
    ("BS.Sequences.PastValueWindow (4, x, axis=3).value", "[3 x 1 x 4 x first(*)]", 0),
    ("BS.Sequences.BroadcastSequenceAs (d, BS.Sequences.Last (x))", "[3 x n]", 0),
    ("BS.Seq2Seq.GetTopNTensor (2, x)", "[3 x 1 x 2 x *]", 0),
    ("CNTK2.CrossEntropyWithSoftmax_new (x, y)", "[1 x *]", 0),
    ("CNTK2.ClassificationError_new (x, y)", "[1 x *]", 0),
]


def trained(network: Network) -> int:
    return sum(isinstance(n.op, LearnableParameter) and n.op.learning_rate_multiplier > 0 for n in network)


@pytest.mark.parametrize(("expr", "shape", "parameters"), SHAPES, ids=lambda v: v if isinstance(v, str) else str(v))
def test_shape(build: Any, expr: str, shape: str, parameters: int) -> None:
    network = build(f"{{ {SETTING} ; z = {expr} }}")
    assert str(network["z"].type) == shape
    assert trained(network) == parameters
    assert all(node.type is not None and node.type.is_complete for node in network)


def test_the_window_needs_an_axis_behind_the_first(build: Any) -> None:
    with pytest.raises(DiagnosticError, match="PastValueWindow puts the frames along axis 2"):
        build(f"{{ {SETTING} ; z = BS.Sequences.PastValueWindow (4, x, axis=1).value }}")


@pytest.mark.parametrize(
    ("layer", "delay"), [("{4}", PastValue), ("{4, goBackwards=true}", FutureValue)], ids=["forwards", "backwards"]
)
def test_the_state_starts_as_in_cntk(build: Any, layer: str, delay: type[Delay]) -> None:
    network = build(f"{{ {SETTING} ; z = RecurrentLSTMLayer{layer} (x) }}")
    delays = [n.op for n in network if isinstance(n.op, Delay)]
    assert len(delays) == 2
    assert all(type(op) is delay and op.time_step == 1 and op.default_hidden_activation == 0.1 for op in delays)


LSTMP = """
z = Times(r.lstmState.h.Wmr, r.lstmState._.ht)
r.lstmState._.ht = ElementTimes(r.lstmState._.ot, r.lstmState._.ht.ElementTimesArgs[1])
r.lstmState._.ct = Plus(r.lstmState._.bft, r.lstmState._.bit)
r.lstmState._.bft = ElementTimes(r.lstmState._.ft, r.prevState.c)
r.lstmState._.it = Sigmoid(r.lstmState._.it._)
r.lstmState._.it._ = Plus(r.lstmState._.it._.PlusArgs[0], r.lstmState._.it._.PlusArgs[1])
r.lstmState._.it._.PlusArgs[1] = ElementTimes(r.lstmState._.it._.PlusArgs[1].ElementTimesArgs[0], r.prevState.c)
r.lstmState._.bit = ElementTimes(r.lstmState._.it, r.lstmState._.bit.ElementTimesArgs[1])
r.lstmState._.bit.ElementTimesArgs[1] = Tanh(r.lstmState._.bit.ElementTimesArgs[1].z)
r.prevState.h = PastValue(z)
r.prevState.c = PastValue(r.lstmState._.ct)
"""
GRU = """
z = Plus(r.gruState._.ht.PlusArgs[0], r.gruState._.ht.PlusArgs[1])
r.gruState._.zt = Sigmoid(r.gruState._.zt._)
r.gruState._.rt = Sigmoid(r.gruState._.rt._)
r.gruState._.rs = ElementTimes(r.prevState.h, r.gruState._.rt)
r.gruState._.ct = Tanh(r.gruState._.ct.z)
r.gruState._.ht.PlusArgs[1] = ElementTimes(r.gruState._.zt, r.prevState.h)
r.prevState.h = PastValue(z)
"""
STACK = """
z = ElementTimes(s.layers[1].lstmState._.ot, s.layers[1].lstmState._.ht.ElementTimesArgs[1])
s.layers[0].prevState.h = PastValue(s.layers[0].lstmState._.ht)
s.layers[0].lstmState._.dhs.result = ElementTimes(s.layers[0].lstmState._.dhs.beta, s.layers[0].prevState.h)
s.layers[1].x.result = ElementTimes(s.layers[1].x.beta, s.layers[0].lstmState._.ht)
"""
LAYER = """
z = ElementTimes(z.lstmState._.ot, z.lstmState._.ht.ElementTimesArgs[1])
z.lstmState._.ct = Plus(z.lstmState._.bft, z.lstmState._.bit)
z.lstmState._.itProj = Slice(z.lstmState._.proj4)
z.lstmState._.proj4 = Plus(z.lstmState._.proj4.PlusArgs[0], z.lstmState._.proj4.PlusArgs[1])
z.lstmState._.proj4.PlusArgs[1] = Times(m.lstm.H, z.prevState.h)
z.prevState.h = PastValue(z, m.previousHook.initialH)
z.prevState.c = PastValue(z.lstmState._.ct, m.previousHook.initialC)
"""
NAMES = {
    "LSTMP": ("r = BS.RNNs.RecurrentLSTMP (4, cellDim=6, x) ; z = r.h", LSTMP),
    "GRU": ("r = BS.RNNs.RecurrentGRU (4, x) ; z = r.h", GRU),
    "stack": ("s = BS.RNNs.RecurrentLSTMPStack ((4:5), x, enableSelfStabilization=true) ; z = s[1].h", STACK),
    "layer": ("m = RecurrentLSTMLayer{4, trainInitialState=true} ; z = m (x)", LAYER),
}


@pytest.mark.parametrize("name", NAMES)
def test_names(build: Any, name: str) -> None:
    section, expected = NAMES[name]
    network = build(f"{{ x = Input{{3}} ; {section} }}")
    found = {f"{n.name} = {n.op.names[0]}({', '.join(i.name for i in n.inputs)})" for n in network}
    assert [line for line in expected.strip().splitlines() if line not in found] == []


FULL_UTTERANCE = """{ x = Input{3} ; y = Input{2} ; L = RecurrentLSTMLayer
    m = Sequential (L{4, cellShape=6} : L{4, cellShape=6} : L{4, cellShape=6} : DenseLayer{2}) ; z = m (x)
    ce = CrossEntropyWithSoftmax (y, z) ; criterionNodes = (ce) }"""


def test_seeds_of_projected_layers(build: Any) -> None:
    """As CNTK logged them: from the output down, and last what only the delays lead to, from the bottom up."""
    network = build(FULL_UTTERANCE)
    seeds = {n.name: n.op.initializer.seed for n in network if isinstance(n.op, LearnableParameter)}
    lstm = "m.arrayOfFunctions[{}].lstm.{}"
    assert {name: seed for name, seed in seeds.items() if seed > 0} == {
        "m.arrayOfFunctions[3].arrayOfFunctions[0].W": 1,
        lstm.format(2, "Wmr"): 2,
        lstm.format(2, "W"): 3,
        lstm.format(1, "Wmr"): 4,
        lstm.format(1, "W"): 5,
        lstm.format(0, "Wmr"): 6,
        lstm.format(0, "W"): 7,
        lstm.format(0, "H"): 8,
        lstm.format(1, "H"): 9,
        lstm.format(2, "H"): 10,
    }


def test_weights_of_cells_with_gates_of_their_own_share_a_seed(build: Any) -> None:
    network = build("{ x = Input{3} ; z = BS.RNNs.RecurrentLSTMPStack ((4:5), x)[1].h }")
    seeds = {n.op.initializer.seed for n in network if isinstance(n.op, LearnableParameter)}
    # all weights have 1; biases take none
    assert seeds == {1, -1}
