"""How a failed property is told: with the graph it failed on, in text form, so that it can be kept and replayed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from graphc.ir import Graph, format_graph


class Counterexample(AssertionError):
    """A property does not hold for ``graph``; the pytest plugin writes it to a file."""

    def __init__(self, message: str, graph: Graph) -> None:
        super().__init__(f"{message}\n\nfor the graph\n\n{format_graph(graph)}")
        self.graph = graph


@contextmanager
def blamed_on(graph: Graph) -> Iterator[None]:
    """Whatever fails inside, fails for this graph; what already names a graph stays as it is."""
    try:
        yield
    except Counterexample:
        raise
    except Exception as error:
        what = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
        raise Counterexample(what, graph) from error
