"""Values during lowering: an array in the author's layout, channels last or time-major, converted when asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from graphc.ir import Node, Storage, TensorType
from graphc.ir.layout import array_shape


@dataclass(frozen=True)
class Kept:
    """A parameter with the order of axes in which it is kept between steps (backends/xla/storage.py)."""

    array: Any
    axes: tuple[int, ...]


jax.tree_util.register_dataclass(Kept, ["array"], ["axes"])


@dataclass(frozen=True)
class Columns:
    """A parameter whose gradient is wanted column by column, from the gradients of the products that choose them.

    ``taps`` are zeros that are added to these ``products``, one for each; none yet to learn which shapes they must
    have. The parameter itself gets no gradient.
    """

    array: Any
    products: tuple[Node, ...]
    taps: tuple[Any, ...] = ()


jax.tree_util.register_dataclass(Columns, ["array", "taps"], ["products"])


class Value:
    """What a node computes. ``array`` has the layout of `graphc.ir.layout`: images are ``(frames, C, H, W)``.

    ``channels_last`` is the same with the author's last axis moved to the end, ``(frames, H, W, C)``: the form in
    which convolution, pooling and spatial normalisation are fast. A chain of them never leaves it.

    ``time_major`` is the same with the frames in the order of time, the first of each sequence, the second of each, …:
    that in which loops have them. Only where ``lanes`` sequences have one length (backends/xla/time_major.py).

    A matrix without frames whose columns have a single 1 each may be given by the places of these, ``ones``; a place
    below 0 is a column of no numbers.
    """

    __slots__ = ("_array", "_kept", "_lanes", "_last", "_time_major", "ones", "type")

    def __init__(
        self,
        type: TensorType,
        array: Any = None,
        *,
        channels_last: Any = None,
        kept: Kept | None = None,
        ones: Any = None,
        time_major: Any = None,
        lanes: int = 0,
    ) -> None:
        self.type = type
        self.ones = ones
        self._time_major = time_major
        self._lanes = lanes
        self._array = array
        self._last = channels_last
        self._kept = kept

    @property
    def kept(self) -> Any:
        """A parameter in the order of axes that its readers asked for, none if they did not."""
        return None if self._kept is None else self._kept.array

    @property
    def is_channels_last(self) -> bool:
        """Whether the channels-last form is there without converting."""
        return self._last is not None

    @property
    def frames(self) -> tuple[Any, ...]:
        """Size of the dynamic axis, empty where there is none; symbolic under export."""
        if self.type.axis is None:
            return ()
        x = next(x for x in (self._last, self._array, self._time_major) if x is not None)
        return ((x[0] if isinstance(x, tuple) else x).shape[0],)

    @property
    def array(self) -> Any:
        if self._array is None:
            self._array = self._in_authors_order()
        return self._array

    def _in_authors_order(self) -> Any:
        if self.ones is not None:
            column = self.ones[:, None]
            found = jnp.where(column < 0, jnp.nan, column == jnp.arange(self.type.size // column.size))
            return found.astype(self.type.element.value).reshape(array_shape(self.type))
        if self._kept is not None:
            return jnp.transpose(self._kept.array, np.argsort(self._kept.axes).tolist())
        if self._time_major is not None:
            return jax.tree.map(lambda x: _exchanged(x, -1, self._lanes), self._time_major)
        return jnp.moveaxis(self._last, -1, -self.type.rank)

    def time_major(self, lanes: int) -> Any:
        """The array with the frames in the order of time."""
        if self._time_major is None:
            self._time_major, self._lanes = jax.tree.map(lambda x: _exchanged(x, lanes, -1), self.array), lanes
        return self._time_major

    @property
    def channels_last(self) -> Any:
        if self._last is None:
            self._last = to_channels_last(self.dense, self.type.rank)
        return self._last

    @property
    def dense(self) -> Any:
        """The array with onehot and sparse storage spelt out."""
        if self.type.storage is Storage.DENSE:
            return self.array
        return densify(self.array, self.type)

    def astype(self, dtype: Any) -> Value:
        """The same in another number type; onehot and sparse values stay as they are."""
        if self.type.storage is not Storage.DENSE:
            return self
        if self.ones is not None:
            return Value(self.type, self.array.astype(dtype))
        kept = self._kept and Kept(self._kept.array.astype(dtype), self._kept.axes)
        forms = (self._array, self._last, self._time_major)
        array, last, time_major = (x if x is None else x.astype(dtype) for x in forms)
        return Value(self.type, array, channels_last=last, kept=kept, time_major=time_major, lanes=self._lanes)


def _exchanged(x: Any, outer: int, inner: int) -> Any:
    """Frames that stand as (outer, inner) as (inner, outer)."""
    return x.reshape(outer, inner, *x.shape[1:]).swapaxes(0, 1).reshape(x.shape)


def to_channels_last(x: Any, rank: int) -> Any:
    """Move the author's last axis of a value of that rank to the end of the array."""
    return jnp.moveaxis(x, -rank, -1) if rank > 1 else x


def densify(x: Any, type: TensorType) -> Any:
    """Onehot indices ``(frames,)`` or sparse ``(indices, values)`` as a dense array; an index outside is no entry."""
    dtype = type.element.value
    if type.storage is Storage.ONEHOT:
        flat = (x[:, None] == jnp.arange(type.size)).astype(dtype)
    else:
        indices, values = x
        rows = jnp.arange(indices.shape[0])[:, None]
        flat = jnp.zeros((indices.shape[0], type.size), dtype)
        flat = flat.at[rows, indices].add(values.astype(dtype), mode="drop", wrap_negative_indices=False)
    return flat.reshape(array_shape(type, flat.shape[0]))
