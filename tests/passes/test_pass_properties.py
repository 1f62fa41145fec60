"""On random graphs every pass keeps values, gradients, names and invariants, and has nothing to add to its own work."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphc.ir import Graph, equal_graphs, format_graph, parse_graph, rewrite, verify
from graphc.ir.rewrite import Rule
from graphc.ops.recurrence import Scan
from graphc.passes.bodies import bodies
from graphc.passes.canonicalise import canonicalise
from graphc.passes.constants import mark_state
from graphc.passes.fold import fold
from graphc.passes.hoist import hoist
from graphc.passes.pack import pack
from graphc.passes.pipeline import PASSES, Pass, optimise
from graphc.passes.simplify import RULES, simplify
from graphc.passes.trim import trim
from graphc.testing.choices import Seeded
from graphc.testing.drawing import Drawing
from graphc.testing.equivalence import check_pass
from graphc.testing.generate import graph_of, rewritten
from graphc.testing.recipes import RECIPES
from graphc.testing.strategies import graphs

QUICK = settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
# A failure prints a line `@reproduce_failure(...)`; put above the test, it replays that graph.
LONG = settings(max_examples=2000, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])


def check_text(graph: Graph) -> None:
    verify(graph)
    text = format_graph(graph)
    again = parse_graph(text)
    assert equal_graphs(again, graph)
    assert format_graph(again) == text
    for name, node in graph.roots.items():
        assert again.roots[name] is node


@QUICK
@given(graphs())
def test_print_then_parse_gives_the_same_graph(graph: Graph) -> None:
    check_text(graph)


@QUICK
@given(graphs(), st.sampled_from((*PASSES, optimise)))
def test_passes_keep_their_laws(graph: Graph, transform) -> None:  # pyright: ignore[reportMissingParameterType]
    check_pass(transform, graph)


@settings(QUICK, max_examples=150)
@given(graphs(max_nodes=6, operators=rewritten()), st.sampled_from((*PASSES, optimise)))
def test_operators_with_rules_meet_each_other(graph: Graph, transform) -> None:  # pyright: ignore[reportMissingParameterType]
    check_pass(transform, graph, gradients=False)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_each_rule_keeps_the_laws_where_it_applies(rule: Rule) -> None:
    graphs = list(islice(changed_by(rule), 20))
    assert len(graphs) == 20
    for graph in graphs:
        check_pass(lambda graph: rewrite(graph, [rule]), graph, gradients=False)


def changed_by(rule: Rule) -> Iterator[Graph]:
    """Graphs of the operators that the rule looks at, in which it finds something: few of the random ones are."""
    operators = [cls for cls in rule.ops if cls in RECIPES]
    for seed in range(10_000):
        graph = mark_state(graph_of(Drawing(Seeded.of(rule.name, seed), constants=True), 4, operators))
        # some rules look at what others have put into one form
        for each in (graph, canonicalise(graph)):
            if not equal_graphs(rewrite(each, [rule]), each):
                yield each
                break


@pytest.mark.parametrize("transform", (canonicalise, fold, simplify), ids=lambda f: f.__name__)
def test_passes_keep_their_laws_where_they_apply(transform: Pass) -> None:
    seeds = (Seeded.of("passes", seed) for seed in range(10_000))
    drawn = (graph_of(Drawing(choices, constants=True), 6, rewritten()) for choices in seeds)
    graphs = list(islice((graph for graph in drawn if not equal_graphs(transform(graph), graph)), 60))
    assert len(graphs) == 60
    for graph in graphs:
        check_pass(transform, graph, gradients=False)


@pytest.mark.parametrize("transform", (trim, bodies, hoist, pack, optimise), ids=lambda f: f.__name__)
def test_passes_on_loops_keep_the_laws_where_they_apply(transform: Pass) -> None:
    graphs = list(islice(with_loops_changed_by(transform), 12))
    assert len(graphs) == 12
    for number, graph in enumerate(graphs):
        check_pass(transform, graph, gradients=number < 4)


def with_loops_changed_by(transform: Pass) -> Iterator[Graph]:
    """Graphs of loops in which the pass finds something."""
    for seed in range(10_000):
        graph = graph_of(Drawing(Seeded.of("loops", seed), constants=True), 2, [Scan])
        if not equal_graphs(transform(graph), graph):
            yield graph


@settings(QUICK, max_examples=10)
@given(graphs(max_nodes=8))
def test_the_pipeline_keeps_gradients(graph: Graph) -> None:
    check_pass(optimise, graph, gradients=True)


@pytest.mark.slow
@LONG
@given(graphs(max_nodes=30))
def test_many_larger_graphs(graph: Graph) -> None:
    check_text(graph)
    for transform in (*PASSES, optimise):
        check_pass(transform, graph)


@pytest.mark.slow
@settings(LONG, max_examples=500)
@given(graphs(max_nodes=12))
def test_gradients_of_many_graphs(graph: Graph) -> None:
    check_pass(optimise, graph, gradients=True)
