"""Types print and parse back, and random graphs can be fed."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from graphc.backend import load
from graphc.diagnostics import SourceFile
from graphc.ir import Graph, TensorType
from graphc.ir.notation import Definition, format_type
from graphc.ir.parser import parse_statements
from graphc.passes.constants import mark_state
from graphc.testing.equivalence import random_parameters
from graphc.testing.strategies import feeds_for, graphs, tensor_types

QUICK = settings(max_examples=30, deadline=None, derandomize=True)


@QUICK
@given(tensor_types())
def test_type_round_trip(type: TensorType) -> None:
    (statement,) = parse_statements(SourceFile("<type>", f"a = b : {format_type(type)}"))
    assert isinstance(statement, Definition) and statement.annotation is not None
    assert statement.annotation.type == type


@QUICK
@given(graphs(max_nodes=6), st.data())
def test_graphs_evaluate_to_their_types(graph: Graph, data: st.DataObject) -> None:
    feeds = data.draw(feeds_for(graph))
    run = load("reference").function(mark_state(graph))
    outputs = run(random_parameters(graph), feeds, feeds.environment()).outputs
    for name, node in graph.roots.items():
        assert outputs[name].shape[node.type.axis is not None :] == tuple(reversed(node.type.dims))
        assert outputs[name].dtype == node.type.element.value
