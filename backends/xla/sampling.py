"""How often classes are sampled: the number of draws is searched in a loop, which compiles in no time."""

from __future__ import annotations

from typing import Any

import jax

from graphc.backends.xla.lowering import lowers
from graphc.ir import Context
from graphc.ops.sampling import RandomSampleInclusionFrequency


@lowers(RandomSampleInclusionFrequency)
def inclusion_frequency(op: RandomSampleInclusionFrequency, c: Context, weights: Any) -> Any:
    return op.value(c, weights, jax.lax.scan)
