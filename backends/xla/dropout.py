"""Dropout: one random byte an element, compared with the rate."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax

from graphc.backends.xla.lowering import lowers_values
from graphc.backends.xla.random import CounterStream
from graphc.backends.xla.values import Value
from graphc.ir import Context
from graphc.ops.random import Dropout

_LEVELS = 256


@lowers_values(Dropout)
def dropout(op: Dropout, c: Context, value: Value) -> Value:
    if not c.training or c.random is None or "dropout_rate" not in c.settings:
        return value
    if not isinstance(c.random, CounterStream):
        # a stream with an order of its own: that of the author's axes
        return Value(c.result, op.evaluate(c, value.dense))
    # whatever form the value has: which element meets which random number does not matter
    if value.is_channels_last:
        return Value(c.result, channels_last=dropped(op.name, c, value.channels_last))
    return Value(c.result, dropped(op.name, c, value.dense))


def dropped(name: str, c: Context, x: Any) -> Any:
    rate = jnp.asarray(c.settings["dropout_rate"], x.dtype)
    return jnp.where(_kept(name, c, x, rate), x / jnp.where(rate < 1, 1 - rate, 1), 0)


def _kept(name: str, c: Context, x: Any, rate: Any) -> Any:
    stream = c.random
    assert isinstance(stream, CounterStream), stream

    def draw() -> Any:
        # A byte alone would round the rate to 1/256. Its neighbours are therefore chosen at random for each minibatch
        # such that the expected rate is exact.
        threshold = jnp.floor(rate * _LEVELS + stream.uniform(f"{name} threshold", ()).astype(x.dtype))
        return stream.bytes(name, x.shape).astype(jnp.int32) >= threshold.astype(jnp.int32)

    # XLA's CPU compiler would draw again wherever the mask is read, but it fuses nothing into or out of a branch:
    # whole steps of a dense network with dropout take less than half the time (benchmarks/README.md).
    return lax.platform_dependent(
        default=draw, cpu=lambda: lax.cond(rate > 0, draw, lambda: jnp.ones(x.shape, jnp.bool_))
    )
