"""Hypothesis strategies for types, operators and well-typed graphs over every operator that can be evaluated.

Hypothesis shrinks a graph by leaving out operators and by moving to earlier operands and simpler operators.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import note
from hypothesis import strategies as st

from graphc.ir import DEFAULT_AXIS, DynamicAxis, ElementType, Graph, Op, Storage, TensorType, format_graph
from graphc.ops.rules import one_frame_of
from graphc.testing.choices import Drawn
from graphc.testing.drawing import Drawing
from graphc.testing.generate import graph_of
from graphc.testing.lengths import input_axes
from graphc.testing.recipes import RECIPES, recipes
from graphc.testing.values import RandomFeeds, random_feeds

Draw = Callable[[st.SearchStrategy[Any]], Any]

_elements = st.sampled_from(tuple(ElementType))


@st.composite
def tensor_types(draw: Draw) -> TensorType:
    """A complete type; only values with a dynamic axis are onehot or sparse.

    The axis is that of the data, one that an input names or a condition makes, or that of one frame a sequence.
    """
    others = tuple(DynamicAxis(name) for name in ("other", "Begin of sentence"))
    axis = draw(st.sampled_from((None, DEFAULT_AXIS, *others, one_frame_of(DEFAULT_AXIS))))
    storage = draw(st.sampled_from(tuple(Storage))) if axis else Storage.DENSE
    shape = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple))
    return TensorType(shape, draw(_elements), axis, storage)


@st.composite
def operators(draw: Draw, family: str | None = None) -> Graph:
    """A graph whose one root ``z`` is an operator of the family, or of any, on inputs and parameters."""
    return draw(applications(draw(st.sampled_from(tuple(recipes(family))))))


@st.composite
def applications(draw: Draw, cls: type[Op], element: ElementType | None = None) -> Graph:
    """A graph whose one root ``z`` is the operator on inputs and parameters."""
    graph = Graph({"z": RECIPES[cls].make(Drawing(Drawn(draw), element or draw(_elements)), cls)})
    note(format_graph(graph))
    return graph


@st.composite
def graphs(draw: Draw, max_nodes: int = 12, *, operators: Sequence[type[Op]] | None = None) -> Graph:
    """A verified graph of at most that many operators, which are the given ones or all that can be evaluated.

    Among all are delays, loops, and what chooses frames and puts them back; `feeds_for` gives them sequences.
    """
    graph = graph_of(Drawing(Drawn(draw), draw(_elements), constants=True), max_nodes, operators)
    note(format_graph(graph))
    return graph


@st.composite
def feeds_for(draw: Draw, graph: Graph) -> RandomFeeds:
    """Values for every input of the graph, with sequences of any lengths on each axis."""
    count = draw(st.integers(1, 3))
    lengths = st.lists(st.integers(1, 4), min_size=count, max_size=count).map(tuple)
    found = {axis: draw(lengths) for axis in input_axes(graph)}
    return RandomFeeds(random_feeds(graph, draw(st.integers(0, 99)), frames=found), found)
