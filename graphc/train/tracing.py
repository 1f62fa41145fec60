"""Values of nodes in a training step, and gradients, from programs of their own: the step itself stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from graphc.backend import Environment, Results
from graphc.ir import Graph
from graphc.ir.arithmetic import Arithmetic
from graphc.ops.recurrence import empty_history
from graphc.ops.sources import LearnableParameter
from graphc.train.evaluation import Outputs, outputs_of
from graphc.train.feeds import DeviceColumns, take, take_batch
from graphc.train.step import Epoch, TrainingState, TrainingStep
from graphc.train.totals import root_totals


class TraceStep:
    """What ``step`` is going to compute in a minibatch, with its random numbers: the roots of ``graph``.

    ``tapped`` has the criterion as its root and, for each root in ``taps``, the name of something that is added to it:
    the gradient is by that. ``values`` are the parameters of both that the step has not.
    """

    def __init__(
        self,
        step: TrainingStep,
        graph: Graph,
        tapped: Graph,
        taps: Mapping[str, str],
        values: Mapping[str, Any],
        *,
        arithmetic: Arithmetic = "full",
    ) -> None:
        self.step = step
        self.graph = graph
        self.tapped = tapped
        self.taps = taps
        self.function = step.engine.function(graph, training=True, arithmetic=arithmetic)
        self.tapped_function = step.engine.function(tapped, training=True, arithmetic=arithmetic) if taps else None
        names = {n.op.name for g in (graph, tapped) for n in g.nodes if isinstance(n.op, LearnableParameter)}
        with step.engine.precision(graph):
            own = {n: values[n] for n in names if n in values and n not in step.parameters}
            self.values = jax.device_put(own, step.device)
        # what recurrences hand to the next minibatch, where it has pieces of sequences
        self._history: dict[str, Any] = {}

    def run(
        self, state: TrainingState, columns: DeviceColumns, epoch: Epoch, minibatch: int
    ) -> tuple[Outputs, Outputs]:
        """Values and gradients before the update of a minibatch that is still to come; waits for them.

        Of rows of sequences it takes every minibatch.
        """
        minibatches = epoch.minibatches
        if minibatches.batches is not None:
            kind, batch = "sequences", minibatches.batches[minibatch]
        else:
            kind, batch = "full" if minibatches.counts[minibatch] == minibatches.capacity else "partial", None
        parameters = {**self.values, **state.fixed, **state.carry.running, **state.carry.trained}
        if minibatches.rows and minibatch == 0:
            self._history = self._empty_history(minibatches.rows)
        given = parameters, columns, epoch.tables, np.int32(minibatch), batch, self._history
        values, gradients = self._program(kind)(*given)
        self._history = {**self._history, **gradients.carried, **values.carried}
        place = minibatches, minibatch
        return outputs_of(self.graph, values, *place), outputs_of(self.graph, gradients, *place)

    def _empty_history(self, rows: int) -> dict[str, Any]:
        found = {**empty_history(np, self.tapped, rows), **empty_history(np, self.graph, rows)}
        with self.step.engine.precision(self.graph):
            return jax.device_put(found, self.step.device)

    def _program(self, kind: str) -> Callable[..., tuple[Results, Results]]:
        if kind not in self._programs:
            body = partial(self._compute, kind)
            self._programs[kind] = self.step.engine.jit(body, self.graph, self.step.device)
        return self._programs[kind]

    @cached_property
    def _programs(self) -> dict[str, Callable[..., tuple[Results, Results]]]:
        return {}

    def _compute(
        self, kind: str, parameters: Any, columns: Any, tables: Any, at: Any, batch: Any, history: Any
    ) -> tuple[Results, Results]:
        if kind == "sequences":
            feeds = take_batch(self.graph, columns, batch.samples)
            environment = Environment(frames=batch.frames, carried=history)
        else:
            feeds = take(columns, tables["indices"][at])
            environment = Environment(None if kind == "full" else tables["counts"][at])
        environment = self.step.scheduled(environment, tables, at)
        kept = {n: self.step.engine.kept(parameters[n], axes) for n, axes in self.step.kept_axes.items()}
        parameters = {**parameters, **kept}
        found = self.function(parameters, feeds, environment)
        # updates are the step's to make
        return replace(found, updates={}), self._gradients(parameters, feeds, environment, found)

    def _gradients(self, parameters: Any, feeds: Any, environment: Environment, found: Results) -> Results:
        run = self.tapped_function
        if run is None:
            return replace(found, outputs={}, updates={}, carried={})
        # axes that the program itself makes must not be taken for those of their taps
        environment = replace(environment, frames={**environment.frames, **found.frames})

        def total(taps: Mapping[str, Any]) -> Any:
            results = run({**parameters, **taps}, {**feeds, **taps}, environment)
            return root_totals(self.tapped, tuple(self.tapped.roots), results)[0], dict(results.carried)

        zeros = {tap: jnp.zeros_like(found.outputs[name]) for name, tap in self.taps.items()}
        by_tap, carried = jax.grad(total, has_aux=True)(zeros)
        gradients = {name: by_tap[tap] for name, tap in self.taps.items()}
        return replace(found, outputs=gradients, updates={}, carried=carried)
