"""Sampled classes, which products look up; how often each is sampled is searched in a loop that compiles in no time."""

from __future__ import annotations

from typing import Any

import jax

from graphc.backends.xla.lowering import lowers, lowers_values
from graphc.backends.xla.values import Value
from graphc.ir import Context
from graphc.ops.sampling import RandomSample, RandomSampleInclusionFrequency


@lowers_values(RandomSample)
def random_sample(op: RandomSample, c: Context, weights: Value) -> Value:
    return Value(c.result, ones=op.classes(c, weights.array))


@lowers(RandomSampleInclusionFrequency)
def inclusion_frequency(op: RandomSampleInclusionFrequency, c: Context, weights: Any) -> Any:
    return op.value(c, weights, jax.lax.scan)
