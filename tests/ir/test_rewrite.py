"""The rewriter reaches a fixpoint, inputs before users, and catches rules that break their contract."""

from __future__ import annotations

import pytest

from graphc.diagnostics import SourceFile
from graphc.ir import Graph, Node, RewriteError, Rule, format_graph, parse_graph, rewrite, rule
from graphc.ops.elementwise import Plus
from graphc.ops.shaping import Reshape
from graphc.ops.unary import Abs, Negate, Sigmoid, Sin


@rule(Negate)
def drop_double(node: Node) -> Node | None:
    match node:
        case Node(Negate(), (Node(Negate(), (x,)),)):
            return x
        case _:
            return None


@rule(Sin)
def sine_to_sigmoid(node: Node) -> Node | None:
    return Sigmoid()(*node.inputs, span=node.span)


@rule(Sigmoid)
def sigmoid_to_sine(node: Node) -> Node | None:
    return Sin()(*node.inputs)


@rule(Abs)
def wrap(node: Node) -> Node | None:
    return Abs()(node)


@rule(Abs)
def flatten(node: Node) -> Node | None:
    return Reshape((4,))(*node.inputs)


def check(before: str, after: str, *rules: Rule) -> None:
    done = rewrite(parse_graph(before), rules)
    assert format_graph(done) == format_graph(parse_graph(after))
    assert rewrite(done, rules) is done


def test_towers_collapse_in_one_go() -> None:
    check(f"x = Input(shape=2)\nz = {'Negate(' * 101}x{')' * 101}", "x = Input(shape=2)\nz = Negate(x)", drop_double)


def test_what_a_rule_made_is_rewritten_too() -> None:
    check(
        "x = Input(shape=2)\nz = Negate(Sin(Negate(Negate(x))))",
        "x = Input(shape=2)\nz = Negate(Sigmoid(x))",
        drop_double,
        sine_to_sigmoid,
    )


def test_names_roots_and_updates_follow() -> None:
    before = (
        "x = Input(shape=2)\nw = Parameter(shape=2)\ny = Sin(w)\nz = Plus(Sin(x), y)\nupdate w = y\nroot z\noutput y"
    )
    check(before, before.replace("Sin", "Sigmoid"), sine_to_sigmoid)


def test_untouched_graph_is_returned_itself() -> None:
    graph = parse_graph("x = Input(shape=2)\nz = Abs(x)")
    assert rewrite(graph, [drop_double]) is graph


def test_equal_results_become_one_node() -> None:
    graph = rewrite(parse_graph("x = Input(shape=2)\nz = Plus(Sin(x), Sigmoid(x))"), [sine_to_sigmoid])
    left, right = graph.roots["z"].inputs
    assert left is right


def test_trace_and_span() -> None:
    graph = parse_graph("x = Input(shape=17)\nz = Negate(Sin(x))")
    seen: list[tuple[str, str]] = []
    done = rewrite(graph, [sine_to_sigmoid], trace=lambda r, a, b: seen.append((r.name, f"{a} -> {b}")))
    assert seen == [("sine_to_sigmoid", "<Sin [17 x *]> -> <Sigmoid [17 x *]>")]
    (sigmoid,) = done.roots["z"].inputs
    assert str(sigmoid.span) == "<graph>:2:12"
    assert str(done.roots["z"].span) == "<graph>:2:5"


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([sine_to_sigmoid, sigmoid_to_sine], "rules go in circles"),
        ([wrap], "rules go in circles"),
        ([flatten], "another type"),
    ],
)
def test_broken_rule(rules: list[Rule], message: str) -> None:
    with pytest.raises(RewriteError, match=message):
        rewrite(parse_graph("x = Input(shape=(2, 2))\nz = Abs(Sin(x))"), rules)


def test_growth_without_end_is_stopped() -> None:
    count = 0

    @rule(Abs)
    def grow(node: Node) -> Node | None:
        nonlocal count
        count += 1
        return Abs()(Plus()(node.inputs[0], node.inputs[0]))

    with pytest.raises(RewriteError, match="still at work"):
        rewrite(parse_graph("x = Input(shape=2)\nz = Abs(x)"), [grow])
    assert count < 10_000


def test_deep_and_wide_graphs_take_no_recursion() -> None:
    x = parse_graph("x = Input(shape=2)").roots["x"]
    z, span = x, SourceFile("<deep>", "z").span()
    for _ in range(3000):
        z = Plus()(Sin()(z), Negate()(Negate()(x)), span=span)
    done = rewrite(Graph({"z": z}), [sine_to_sigmoid, drop_double])
    assert len(done.nodes) == 6001
