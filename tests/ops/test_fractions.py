"""Where adds fractions as CNTK does, sequence by sequence in float64, wherever in a minibatch they stand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphc.data.layout import layout
from graphc.ops.fractions import whole_frames

LENGTHS = [300, 7, 200, 1, 150]
RANDOM = np.random.default_rng(0)
CONDITIONS: dict[str, Any] = {str(n): n for n in (1, 0.5, 0.2, 0.1, 1 / 3, 0.7, 0.05, 0.001, 1.5, 2)}
CONDITIONS |= {
    "mixed": RANDOM.choice([0, 1, 0.25, 1 / 3, 0.2], sum(LENGTHS)),
    "any": RANDOM.uniform(0, 1, sum(LENGTHS)),
}


def selected(flags: np.ndarray) -> Iterator[int]:
    """How many frames the specification's loop has made after each frame of a sequence."""
    desired, made = 0.0, 0
    for flag in flags.tolist():
        desired += flag
        while (made == 0 and desired > 0) or made < desired * (1 - 2.0**-23):
            made += 1
        yield made


@jax.jit
def on_xla(flags: Any) -> Any:
    return whole_frames(jnp, flags, SEQUENCES)


SEQUENCES: Any = layout(np.array(LENGTHS)).sequences


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("dtype", ("float32", "float64"))
def test_sums_reach_whole_numbers_where_they_should(condition: str, dtype: str) -> None:
    flags = np.broadcast_to(np.asarray(CONDITIONS[condition], dtype), sum(LENGTHS))
    expected = [n for part in np.split(flags, np.cumsum(LENGTHS)[:-1]) for n in selected(part)]
    assert whole_frames(np, flags, SEQUENCES).tolist() == expected
    if dtype == "float32":
        assert on_xla(flags).tolist() == expected
