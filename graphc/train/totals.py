"""Sums of criteria and metrics, kept on the device during an epoch and read when somebody looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import numpy as np

from graphc.backend import Results
from graphc.ir import Graph

# number of the first minibatch with a value that is not finite, where there is none
NEVER = np.iinfo(np.int32).max


@dataclass(frozen=True)
class Totals:
    """Sum of each root by name, and for each that became infinite or no number the minibatch where it did.

    ``overflowed`` says the same of the other nodes that were watched, inputs before users.
    """

    sums: Mapping[str, float]
    first_bad: Mapping[str, int]
    overflowed: Mapping[str, int] = field(default_factory=dict)

    @staticmethod
    def read(roots: Sequence[str], sums: Any, first_bad: Any, watched: Sequence[str] = ()) -> Totals:
        bad = {n: int(at) for n, at in zip([*roots, *watched], np.asarray(first_bad), strict=True) if at != NEVER}
        of_roots = dict(zip(roots, np.asarray(sums).tolist(), strict=True))
        return Totals(of_roots, {n: bad[n] for n in roots if n in bad}, {n: bad[n] for n in watched if n in bad})


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
