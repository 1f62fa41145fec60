"""Criteria, metrics and outputs of a trained model over data, a minibatch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from graphc.backend import Environment, Results
from graphc.ir import Frames, Graph
from graphc.ir.arithmetic import Arithmetic
from graphc.ops.lengths import LengthCheck, first_failures, length_checks
from graphc.ops.recurrence import empty_history
from graphc.ops.sources import LearnableParameter
from graphc.ops.statistics import accumulated_roots, epoch_updates
from graphc.train.engine import engine
from graphc.train.feeds import DeviceColumns, Minibatches, take, take_batch
from graphc.train.totals import NEVER, FailedCheck, Tally, Totals, length_failures, root_samples, root_totals


@dataclass(frozen=True, eq=False)
class EvaluationTable:
    """Minibatches on the device."""

    minibatches: Minibatches
    indices: Any
    counts: Any


@dataclass(frozen=True)
class Outputs:
    """Values of the roots in one minibatch, without padding: ``(frames, dN, …, d1)`` where there is a dynamic axis.

    ``lengths`` are the frames of each sequence, for roots with a dynamic axis; empty where every minibatch is but
    frames, whose sequences only the reader knows.
    """

    values: Mapping[str, npt.NDArray[Any]]
    lengths: Mapping[str, npt.NDArray[np.integer]] = field(default_factory=dict)
    failed: tuple[FailedCheck, ...] = ()

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self.values[name]


def outputs_of(
    graph: Graph, found: Results, minibatches: Minibatches, row: int, checks: tuple[LengthCheck, ...] = ()
) -> Outputs:
    """What a program has computed of a minibatch, without padding; ``found`` has roots of the graph."""
    if minibatches.batches is None:
        count = int(minibatches.counts[row])
        return Outputs({n: _real(graph, n, np.asarray(value), count) for n, value in found.outputs.items()})
    values, lengths = {}, {}
    for name, value in found.outputs.items():
        axis = graph.roots[name].type.axis
        if axis is not None:
            frames = found.frames[axis.name]
            value = np.asarray(value)[: int(frames.count)]
            lengths[name] = _lengths(frames)
        values[name] = np.asarray(value)
    axes = jax.tree.map(np.asarray, dict(found.frames))
    failures = zip(checks, first_failures(np, checks, axes, NEVER).tolist(), strict=True)
    failed = tuple(FailedCheck(check, row, *numbers) for check, numbers in failures if numbers[0] != NEVER)
    return Outputs(values, lengths, failed)


def _real(graph: Graph, name: str, value: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
    return value[:count] if graph.roots[name].type.axis is not None else value


class EvaluationStep:
    """Computes ``roots``, any named nodes of the graph, in inference mode.

    No state changes, but for what accumulates over the minibatches: that begins with `place`. Random samples follow
    from ``seed`` and the number of the minibatch. Where minibatches have pieces of sequences they must come in their
    order, all of them.
    """

    def __init__(
        self,
        graph: Graph,
        roots: Sequence[str],
        *,
        device: str | int = "auto",
        arithmetic: Arithmetic = "full",
        seed: int = 0,
    ) -> None:
        self.engine = engine()
        self.roots = tuple(dict.fromkeys(roots))
        chosen = graph.select(self.roots)
        self.graph = replace(chosen, updates=epoch_updates(chosen))
        self.accumulated = accumulated_roots(self.graph)
        self.is_accumulated = np.array([name in self.accumulated for name in self.roots])
        self.word = np.uint32(self.engine.epoch_word(seed, 0))
        self.device = self.engine.device(device)
        self.checks = length_checks(self.graph)
        self.function = self.engine.function(self.graph, arithmetic=arithmetic)
        # the minibatch that comes next, and what recurrences hand to it
        self._next: tuple[int, Any] = 0, {}

    def place(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The parameter values that the roots need, on the device."""
        names = [n.op.name for n in self.graph.nodes if isinstance(n.op, LearnableParameter)]
        with self.engine.precision(self.graph):
            return jax.device_put({name: values[name] for name in names}, self.device)

    def table(self, minibatches: Minibatches) -> EvaluationTable:
        arrays = minibatches.indices, minibatches.counts.astype(np.int32)
        return EvaluationTable(minibatches, *jax.device_put(arrays, self.device))

    def totals(
        self, values: dict[str, Any], columns: DeviceColumns, table: EvaluationTable, rows: range | None = None
    ) -> Totals:
        """Sum of every root over all elements of the frames of some minibatches, by default of all.

        What accumulates goes on in ``values``.
        """
        dtype = next(iter(self.graph.roots.values())).type.element.value
        rows = range(len(table.minibatches)) if rows is None else rows
        with self.engine.precision(self.graph):
            start = Tally.start(len(self.roots), dtype, checks=len(self.checks), at=rows.start)
            tally = jax.device_put(start, self.device)
        for row in rows:
            program, minibatch = self._program("sums", table, row)
            tally, updates, history = program(values, columns, minibatch, self._history(table, row), tally)
            values.update(updates)
            self._next = row + 1, history
        return tally.read(self.roots, checks=self.checks, accumulated=self.accumulated)

    def outputs(self, values: dict[str, Any], columns: DeviceColumns, table: EvaluationTable) -> Iterator[Outputs]:
        """Value of every root, a minibatch at a time."""
        for row in range(len(table.minibatches)):
            yield self.minibatch(values, columns, table, row)

    def minibatch(self, values: dict[str, Any], columns: DeviceColumns, table: EvaluationTable, row: int) -> Outputs:
        """Value of every root in one minibatch."""
        program, minibatch = self._program("values", table, row)
        found = program(values, columns, minibatch, self._history(table, row), np.int32(row))
        values.update(found.updates)
        self._next = row + 1, found.carried
        return outputs_of(self.graph, found, table.minibatches, row, self.checks)

    def _history(self, table: EvaluationTable, row: int) -> Any:
        """What recurrences bring into a minibatch."""
        if not table.minibatches.rows:
            return {}
        if row:
            number, history = self._next
            assert number == row, "rows go on in the minibatch that comes next"
            return history
        with self.engine.precision(self.graph):
            return jax.device_put(empty_history(np, self.graph, table.minibatches.rows), self.device)

    def _program(self, what: str, table: EvaluationTable, row: int) -> tuple[Callable[..., Any], Any]:
        """The program for a minibatch and what it is given of it."""
        batches = table.minibatches.batches
        if batches is not None:
            kind, minibatch = "sequences", batches[row]
        else:
            full = bool(table.minibatches.counts[row] == table.minibatches.capacity)
            kind = "full" if full else "partial"
            minibatch = table.indices, table.counts
        if (what, kind) not in self._programs:
            body = self._sums if what == "sums" else self._values
            donate = (4,) if what == "sums" else ()
            self._programs[what, kind] = self.engine.jit(partial(body, kind), self.graph, self.device, donate=donate)
        return self._programs[what, kind], minibatch

    @cached_property
    def _programs(self) -> dict[tuple[str, str], Callable[..., Any]]:
        return {}

    def _sums(
        self, kind: str, values: Any, columns: Any, minibatch: Any, history: Any, tally: Tally
    ) -> tuple[Tally, Mapping[str, Any], Any]:
        found = self._values(kind, values, columns, minibatch, history, tally.at)
        totals, samples = root_totals(self.graph, self.roots, found), root_samples(self.graph, self.roots, found)
        told = totals, samples, jnp.isfinite(totals), length_failures(self.checks, found)
        return tally.after(*told, accumulated=self.is_accumulated), found.updates, found.carried

    def _values(self, kind: str, values: Any, columns: Any, minibatch: Any, history: Any, row: Any) -> Results:
        random = self.engine.stream(jnp.stack([self.word, jnp.asarray(row, jnp.uint32)]))
        if kind == "sequences":
            feeds = take_batch(self.graph, columns, minibatch.samples)
            return self.function(values, feeds, Environment(frames=minibatch.frames, random=random, carried=history))
        indices, counts = minibatch
        environment = Environment(None if kind == "full" else counts[row], random=random)
        return self.function(values, take(columns, indices[row]), environment)


def _lengths(frames: Frames) -> npt.NDArray[np.integer]:
    """Frames of each real sequence."""
    if frames.sequences is None:
        return np.ones(int(frames.count), np.int64)
    return np.asarray(frames.sequences.lengths)[: int(frames.sequences.count)]
