"""The verifier names every broken invariant."""

from __future__ import annotations

import pytest

from graphc.ir import Graph, Node, TensorType, VerificationError, verify
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.ops.unary import Negate

X = InputValue("x", (2,))()
W = LearnableParameter("w", (2,))()
V = LearnableParameter("v", (3,))()


@pytest.mark.parametrize(
    ("graph", "problem"),
    [
        (Graph({"z": Node(Negate(), (X,), TensorType((3,)))}), "Negate z has the type"),
        (Graph({"z": Node(Negate(), (X, X), X.type)}), "[2 x *], [2 x *]: Negate takes 1 inputs, 2 were given"),
        (
            Graph({"z": Node(InputValue("i", (None,)), (), InputValue("i", (None,)).infer())}),
            "has an unknown dimension",
        ),
        (Graph({"z": X, "Z": W}), "the names z and Z differ in case only"),
        (Graph({"z": X}, {"z": W}), "the name z stands for two nodes"),
        (Graph({"z": X, "y": InputValue("x", (3,))()}), "two different operators are called x"),
        (Graph({"z": X}, updates=((X, X),)), "an update sets InputValue z, which is no parameter"),
        (Graph({"z": X}, updates=((W, V),)), "an update sets LearnableParameter (no name) to [3]"),
        (Graph({"z": X}, updates=((W, W), (W, W))), "two updates set"),
        (Graph({"z": X}, groups={"output": ("y",)}), "the group output lists y, which is no name"),
    ],
)
def test_broken_invariant(graph: Graph, problem: str) -> None:
    with pytest.raises(VerificationError) as caught:
        verify(graph)
    assert problem in caught.value.problems[0]


def test_names_are_shared_freely() -> None:
    verify(Graph({"z": X}, {"x": X, "z": X}, updates=((W, W),)))
