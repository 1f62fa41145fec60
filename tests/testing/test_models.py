"""Random models build, and what the passes make of them computes the same."""

from __future__ import annotations

from graphc.diagnostics import Diagnostics, SourceText
from graphc.ir import Graph, equal_graphs, format_graph, parse_graph, verify
from graphc.network.build import build_network
from graphc.network.lower import to_graph
from graphc.network.session import Session
from graphc.passes.pipeline import optimise
from graphc.testing import models, recurrent_models
from graphc.testing.equations import RecurrentModel
from graphc.testing.equivalence import assert_equivalent
from graphc.testing.runs import examples, for_all


def graph_of(text: str) -> Graph:
    source = SourceText.from_string(text, "model.bs")
    return to_graph(build_network(source, session=Session(), diagnostics=Diagnostics()))


def test_models_build_and_optimise() -> None:
    def check(text: str) -> None:
        graph = graph_of(text)
        verify(graph)
        assert list(graph.groups) == ["feature", "label", "criterion", "evaluation", "output"]
        assert_equivalent(graph, optimise(graph), gradients=False)

    for_all(models(), check, count=examples(30))


def test_recurrent_models_build_and_can_be_written() -> None:
    def check(model: RecurrentModel) -> None:
        graph = optimise(graph_of(model.text), verify=True)
        assert equal_graphs(parse_graph(format_graph(graph)), graph)
        assert equal_graphs(optimise(graph), graph)

    for_all(recurrent_models(), check, count=examples(15))
