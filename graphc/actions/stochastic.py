"""Nodes that draw random numbers in every minibatch, numbered as CNTK seeds them."""

from __future__ import annotations

from graphc.network.network import Network, evaluation_order, topological
from graphc.ops.random import Dropout
from graphc.ops.sampling import RandomSample, RandomSampleInclusionFrequency

_STOCHASTIC = (Dropout, RandomSample, RandomSampleInclusionFrequency)


def stochastic_nodes(network: Network, criterion: str) -> tuple[str, ...]:
    """Names of those that the criterion depends on, in the order of evaluation."""
    reached = set(topological([network[criterion]]))
    return tuple(n.name for n in evaluation_order(network) if n in reached and isinstance(n.op, _STOCHASTIC))
