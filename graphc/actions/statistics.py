"""Statistics of the training set, `Mean` and `InvStdDev`: found in a pass over the data before training."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from graphc.actions.context import RunContext
from graphc.actions.events import StatisticsComputed
from graphc.actions.feeding import Data
from graphc.actions.parameters import Values, completed
from graphc.diagnostics import Diagnostic, RunError, placing
from graphc.network.lower import to_graph
from graphc.network.network import Network, NetworkNode, evaluation_order, needed
from graphc.ops.statistics import Mean
from graphc.passes.pipeline import optimise
from graphc.train.evaluation import EvaluationStep
from graphc.train.feeds import to_device
from graphc.train.statistics import RunningStatistics


def uncomputed_statistics(network: Network, known: Collection[str]) -> list[NetworkNode]:
    """The statistics that are not among the known values, in CNTK's order; all of the network, used or not."""
    return [n for n in evaluation_order(network) if n.is_statistic and n.name not in known]


def sources_of(statistics: Sequence[NetworkNode]) -> tuple[str, ...]:
    """Names of the nodes whose statistics they are."""
    return tuple(dict.fromkeys(n.inputs[0].name for n in statistics))


@dataclass(frozen=True, eq=False)
class Pass:
    """How statistics are computed: of which data, cut into which minibatches (an ``epoch_size`` of 0: all of it)."""

    network: Network
    data: Data
    context: RunContext
    section: str
    minibatch_size: int
    epoch_size: int = 0

    def compute(self, statistics: Sequence[NetworkNode], values: Values) -> Values:
        """Values of the statistics by name; raises `RunError` where one is not finite.

        Those of values that are themselves normalized take a further pass, when what they read is known.
        """
        found: Values = {}
        pending = list(statistics)
        while pending:
            ready = [n for n in pending if not _unknown_below(n, pending)]
            found |= self._computed(ready, {**values, **found})
            pending = [n for n in pending if n not in ready]
        self.context.observer.handle(StatisticsComputed(self.section))
        return found

    def _computed(self, statistics: Sequence[NetworkNode], values: Values) -> Values:
        names = sources_of(statistics)
        data = self.data
        built = to_graph(self.network, names, storages=data.storages, updates=False, truncated=data.is_truncated)
        graph = optimise(built)
        with placing(self.context.device_place):
            step = EvaluationStep(graph, names, device=self.context.device, seed=self.context.seed)
        parameters = step.place(completed(values, step.graph))
        columns = to_device(step.graph, data.columns, step.device)
        # the first epoch of the reader, in its order
        minibatches, _ = data.plan(step.graph, 0, self.minibatch_size, self.epoch_size)
        running = {name: RunningStatistics() for name in names}
        for outputs in step.outputs(parameters, columns, step.table(minibatches)):
            for name, value in outputs.values.items():
                running[name].add(value)
        found: Values = {}
        for node in statistics:
            of = running[node.inputs[0].name]
            found[node.name] = of.mean if isinstance(node.op, Mean) else of.inverse_deviation
            _require_finite(node, found[node.name])
        return found


def _unknown_below(node: NetworkNode, pending: Sequence[NetworkNode]) -> bool:
    return any(n in pending for n in needed(node.inputs))


def _require_finite(node: NetworkNode, value: np.ndarray) -> None:
    if not np.isfinite(value).all():
        message = f"the statistic {node.name} ({node.operation} of {node.inputs[0].name}) is not a number"
        hint = "check the data for values that are infinite or not numbers"
        raise RunError(Diagnostic("GC0705", message, node.span, hint=hint))
