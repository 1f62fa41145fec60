"""The network description language: names, macros, functions, groups, seeds, and what is told of mistakes."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from graphc.diagnostics import Diagnostic, DiagnosticError, Diagnostics, SourceText
from graphc.ir import GROUPS, ElementType
from graphc.network.ndl.build import NDLScript, build_ndl_network
from graphc.network.ndl.functions import function, function_names
from graphc.network.network import Network
from graphc.network.session import Session
from graphc.network.text import equal_networks, format_network, parse_network
from graphc.ops.sources import LearnableParameter
from tests.conformance.examples import cases

_FILE = Path(__file__).parent.parent / "conformance" / "ndl.txt"
_MACROS = """
FF(X1,W1,B1){ T=Times(W1,X1)
P=Plus(T,B1) }
BFF(x,r,c){ B=Parameter(r) ; W=Parameter(r,c) ; FF=FF(x,W,B) }
SBFF(x,r,c){ BFF=BFF(x,r,c) ; S=Sigmoid(BFF) }
"""


def build(
    text: str, *, offset: int = 0, diagnostics: Diagnostics | None = None, session: Session | None = None
) -> Network:
    macros, run = SourceText.from_string(_MACROS, "macros.ndl"), SourceText.from_string(text, "a.ndl")
    return build_ndl_network(
        NDLScript((macros,), (run,), offset),
        ElementType.FLOAT32,
        session=session or Session(),
        diagnostics=Diagnostics() if diagnostics is None else diagnostics,
    )


def errors(text: str) -> tuple[Diagnostic, ...]:
    with pytest.raises(DiagnosticError) as caught:
        build(text)
    return caught.value.diagnostics


def _more() -> list[Any]:
    rows = [line.split("\t") for line in _FILE.read_text("utf-8").splitlines() if not line.startswith("#")]
    return [pytest.param(script.replace("⏎", "\n"), facts, id=name) for name, script, facts in rows]


@pytest.mark.parametrize("script,told", [*cases("L"), *_more()])
def test_example(script: str, told: str) -> None:
    text, facts = f"f=Input(3,tag=feature)\n{script}", told.split(" ; ")
    if facts[0].startswith("error: "):
        (found,) = errors(text)
        assert facts[0].removeprefix("error: ") in found.message
        assert found.span is not None and facts[1:] in ([], [f"at: {found.span.text}"])
        return
    network = build(text)
    for fact in facts:
        _check(network, fact)
    assert equal_networks(parse_network(format_network(network)), network)


def _check(network: Network, fact: str) -> None:
    word, _, names = fact.partition(": ")
    if word == "only":
        assert network.names == ["f", *names.split()]
    elif word == "seed":
        starts = {n.name: n.op.initializer for n in network if isinstance(n.op, LearnableParameter)}
        random = {name: start.seed for name, start in starts.items() if start.is_random and start.seed != 7}
        assert random == {name: k for k, name in enumerate(names.split(), 1)}
    elif word.startswith("shape "):
        assert str(network[word.removeprefix("shape ")].type) == names
    elif word in GROUPS:
        assert [n.name for n in network.groups[word]] == names.split()
    else:
        definition = re.fullmatch(r"(\S+) = (\w+) \((.*)\) ?(\S*)", fact)
        assert definition is not None, fact
        name, operation, inputs, value = definition.groups()
        node = network[name]
        assert node.operation == operation
        assert [n.name for n in node.inputs] == (inputs.split(", ") if inputs else [])
        if value:
            assert isinstance(node.op, LearnableParameter)
            assert node.op.constant == float(value)


def test_every_example_of_the_specification_is_there() -> None:
    names = {case.id for case in cases("L")}
    assert {f"L{k}" for k in range(1, 8)} | {"L8a", "L8b", "L8c"} <= names


def test_seeds_count_through_the_process_and_take_an_offset() -> None:
    session = Session()
    text = "f = Input(3) ; A = Parameter(3) ; B = Parameter(3, randomSeed=5) ; z = Plus(Plus(A, B), f)"
    networks = [build(text, offset=offset, session=session) for offset in (0, 100)]
    found = [[n.op.initializer.seed for n in net if isinstance(n.op, LearnableParameter)] for net in networks]
    assert found == [[1, 5], [102, 105]]
    # BrainScript's parameters are counted apart
    assert session.next_seed(ElementType.FLOAT32) == 1


def test_every_independent_error_is_told_at_its_place() -> None:
    found = errors(
        "f = Input(3)\na = Sigmoid(g)\nb = Sigmoyd(f)\nc = Tanh(b)\nd = Input(2, tag=lable)\n"
        "last = Plus(a, F)\nh = Times(f\n"
    )
    assert [(d.code, d.span and (d.span.line, d.span.column), d.hint) for d in found] == [
        ("GC0102", (7, 10), None),
        ("GC0301", (3, 5), "did you mean Sigmoid?"),
        ("GC0301", (2, 13), None),
        ("GC0403", (5, 18), "did you mean label?"),
    ]


@pytest.mark.parametrize(
    "text,code,hint",
    [
        ("z = SBF(f, 2, 3)", "GC0301", "did you mean SBFF?"),
        ("hidden1 = Tanh(f) ; z = Tanh(hiden1)", "GC0301", "did you mean hidden1?"),
        ("z = CrossEntropyWithSoftmx(f, f)", "GC0301", "did you mean CrossEntropyWithSoftmax?"),
        ("z = Parameter(2, init=gausian)", "GC0406", "did you mean gaussian?"),
        ("z = Parameter(n, 3) ; n = 4", "GC0301", "what is no node must be assigned above its use"),
        (
            "A(x) { y = B(x) } ; B(x) { y = Tanh(x) }",
            "GC0301",
            "macros can call only those that are defined above them, not themselves",
        ),
        ("z = MyLayer(f)", "GC0301", "if another file defines it, name that in ndlMacros"),
    ],
)
def test_suggestions(text: str, code: str, hint: str) -> None:
    (found,) = errors(f"f = Input(3)\n{text}")
    assert (found.code, found.hint) == (code, hint)


def test_an_option_that_nobody_reads_is_told() -> None:
    found = Diagnostics()
    build("f = Input(3, dynamicAxes=x) ; z = Tanh(f)", diagnostics=found)
    (warning,) = found.warnings
    assert (warning.code, warning.hint) == ("GC0303", "did you mean dynamicAxis?")


def test_names_that_mean_nothing_are_told_once_each() -> None:
    found = errors("f = Input(3)\na = Layer(f)\nb = Layer(f)\nM(x) { y = Layer(x) }\nc = M(f)\nd = M(f)")
    assert [(d.code, d.span and d.span.line) for d in found] == [("GC0301", 4)]


def test_macros_that_double_again_and_again_are_told_at_once() -> None:
    lines = ["M0(x) { y = Tanh(x) }"]
    lines += [f"M{k}(x) {{ a = M{k - 1}(x) ; b = M{k - 1}(a) }}" for k in range(1, 1000)]
    start = time.perf_counter()
    (found,) = errors("\n".join([*lines, "f = Input(3)", "z = M999(f)", "y = Tanh(z)"]))
    assert time.perf_counter() - start < 5
    assert found.code == "GC0312" and found.span is not None and found.span.text == "M999(f)"


def test_macros_deep_inside_macros_are_told() -> None:
    lines = ["M0(x) { y = Tanh(x) }", *(f"M{k}(x) {{ y = M{k - 1}(x) }}" for k in range(1, 200))]
    assert {d.code for d in errors("\n".join([*lines, "f = Input(3)", "z = M199(f)"]))} == {"GC0311"}


def test_names_that_stand_for_names_end() -> None:
    chain = " ; ".join(f"a{k} = a{k + 1}" for k in range(2000))
    assert {d.code for d in errors(f"{chain} ; a2000 = Tanh(a0)")} <= {"GC0311", "GC0407", "GC0304"}
    network = build("f = Input(3) ; a0 = Tanh(f) ; " + " ; ".join(f"a{k + 1} = a{k}" for k in range(2000)))
    assert network.names == ["f", "a2000"]


@pytest.mark.parametrize(
    "text",
    [
        *("a = (", "= 3", "a = }", '"x"', "A(x) { B(y) { z = y } }", "a = b c", "x = " + "Tanh(" * 80 + ")" * 80),
        *("a", "Tanh(f)", "M(1) { y = Tanh(f) }", "a = Tanh(f*99999999)", "a = ,", "M(x) = y("),
        *("a = Tanh(=)", "a=[b=1]"),
    ],
)
def test_malformed_text_is_a_diagnostic(text: str) -> None:
    assert all(d.span is not None for d in errors(text))


@pytest.mark.parametrize(
    "expression,code,place",
    [
        ("Parameter(3, randomSeed=1e30)", "GC0406", "1e30"),
        ("Parameter(3, randomSeed=1.5)", "GC0305", "1.5"),
        ("Parameter(3, learningRateMultiplier=fast)", "GC0305", "fast"),
        ("Parameter(3, needGradient=perhaps)", "GC0305", "perhaps"),
        ("Parameter(3, init=fromFile)", "GC0411", "Parameter(3, init=fromFile)"),
        ("Parameter(3, init=fromFile, initFromFilePath=/nowhere/W.txt)", "GC0411", "/nowhere/W.txt"),
        ("Parameter(-3)", "GC0406", "-3"),
        ("Parameter(1e12)", "GC0406", "1e12"),
        ("Constant(1, rows=0)", "GC0406", "0"),
        ("Constant(f)", "GC0305", "f"),
        ("Input(0)", "GC0406", "Input(0)"),
        ("Input({3, 4})", "GC0305", "{3, 4}"),
        ("Delay(3, f, timeStep=0)", "GC0201", "Delay(3, f, timeStep=0)"),
        ("RowSlice(2, 3, f)", "GC0201", "RowSlice(2, 3, f)"),
        ("Plus({f, f}, f)", "GC0305", "{f, f}"),
        ("Convolution(f, f, 3, 3)", "GC0302", "Convolution"),
        ("ROIPooling(f, f)", "GC0406", "ROIPooling(f, f)"),
    ],
)
def test_wrong_arguments(expression: str, code: str, place: str) -> None:
    (found,) = errors(f"f = Input(3)\nz = {expression}")
    assert (found.code, found.span and found.span.text) == (code, place)


def test_every_function_answers_any_number_of_arguments() -> None:
    """With an operator or a diagnostic, and never in another way."""
    for name in function_names():
        assert function(name.upper()) is function(name) is not None
        for count in range(8):
            text = f"f = Input(3)\nz = {name}({', '.join(['f', '2'] * count)})"
            try:
                build(text)
            except DiagnosticError as error:
                assert all(d.span is not None for d in error.diagnostics), text
