"""Scores a network on data, for ``test`` and for validation during training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy.typing as npt

from graphc.actions.context import RunContext
from graphc.actions.events import Criterion
from graphc.actions.feeding import Data, require_lengths
from graphc.actions.parameters import completed
from graphc.actions.progress import averages
from graphc.actions.traced_steps import EvaluationTraces
from graphc.actions.tracing import Tracer
from graphc.diagnostics import Diagnostic, DiagnosticError, Span, placing
from graphc.network.lower import to_graph
from graphc.network.network import Network
from graphc.passes.pipeline import optimise
from graphc.train.evaluation import EvaluationStep
from graphc.train.feeds import DeviceColumns, to_device
from graphc.train.totals import Totals


class Watch(Protocol):
    """Somebody who wants to know how an evaluation goes."""

    def ranges(self, minibatches: int) -> list[tuple[int, int]]: ...

    def report(self, first: int, last: int, criteria: tuple[Criterion, ...]) -> None: ...


@dataclass(eq=False)
class Evaluator:
    """A compiled network with its data on the device."""

    step: EvaluationStep
    data: Data
    columns: DeviceColumns
    network: Network
    traces: EvaluationTraces | None = None

    @cached_property
    def operations(self) -> dict[str, str]:
        return {name: self.network[name].operation for name in self.step.roots}

    @staticmethod
    def of(
        network: Network, roots: Sequence[str], data: Data, context: RunContext, tracer: Tracer | None = None
    ) -> Evaluator:
        built = to_graph(network, roots, storages=data.storages, updates=False, truncated=data.is_truncated)
        graph = optimise(built, also=context.passes_for_device(is_truncated=data.is_truncated))
        with placing(context.device_place):
            step = EvaluationStep(graph, roots, device=context.device, arithmetic=context.arithmetic, seed=context.seed)
        traces = EvaluationTraces.of(tracer, network, data, context) if tracer is not None else None
        return Evaluator(step, data, to_device(step.graph, data.columns, step.device), network, traces)

    def score(
        self,
        values: Mapping[str, npt.NDArray[Any]],
        minibatch_size: int,
        epoch_size: int = 0,
        watch: Watch | None = None,
    ) -> tuple[tuple[Criterion, ...], int]:
        """Average of each root over all samples, and the number of minibatches."""
        minibatches, _ = self.data.plan(self.step.graph, 0, minibatch_size, epoch_size)
        parameters = self.step.place(completed(values, self.step.graph))
        table = self.step.table(minibatches)
        if self.traces is not None:
            self.traces.begin(values)
        total = Totals(dict.fromkeys(self.operations, 0.0), {}, dict.fromkeys(self.operations, 0))
        ranges = [(0, len(minibatches))] if watch is None else watch.ranges(len(minibatches))
        for first, last in ranges:
            if self.traces is not None:
                self.traces.run(self.columns, table, range(first, last))
            part = self.step.totals(parameters, self.columns, table, range(first, last))
            require_lengths(part.failed, minibatches, self.data, self.network)
            total = part.after(total)
            if watch is not None:
                watch.report(first, last, averages(part, self.operations))
        return averages(total, self.operations), len(minibatches)


def require_scalars(network: Network, names: Sequence[str], place: Span | None) -> None:
    """Only nodes with one element a sample can be scored; raises `DiagnosticError`."""
    wrong = [n for n in map(network.__getitem__, names) if n.type is not None and n.type.size != 1]
    if wrong:
        raise DiagnosticError(
            *(Diagnostic("GC0416", f"{n.name} is {n.type}, only scalars can be scored", place) for n in wrong)
        )
