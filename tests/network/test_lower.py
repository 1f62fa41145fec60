"""Networks become graphs that hold what the roots need, by the names of the network."""

from __future__ import annotations

from typing import Any

import pytest

from graphc.diagnostics import DiagnosticError
from graphc.ir import Storage
from graphc.ir.text import format_graph
from graphc.network.lower import to_graph
from graphc.ops.recurrence import Scan

MODEL = """{
    x = Input{3} ; y = Input{2} ; h = LinearLayer{4} (x) ; z = LinearLayer{2} (Sigmoid (h)) ; extra = Tanh (x)
    ce = CrossEntropyWithSoftmax (y, z) ; err = ClassificationError (y, z)
    criterionNodes = (ce) ; evaluationNodes = (err) ; outputNodes = (z) ; labelNodes = (y)
}"""


def test_roots_are_criteria_evaluations_and_outputs(build: Any) -> None:
    network = build(MODEL)
    graph = to_graph(network)
    assert list(graph.roots) == ["ce", "err", "z"]
    assert "h" in graph.names and "extra" not in graph.names
    assert graph.groups == {
        "feature": ("y", "x"),
        "label": ("y",),
        "criterion": ("ce",),
        "evaluation": ("err",),
        "output": ("z",),
    }
    assert all(str(graph.names[name].type) == str(network[name].type) for name in graph.names)
    assert graph.spans["h"].text == "LinearLayer{4} (x)"


def test_roots_may_be_chosen_in_any_case(build: Any) -> None:
    assert list(to_graph(build(MODEL), ["EXTRA", "h"]).roots) == ["extra", "h"]


def test_an_unknown_root_is_told_with_a_suggestion(build: Any) -> None:
    with pytest.raises(DiagnosticError) as caught:
        to_graph(build(MODEL), ["extre"])
    (found,) = caught.value.diagnostics
    assert (found.code, found.hint) == ("GC0413", "did you mean extra?")


def test_without_groups_the_roots_are_what_nothing_reads(build: Any) -> None:
    assert list(
        to_graph(build("{ a = DynamicAxis() ; x = Input{3, dynamicAxis=a} ; y = Tanh (x) ; z = Sigmoid (x) }")).roots
    ) == ["y", "z"]


def test_the_reader_decides_on_storage(build: Any) -> None:
    graph = to_graph(build(MODEL), storages={"Y": Storage.ONEHOT})
    assert graph.names["y"].type.storage is Storage.ONEHOT
    assert graph.names["x"].type.storage is Storage.DENSE


def test_state_is_updated_and_two_uses_follow_each_other(build: Any) -> None:
    network = build("{ x = Input{3} ; n = BatchNormalizationLayer{} ; z = n (n (x)) ; outputNodes = (z) }")
    graph = to_graph(network)
    assert [graph.name_of[p] for p, _ in graph.updates] == ["n.runMean", "n.runVariance", "n.runCount"]
    # the second use starts from what the first one left
    lines = {line.split(" = ")[0]: line for line in format_graph(graph).splitlines() if " = " in line}
    last = dict((graph.name_of[p], v) for p, v in graph.updates)["n.runMean"]
    assert last.inputs[3] is not graph.names["n.runMean"]
    assert any(word.startswith("%") for word in lines["update n.runMean"].split())
    assert to_graph(network, updates=False).updates == ()


def test_equal_expressions_are_one_node(build: Any) -> None:
    graph = to_graph(build("{ x = Input{3} ; a = Sigmoid (x) ; b = Sigmoid (x) ; outputNodes = (a : b) }"))
    assert graph.roots["a"] is graph.roots["b"]


def test_a_recurrence_becomes_one_loop(build: Any) -> None:
    graph = to_graph(build("{ x = Input{3} ; a = Tanh (x + b) ; b = PastValue (0, a) ; outputNodes = (a : b) }"))
    a, b = graph.roots["a"].op, graph.roots["b"].op
    assert isinstance(a, Scan) and isinstance(b, Scan) and a.region is b.region
    assert a.region.steps == ("x",) and [(c.name, c.value) for c in a.region.carries] == [("b", "a")]
    # layers that only follow each other are loops of their own
    text = "{ x = Input{3} ; a = Tanh (x + PastValue (0, a)) ; b = Tanh (a + PastValue (0, b)) ; outputNodes = b }"
    graph = to_graph(build(text))
    assert len({n.op.region for n in graph.nodes if isinstance(n.op, Scan)}) == 2


def test_delays_outside_loops_stay_delays(build: Any) -> None:
    graph = to_graph(build("{ x = Input{3} ; outputNodes = z ; z = x + PastValue (0, x) + FutureValue (0, x) }"))
    assert sorted(n.op.names[0] for n in graph.nodes) == ["FutureValue", "InputValue", "PastValue", "Plus", "Plus"]


@pytest.mark.parametrize(
    ("body", "place", "message"),
    [
        (
            "a = Tanh (x + PastValue (0, b)) ; b = Tanh (x + FutureValue (0, a))",
            "PastValue (0, b)",
            "one recurrence looks both ways: PastValue (0, b) and FutureValue (0, a)",
        ),
        (
            "a = BatchNormalizationLayer{} (x + PastValue (0, a)) ; b = a",
            None,
            "b keeps running statistics (BatchNormalization), which a recurrence cannot",
        ),
        (
            "b = Tanh (x + PastValue (0, b, initialState = Exp (b)))",
            "PastValue (0, b, initialState = Exp (b))",
            "the initial state of PastValue (0, b, initialState = Exp (b)) depends on the recurrence that it begins",
        ),
        (
            "b = Tanh (x + PastValue (0, x, initialState = b))",
            "PastValue (0, x, initialState = b)",
            "the initial state of PastValue (0, x, initialState = b) depends on the recurrence that it begins",
        ),
        (
            "b = Tanh (x + TimeReverse (PastValue (0, b)))",
            "TimeReverse (PastValue (0, b))",
            "TimeReverse (PastValue (0, b)) looks at many frames (TimeReverse), of which a recurrence has one",
        ),
        (
            "b = x + OptimizedRNNStack (W, PastValue (0, b), 3) ; W = ParameterTensor {(3:0)}",
            "OptimizedRNNStack (W, PastValue (0, b), 3)",
            "b.PlusArgs[1] looks at many frames (OptimizedRNNStack), of which a recurrence has one",
        ),
        (
            "b = Tanh (x + CosDistanceWithNegativeSamples (x, PastValue (0, b), 1, 2))",
            "CosDistanceWithNegativeSamples (x, PastValue (0, b), 1, 2)",
            "b.z.PlusArgs[1] looks at many frames (CosDistanceWithNegativeSamples), of which a recurrence has one",
        ),
        (
            "b = Tanh (x + ReconcileDynamicAxis (f, PastValue (0, b))) ; f = BS.Sequences.First (x)",
            "ReconcileDynamicAxis (f, PastValue (0, b))",
            "b.z.PlusArgs[1] looks at many frames (ReconcileDynamicAxis), of which a recurrence has one",
        ),
        (
            "b = Tanh (x + PastValue (0, b) .* SquareError (x, PastValue (0, b)))",
            "SquareError (x, PastValue (0, b))",
            "a recurrence leaves its dynamic axis: b is [3 x *], SquareError (x, PastValue (0, b)) is [1]",
        ),
    ],
)
def test_recurrences_that_no_loop_computes(build: Any, body: str, place: str | None, message: str) -> None:
    network = build(f"{{ x = Input{{3}} ; {body} ; y = Tanh (x) ; outputNodes = (b : y) }}")
    with pytest.raises(DiagnosticError) as caught:
        to_graph(network)
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == ("GC0408", message)
    assert place is None or (found.span is not None and found.span.text == place)
    # what does not need the recurrence is not disturbed by it
    assert list(to_graph(network, ["y"]).roots) == ["y"]


def test_depth_does_not_matter(build: Any) -> None:
    network = build("{ x = Input{2} ; z = LayerStack{400, i => Sigmoid} (x) }")
    assert len(to_graph(network).nodes) == 401
