"""The checks fail where they should, and show a small graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from graphc.backend import Environment, Feeds, Parameters, Results, load
from graphc.ir import Graph, Node, parse_graph, rewrite, rule
from graphc.ops.elementwise import Plus
from graphc.ops.unary import Negate, Sigmoid, Tanh
from graphc.testing import Counterexample, assert_equivalent, check_gradient, check_lowering, check_operator, check_pass
from graphc.testing.runs import OPTIONS, Options
from graphc.testing.truncated import check_truncated


@rule(Tanh)
def take_another(node: Node) -> Node | None:
    return Sigmoid()(*node.inputs)


@rule(Plus)
def lose_an_operand(node: Node) -> Node | None:
    return node.inputs[0] if node.inputs[0].type == node.type else None


RULES = [take_another, lose_an_operand]


def counterexample(wrong: Any, seed: int) -> Counterexample | None:
    """What a test of one line, with nothing but defaults, says of a pass with that rule."""
    token = OPTIONS.set(Options(seed=seed))
    try:
        check_pass(lambda graph: rewrite(graph, [wrong]))
    except Counterexample as found:
        return found
    finally:
        OPTIONS.reset(token)
    return None


@pytest.mark.parametrize("wrong", RULES, ids=lambda rule: rule.name)
def test_wrong_passes_are_found(wrong: Any) -> None:
    found = counterexample(wrong, 0)
    assert found is not None and "for the graph" in str(found)
    assert len(found.graph.nodes) <= 4, found


@pytest.mark.slow
@pytest.mark.parametrize("wrong", RULES, ids=lambda rule: rule.name)
def test_wrong_passes_are_found_from_nearly_every_seed(wrong: Any) -> None:
    assert sum(counterexample(wrong, seed) is not None for seed in range(10)) >= 9


def test_naming_the_operators_makes_a_pattern_frequent() -> None:
    with pytest.raises(Counterexample):
        check_pass(lambda graph: rewrite(graph, [take_another]), max_nodes=3, operators=[Tanh, Negate])


def test_a_pass_that_crashes_is_a_counterexample() -> None:
    def crash(graph: Graph) -> Graph:
        raise KeyError("w")

    with pytest.raises(Counterexample, match="KeyError: 'w'") as caught:
        check_pass(crash)
    assert len(caught.value.graph.nodes) == 1


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda graph: None, "the pass gives NoneType, not a Graph"),
        (lambda graph: Graph({"y": graph.roots["z"]}, updates=graph.updates), r"the roots \['z'\] became \['y'\]"),
        (lambda graph: Graph({"z": Tanh()(graph.roots["z"])}), r"z \(DESIRED\) became another value"),
    ],
)
def test_it_is_told_what_a_pass_has_changed(wrong: Any, told: str) -> None:
    graph = parse_graph("x = InputValue(shape=3)\nz = Negate(x)\nroot z\n")
    with pytest.raises(Counterexample, match=told):
        check_pass(wrong, graph)


def test_a_pass_that_is_not_idempotent() -> None:
    def grow(graph: Graph) -> Graph:
        return Graph({name: Negate()(Negate()(node)) for name, node in graph.roots.items()}, graph.names)

    with pytest.raises(Counterexample, match="not idempotent"):
        check_pass(grow, parse_graph("x = Input(shape=2)\nz = Tanh(x)\nroot z"))


TEXT = "x = Input(shape=2)\nw = Parameter(shape=2)\nz = {}(Plus(x, w))\nroot z"


def test_graphs_that_differ_in_gradients_only() -> None:
    before, after = (parse_graph(TEXT.format(name)) for name in ("StopGradient", "Pass"))
    assert_equivalent(before, after, gradients=False)
    with pytest.raises(Counterexample, match="gradient of z by w"):
        assert_equivalent(before, after)


def test_a_wrong_gradient_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sigmoid, "pullback", lambda self, c, xs, y, g: (g * y,))
    with pytest.raises(Counterexample, match="but the derivative is"):
        check_gradient("Sigmoid")


def test_a_value_of_another_shape_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sigmoid, "infer", lambda self, x: x.dense().with_shape((*x.shape, 1)))
    monkeypatch.setattr(Sigmoid, "evaluate", lambda self, c, x: x[..., None])
    with pytest.raises(Counterexample):
        check_operator(Sigmoid)


def test_unknown_operators_are_told() -> None:
    with pytest.raises(ValueError, match=r"there is no operator 'Sigmoit': did you mean Sigmoid\?"):
        check_gradient("Sigmoit")
    with pytest.raises(ValueError, match="nothing says how to apply InputValue"):
        check_gradient("InputValue")


class WrongBackend:
    """The reference, but for tanh."""

    name = "wrong"

    def value_and_gradients(self, graph: Graph, *, training: bool = False) -> Any:
        def wrong(node: Node, inputs: tuple[Node, ...]) -> Node:
            return Sigmoid()(*inputs) if isinstance(node.op, Tanh) else node.op(*inputs)

        call = load("reference").value_and_gradients(graph.rebuild(wrong), training=training)

        def run(p: Parameters, f: Feeds, e: Environment, w: Mapping[str, Any]) -> tuple[Results, Mapping[str, Any]]:
            results, gradients = call(p, f, e, w)
            wanted = {name: np.dtype(node.type.element.value) for name, node in graph.roots.items()}
            return Results({n: y.astype(wanted[n]) for n, y in results.outputs.items()}), gradients

        return run


def test_a_wrong_lowering_is_found() -> None:
    with pytest.raises(Counterexample, match="z differs from the reference") as caught:
        check_lowering(WrongBackend(), operators=[Tanh, Sigmoid])  # pyright: ignore[reportArgumentType]
    assert [type(node.op).__name__ for node in caught.value.graph.nodes[1:]] == ["Tanh"]
    check_lowering(WrongBackend(), operators=[Sigmoid])  # pyright: ignore[reportArgumentType]


class Forgetful:
    """The reference, but for the second frame that delays bring along from the minibatch before."""

    name = "forgetful"

    def compile(self, graph: Graph, **_: Any) -> Any:
        run = load("reference").function(graph)

        def forgetting(parameters: Parameters, feeds: Feeds, environment: Environment) -> Results:
            carried = {name: (x[0], *(0 * y for y in x[1:])) for name, x in environment.carried.items()}
            return run(parameters, feeds, replace(environment, carried=carried))

        return forgetting


def test_what_is_not_carried_on_is_found() -> None:
    backend: Any = Forgetful()
    with pytest.raises(Counterexample, match="on pieces it computes"):
        check_truncated(backend, 6)
