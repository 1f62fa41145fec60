"""Which parameter takes which seed: the order of construction that CNTK's logs show (randomness.md 4.3)."""

from __future__ import annotations

from typing import Any

import pytest

from graphc.ir import ElementType
from graphc.network.network import Network
from graphc.network.session import Session
from graphc.ops.sources import LearnableParameter


def _seeds(network: Network) -> dict[str, int]:
    ops = {node.name: node.op for node in network}
    return {
        n: op.initializer.seed
        for n, op in ops.items()
        if isinstance(op, LearnableParameter) and op.initializer.seed > 0
    }


CASES = {
    "the last layer of a stack is first": (
        """{ x = Input{4} ; y = Input{2} ; h1 = LinearLayer{3} (x) ; z = LinearLayer{2} (Sigmoid (h1))
             ce = CrossEntropyWithSoftmax (y, z) ; criterionNodes = (ce) }""",
        {"z.W": 1, "h1.W": 2},
    ),
    "from the output to the first convolution": (
        """{ features = Input{(28:28:1)} ; labels = Input{10}
             model = Sequential (
                 ConvolutionalLayer{32, (5:5), pad=true, activation=ReLU} : MaxPoolingLayer{(3:3), stride=2} :
                 ConvolutionalLayer{48, (3:3), activation=ReLU} : MaxPoolingLayer{(3:3), stride=2} :
                 ConvolutionalLayer{64, (3:3), activation=ReLU} :
                 DenseLayer{96, activation=ReLU} : Dropout : LinearLayer{10})
             z = model (features) ; ce = CrossEntropyWithSoftmax (labels, z) ; criterionNodes = (ce) }""",
        {
            "model.arrayOfFunctions[7].W": 1,
            "model.arrayOfFunctions[5].arrayOfFunctions[0].W": 2,
            "model.arrayOfFunctions[4].W": 3,
            "model.arrayOfFunctions[2].W": 4,
            "model.arrayOfFunctions[0].W": 5,
        },
    ),
    "left operand, right operand, and members in order of code points": (
        "{ x = Input{2} ; a = W2*x + W1*x ; W1 = Parameter{2, 2} ; W2 = Parameter{2, 2} ; B = Parameter{2, 1} }",
        {"B": 1, "W1": 2, "W2": 3},
    ),
    "a branch before the other": (
        """{ x = Input{2} ; r = { b = LinearLayer{2} (x) ; s = LinearLayer{2} (x) } ; z = r.b + r.s }""",
        {"r.b.W": 1, "r.s.W": 2},
    ),
    "what only a delay reads is last": (
        """{ x = Input{2} ; r = { V = Parameter{2, 2} ; h = Tanh (U * x + PastValue (0, V * h)) ; U = Parameter{2, 2} }
             a = r.h ; z = LinearLayer{2} (a) }""",
        {"r.U": 1, "z.W": 2, "r.V": 3},
    ),
    "a parameter with a seed, or without random values, takes no number": (
        """{ x = Input{2} ; A = Parameter{2, 2, randomSeed=7} ; B = Parameter{2, 2, initValue=1}
             C = Parameter{2, 2, init='zero'} ; D = Parameter{2, 2} ; z = A*x + B*x + C*x + D*x + Constant{1} }""",
        {"A": 7, "D": 1},
    ),
    "library weights share a seed": (
        """{ x = Input{2} ; z = BS.Parameters.WeightParam (2, 2) * x + LinearLayer{2} (x) }""",
        {"z.PlusArgs[0].TimesArgs[0]": 1, "z.PlusArgs[1].W": 1},
    ),
    "in an LSTM the recurrent weights, which only a delay needs, come after everything below": (
        """{ x = Input{3} ; y = Input{2} ; m = Sequential (RecurrentLSTMLayer{4} : LinearLayer{2}) ; z = m (x)
             ce = CrossEntropyWithSoftmax (y, z) ; criterionNodes = (ce) }""",
        {"m.arrayOfFunctions[1].W": 1, "m.arrayOfFunctions[0].lstm.W": 2, "m.arrayOfFunctions[0].lstm.H": 3},
    ),
    "a default parameter is constructed once": (
        """{ x = Input{2} ; f (v, W=Parameter{2, 2}) = W * v ; a = f (x) ; b = f (a) }""",
        {"f.W": 1},
    ),
    "the else branch of a choice between nodes is first": (
        """{ x = Input{2} ; z = if x > 0 then LinearLayer{2} (x) else LinearLayer{2} (x) }""",
        {"z.else.W": 1, "z.then.W": 2},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_seeds(build: Any, name: str) -> None:
    section, seeds = CASES[name]
    assert _seeds(build(section)) == seeds


def test_the_counter_goes_on_through_a_session_for_each_element_type(build: Any) -> None:
    session = Session()
    section = "{ x = Input{2} ; z = LinearLayer{2} (x) }"
    numbers = [
        _seeds(build(section, session=session, precision=p))["z.W"] for p in ("float", "float", "double", "float")
    ]
    assert numbers == [1, 2, 1, 3]
    assert session.next_seed(ElementType.FLOAT32) == 4
