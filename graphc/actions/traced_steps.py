"""Traces while a network is trained or evaluated: values come from programs of their own, run where one is due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from graphc.actions.context import RunContext
from graphc.actions.feeding import Data
from graphc.actions.parameters import completed
from graphc.actions.tracing import Tracer
from graphc.diagnostics import placing
from graphc.ir import Graph
from graphc.network.lower import tap_name, to_graph
from graphc.network.network import Network
from graphc.passes.pipeline import optimise
from graphc.train.accumulated import epoch_start
from graphc.train.evaluation import EvaluationStep, EvaluationTable, Outputs
from graphc.train.feeds import DeviceColumns, Minibatches, inputs, to_device
from graphc.train.step import Epoch, TrainingState, TrainingStep
from graphc.train.tracing import TraceStep


@dataclass(eq=False)
class TrainingTraces:
    """Runs a training step, and before a minibatch that is due what is printed of it."""

    tracer: Tracer
    step: TrainingStep
    traced: TraceStep
    columns: DeviceColumns

    @staticmethod
    def of(
        tracer: Tracer,
        network: Network,
        criterion: str,
        step: TrainingStep,
        data: Data,
        values: Mapping[str, npt.NDArray[Any]],
        columns: DeviceColumns,
    ) -> TrainingTraces:
        taps = {w.node.name: w.trace.name for w in tracer.watched if w.has_gradient and w.trace is not None}
        # with gradients the criterion too, for it knows every input that they need
        names = [*(w.node.name for w in tracer.watched), *([criterion] if taps else [])]
        lower = partial(to_graph, network, storages=data.storages, updates=False, truncated=data.is_truncated)
        graph = optimise(lower(names))
        tapped = optimise(lower([criterion], taps=[*taps.values()])) if taps else graph
        zeros = {tap_name(trace): np.zeros(()) for trace in taps.values()}
        known = {**completed({**values, **zeros}, graph), **completed({**values, **zeros}, tapped)}
        own = {name: value for name, value in known.items() if name not in zeros}
        by_name = {name: tap_name(trace) for name, trace in taps.items()}
        traced = TraceStep(step, graph, tapped, by_name, own, arithmetic=tracer.context.arithmetic)
        return TrainingTraces(tracer, step, traced, _with_inputs(columns, graph, data, step.device))

    def run(self, state: TrainingState, epoch: Epoch, first: int, count: int) -> TrainingState:
        """As `TrainingStep.run`, which takes no notice of the columns that only traces need."""
        at, due = 0, self.tracer.due(count)
        # what rows hand on needs the others too
        for ahead in range(count) if epoch.minibatches.rows else due:
            state = self.step.run(state, self.columns, epoch, first + at, ahead - at)
            values, gradients = self.traced.run(state, self.columns, epoch, first + ahead)
            if ahead in due:
                self.tracer.tell(ahead, values, gradients, _lengths(epoch.minibatches, first + ahead))
            at = ahead
        self.tracer.minibatches += count
        return self.step.run(state, self.columns, epoch, first + at, count - at)


@dataclass(eq=False)
class EvaluationTraces:
    """What is printed of minibatches that are evaluated."""

    tracer: Tracer
    step: EvaluationStep
    data: Data
    values: dict[str, Any]

    @staticmethod
    def of(tracer: Tracer, network: Network, data: Data, context: RunContext) -> EvaluationTraces:
        names = [w.node.name for w in tracer.watched]
        graph = optimise(to_graph(network, names, storages=data.storages, updates=False, truncated=data.is_truncated))
        with placing(context.device_place):
            step = EvaluationStep(graph, names, device=context.device, arithmetic=context.arithmetic, seed=context.seed)
        return EvaluationTraces(tracer, step, data, {})

    def begin(self, values: Mapping[str, npt.NDArray[Any]]) -> None:
        """Evaluate with these parameters from here on."""
        self.values = self.step.place(completed(values, self.step.graph))

    def run(self, columns: DeviceColumns, table: EvaluationTable, rows: range) -> None:
        """Print what is due in the minibatches, which come next."""
        due = self.tracer.due(len(rows))
        # what accumulates, and what rows hand on, needs the others too
        wanted = range(len(rows)) if epoch_start(self.step.graph) or table.minibatches.rows else due
        columns = _with_inputs(columns, self.step.graph, self.data, self.step.device) if due else columns
        for ahead in wanted:
            row = rows[ahead]
            values = self.step.minibatch(self.values, columns, table, row)
            if ahead in due:
                self.tracer.tell(ahead, values, Outputs({}), _lengths(table.minibatches, row))
        self.tracer.minibatches += len(rows)


def _lengths(minibatches: Minibatches, number: int) -> npt.NDArray[np.integer] | None:
    return minibatches.lengths[number] if minibatches.lengths else None


def _with_inputs(columns: DeviceColumns, graph: Graph, data: Data, device: Any) -> DeviceColumns:
    """With the columns that the optimised program of the others could do without."""
    missing = inputs(graph).keys() - columns.keys()
    return {**to_device(graph, data.columns, device), **columns} if missing else columns
