"""Shapes of networks: what parameters are offered, what cannot be known, what does not fit."""

from __future__ import annotations

from typing import Any

import pytest

from graphc.diagnostics import DiagnosticError, Diagnostics
from graphc.ir import ElementType
from graphc.network.inference import infer
from graphc.network.network import Network, NetworkNode
from graphc.ops.elementwise import Plus
from graphc.ops.sources import InputValue
from graphc.ops.unary import Sigmoid

# members beside `x = Input{3}` and `i = Input{(4:5:2)}` -> name and shape of one of them
FOUND = """
W = Parameter{7, 0} ; z = W * x                                            -> W [7 x 3]
W = ParameterTensor{(7:0)} ; z = Times (W, i, inferInputRankToMap=0)        -> W [7 x 4 x 5 x 2]
W = ParameterTensor{(7:0)} ; z = Times (W, i, inferInputRankToMap=1)        -> W [7 x 4 x 5]
W = ParameterTensor{(7:0)} ; z = W * i                                     -> z [7 x 5 x 2 x *]
W = ParameterTensor{(7:8:0)} ; z = Times (W, x, outputRank=2)               -> W [7 x 8 x 3]
W = ParameterTensor{(0:9)} ; z = TransposeTimes (W, x)                      -> W [3 x 9]
b = ParameterTensor{0} ; z = x + b                                         -> b [3]
b = ParameterTensor{0} ; z = i + b                                         -> b [4 x 5 x 2]
b = ParameterTensor{(0:5)} ; z = i + b                                     -> b [4 x 5 x 2]
b = ParameterTensor{(1:0)} ; z = i + b                                     -> b [1 x 5 x 2]
W = ParameterTensor{(3:3:0:8)} ; z = Convolution (W, i, (3:3), mapDims=8)   -> W [3 x 3 x 2 x 8]
W = Parameter{8, 0} ; z = Convolution (W, i, (3:3), mapDims=8)              -> W [8 x 18]
d = ParameterTensor{0} ; z = DiagTimes (d, x)                               -> d [3]
W = ParameterTensor{(4:0)} ; z = W * (x + b) ; b = ParameterTensor{0}       -> W [4 x 3]
h = LinearLayer{5} (Plus (x, PastValue (0, h2))) ; h2 = LinearLayer{3} (h)  -> h2 [3 x *]
s = x + PastValue (0, s)                                                   -> s [3 x *]
s = x + PastValue (0, s, initialState=ParameterTensor{0})                   -> s [3 x *]
y = Input{3, dynamicAxis='a'} ; s = PastValue (0, x, initialState=y)        -> s [3 x *]
y = Input{3, dynamicAxis=a} ; a = DynamicAxis() ; w = Input{3, dynamicAxis=a} ; z = y + w   -> z [3 x a]
h = Tanh (W*x + R*PastValue (0, h)) ; W = Parameter{6, 0} ; R = Parameter{6, 0}   -> R [6 x 6]
n = BS.Constants.OnesLike (x) + PastValue (0, n, defaultHiddenActivation=0)   -> n [1 x *]
g = BS.Sequences.Gather (RowSlice (0, 1, x), PastValue (0, x)) ; z = W * g ; W = ParameterTensor{(7:0)}   -> W [7 x 3]
g = BS.Sequences.Last (h) ; h = x + PastValue (0, h) ; z = W * g ; W = ParameterTensor{(7:0)}   -> W [7 x 3]
g = BS.Sequences.Last (BS.Sequences.BroadcastSequenceAs (x, y)) ; y = Input{4, dynamicAxis='a'} ; z = W * g ; \
W = ParameterTensor{(7:0)}   -> W [7 x 4]
n = Tanh (W * x + V * n1) ; n1 = PastValue (0, n) ; W = Parameter{1, 3} ; V = Parameter{1, 1}   -> n [1 x *]
n = Tanh (Slice (0, 1, RowStack (PastValue (0, n) : x)))                    -> n [1 x *]
W = ParameterTensor{(0:0)} ; z = OptimizedRNNStack (W, x, 4)                -> W [4 x 36]
f = BS.Sequences.First (x) ; l = BS.Sequences.Last (x + x) ; z = f + l      -> z [3 x first(*)]
z = BS.Sequences.First (BS.Sequences.Last (x))                             -> z [3 x first(*)]
a = Slice (1, 0, x, axis=-1) ; b = Slice (1, 0, x + x, axis=-1) ; z = SquareError (a, b)   -> z [1]
c = RowSlice (0, 1, x) ; w = Where (c) ; z = GatherPacked (w, x) + BS.Sequences.Gather (c, x)   -> z [3 x w]
y = Input{3, dynamicAxis='a'} ; z = BS.Sequences.BroadcastSequenceAs (x, BS.Sequences.First (y))   -> z [3 x *]
y = Input{3, dynamicAxis='a'} ; z = x + BS.Sequences.First (y)              -> z [3 x *]
y = Input{3, dynamicAxis='a'} ; z = x + ReconcileDynamicAxis (y, x)         -> z [3 x *]
z = BS.Loop.PreviousOrDefault (x, defaultValue=BS.Sequences.First (x))      -> z [3 x *]
z = BS.Loop.Count (x)                                                      -> z [1 x first(*)]
z = BS.Boolean.Toggle (RowSlice (0, 1, x))                                 -> z [1 x *]
z = BS.Sequences.FoldL (Plus, 0, x)                                        -> z [3 x first(*)]
z = EnvironmentInput{'isTraining'}                                         -> z [1]
"""


@pytest.mark.parametrize("case", FOUND.strip().splitlines())
def test_found(build: Any, case: str) -> None:
    members, _, fact = case.partition(" -> ")
    name, _, shape = fact.partition(" ")
    network = build(f"{{ x = Input{{3}} ; i = Input{{(4:5:2)}} ; {members} }}")
    assert str(network[name].type) == shape
    assert all(node.type is not None and node.type.is_complete for node in network)


# as above -> words of each diagnostic, in any order
WRONG = """
W = Parameter{7, 4} ; z = W * x                       -> inner dimensions differ: W is [7 x 4], x is [3 x *]
z = x + i                                             -> axis 1 is 3 and 4
W = Parameter{7, 0} ; z = Sigmoid (W)                 -> the shape [7 x ?] of the parameter W cannot be inferred
z = Sigmoid (x + i) ; y = Tanh (z) ; ce = SquareError (z, y)   -> axis 1 is 3 and 4
z = x + i ; y = Transpose (x) + i                     -> axis 1 is 3 and 4 | axis 2 is 3 and 5
W = Parameter{0, 0} ; z = W * x                       -> cannot be inferred
z = Slice (0, 5, x)                                   -> [3 x *]
s = Plus (s0, x) ; s0 = PastValue (0, Parameter{3, 1})   -> only values that depend on an input have other frames
z = PastValue (0, x, timeStep=0)                      -> timeStep is 0
z = BatchNormalization (x, x1, x1, x1, x1) ; x1 = Tanh (n) ; n = Parameter{3, 1}   -> must be a parameter
W = ParameterTensor{(3:3), init='glorotUniform', initFilterRank=2} ; z = W * x   -> do not fit rank 2
s = Times (ParameterTensor{(2:4:0)}, PastValue (0, s), outputRank=2)   -> at most 12 are possible
s = RowStack ((PastValue (0, s) : x))                 -> the shape grows without end
z = Splice ((x : x), axis=1000000000)                 -> values have at most 12 axes
z = ConvolutionTransposeLayer{4, (3:3), 0} (i)        -> mapDims is 0
z = Parameter{3000000000, 1}                          -> a dimension is 3e+09
z = Parameter{2000000000, 2000000000}                 -> which no memory holds
z = SquareError (Constant{1}, Constant{2})            -> no operand depends on an input
z = WeightedLogistic (Constant{1}, Constant{1}, ReduceSum (x))   -> no operand depends on an input
z = WeightedLogistic (x, x, Splice (x : x))           -> expected [1] or the shape of the labels, [3 x *]
z = Times (Parameter{3, 3}, x, outputRank=-1)         -> outputRank is -1
y = Input{3, dynamicAxis='a'} ; z = x + y             -> dynamic axes differ: x is [3 x *], y is [3 x a]
z = x + f ; f = BS.Sequences.First (x)                -> dynamic axes differ: x is [3 x *], f is [3 x first(*)]
z = x + t ; t = Slice (1, 0, x, axis=-1)              -> dynamic axes differ: x is [3 x *], t is [3 x t]
z = BS.Sequences.Gather (x, x)                        -> the condition is [3 x *], expected one number a frame
z = EnvironmentInput{'isTesting'}                     -> there is only 'isTraining'
y = Input{2, dynamicAxis='a'} ; z = Splice (x : x : y)   -> dynamic axes differ: x is [3 x *], y is [2 x a]
y = Input{3, dynamicAxis='a'} ; z = SquareError (y, x)   -> dynamic axes differ: y is [3 x a], x is [3 x *]
y = Input{(4:3), dynamicAxis='a'} ; z = Times (y, x)  -> dynamic axes differ: y is [4 x 3 x a], x is [3 x *]
"""


@pytest.mark.parametrize("case", WRONG.strip().splitlines())
def test_wrong(build: Any, case: str) -> None:
    members, _, facts = case.partition(" -> ")
    with pytest.raises(DiagnosticError) as caught:
        build(f"{{ x = Input{{3}} ; i = Input{{(4:5:2)}} ; {members} }}")
    found = caught.value.diagnostics
    wanted = facts.split(" | ")
    assert len(found) == len(wanted), caught.value
    for words in wanted:
        assert any(words.strip() in d.message for d in found), caught.value
    assert all(d.span is not None for d in found)


def test_a_cycle_without_delay_is_shown_in_full() -> None:
    x = NetworkNode("x", InputValue("x", (3,)), [])
    a = NetworkNode("a", Plus(), [x])
    b = NetworkNode("b", Sigmoid(), [a])
    a.inputs.append(b)
    user = NetworkNode("user", Sigmoid(), [b])
    network = Network()
    for node in (x, a, b, user):
        network.add(node)
    found = Diagnostics()
    infer(network, found)
    (error,) = found.errors
    assert error.message in (
        "a cycle has no delay: a, which reads b, which reads a",
        "a cycle has no delay: b, which reads a, which reads b",
    )
    assert x.type is not None and user.type is None


def test_different_dynamic_axes_are_told_with_the_inputs_they_come_from(build: Any) -> None:
    with pytest.raises(DiagnosticError) as caught:
        build("{ x = Input{3} ; y = Input{3, dynamicAxis='a'} ; z = Tanh (x) + Exp (y) }")
    (found,) = caught.value.diagnostics
    assert "Tanh (x) is [3 x *], Exp (y) is [3 x a]" in found.message
    assert [label.message for label in found.labels][2:] == ["x is the input [3]", "y is the input [3]"]
    assert found.hint is not None and "ReconcileDynamicAxis" in found.hint


# what is added to x on *, and to l on t → what both are said to be, and what each axis comes from
OF_OTHERS = {
    "g = BS.Sequences.Gather (c, x) ; z = g + x": (
        "g is [4 x g], x is [4 x *]",
        "g is made of frames of * by BS.Sequences.Gather (c, x), at 2:5",
    ),
    "z = Tanh (BS.Sequences.Gather (c, x)) + Tanh (BS.Sequences.Gather (d, x))": (
        "is [4 x z], Tanh (BS.Sequences.Gather (d, x)) is [4 x z.PlusArgs[1].z]",
        "z is made of frames of * by BS.Sequences.Gather (c, x), at 2:11",
        "z.PlusArgs[1].z is made of frames of * by BS.Sequences.Gather (d, x), at 2:47",
    ),
    "f (u) = BS.Sequences.Gather (c, u) ; p = f (x) ; z = p + l": (
        "p is [4 x p], l is [4 x t]",
        "p is made of frames of * by BS.Sequences.Gather (c, u), at 2:9",
    ),
    "s = [ a = BS.Sequences.Slice (1, 0, x) ] ; z = s.a + l": (
        "is [4 x s.a], l is [4 x t]",
        "s.a is made of frames of * by BS.Sequences.Slice (1, 0, x), at 2:11",
    ),
    "z = BS.Sequences.Last (x) + x": (
        "is [4 x first(*)], x is [4 x *]",
        "first(*) is made of frames of * by BS.Sequences.Last (x), at 2:5",
    ),
    "g = BS.Sequences.Gather (c, x) ; h = BS.Sequences.Gather (Slice (0, 1, g), g) ; z = h .* g": (
        "h is [4 x h], g is [4 x g]",
        "h is made of frames of g by BS.Sequences.Gather (Slice (0, 1, g), g), at 2:38",
        "g is made of frames of * by BS.Sequences.Gather (c, x), at 2:5",
    ),
    "r = Reshape (x, 2) ; z = r + Slice (0, 2, x)": (
        "r is [2 x r]",
        "r is made of frames of * by Reshape (x, 2), at 2:5",
    ),
}


@pytest.mark.parametrize("line", OF_OTHERS)
def test_axes_that_the_network_makes_are_told_with_what_makes_them(build: Any, line: str) -> None:
    inputs = "{ x = Input {4} ; t = DynamicAxis() ; l = Input {4, dynamicAxis = t}"
    inputs += " ; c = Slice (0, 1, x) ; d = Slice (1, 2, x)"
    with pytest.raises(DiagnosticError) as caught:
        build(f"{inputs}\n{line} ; outputNodes = z }}")
    (found,) = caught.value.diagnostics
    said, *made = OF_OTHERS[line]
    assert "dynamic axes differ" in found.message and said in found.message
    places = [f"{label.message}, at {str(label.span).partition(':')[2]}" for label in found.labels]
    assert [place for place in places if place.startswith("the axis")] == [f"the axis {each}" for each in made]


def test_axes_that_the_network_makes_are_not_those_of_inputs(build: Any) -> None:
    """However inputs and reshaped frames call theirs."""
    network = build(
        """{ x = Input {4} ; l = Input {4, dynamicAxis = 'g'} ; c = Slice (0, 1, x) ; d = Slice (1, 2, x)
             g = BS.Sequences.Gather (c, x) ; b = BS.Sequences.Gather (c, 2 * x)
             r = Reshape (Tanh (BS.Sequences.Gather (d, x)), 2)
             outputNodes = (g : r : l : b) }"""
    )
    axes = {name: network[name].type.axis.name for name in ("x", "l", "g", "r", "b")}
    assert len(set(axes.values())) == 4 and axes["g"] == axes["b"] and axes["r"] == "r"


def test_precision_is_that_of_every_node(build: Any) -> None:
    network = build("{ x = Input{3} ; z = LinearLayer{2} (x) + 1 }", precision="double")
    assert {node.type.element for node in network} == {ElementType.FLOAT64}


def test_passes_do_not_grow_with_depth(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    network = build("{ x = Input{8} ; z = LayerStack{300, i => DenseLayer{8, activation=Sigmoid}} (x) }")
    inferred = []
    rule = Sigmoid.infer
    monkeypatch.setattr(Sigmoid, "infer", lambda self, *types: inferred.append(self) or rule(self, *types))
    infer(network, Diagnostics())
    # two passes; one a layer would be 90,000
    assert 300 <= len(inferred) <= 900
    assert network.parameter_count == 300 * (8 * 8 + 8)
