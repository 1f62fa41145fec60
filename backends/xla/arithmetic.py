"""Programs in half precision: which operators compute in the narrow type, and which in float32.

* Products and convolutions of frames read both operands in the narrow type and give it; they add up in float32.
* Elementwise operations, reshaping and pooling of frames compute in float32, and their results are rounded.
* Everything else is float32: parameters and inputs until they are read, criteria, reductions, normalization and its
  statistics, softmax, dropout, and whatever has no frames.

So activations, which are most of memory, are narrow, and what training keeps from step to step is not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp

from graphc.backends.xla.values import Value
from graphc.ir import Context, Op
from graphc.ir.arithmetic import Arithmetic

NARROW: Mapping[Arithmetic, Any] = {"half": jnp.float16, "bfloat16": jnp.bfloat16}
WIDE = jnp.float32

_MULTIPLIES = frozenset({"products", "convolution"})
_ROUNDS = frozenset({"elementwise", "shaping", "pooling"})


def rounded(arithmetic: Arithmetic, op: Op, c: Context, apply: Callable[..., Value], *values: Value) -> Value:
    """``apply(*values)``, computed as the operator's family and the arithmetic want it."""
    narrow = NARROW.get(arithmetic)
    if narrow is None:
        return apply(*values)
    if c.result.axis is None or op.family not in _MULTIPLIES | _ROUNDS:
        return apply(*(v.astype(WIDE) for v in values))
    reads = narrow if op.family in _MULTIPLIES else WIDE
    return apply(*(v.astype(reads) for v in values)).astype(narrow)


def widened(x: Any) -> Any:
    """An array for who adds up: in float32 if it is narrower."""
    return x.astype(jnp.promote_types(x.dtype, WIDE))
