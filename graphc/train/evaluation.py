"""Criteria, metrics and outputs of a trained model over data, a minibatch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from graphc.backend import Environment
from graphc.ir import Graph
from graphc.ir.arithmetic import Arithmetic
from graphc.ops.sources import LearnableParameter
from graphc.train.engine import engine
from graphc.train.feeds import DeviceColumns, Minibatches, take
from graphc.train.totals import NEVER, Totals, root_totals


@dataclass(frozen=True, eq=False)
class EvaluationTable:
    """Minibatches on the device."""

    minibatches: Minibatches
    indices: Any
    counts: Any


class EvaluationStep:
    """Computes ``roots``, any named nodes of the graph, in inference mode; no state changes."""

    def __init__(
        self, graph: Graph, roots: Sequence[str], *, device: str | int = "auto", arithmetic: Arithmetic = "full"
    ) -> None:
        self.engine = engine()
        self.roots = tuple(dict.fromkeys(roots))
        self.graph = graph.select(self.roots, updates=False)
        self.device = self.engine.device(device)
        self.function = self.engine.function(self.graph, arithmetic=arithmetic)

    def place(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The parameter values that the roots need, on the device."""
        names = [n.op.name for n in self.graph.nodes if isinstance(n.op, LearnableParameter)]
        with self.engine.precision(self.graph):
            return jax.device_put({name: values[name] for name in names}, self.device)

    def table(self, minibatches: Minibatches) -> EvaluationTable:
        arrays = minibatches.indices, minibatches.counts.astype(np.int32)
        return EvaluationTable(minibatches, *jax.device_put(arrays, self.device))

    def totals(
        self, values: Mapping[str, Any], columns: DeviceColumns, table: EvaluationTable, rows: range | None = None
    ) -> Totals:
        """Sum of every root over all elements of the frames of some minibatches, by default of all."""
        dtype = next(iter(self.graph.roots.values())).type.element.value
        with self.engine.precision(self.graph):
            sums = jax.device_put(np.zeros(len(self.roots), dtype), self.device)
        bad = jax.device_put(np.full(len(self.roots), NEVER, np.int32), self.device)
        for row in range(len(table.minibatches)) if rows is None else rows:
            program = self._program("sums", table, row)
            sums, bad = program(values, columns, table.indices, table.counts, np.int32(row), sums, bad)
        return Totals.read(self.roots, sums, bad)

    def outputs(
        self, values: Mapping[str, Any], columns: DeviceColumns, table: EvaluationTable
    ) -> Iterator[dict[str, npt.NDArray[Any]]]:
        """Value of every root, a minibatch at a time: ``(frames, dN, …, d1)`` where it has a dynamic axis."""
        for row, count in enumerate(table.minibatches.counts):
            program = self._program("values", table, row)
            found = program(values, columns, table.indices, table.counts, np.int32(row))
            yield {name: self._real(name, np.asarray(found[name]), int(count)) for name in self.roots}

    def _real(self, name: str, value: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
        return value[:count] if self.graph.roots[name].type.axis is not None else value

    def _program(self, what: str, table: EvaluationTable, row: int) -> Callable[..., Any]:
        full = bool(table.minibatches.counts[row] == table.minibatches.capacity)
        if (what, full) not in self._programs:
            body = self._sums if what == "sums" else self._values
            donate = (5, 6) if what == "sums" else ()
            self._programs[what, full] = self.engine.jit(partial(body, full), self.graph, self.device, donate=donate)
        return self._programs[what, full]

    @cached_property
    def _programs(self) -> dict[tuple[str, bool], Callable[..., Any]]:
        return {}

    def _sums(
        self, full: bool, values: Any, columns: Any, indices: Any, counts: Any, row: Any, sums: Any, bad: Any
    ) -> tuple[Any, Any]:
        outputs = self._values(full, values, columns, indices, counts, row)
        totals = root_totals(self.graph, self.roots, outputs, None if full else counts[row])
        return sums + totals, jnp.minimum(bad, jnp.where(jnp.isfinite(totals), NEVER, row))

    def _values(self, full: bool, values: Any, columns: Any, indices: Any, counts: Any, row: Any) -> Mapping[str, Any]:
        feeds = take(columns, indices[row])
        return self.function(values, feeds, Environment(None if full else counts[row])).outputs
