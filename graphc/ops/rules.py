"""Shape rules that families of operators share: broadcasting, the dynamic axis of a result, equal samples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from graphc.ir import Context, Dim, DynamicAxis, Shape, ShapeError, TensorType

# what names of axes of one frame a sequence begin with
_ONE_FRAME = "first("


def result_type(shape: Sequence[Dim], *types: TensorType) -> TensorType:
    """Dense type of that shape with the dynamic axis of the operands that have one; ``types`` are the operands' all."""
    elements = {t.element for t in types}
    if len(elements) > 1:
        raise ShapeError(f"element types differ: {' and '.join(str(t.element) for t in types)}", *range(len(types)))
    return TensorType(tuple(shape), types[0].element, _common_axis(types))


def _common_axis(types: Sequence[TensorType]) -> DynamicAxis | None:
    first = next((i for i, t in enumerate(types) if t.axis is not None), None)
    if first is None:
        return None
    for other, type in enumerate(types):
        if type.axis is not None and not _may_agree(type.axis, types[first].axis):
            what = f"dynamic axes differ: operand {first + 1} is {types[first]}, operand {other + 1} is {type}"
            raise ShapeError(what, first, other, hint=_hint(type.axis, types[first].axis))
    return types[first].axis


def _hint(a: DynamicAxis, b: DynamicAxis | None) -> str:
    if b is not None and is_one_frame(a) != is_one_frame(b):
        return (
            "one frame of each sequence is repeated by BS.Sequences.BroadcastSequenceAs; "
            "a label with one frame a sequence has a dynamicAxis of its own"
        )
    return "inputs that name one dynamicAxis share it; ReconcileDynamicAxis gives a value that of another"


def one_frame_of(axis: DynamicAxis) -> DynamicAxis:
    """The axis of sequences of one frame, one for each sequence of ``axis``."""
    return axis if is_one_frame(axis) else DynamicAxis(f"{_ONE_FRAME}{axis.name})")


def is_one_frame(axis: DynamicAxis) -> bool:
    """Whether the axis is one of `one_frame_of`."""
    return axis.name.startswith(_ONE_FRAME)


def _may_agree(a: DynamicAxis, b: DynamicAxis | None) -> bool:
    """Whether sequences of both axes can have equal lengths.

    One frame of each sequence may meet other data of one frame a sequence, as the label of a sentence; whether those
    have no more, only the run can know. It does not meet the sequences that it was taken from.
    """
    if a == b or b is None:
        return True
    taken = [axis for axis in (a, b) if is_one_frame(axis)]
    return bool(taken) and taken[0] != one_frame_of(b if taken[0] == a else a)


def broadcast(*types: TensorType) -> TensorType:
    """Type of an elementwise operation: axes are aligned at the first, missing ones and ones of 1 are repeated."""
    rank = max(t.rank for t in types)
    return result_type([_common_dim(axis, types) for axis in range(1, rank + 1)], *types)


def _common_dim(axis: int, types: Sequence[TensorType]) -> Dim:
    dims = [t.dim(axis) for t in types]
    sizes = {i: d for i, d in enumerate(dims) if d not in (None, 1)}
    if not sizes:
        return None if None in dims else 1
    first, size = next(iter(sizes.items()))
    for other, found in sizes.items():
        if found != size:
            what = f"shapes {types[first]} and {types[other]} do not fit: axis {axis} is {size} and {found}"
            raise ShapeError(what, first, other)
    return size


def offer_others(*types: TensorType) -> Iterable[tuple[int, Shape]]:
    """What elementwise operations offer: to each operand of unknown shape the broadcast shape of the others."""
    for index, type in enumerate(types):
        others = types[:index] + types[index + 1 :]
        if not type.is_complete and others:
            yield index, broadcast(*others).shape


def without_ones(shape: Shape) -> Shape:
    """The shape without axes of 1: what remains decides whether two samples are the same vector."""
    return tuple(d for d in shape if d != 1)


def require_same_sample(a: TensorType, b: TensorType, first: int = 0, second: int = 1) -> None:
    """Raise `ShapeError` unless both samples hold the same elements in the same order."""
    if a.is_complete and b.is_complete and without_ones(a.shape) != without_ones(b.shape):
        raise ShapeError(f"shapes differ: the left operand is {a}, the right is {b}", first, second)


def require_frames(name: str, *types: TensorType) -> None:
    """Raise `ShapeError` unless an operand has a dynamic axis: there is nothing to sum over without one."""
    if all(t.axis is None for t in types):
        raise ShapeError(f"{name} sums over frames, but no operand depends on an input", *range(len(types)))


def flat(x: Any, type: TensorType) -> Any:
    """``x`` with each sample as one vector: ``(frames, size)``, or ``(size,)`` without dynamic axis."""
    return x.reshape((*x.shape[:1], type.size) if type.axis is not None else (type.size,))


def masked(c: Context, x: Any, type: TensorType) -> Any:
    """``x`` with padding frames set to 0; untouched where there is no dynamic axis."""
    return x if type.axis is None else c.masked(x)


def real_frames(c: Context, x: Any) -> Any:
    """Number of real frames of the step; ``x`` is a value with the dynamic axis."""
    return x.shape[0] if c.frames is None else c.frames.count
