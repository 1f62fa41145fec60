"""Batch normalization over the last array axis: channels where it is spatial, else the elements of a sample."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from graphc.backends.xla.lowering import lowers_values
from graphc.backends.xla.values import Value
from graphc.ir import Context
from graphc.ops.normalization import BatchNormalization, RunningMean, RunningVariance


@lowers_values(BatchNormalization)
def batch_normalization(op: BatchNormalization, c: Context, image: Value, *statistics: Value) -> Value:
    x = _rows(op, image)
    scale, bias, run_mean, run_variance, run_count = (s.array.reshape(-1) for s in statistics)
    mean, inverse = run_mean, 1 / jnp.sqrt(run_variance + op.epsilon)
    if c.training:
        b = op.blend(c, x, run_count)
        own, variance = _moments(c, x)
        mean = b * mean + (1 - b) * own
        inverse = b * inverse + (1 - b) / jnp.sqrt(variance + op.epsilon)
    y = (x - mean) * (scale * inverse) + bias
    if op.spatial:
        return Value(c.result, channels_last=y)
    return Value(c.result, y.reshape(image.dense.shape))


@lowers_values(RunningMean)
def running_mean(op: RunningMean, c: Context, image: Value, *statistics: Value) -> Value:
    x = _rows(op, image)
    run_mean, run_count = statistics[2].array, statistics[4].array
    a, (mean, _) = op.share(c, x, run_count), _moments(c, x)
    return Value(c.result, (1 - a) * run_mean + a * mean.reshape(run_mean.shape))


@lowers_values(RunningVariance)
def running_variance(op: RunningVariance, c: Context, image: Value, *statistics: Value) -> Value:
    x = _rows(op, image)
    run_variance, run_count = statistics[3].array, statistics[4].array
    a, (_, variance) = op.share(c, x, run_count), _moments(c, x)
    m = _count(c, x)
    unbiased = variance * jnp.where(m > 1, m / jnp.maximum(m - 1, 1), 0)
    return Value(c.result, (1 - a) * run_variance + a * unbiased.reshape(run_variance.shape))


def _rows(op: Any, image: Value) -> Any:
    return image.channels_last if op.spatial else image.dense.reshape(*image.frames, image.type.size)


def _moments(c: Context, x: Any) -> tuple[Any, Any]:
    """Mean and biased variance over everything but the last axis; computed once however often it is written."""
    axes, count = tuple(range(x.ndim - 1)), _count(c, x)
    mean = c.masked(x).sum(axes) / count
    return mean, c.masked((x - mean) ** 2).sum(axes) / count


def _count(c: Context, x: Any) -> Any:
    frames = x.shape[0] if c.frames is None else c.frames.count
    pixels = 1
    for size in x.shape[1:-1]:
        pixels *= size
    return jnp.asarray(frames, x.dtype) * pixels
