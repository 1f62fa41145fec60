"""Graphs print to text and parse back to equal ones; malformed text is diagnosed at its place."""

from __future__ import annotations

import pytest

import graphc.ops  # noqa: F401  (fills the registry)
from graphc.diagnostics import DiagnosticError
from graphc.ir import Graph, Node, equal_graphs, format_graph, parse_graph, verify
from graphc.ops.elementwise import Plus
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.ops.unary import Negate, Sigmoid

CANONICAL = """\
W = LearnableParameter(shape=(2, 3), initializer=Initializer(kind="heNormal", seed=1)) : float32[2 x 3]
features = InputValue(shape=(3,)) : float32[3 x *]
z.PlusArgs[0] = Times(W, features) : float32[2 x *]
"my b" = LearnableParameter(shape=(2,)) : float32[2]
%1 = Plus(z.PlusArgs[0], "my b") : float32[2 x *]
z = Sigmoid(%1) : float32[2 x *]
out = z
mean = LearnableParameter(shape=(2,), learningRateMultiplier=0.0) : float32[2]
%2 = Plus(mean, "my b") : float32[2]
labels = InputValue(shape=(5,), axis="my axis", storage=sparse) : float32[5 x "my axis"] sparse
"%1" = Negate(labels) : float32[5 x "my axis"]
update mean = %2
root z
feature features
label labels
output z, out
"""


def test_canonical_text_is_kept() -> None:
    text = CANONICAL.replace("axis=", "dynamicAxis=")
    graph = parse_graph(text)
    verify(graph)
    assert format_graph(graph) == text
    assert list(graph.roots) == ["z"]
    assert graph.names["out"] is graph.roots["z"]
    assert graph.groups == {"feature": ("features",), "label": ("labels",), "output": ("z", "out")}
    again = parse_graph(format_graph(graph))
    assert equal_graphs(graph, again)
    assert again.roots["z"] is graph.roots["z"]
    assert str(graph.spans["out"]) == "<graph>:7:1"


def test_author_may_nest_calls_and_leave_out_the_rest() -> None:
    graph = parse_graph(
        """
        # comments and blank lines do not count
        a = Input(shape=(3, 2))   # a default for the name, the axis, the element type
        b = Input(shape=3)
        z = plus(relu(Negate(a)), b)
        """
    )
    assert list(graph.roots) == ["z"]
    assert format_graph(graph).splitlines()[1:3] == [
        "%1 = Negate(a) : float32[3 x 2 x *]",
        "%2 = RectifiedLinear(%1) : float32[3 x 2 x *]",
    ]


def test_root_may_be_a_parameter_under_another_name() -> None:
    w = LearnableParameter("w", (2,))()
    graph = Graph({"out": w})
    assert format_graph(graph) == 'out = LearnableParameter(name="w", shape=(2,)) : float32[2]\nroot out\n'
    assert equal_graphs(parse_graph(format_graph(graph)), graph)


def test_printing_is_stable_for_names_that_nothing_needs() -> None:
    x = InputValue("x", (2,))()
    inner = Negate()(x)
    graph = Graph({"x": x}, {"p": Plus()(Sigmoid()(x), inner), "inner": inner, "q": Negate()(inner)})
    text = format_graph(graph)
    assert format_graph(parse_graph(text)) == text


def test_equal_graphs_sees_every_part() -> None:
    graph = parse_graph(CANONICAL.replace("axis=", "dynamicAxis="))
    changes = {"root z": "root z, out", "output z, out": "output z", "update mean = %2": "", "out = z": "out2 = z"}
    for old, new in changes.items():
        text = format_graph(graph).replace(old, new, 1)
        if old == "out = z":
            text = text.replace("z, out\n", "z\n")
        assert not equal_graphs(graph, parse_graph(text)), old


@pytest.mark.parametrize(
    ("text", "place", "code", "message"),
    [
        ("a = (", "1:5", "GC0901", "'(' is out of place"),
        ("a = Negate(b", "1:13", "GC0901", "the end of the text is out of place"),
        ("a = Negate(b\n", "1:13", "GC0901", "the end of the line is out of place"),
        ("\na = Negate(b,, c)", "2:14", "GC0901", "',' is out of place"),
        ('a = Negate("b)', "1:12", "GC0901", "'\"' is out of place"),
        ("a = b : int[3]", "1:9", "GC0901", "'int[3]' is out of place"),
        ("a = Input(shape=3)\nroots a", "2:1", "GC0901", "'roots' is no statement"),
        ("a = Negate(b)", "1:12", "GC0902", "b is not defined above"),
        ("a = Input(shape=3)\nroot b", "2:6", "GC0902", "b is not defined above"),
        ("a = Input(shape=3)\na = Negate(a)", "2:1", "GC0902", "a is defined twice"),
        ("a = Nagate()", "1:5", "GC0903", "there is no operation Nagate"),
        ("a = Input(shape=3, shpe=3)", "1:20", "GC0903", "InputValue has no attribute shpe"),
        ("%1 = Input(shape=3)", "1:6", "GC0903", "InputValue needs the attribute name"),
        ("a = Input(shape=3)\nb = Plus(a)", "2:5", "GC0904", "Plus takes 2 inputs, 1 were given"),
        ("a = Input(shape=3) : float32[4 x *]", "1:22", "GC0904", "a is float32[3 x *], not float32[4 x *]"),
    ],
)
def test_malformed_text(text: str, place: str, code: str, message: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        parse_graph(text, "g")
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.message, str(diagnostic.span)) == (code, message, f"g:{place}")


def test_all_independent_errors_are_reported_once() -> None:
    with pytest.raises(DiagnosticError) as caught:
        parse_graph("a = Foo()\nb = Negate(a)\nc = Bar()\nd = Plus(b, c)")
    assert [str(d.span) for d in caught.value.diagnostics] == ["<graph>:1:5", "<graph>:3:5"]


def test_deep_graphs_need_no_recursion() -> None:
    x: Node = InputValue("x", (2,))()
    for index in range(5000):
        x = (Negate() if index % 2 else Sigmoid())(x)
    graph = Graph({"z": x})
    assert equal_graphs(parse_graph(format_graph(graph)), graph)
    nested = "Negate(" * 5000 + "x" + ")" * 5000
    assert len(parse_graph(f"x = Input(shape=2)\nz = {nested}").nodes) == 5001
