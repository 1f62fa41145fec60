"""Sums of criteria and metrics, kept on the device during an epoch and read when somebody looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from graphc.backend import Results
from graphc.ir import DEFAULT_AXIS, Frames, Graph, Node
from graphc.ops.lengths import LengthCheck, first_failures

# number of the first minibatch with a value that is not finite, where there is none
NEVER = np.iinfo(np.int32).max


@dataclass(frozen=True)
class FailedCheck:
    """Where a condition on lengths was first broken: minibatch, number of the sequence in it, and both lengths."""

    check: LengthCheck
    minibatch: int
    sequence: int
    found: int
    wanted: int


@dataclass(frozen=True)
class Totals:
    """Sum of each root by name, and for each that became infinite or no number the minibatch where it did.

    ``samples`` are those that each root counts. ``overflowed`` says of the other nodes that were watched what
    ``first_bad`` says of roots, inputs before users. Those that are ``accumulated`` have their last value as sum, of
    one sample.
    """

    sums: Mapping[str, float]
    first_bad: Mapping[str, int]
    samples: Mapping[str, int] = field(default_factory=dict)
    overflowed: Mapping[str, int] = field(default_factory=dict)
    failed: tuple[FailedCheck, ...] = ()
    accumulated: frozenset[str] = frozenset()

    def since(self, before: Totals) -> Totals:
        """Sums and samples since ``before``, but for what is accumulated."""

        def less(now: Mapping[str, Any], then: Mapping[str, Any]) -> dict[str, Any]:
            return {n: v if n in self.accumulated else v - then.get(n, 0) for n, v in now.items()}

        return replace(self, sums=less(self.sums, before.sums), samples=less(self.samples, before.samples))

    def after(self, before: Totals) -> Totals:
        """Sums and samples of both together; those of what is accumulated are as they are."""

        def more(now: Mapping[str, Any], then: Mapping[str, Any]) -> dict[str, Any]:
            return {n: v if n in self.accumulated else v + then.get(n, 0) for n, v in now.items()}

        return replace(self, sums=more(self.sums, before.sums), samples=more(self.samples, before.samples))


@dataclass(frozen=True)
class Tally:
    """What is known since the start of an epoch, on the device; ``at`` is the number of the next minibatch.

    A row of ``failed`` is the minibatch of a `FailedCheck` and its three numbers.
    """

    sums: Any
    samples: Any
    first_bad: Any
    failed: Any
    at: Any

    @staticmethod
    def start(roots: int, dtype: str, *, watched: int = 0, checks: int = 0, at: int = 0) -> Tally:
        """Before the first minibatch."""
        bad, failed = np.full(roots + watched, NEVER, np.int32), np.full((checks, 4), NEVER, np.int32)
        return Tally(np.zeros(roots, dtype), np.zeros(roots, np.int32), bad, failed, np.int32(at))

    def after(self, totals: Any, samples: Any, finite: Any, failures: Any, accumulated: Any) -> Tally:
        """With one more minibatch; ``accumulated`` says of each root whether its value already is a sum."""
        bad = jnp.where(finite, NEVER, self.at)
        is_new = (self.failed[:, :1] == NEVER) & (failures[:, :1] != NEVER)
        rows = jnp.concatenate([jnp.full_like(failures[:, :1], self.at), failures], axis=1)
        failed = jnp.where(is_new, rows, self.failed)
        first_bad = jnp.minimum(self.first_bad, bad)
        sums, counted = self.sums + totals, self.samples + samples
        if accumulated.any():
            sums, counted = jnp.where(accumulated, totals, sums), jnp.where(accumulated, 1, counted)
        return Tally(sums, counted, first_bad, failed, self.at + 1)

    def read(
        self,
        roots: Sequence[str],
        watched: Sequence[str] = (),
        checks: Sequence[LengthCheck] = (),
        accumulated: frozenset[str] = frozenset(),
    ) -> Totals:
        """The numbers by name; waits for them."""
        bad = {n: int(at) for n, at in zip([*roots, *watched], np.asarray(self.first_bad), strict=True) if at != NEVER}
        failed = zip(checks, np.asarray(self.failed).tolist(), strict=True)
        return Totals(
            dict(zip(roots, np.asarray(self.sums).tolist(), strict=True)),
            {n: bad[n] for n in roots if n in bad},
            dict(zip(roots, np.asarray(self.samples).tolist(), strict=True)),
            {n: bad[n] for n in watched if n in bad},
            tuple(FailedCheck(check, *row) for check, row in failed if row[0] != NEVER),
            accumulated,
        )


jax.tree_util.register_dataclass(Tally, list(Tally.__dataclass_fields__), [])


def root_totals(graph: Graph, roots: Sequence[str], results: Results) -> Any:
    """Sum of every root over all elements of all real frames, as one vector."""
    found = []
    for name in roots:
        value, axis = results.outputs[name], graph.roots[name].type.axis
        mask = None if axis is None else results.frames[axis.name].mask
        if mask is not None:
            value = jnp.where(mask.reshape((-1,) + (1,) * (value.ndim - 1)) != 0, value, 0)
        found.append(value.sum())
    return jnp.stack(found)


def root_samples(graph: Graph, roots: Sequence[str], results: Results) -> Any:
    """Samples that each root counts: frames of one dynamic axis."""
    counts = (counted_frames(graph.roots[name], results.frames).count for name in roots)
    return jnp.stack([jnp.asarray(count, jnp.int32) for count in counts])


def counted_frames(root: Node, axes: Mapping[str, Frames]) -> Frames:
    """The axis whose frames a root counts.

    One without axis counts those of the default axis, as CNTK does; where no input is on that, of the first axis that
    it sums over.
    """
    if root.type.axis is not None:
        return axes[root.type.axis.name]
    if DEFAULT_AXIS.name in axes:
        return axes[DEFAULT_AXIS.name]
    summed = (source.type.axis for source in root.inputs)
    return next((axes[axis.name] for axis in summed if axis is not None), None) or next(iter(axes.values()), Frames(1))


def length_failures(checks: tuple[LengthCheck, ...], results: Results) -> Any:
    """Of one minibatch, a row a check."""
    return first_failures(jnp, checks, results.frames, NEVER)
