"""Hypothesis strategies for types, operators and well-typed graphs over every operator that can be evaluated.

Hypothesis shrinks a graph by leaving out operators and by moving to earlier operands and simpler operators.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import note
from hypothesis import strategies as st

from graphc.backend import Feeds
from graphc.ir import DEFAULT_AXIS, ElementType, Graph, Op, Storage, TensorType, format_graph
from graphc.testing.choices import Drawn
from graphc.testing.drawing import Drawing
from graphc.testing.generate import graph_of
from graphc.testing.recipes import RECIPES, recipes
from graphc.testing.values import random_feeds

Draw = Callable[[st.SearchStrategy[Any]], Any]

_elements = st.sampled_from(tuple(ElementType))


@st.composite
def tensor_types(draw: Draw) -> TensorType:
    """A complete type; only values with a dynamic axis are onehot or sparse."""
    axis = draw(st.sampled_from((None, DEFAULT_AXIS)))
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
    """A verified graph of at most that many operators, which are the given ones or all that can be evaluated."""
    graph = graph_of(Drawing(Drawn(draw), draw(_elements), constants=True), max_nodes, operators)
    note(format_graph(graph))
    return graph


def feeds_for(graph: Graph) -> st.SearchStrategy[Feeds]:
    """Values for every input of the graph."""
    return st.builds(
        lambda seed, frames: random_feeds(graph, seed, frames=frames), st.integers(0, 99), st.integers(1, 4)
    )
