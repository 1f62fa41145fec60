"""Values of a network's parameters: drawn, or read from a model file, and completed for an optimised graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from graphc.diagnostics import Diagnostic, DiagnosticError, Span
from graphc.ir import Graph, Node
from graphc.ir.layout import array_shape
from graphc.network.network import Network, NetworkNode
from graphc.ops.sources import LearnableParameter
from graphc.train.accumulated import epoch_start
from graphc.train.checkpoint import load_model
from graphc.train.initialise import CURRENT, CntkNumbers, initialise

Values = dict[str, npt.NDArray[Any]]


def initial_values(network: Network, seed: int, generator: str, numbers: CntkNumbers = CURRENT) -> Values:
    """First values of every parameter of the network, constants and state included.

    Those of loaded parameters are read from their model files, with the statistics that were computed for these;
    raises `DiagnosticError`.
    """
    found = _stored_values([n for n in network if n.stored])
    pending = [n for n in network if isinstance(n.op, LearnableParameter) and not n.stored]
    while pending:
        # a copy is drawn under the name of its original, which may be there too: one of each name at a time
        batch = {_drawn_as(n): n for n in reversed(pending)}
        # in their order, which numbers of a GPU depend on
        roots = {_drawn_as(n): _as_drawn(n) for n in pending if batch[_drawn_as(n)] is n}
        values = initialise(Graph(roots=roots), seed, "cntk" if generator == "cntk" else "jax", numbers)
        found |= {n.name: values[name] for name, n in batch.items()}
        pending = [n for n in pending if n is not batch[_drawn_as(n)]]
    return {n.name: found[n.name] for n in network if n.name in found}


def _drawn_as(node: NetworkNode) -> str:
    return (node.original or node).name


def _as_drawn(node: NetworkNode) -> Node:
    """The parameter with the initializer of its original, whose values it starts with."""
    op, original = node.op, (node.original or node).op
    assert isinstance(op, LearnableParameter) and isinstance(original, LearnableParameter), node
    return replace(op, name=_drawn_as(node), initializer=original.initializer)()


def _stored_values(nodes: list[NetworkNode]) -> Values:
    models: dict[str, Mapping[str, npt.NDArray[Any]]] = {}
    found: Values = {}
    for node in nodes:
        assert node.stored is not None and node.type is not None
        path, name = node.stored.path, node.stored.name
        if path not in models:
            models[path] = load_model(Path(path)).values
        value = models[path].get(name)
        if value is None and node.is_statistic:
            continue  # the model was saved before it was trained
        if value is None or value.shape != array_shape(node.type):
            shape = "no values" if value is None else f"values of shape {value.shape}"
            message = f"the model {path} holds {shape} for {name}, not {array_shape(node.type)}"
            raise DiagnosticError(Diagnostic("GC0706", message, node.span))
        found[node.name] = value
    return found


def completed(values: Mapping[str, npt.NDArray[Any]], graph: Graph) -> Values:
    """The values that the graph's parameters take: those given, the constants that passes have made, and zeros for
    what an epoch accumulates.

    Raises `DiagnosticError` where statistics of the training set are not computed yet.
    """
    values = {**values, **epoch_start(graph)}
    made: dict[str, Node] = {}
    for node in graph.nodes:
        if isinstance(node.op, LearnableParameter) and node.op.name not in values:
            if node.op.is_state:  # and no parameter of the network: those all have values
                raise DiagnosticError(_uncomputed(node.op.name, graph.span_of(node)))
            made[node.op.name] = node
    return {**values, **initialise(Graph(roots=made))}


def _uncomputed(name: str, span: Span | None) -> Diagnostic:
    message = f"the statistic {name} is not computed yet"
    return Diagnostic("GC0707", message, span, hint="training computes it, and saves it in the model: use that")


def count(shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Number of scalars."""
    return sum(int(np.prod(shape)) for shape in shapes.values())
