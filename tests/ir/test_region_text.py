"""Bodies of loops in the text of graphs: what is wrong with one is told, never a traceback."""

from __future__ import annotations

import pytest

import graphc.ops  # noqa: F401  (fills the registry)
from graphc.diagnostics import DiagnosticError
from graphc.ir import equal_graphs, format_graph, parse_graph, verify

TEXT = """x = Input(shape=3)
region r1
before = InputValue(shape=3)
x = InputValue(shape=3)
h = Plus(x, before)
update before = PastValue(h, timeStep=2)
root h, before
steps x
end r1
h = Scan(x, region=r1, output="h")
root h
"""


def test_a_region_is_read_and_written() -> None:
    graph = parse_graph(TEXT)
    verify(graph)
    assert format_graph(parse_graph(format_graph(graph))) == format_graph(graph)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('output="h"', 'output="g"', "the loop has no result g, it has h, before"),
        ("root h, before", "root h", "the region carries before, which is no root of it"),
        ("timeStep=2", "timeStep=0.1", "timeStep is a whole number from 1, and initial the number of an operand"),
        ("timeStep=2", "timeStep=0", "timeStep is a whole number from 1, and initial the number of an operand"),
        ("timeStep=2", 'default="a"', "default is a number"),
        ("timeStep=2", "initial=7", "the loop takes 2 operands, 1 were given"),
        ("timeStep=2", "initial=-1", "the loop takes 2 operands, 1 were given"),
        ("end r1\n", "", "the region r1 has no end"),
        ("region=r1", "region=r2", "the region r2 is not defined above"),
        ("PastValue(h,", "Tanh(h,", "in a region, update sets a delay"),
    ],
)
def test_wrong_regions_are_told(old: str, new: str, message: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        parse_graph(TEXT.replace(old, new))
    assert any(message in d.message for d in caught.value.diagnostics), caught.value.diagnostics


def test_a_loop_may_hand_nothing_on() -> None:
    """Passes leave such loops where nothing reads the delays."""
    graph = parse_graph(TEXT.replace("update before = PastValue(h, timeStep=2)\n", ""))
    assert equal_graphs(parse_graph(format_graph(graph)), graph)
