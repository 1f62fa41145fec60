"""Values of a network's parameters: drawn, or read from a model file, and completed for an optimised graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from graphc.ir import Graph
from graphc.network.network import Network
from graphc.ops.sources import LearnableParameter
from graphc.train.initialise import Gaussian, initialise

Values = dict[str, npt.NDArray[Any]]


def initial_values(network: Network, seed: int, generator: str, gaussian: str = "ziggurat") -> Values:
    """First values of every parameter of the network, constants and state included."""
    roots = {n.name: replace(n.op, name=n.name)() for n in network if isinstance(n.op, LearnableParameter)}
    return initialise(Graph(roots=roots), seed, "cntk" if generator == "cntk" else "jax", cast(Gaussian, gaussian))


def completed(values: Mapping[str, npt.NDArray[Any]], graph: Graph) -> Values:
    """The values that the graph's parameters take: those given, and the constants that passes have made."""
    needed = [n for n in graph.nodes if isinstance(n.op, LearnableParameter)]
    made = {n.op.name: n for n in needed if isinstance(n.op, LearnableParameter) and n.op.name not in values}
    return {**values, **initialise(Graph(roots=made))}


def count(shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Number of scalars."""
    return sum(int(np.prod(shape)) for shape in shapes.values())
