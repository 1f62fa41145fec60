"""Expression paths (language.md 6.1): they name nodes, and names are an interface."""

from __future__ import annotations

from typing import Any

import pytest

# N1–N4, N6, N8 of language.md 14.3 and what follows from the table of 6.1; `=` lists the nodes, one a line.
CASES = {
    "N1 infix operators": (
        "{ f = Input{3} ; W = ParameterTensor{(2:3)} ; b = ParameterTensor{2} ; z = Sigmoid (W*f + b) }",
        [
            "z = Sigmoid (z._)",
            "z._ = Plus (z._.PlusArgs[0], b)",
            "z._.PlusArgs[0] = Times (W, f)",
            "f = InputValue ()",
            "W = LearnableParameter ()",
            "b = LearnableParameter ()",
        ],
    ),
    "N2 a loop through a delay": (
        "{ x = Input{3} ; h = Tanh (W*x + R*PastValue(4,h)) ; "
        "W = ParameterTensor{(4:3)} ; R = ParameterTensor{(4:4)} }",
        [
            "h = Tanh (h.z)",
            "h.z = Plus (h.z.PlusArgs[0], h.z.PlusArgs[1])",
            "h.z.PlusArgs[0] = Times (W, x)",
            "h.z.PlusArgs[1] = Times (R, h.z.PlusArgs[1].TimesArgs[1])",
            "h.z.PlusArgs[1].TimesArgs[1] = PastValue (h)",
            "W = LearnableParameter ()",
            "R = LearnableParameter ()",
            "x = InputValue ()",
        ],
    ),
    "N3 layers": (
        "{ x = Input{3} ; m = Sequential (LinearLayer{4} : Sigmoid : LinearLayer{2}) ; z = m (x) }",
        [
            "z = Plus (z.PlusArgs[0], m.arrayOfFunctions[2].b)",
            "z.PlusArgs[0] = Times (m.arrayOfFunctions[2].W, z.x)",
            "z.x = Sigmoid (z.x._)",
            "z.x._ = Plus (z.x._.PlusArgs[0], m.arrayOfFunctions[0].b)",
            "z.x._.PlusArgs[0] = Times (m.arrayOfFunctions[0].W, x)",
            "m.arrayOfFunctions[0].W = LearnableParameter ()",
            "m.arrayOfFunctions[0].b = LearnableParameter ()",
            "m.arrayOfFunctions[2].W = LearnableParameter ()",
            "m.arrayOfFunctions[2].b = LearnableParameter ()",
            "x = InputValue ()",
        ],
    ),
    "N4 an array of layers": (
        "{ x = Input{3} ; L[i:0..1] = LinearLayer{4} ; z = L[1](L[0](x)) }",
        [
            "z = Plus (z.PlusArgs[0], L[1].b)",
            "z.PlusArgs[0] = Times (L[1].W, z.x)",
            "z.x = Plus (z.x.PlusArgs[0], L[0].b)",
            "z.x.PlusArgs[0] = Times (L[0].W, x)",
            "L[0].W = LearnableParameter ()",
            "L[0].b = LearnableParameter ()",
            "L[1].W = LearnableParameter ()",
            "L[1].b = LearnableParameter ()",
            "x = InputValue ()",
        ],
    ),
    "N6 the constant of a node in a record": (
        "{ x = Input{3} ; r = { y = 1 - x } ; z = Tanh (r.y) }",
        ["z = Tanh (r.y)", "r.y = Minus (_r.y, x)", "_r.y = LearnableParameter ()", "x = InputValue ()"],
    ),
    "N8 division, negation, comparison": (
        "{ x = Input{3} ; r = { w = x/2 ; v = 1/x ; n = -x ; g = x > 0 } ; a = r.w ; b = r.v ; c = r.n ; d = r.g }",
        [
            "a = ElementTimes (x, r.w)",
            "b = Reciprocal (x)",
            "c = Negate (x)",
            "d = Greater (x, r.g)",
            "r.w = LearnableParameter ()",
            "r.g = LearnableParameter ()",
            "x = InputValue ()",
        ],
    ),
    "N10 a default is shared": (
        "{ x = Input{3} ; f(a, p=Constant{5}) = a + p ; y = f(x) ; z = f(x) }",
        ["y = Plus (x, f.p)", "z = Plus (x, f.p)", "f.p = LearnableParameter ()", "x = InputValue ()"],
    ),
    "if on a node": (
        "{ x = Input{3} ; z = Tanh (if x > y then Tanh (x) else 5) ; y = Input{3} }",
        [
            "z = Tanh (z.z)",
            "z.z = If (z.z.if, z.z.then, _z.z)",
            "z.z.if = Greater (x, y)",
            "z.z.then = Tanh (x)",
            "_z.z = LearnableParameter ()",
            "x = InputValue ()",
            "y = InputValue ()",
        ],
    ),
    "not, and, index, negation, composition": (
        "{ x = Input{3} ; r = { n = !x ; a = true && Tanh (x) ; i = (Tanh (x) : 2)[0] ; m = -Tanh (x) ; "
        "c = (Tanh >> Sigmoid)(x) } ; outputNodes = r.n : r.a : r.i : r.m : r.c }",
        [
            "r.n = Minus (_r.n, x)",
            "r.a = ElementTimes (_r.a, r.a.AndArgs[1])",
            "r.i._vector[0] = Tanh (x)",
            "r.m = Negate (r.m._negate)",
            "r.m._negate = Tanh (x)",
            "r.c = Sigmoid (r.c.arg)",
            "r.c.arg = Tanh (x)",
            "_r.n = LearnableParameter ()",
            "_r.a = LearnableParameter ()",
            "r.a.AndArgs[1] = Tanh (x)",
            "x = InputValue ()",
        ],
    ),
    "an alias renames, a value keeps the path where it was computed": (
        "{ x = Input{3} ; r = { s = Tanh (x) } ; t = { u = r.s } ; outputNodes = t.u }",
        ["r.s = Tanh (x)", "x = InputValue ()"],
    ),
    "library wrappers convert numbers in the record of the node": (
        "{ x = Input{3} ; z = Plus (x, 3) }",
        ["z = Plus (x, inputs.arr[1].res)", "inputs.arr[1].res = LearnableParameter ()", "x = InputValue ()"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_nodes_are_named_by_their_paths(script: Any, name: str) -> None:
    text, nodes = CASES[name]
    network = script.network(text, script.evaluator())
    assert sorted(map(str, network.nodes.values())) == sorted(nodes)


def test_operands_become_constants_and_attributes(script: Any) -> None:
    evaluator = script.evaluator()
    text = "{ x = Input{3} ; r = { a = x / 4 ; b = 2 * x ; c = x * x } ; A = r.a ; B = r.b ; C = r.c }"
    network = script.network(text, evaluator)
    made = {node.name: node for node in evaluator.host.made}
    assert [made[name].attributes.get("initValue") for name in ("r.a", "r.b")] == [0.25, 2.0]
    assert [network.nodes[name].operation for name in "ABC"] == ["ElementTimes", "ElementTimes", "Times"]
    assert network.nodes["C"].attributes == {"outputRank": 1.0, "inferInputRankToMap": -1.0}


def test_a_program_may_start_at_a_path(script: Any) -> None:
    evaluator = script.evaluator()
    record = evaluator.evaluate(script.program("x = Input{3} ; y = 1 + x"), "top")
    assert record.lookup("y").name == "top.y"


def test_arrays_at_the_empty_path(script: Any) -> None:
    evaluator = script.evaluator()
    listed = evaluator.evaluate(script.program("do = Input{1} : Input{2}").members[0].value)
    made = evaluator.evaluate(script.program("do = array[0..1](i => Input{1})").members[0].value)
    assert [node.name for node in (*listed.elements(), *made.elements())] == ["[0]", "[1]", "", ""]
