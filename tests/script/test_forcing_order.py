"""What is evaluated, when and how often: parameters take their seeds in order of construction (randomness.md 4.3)."""

from __future__ import annotations

from typing import Any

import pytest


def made(script: Any, text: str) -> list[str]:
    evaluator = script.evaluator()
    script.network(text, evaluator)
    # names at construction: members of the network are renamed to the same
    return [node.name for node in evaluator.host.made if node.operation == "LearnableParameter"]


ORDER = {
    "left operand, right operand": (
        "{ outputNodes = (b * a) + c ; a = P{} ; b = P{} ; c = P{} ; P{} = Parameter{1,1} }",
        "b a c",
    ),
    "inputs from left to right": ("{ outputNodes = Plus (b, a) ; a = P{} ; b = P{} ; P{} = Parameter{1,1} }", "b a"),
    "members by code point": ("{ b = P{} ; _a = P{} ; Z = P{} ; P{} = Parameter{1,1} }", "Z _a b"),
    "groups come first": ("{ a = P{} ; b = P{} ; outputNodes = (b) ; P{} = Parameter{1,1} }", "b a"),
    "the topmost layer first": (
        "{ x = Input{3} ; m = Sequential (LinearLayer{4} : LinearLayer{2}) ; z = m (x) }",
        " ".join(f"m.arrayOfFunctions[{i}].{p}" for i, p in ((1, "W"), (0, "W"), (0, "b"), (1, "b"))),
    ),
    "what only a delay reaches comes last": (
        "{ outputNodes = Plus (PastValue (1, r.a), r.b) ; r = { a = P{} ; b = P{} } ; z = P{} ; P{} = Parameter{1,1} }",
        "r.b z r.a",
    ),
    "the taken branch only": ("{ z = if 1 < 2 then P{} else P{} + P{} ; P{} = Parameter{1,1} }", "z"),
    "else before then on a node": (
        "{ x = Input{1} ; z = if x then P{} else P{} ; P{} = Parameter{1,1} }",
        "z.else z.then",
    ),
    "the first function of a composition first": (
        "{ x = Input{1} ; F(a) = a + Parameter{1,1} ; G(a) = Parameter{2,1} + a ; z = (F >> G)(x) }",
        "z.arg.PlusArgs[1] z.PlusArgs[0]",
    ),
    "unused layers are never made": ("{ x = Input{1} ; r = { unused = Parameter{1,1} } ; l = LinearLayer{5} }", ""),
    "each call makes its own, a variable is shared": (
        "{ x = Input{1} ; f(a) = Parameter{1,1} + a ; g = LinearLayer{1} ; z = f(x) + f(x) + g(x) + g(x) }",
        "z.PlusArgs[0].PlusArgs[0].PlusArgs[0].PlusArgs[0] z.PlusArgs[0].PlusArgs[0].PlusArgs[1].PlusArgs[0] g.W g.b",
    ),
}


@pytest.mark.parametrize("name", ORDER)
def test_parameters_are_made_in_order(script: Any, name: str) -> None:
    text, order = ORDER[name]
    assert made(script, text) == order.split()


def test_delays_are_attached_after_everything_else(script: Any) -> None:
    text = "{ x = Input{1} ; z = h + x ; h = PastValue (1, Tanh (Parameter{1,1} * h)) ; y = Parameter{2,2} * x }"
    assert made(script, text) == ["y.TimesArgs[0]", "h.input.z.TimesArgs[0]"]


def test_a_thunk_is_evaluated_once(script: Any) -> None:
    script.member("noisy = Debug (1, say='once') ; f(x) = x + x + x ; do = f(noisy) + noisy")
    assert script.printed == ["once", "1"]


def test_an_unused_argument_is_never_evaluated(script: Any) -> None:
    script.member("f(x, y) = y ; do = f(Debug (1), Debug (2))")
    assert script.printed == ["2"]


def test_print_writes_records_and_arrays(script: Any) -> None:
    from graphc.script.values import Action

    assert isinstance(script.member("do = Print ({ b = 1.5 ; a = 'x' : (2 : true) })"), Action)
    assert script.printed == ["[ a = ( x : ( 2 : true ) ) ; b = 1.500000 ]"]


def test_settings_of_the_host_are_visible_to_programs_and_to_the_library(script: Any) -> None:
    assert script.member("do = deviceId + 1", script.evaluator(deviceId=-1.0)) == 0.0
    assert script.member("deviceId = 5 ; do = deviceId", script.evaluator(deviceId=-1.0)) == 5.0
