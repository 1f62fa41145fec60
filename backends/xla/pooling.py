"""Pooling: XLA's window operation, or, where that measured slower, a chain over the elements of the windows.

The chain goes over strided slices, or over parts of a reshaped image where the windows tile it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from graphc.backends.xla import forms
from graphc.backends.xla.lowering import lowers_values
from graphc.backends.xla.values import Value
from graphc.ir import Context
from graphc.ops.geometry import AxisGeometry
from graphc.ops.pooling import AveragePooling, MaxPooling, Pooling
from graphc.ops.unpooling import MaxUnpooling

Axes = Sequence[AxisGeometry]


@lowers_values(Pooling, MaxPooling, AveragePooling)
def pooling(op: Pooling | MaxPooling | AveragePooling, c: Context, image: Value) -> Value:
    *spatial, last = op.geometry(c.operands[0])
    if not spatial or (last.kernel, last.windows) != (1, last.size):
        # the channels take part, or there are none: all axes are alike then
        axes = tuple(reversed([*spatial, last]))
        return Value(c.result, _pooled(op, c, image.dense[..., None], axes)[..., 0])
    return Value(c.result, channels_last=_pooled(op, c, image.channels_last, tuple(reversed(spatial))))


@lowers_values(MaxUnpooling)
def max_unpooling(op: MaxUnpooling, c: Context, unpooled: Value, image: Value) -> Value:
    *spatial, last = op.geometry(c.operands[1])
    if not spatial or (last.kernel, last.windows) != (1, last.size):
        axes = tuple(reversed([*spatial, last]))
        return Value(c.result, _unpooled(unpooled.dense[..., None], image.dense[..., None], axes, c)[..., 0])
    axes = tuple(reversed(spatial))
    return Value(c.result, channels_last=_unpooled(unpooled.channels_last, image.channels_last, axes, c))


def _unpooled(u: Any, x: Any, axes: Axes, c: Context) -> Any:
    u, x = (value if type.axis is not None else value[None] for value, type in zip((u, x), c.operands, strict=True))
    _, place = _first_largest(lax.stop_gradient(x), axes)
    u, place = jnp.broadcast_arrays(u, place)
    shape = (u.shape[0], *(a.size for a in axes), u.shape[-1])
    y = _to_place(place, u, axes, shape) if _tiles(axes) else _overwritten(place, u, axes, shape)
    return y if c.result.axis is not None else y[0]


def _overwritten(place: Any, u: Any, axes: Axes, shape: tuple[int, ...]) -> Any:
    """Each element of ``u`` at its place; a later window has a shared position at an earlier place of its own."""
    result = jnp.zeros(shape, u.dtype)
    for k, offset in reversed(list(enumerate(_places(axes)))):
        pads = [(0, 0, 0), *(_back(j, a) for j, a in zip(offset, axes, strict=True)), (0, 0, 0)]
        hit = lax.pad(place == k, jnp.asarray(False), pads)
        result = jnp.where(hit, lax.pad(u, jnp.zeros((), u.dtype), pads), result)
    return result


def _pooled(op: Pooling | MaxPooling | AveragePooling, c: Context, x: Any, axes: Axes) -> Any:
    has_frames = c.operands[0].axis is not None
    x = x if has_frames else x[None]
    known = facts(x, axes)
    part = "gradient" if c.training else "value"
    if op.is_max:
        choices = {name: partial(form, axes=axes) for name, form in MAXIMUM.items()}
        y = forms.apply("max pooling", part, known, choices, x)
    else:
        choices = {name: partial(form, axes=axes) for name, form in SUM.items()}
        y = forms.apply("average pooling", part, known, choices, x) / _divisor(op, axes, x.dtype)
    return y if has_frames else y[0]


def facts(x: Any, axes: Axes) -> forms.Facts:
    """What pooling is to the table of measurements."""
    return {
        "kind": "tiles" if _tiles(axes) else "overlaps" if any(a.stride < a.kernel for a in axes) else "gaps",
        "channels": x.shape[-1],
        "window": math.prod(a.kernel for a in axes),
        "windows": math.prod(a.windows for a in axes),
    }


def maximum_of_windows(x: Any, axes: Axes) -> Any:
    """XLA's own maximum of windows; its gradient goes to the first of equal elements too."""
    return _reduced(x, axes, -math.inf, lax.max)


def maximum_by_chain(x: Any, axes: Axes) -> Any:
    """A chain of comparisons."""
    return _with_place(x, axes, _first_largest)


def maximum_kept(x: Any, axes: Axes) -> Any:
    """A chain of comparisons whose results are kept for the gradient.

    XLA's CPU compiler would run the chain again for each element of the windows; it fuses nothing out of a branch.
    """
    return _with_place(x, axes, _in_a_branch)


def _in_a_branch(x: Any, axes: Axes) -> tuple[Any, Any]:
    first = x.reshape(-1)[0]
    always = (first <= math.inf) | (first != first)  # which the compiler does not know
    shape = (x.shape[0], *(a.windows for a in axes), x.shape[-1])
    empty = lambda: (jnp.zeros(shape, x.dtype), jnp.zeros(shape, _place_type(axes)))  # noqa: E731
    return lax.cond(always, lambda: _first_largest(x, axes), empty)


def _with_place(x: Any, axes: Axes, find: Callable[[Any, Axes], tuple[Any, Any]]) -> Any:
    # The place of the maximum is kept in a byte: comparing again in the gradient takes twice the time.
    @jax.custom_vjp
    def largest(x: Any) -> Any:
        return _first_largest(x, axes)[0]

    def forward(x: Any) -> Any:
        return find(x, axes)

    def backward(place: Any, g: Any) -> Any:
        return (_to_place(place, g, axes, x.shape),)

    largest.defvjp(forward, backward)
    return largest(x)


def sum_of_windows(x: Any, axes: Axes) -> Any:
    """XLA's own sum of windows."""
    return _reduced(x, axes, 0.0, lax.add)


def sum_by_chain(x: Any, axes: Axes) -> Any:
    """A chain of additions."""
    if not _tiles(axes):
        return _fold(jnp.add, _elements(x, axes, 0.0))
    parts = tuple(range(2, 2 * len(axes) + 1, 2))

    @jax.custom_vjp
    def total(x: Any) -> Any:
        return _fold(jnp.add, _elements(x, axes, 0.0))

    def backward(_: Any, g: Any) -> Any:
        # every element of a window gets its gradient; JAX would add up padded ones
        return (jnp.broadcast_to(jnp.expand_dims(g, parts), _split_shape(x, axes)).reshape(x.shape),)

    total.defvjp(lambda x: (total(x), None), backward)
    return total(x)


# forms by name, the plain one first
MAXIMUM: Mapping[str, Callable[..., Any]] = {
    "windows": maximum_of_windows,
    "chain": maximum_by_chain,
    "kept chain": maximum_kept,
}
SUM: Mapping[str, Callable[..., Any]] = {"windows": sum_of_windows, "chain": sum_by_chain}


def _reduced(x: Any, axes: Axes, outside: float, combine: Any) -> Any:
    start = np.asarray(outside, x.dtype)[()]  # by this value JAX knows the operations that it can differentiate
    pads = [(0, 0, 0), *((min(a.low, 0), min(a.high, 0), 0) for a in axes), (0, 0, 0)]
    return lax.reduce_window(
        lax.pad(x, start, pads),
        start,
        combine,
        (1, *(a.kernel for a in axes), 1),
        (1, *(a.stride for a in axes), 1),
        ((0, 0), *((max(a.low, 0), max(a.high, 0)) for a in axes), (0, 0)),
        window_dilation=(1, *(a.dilation for a in axes), 1),
    )


def _first_largest(x: Any, axes: Axes) -> tuple[Any, Any]:
    """Largest element of each window, and its place in the window: the first in memory order."""
    elements = _elements(x, axes, -math.inf)
    most = next(elements)
    place = jnp.zeros(most.shape, _place_type(axes))
    for k, element in enumerate(elements, 1):
        place = jnp.where(element > most, jnp.asarray(k, place.dtype), place)
        most = jnp.maximum(most, element)
    return most, place


def _place_type(axes: Axes) -> Any:
    return np.int8 if math.prod(a.kernel for a in axes) <= 128 else np.int32


def _to_place(place: Any, g: Any, axes: Axes, shape: tuple[int, ...]) -> Any:
    """The gradient of each window at the place of its maximum, summed over windows."""
    if _tiles(axes):
        spread = [slice(None), *itertools.chain(*((slice(None), None) for _ in axes)), slice(None)]
        here = np.arange(math.prod(a.kernel for a in axes), dtype=_place_type(axes))
        here = here.reshape(1, *itertools.chain(*((1, a.kernel) for a in axes)), 1)
        return jnp.where(place[tuple(spread)] == here, g[tuple(spread)], 0).reshape(shape)
    parts = [jnp.where(place == k, g, 0) for k in range(math.prod(a.kernel for a in axes))]
    return _scattered(parts, axes, shape)


def _divisor(op: Pooling | MaxPooling | AveragePooling, axes: Axes, dtype: Any) -> Any:
    return math.prod(a.kernel for a in axes) if op.counts_pads else _counts(axes).astype(dtype)


def _counts(axes: Axes) -> Any:
    """Elements of each window that lie inside, ready to divide ``(frames, windows …, channels)``."""
    counts = jnp.ones((1,), jnp.int32)
    for axis in axes:
        counts = counts[..., None] * axis.inside(jnp).sum(axis=1)
    return counts.reshape((1, *(a.windows for a in axes), 1))


def _elements(x: Any, axes: Axes, outside: float) -> Iterator[Any]:
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


def _scattered(parts: Sequence[Any], axes: Axes, shape: tuple[int, ...]) -> Any:
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


def _places(axes: Axes) -> Iterator[tuple[int, ...]]:
    return itertools.product(*(range(a.kernel) for a in axes))


def _strided(place: Sequence[int], axes: Axes) -> list[slice]:
    starts = (j * a.dilation for j, a in zip(place, axes, strict=True))
    return [slice(s, s + (a.windows - 1) * a.stride + 1, a.stride) for s, a in zip(starts, axes, strict=True)]


def _tiles(axes: Axes) -> bool:
    """Whether the windows cut the input into equal parts."""
    return all(a.stride == a.kernel and a.low == a.high == 0 and a.dilation == 1 for a in axes)


def _split_shape(x: Any, axes: Axes) -> tuple[int, ...]:
    return (x.shape[0], *itertools.chain(*((a.windows, a.kernel) for a in axes)), x.shape[-1])


def _fold(combine: Any, elements: Iterator[Any]) -> Any:
    total = next(elements)
    for element in elements:
        total = combine(total, element)
    return total
