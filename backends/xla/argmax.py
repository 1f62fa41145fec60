"""Place of the largest element of vectors: XLA's argmax, or maximum, comparison and minimum of places."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp

from graphc.backends.xla import forms
from graphc.backends.xla.lowering import lowers
from graphc.ir import Context
from graphc.ops.rules import flat
from graphc.ops.softmax import Hardmax


@lowers(Hardmax)
def hardmax(op: Hardmax, c: Context, z: Any) -> Any:
    vectors = flat(z, c.result)
    best = first_largest(vectors)[..., None]
    return (jnp.arange(vectors.shape[-1]) == best).astype(z.dtype).reshape(z.shape)


def first_largest(x: Any) -> Any:
    """Index of the first largest element along the last axis; where there is a NaN, the first NaN's."""
    return forms.apply("argmax", "value", {"elements": x.shape[-1]}, ARGMAX, x)


def argmax(x: Any) -> Any:
    return jnp.argmax(x, axis=-1)


def compared(x: Any) -> Any:
    """Two reductions that XLA's CPU compiler vectorises, where argmax is a loop over pairs of value and place."""
    size = x.shape[-1]
    most = x.max(axis=-1, keepdims=True)  # a NaN if there is one
    is_most = (x == most) | (x != x)
    return jnp.where(is_most, jnp.arange(size), size).min(axis=-1)


# forms by name, the plain one first
ARGMAX: Mapping[str, Callable[[Any], Any]] = {"argmax": argmax, "comparison": compared}
