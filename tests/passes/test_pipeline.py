"""The pipeline dumps what it is asked to, knows its passes, verifies, and goes any depth."""

from __future__ import annotations

import pytest

from graphc.diagnostics import DiagnosticError
from graphc.ir import Graph, Node, TensorType, VerificationError, equal_graphs, parse_graph
from graphc.ops.elementwise import Plus
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.ops.unary import Negate, Pass, Sigmoid
from graphc.passes.pipeline import check_pass_name, optimise, pass_names

TEXT = "x = Input(shape=3)\nb = Parameter(shape=3)\nz = Pass(Plus(b, x))\nroot z"


def test_dumps_follow_the_order_of_the_passes() -> None:
    seen: list[tuple[str, int]] = []
    optimise(
        parse_graph(TEXT), dump_after=("simplify", "canonicalise"), dump=lambda n, g: seen.append((n, len(g.nodes)))
    )
    assert seen == [("canonicalise", 4), ("simplify", 3)]


def test_result_is_a_fixpoint() -> None:
    once = optimise(parse_graph(TEXT), verify=True)
    assert equal_graphs(optimise(once), once)


def test_misspelt_pass() -> None:
    with pytest.raises(DiagnosticError) as caught:
        optimise(parse_graph(TEXT), dump_after=("simplfy",))
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.hint) == ("GC0905", "did you mean simplify?")
    names = "trim bodies masks repeats windows cudnn pack hoist stacks canonicalise fold simplify prune"
    assert [check_pass_name(name) for name in pass_names()] == names.split()


def test_verify_catches_a_wrong_graph() -> None:
    x = InputValue("x", (2,))()
    with pytest.raises(VerificationError):
        optimise(Graph({"z": Node(Negate(), (x,), TensorType((3,)))}), verify=True)


def test_roots_and_parameters_keep_their_names() -> None:
    graph = parse_graph(TEXT + "\nupdate b = b")
    after = optimise(graph)
    assert list(after.roots) == ["z"]
    assert after.names["b"] is graph.names["b"]
    assert after.updates == graph.updates


def test_deep_networks_take_no_recursion() -> None:
    depth = 3000
    w = LearnableParameter("w", (2,))()
    z: Node = InputValue("x", (2,))()
    for _ in range(depth):
        z = Sigmoid()(Pass()(Plus()(w, Negate()(Negate()(z)))))
    assert len(optimise(Graph({"z": z})).nodes) == 2 * depth + 2
