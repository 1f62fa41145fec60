"""What a network accumulates over an epoch: where it starts."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from graphc.ir import Graph
from graphc.ir.layout import array_shape
from graphc.ops.sources import LearnableParameter
from graphc.ops.statistics import epoch_updates


def epoch_start(graph: Graph) -> dict[str, npt.NDArray[Any]]:
    """Zeros for every accumulated value, by name of the parameter that holds it."""
    found = {}
    for node, _ in epoch_updates(graph):
        assert isinstance(node.op, LearnableParameter), node
        found[node.op.name] = np.zeros(array_shape(node.type), node.type.element.value)
    return found
