"""Networks become graphs that hold what the roots need, by the names of the network."""

from __future__ import annotations

from typing import Any

import pytest

from graphc.diagnostics import DiagnosticError
from graphc.ir import Storage
from graphc.ir.text import format_graph
from graphc.network.lower import to_graph

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


def test_recurrences_are_named(build: Any) -> None:
    network = build("{ x = Input{3} ; h = Tanh (x + PastValue (0, h)) ; z = Tanh (x) }")
    with pytest.raises(DiagnosticError) as caught:
        to_graph(network)
    (found,) = caught.value.diagnostics
    assert found.code == "GC0408" and found.span is not None and found.span.text == "PastValue (0, h)"
    # what does not need the recurrence is not disturbed by it
    assert list(to_graph(network, ["z"]).roots) == ["z"]


def test_depth_does_not_matter(build: Any) -> None:
    network = build("{ x = Input{2} ; z = LayerStack{400, i => Sigmoid} (x) }")
    assert len(to_graph(network).nodes) == 401
