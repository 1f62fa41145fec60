"""What is told about wrong scripts: all errors, each once, with place, signature, suggestion and the way to it."""

from __future__ import annotations

from typing import Any

import pytest

from graphc.diagnostics import Diagnostic, Severity
from graphc.script.values import PoisonError
from graphc.syntax import ast


def found_in(script: Any, text: str) -> list[Diagnostic]:
    """Diagnostics after forcing every member of a program."""
    evaluator = script.evaluator()
    record = evaluator.evaluate(script.program(text))
    for name in record.own_names():
        try:
            evaluator.run(lambda name=name: record.lookup(name))
        except PoisonError:
            continue
    return evaluator.diagnostics.found


def test_every_independent_error_is_told_once(script: Any) -> None:
    found = found_in(script, "a = nope ; b = a + 1 ; c = b * a ; d = 1 + 'x' ; e = f(1, 2) ; f(x) = x")
    assert [(d.code, str(d.span)) for d in found] == [
        ("GC0301", "model.bs:1:5"),
        ("GC0306", "model.bs:1:40"),
        ("GC0302", "model.bs:1:54"),
    ]


def test_the_chain_of_forcing_sites(script: Any) -> None:
    evaluator = script.evaluator()
    with pytest.raises(PoisonError):
        script.member("a = 1 + nope\nb = a\nc = b\nd = c\ndo = d", evaluator)
    [found] = evaluator.diagnostics.found
    assert [(label.message, str(label.span)) for label in found.labels] == [
        ("while evaluating 'a'", "model.bs:1:1"),
        ("while evaluating 'b'", "model.bs:2:1"),
        ("while evaluating 'c'", "model.bs:3:1"),
    ]


HINTS = {
    "do = Lenght('a')": "did you mean 'Length'?",
    "f(steepness) = steepnes ; do = f(1)": "did you mean 'steepness'?",
    "r = { weights = 1 } ; do = r.weigths": "did you mean 'weights'?",
    "do = True": "booleans are written in lower case: true",
    "f(x, bias=true) = x ; do = f(1, biass=false)": "did you mean 'bias'?",
    "f(x, bias=true) = x ; do = f(1, false)": "optional parameters are passed by name: bias=…",
    "f(x) = x ; do = f(x=1)": "'x' is positional: pass it without its name",
    "f(x, y=1) = x ; do = f(1, x=1)": "'x' is positional: pass it without its name",
    "do = new TensorShpe {}": "did you mean 'TensorShape'?",
    "do = new ComputationNod {}": "did you mean 'ComputationNode'?",
    "x = Input{1} ; do = x / x": "a node can be divided by a number, and only 1 by a node: x .* (1 / y)",
    "do = zzzzqq": None,
}


@pytest.mark.parametrize("text", HINTS)
def test_hints(script: Any, text: str) -> None:
    evaluator = script.evaluator()
    with pytest.raises(PoisonError):
        script.member(text, evaluator)
    assert [d.hint for d in evaluator.diagnostics.found] == [HINTS[text]]


def test_a_call_shows_the_signature_of_what_it_calls(script: Any) -> None:
    [found] = found_in(script, "layer{dim, bias = true, init='uniform'} = dim\nz = layer{1, 2}")
    assert (found.labels[0].message, str(found.labels[0].span)) == (
        "layer(dim, bias=true, init='uniform') is defined here",
        "model.bs:1:1",
    )
    assert found.span is not None
    assert found.span.text == "layer{1, 2}"


def test_a_cycle_is_printed_with_its_names_and_places(script: Any) -> None:
    [found] = found_in(script, "a = b + 1\nb = c\nc = 2 * a")
    assert found.message == "circular reference: 'a', which needs 'b', which needs 'c', which needs 'a'"
    assert str(found.span) == "model.bs:3:9"
    assert [str(label.span) for label in found.labels] == [f"model.bs:{line}:1" for line in (1, 2, 3)]


def test_what_the_library_finds_is_told_at_the_authors_call(script: Any) -> None:
    [found] = found_in(script, "net = {\n  z = IntDiv (1, 0)\n}.z")
    assert found.span is not None
    assert (str(found.span), found.span.text) == ("model.bs:2:7", "IntDiv (1, 0)")
    assert [label.message for label in found.labels] == [
        "found in the library",
        "while evaluating 'z'",
        "while evaluating 'net'",
    ]
    # the argument of a call that is made before its result is needed
    evaluator = script.evaluator()
    with pytest.raises(PoisonError):
        script.network("{ x = Input{1} ; m = LinearLayer{'a'} ; z = m (x) }", evaluator)
    [found] = evaluator.diagnostics.found
    assert found.span is not None
    assert found.span.text == "'a'"


def test_what_the_host_finds_gets_the_way_to_it(script: Any) -> None:
    evaluator = script.evaluator()
    with pytest.raises(PoisonError):
        script.network("{ z = Tanh ('x') }", evaluator)
    [found] = evaluator.diagnostics.found
    assert found.code == "GC0404"
    assert found.labels[-1].message == "while evaluating 'z'"


def test_a_missing_parameter_of_an_object(script: Any) -> None:
    [found] = found_in(script, "s = new TensorShape { }")
    assert found.message == "required parameter 'dims' not found for TensorShape"


def test_a_poisoned_value_stays_silent(script: Any) -> None:
    evaluator = script.evaluator()
    record = evaluator.evaluate(script.program("bad = Fail ('once') ; a = bad + 1 ; b = if bad then 1 else 2"))
    for name in ("a", "b", "bad", "a"):
        with pytest.raises(PoisonError):
            record.lookup(name)
    assert [d.message for d in evaluator.diagnostics.found] == ["once"]


class TestNameCheck:
    """Code that is never forced is only name-checked."""

    def check(self, script: Any, text: str) -> list[str]:
        found = script.evaluator().check_names(script.program(text))
        assert all(d.severity is Severity.WARNING for d in found)
        return [f"{d.span.column} {d.message}" for d in found]

    def test_every_construct(self, script: Any) -> None:
        text = (
            "f(x, d=n1) = { a = x + n2 ; b = a }.zz : n3[n4] ; g = y => array[n5..1](n6) ; h = -n7.q ; "
            "i = if n8 then new T {o = n9 ; p = o} else g(x=n0)"
        )
        names = [message.split("'")[1] for message in self.check(script, text)]
        assert names == ["n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9", "n0"]

    def test_defaults_do_not_see_parameters(self, script: Any) -> None:
        assert self.check(script, "f(x, y=x) = y") == ["8 unknown identifier 'x'"]

    def test_library_settings_and_enclosing_scopes_are_known(self, script: Any) -> None:
        assert self.check(script, "a = Length (b) ; b = { c = a ; d = e => f => e : f : c }") == []

    def test_what_was_told_as_an_error_is_not_told_again(self, script: Any) -> None:
        evaluator = script.evaluator()
        program = script.program("do = nope ; other = nope2")
        with pytest.raises(PoisonError):
            evaluator.evaluate(program).lookup("do")
        assert [d.message for d in evaluator.check_names(program)] == ["unknown identifier 'nope2'"]

    def test_deep_expressions(self, script: Any) -> None:
        assert isinstance(script.program("x = 1" + " + 1" * 20000), ast.Record)
        assert self.check(script, "x = 1" + " + 1" * 20000) == []
