"""Pooling without window operations: reshape where windows do not overlap, else a chain over strided slices."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from graphc.backends.xla.lowering import lowers_values
from graphc.backends.xla.values import Value
from graphc.ir import Context
from graphc.ops.geometry import AxisGeometry
from graphc.ops.pooling import AveragePooling, MaxPooling, Pooling
from graphc.ops.unpooling import MaxUnpooling


@lowers_values(Pooling, MaxPooling, AveragePooling)
def pooling(op: Pooling | MaxPooling | AveragePooling, c: Context, image: Value) -> Value:
    *spatial, last = op.geometry(c.operands[0])
    if not spatial or (last.kernel, last.windows) != (1, last.size):
        # the channels take part, or there are none: all axes are alike then
        axes = tuple(reversed([*spatial, last]))
        return Value(c.result, _pooled(op, image.dense[..., None], axes, image)[..., 0])
    return Value(c.result, channels_last=_pooled(op, image.channels_last, tuple(reversed(spatial)), image))


@lowers_values(MaxUnpooling)
def max_unpooling(op: MaxUnpooling, c: Context, unpooled: Value, image: Value) -> Value:
    *spatial, last = op.geometry(c.operands[1])
    if not spatial or (last.kernel, last.windows) != (1, last.size):
        axes = tuple(reversed([*spatial, last]))
        return Value(c.result, _unpooled(unpooled.dense[..., None], image.dense[..., None], axes, c)[..., 0])
    axes = tuple(reversed(spatial))
    return Value(c.result, channels_last=_unpooled(unpooled.channels_last, image.channels_last, axes, c))


def _unpooled(u: Any, x: Any, axes: Sequence[AxisGeometry], c: Context) -> Any:
    u, x = (value if type.axis is not None else value[None] for value, type in zip((u, x), c.operands, strict=True))
    _, place = _first_largest(lax.stop_gradient(x), axes)
    u, place = jnp.broadcast_arrays(u, place)
    shape = (u.shape[0], *(a.size for a in axes), u.shape[-1])
    y = _to_place(place, u, axes, shape) if _tiles(axes) else _overwritten(place, u, axes, shape)
    return y if c.result.axis is not None else y[0]


def _overwritten(place: Any, u: Any, axes: Sequence[AxisGeometry], shape: tuple[int, ...]) -> Any:
    """Each element of ``u`` at its place; a later window has a shared position at an earlier place of its own."""
    result = jnp.zeros(shape, u.dtype)
    for k, offset in reversed(list(enumerate(_places(axes)))):
        pads = [(0, 0, 0), *(_back(j, a) for j, a in zip(offset, axes, strict=True)), (0, 0, 0)]
        hit = lax.pad(place == k, jnp.asarray(False), pads)
        result = jnp.where(hit, lax.pad(u, jnp.zeros((), u.dtype), pads), result)
    return result


def _pooled(op: Any, x: Any, axes: Sequence[AxisGeometry], image: Value) -> Any:
    lead = () if image.type.axis is None else x.shape[:1]
    x = x if lead else x[None]
    y = _maximum(x, axes) if op.is_max else _mean(op, x, axes)
    return y if lead else y[0]


def _maximum(x: Any, axes: Sequence[AxisGeometry]) -> Any:
    # The place of the maximum is kept in a byte: comparing again in the gradient takes twice the time.
    @jax.custom_vjp
    def largest(x: Any) -> Any:
        return _first_largest(x, axes)[0]

    def forward(x: Any) -> Any:
        return _first_largest(x, axes)

    def backward(place: Any, g: Any) -> Any:
        return (_to_place(place, g, axes, x.shape),)

    largest.defvjp(forward, backward)
    return largest(x)


def _first_largest(x: Any, axes: Sequence[AxisGeometry]) -> tuple[Any, Any]:
    """Largest element of each window, and its place in the window: the first in memory order."""
    elements = _elements(x, axes, -math.inf)
    most = next(elements)
    place = jnp.zeros(most.shape, _place_type(axes))
    for k, element in enumerate(elements, 1):
        place = jnp.where(element > most, jnp.asarray(k, place.dtype), place)
        most = jnp.maximum(most, element)
    return most, place


def _place_type(axes: Sequence[AxisGeometry]) -> Any:
    return np.int8 if math.prod(a.kernel for a in axes) <= 128 else np.int32


def _to_place(place: Any, g: Any, axes: Sequence[AxisGeometry], shape: tuple[int, ...]) -> Any:
    """The gradient of each window at the place of its maximum, summed over windows."""
    if _tiles(axes):
        spread = [slice(None), *itertools.chain(*((slice(None), None) for _ in axes)), slice(None)]
        here = np.arange(math.prod(a.kernel for a in axes), dtype=_place_type(axes))
        here = here.reshape(1, *itertools.chain(*((1, a.kernel) for a in axes)), 1)
        return jnp.where(place[tuple(spread)] == here, g[tuple(spread)], 0).reshape(shape)
    parts = [jnp.where(place == k, g, 0) for k in range(math.prod(a.kernel for a in axes))]
    return _scattered(parts, axes, shape)


def _mean(op: Any, x: Any, axes: Sequence[AxisGeometry]) -> Any:
    total = _fold(jnp.add, _elements(x, axes, 0.0))
    if op.counts_pads:
        return total / math.prod(a.kernel for a in axes)
    return total / _counts(axes).astype(x.dtype)


def _counts(axes: Sequence[AxisGeometry]) -> np.ndarray:
    """Elements of each window that lie inside, ready to divide ``(frames, windows …, channels)``."""
    counts = np.ones((1,))
    for axis in axes:
        counts = counts[..., None] * axis.inside().sum(axis=1)
    return counts.reshape((1, *(a.windows for a in axes), 1))


def _elements(x: Any, axes: Sequence[AxisGeometry], outside: float) -> Iterator[Any]:
    """For each place in the window, in memory order, that element of all windows."""
    if _tiles(axes):
        split = x.reshape(_split_shape(x, axes))
        for place in _places(axes):
            yield split[(slice(None), *(part for j in place for part in (slice(None), j)), slice(None))]
        return
    pads = [(0, 0, 0), *((a.low, a.high, 0) for a in axes), (0, 0, 0)]
    x = lax.pad(x, jnp.asarray(outside, x.dtype), pads)
    for place in _places(axes):
        yield x[(slice(None), *_strided(place, axes), slice(None))]


def _scattered(parts: Sequence[Any], axes: Sequence[AxisGeometry], shape: tuple[int, ...]) -> Any:
    """The adjoint of `_elements`."""
    total = jnp.zeros(shape, parts[0].dtype)
    for place, part in zip(_places(axes), parts, strict=True):
        pads = [_back(j, a) for j, a in zip(place, axes, strict=True)]
        total += lax.pad(part, jnp.zeros((), part.dtype), [(0, 0, 0), *pads, (0, 0, 0)])
    return total


def _back(j: int, axis: AxisGeometry) -> tuple[int, int, int]:
    """Padding that puts element ``j`` of the windows where it came from; negative pads cut off what lay outside."""
    low = j * axis.dilation - axis.low
    return low, axis.size - low - ((axis.windows - 1) * axis.stride + 1), axis.stride - 1


def _places(axes: Sequence[AxisGeometry]) -> Iterator[tuple[int, ...]]:
    return itertools.product(*(range(a.kernel) for a in axes))


def _strided(place: Sequence[int], axes: Sequence[AxisGeometry]) -> list[slice]:
    starts = (j * a.dilation for j, a in zip(place, axes, strict=True))
    return [slice(s, s + (a.windows - 1) * a.stride + 1, a.stride) for s, a in zip(starts, axes, strict=True)]


def _tiles(axes: Sequence[AxisGeometry]) -> bool:
    """Whether the windows cut the input into equal parts."""
    return all(a.stride == a.kernel and a.low == a.high == 0 and a.dilation == 1 for a in axes)


def _split_shape(x: Any, axes: Sequence[AxisGeometry]) -> tuple[int, ...]:
    return (x.shape[0], *itertools.chain(*((a.windows, a.kernel) for a in axes)), x.shape[-1])


def _fold(combine: Any, elements: Iterator[Any]) -> Any:
    total = next(elements)
    for element in elements:
        total = combine(total, element)
    return total
