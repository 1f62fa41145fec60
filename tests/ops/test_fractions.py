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
    "tiny": 1e-20,
    "falling and rising": RANDOM.choice([1, -1, 0.5, -0.5, 2, -0.1, 0.1], sum(LENGTHS)),
    "falling below 0": RANDOM.choice([-0.1, 0.1, -1 / 3, 1 / 3], sum(LENGTHS)),
    "down and up again": np.resize([-0.1] * 10 + [0.1] * 10 + [1, -1], sum(LENGTHS)),
    "negative": -0.25,
    "ending": np.resize([1, 0.5, np.nan, 1, np.inf], sum(LENGTHS)),
    "minus infinite": np.resize([0, 1, 1, -np.inf, 1], sum(LENGTHS)),
    "infinite": np.resize([0.25, 0, 0.5, np.inf, -1, -np.inf, 1], sum(LENGTHS)),
    "larger than numbers of frames": np.resize([-3e30, 1, 7, 2e9], sum(LENGTHS)),
}
# more frames than there are is as good as endlessly many
MOST = sum(LENGTHS) + 1


def selected(flags: np.ndarray) -> Iterator[int]:
    """How many frames the specification's loop has made after each frame of a sequence."""
    desired, made = 0.0, 0
    for flag in flags.tolist():
        desired += flag
        while made < MOST and ((made == 0 and desired > 0) or made < desired * (1 - 2.0**-23)):
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
