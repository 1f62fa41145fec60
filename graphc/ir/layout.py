"""The one place that maps the author's axis order to arrays: ``[d1 x d2 x … x dn]`` is ``(dynamic…, dn, …, d2, d1)``.

First axis fastest in the author's order is last axis fastest in the array's, so the bytes are the same and nothing is
ever transposed at the border.
"""

from __future__ import annotations

from typing import Any

from graphc.ir.types import TensorType


def array_shape(type: TensorType, *frames: int) -> tuple[int, ...]:
    """Shape of the array of a value; ``frames`` is the size of its dynamic axis, left out when it has none."""
    assert len(frames) == (type.axis is not None), (type, frames)
    return (*frames, *reversed(type.dims))


def array_axis(axis: int) -> int:
    """Array axis of the author's axis (numbered from 1): counted from the end, so dynamic axes do not matter."""
    return -axis


def static_axes(rank: int) -> tuple[int, ...]:
    """Array axes of a whole sample of the given rank."""
    return tuple(range(-rank, 0))


def along(axis: int, index: slice | int) -> tuple[Any, ...]:
    """An array index that takes ``index`` on the author's ``axis`` and everything elsewhere."""
    return (..., index, *(slice(None),) * (axis - 1))


def align(x: Any, type: TensorType, rank: int) -> Any:
    """``x`` with trailing axes of size 1 (in the author's order) up to ``rank``, ready for NumPy broadcasting.

    The 1s go between the dynamic axis and the sample axes. A value without dynamic axis needs none: NumPy adds them.
    """
    missing = rank - type.rank
    if type.axis is None or missing <= 0:
        return x
    return x.reshape(x.shape[:1] + (1,) * missing + x.shape[1:])
