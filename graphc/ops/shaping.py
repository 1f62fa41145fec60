"""Operators that move elements without changing them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from graphc.ir import Context, Cost, Dim, Op, Shape, ShapeError, Storage, TensorType, format_shape, op
from graphc.ir.layout import align, along, array_axis
from graphc.ops.rules import broadcast, result_type


class _Moving(Op):
    family: ClassVar = "shaping"
    arity: ClassVar = (1, 1)
    operands: ClassVar = ("x",)

    def cost(self, result: TensorType, *types: TensorType) -> Cost:
        return Cost(0.0, super().cost(result, *types).bytes)


@op
class Reshape(_Moving):
    """The same elements in the same order under other dimensions.

    Axes ``beginAxis`` to ``endAxis`` - 1 are replaced by ``dims``; 0 stands for the first axis and for the end. One
    entry of ``dims`` may be 0: it is found from the number of elements.

    Example: ``Reshape ([2 x 3] 1 2 3 4 5 6, dims=3:0) = [3 x 2] 1 2 3 4 5 6``
    Example: ``Reshape ([2 x 2 x 1] 1 2 3 4, dims=0, beginAxis=1, endAxis=3) = [4 x 1] 1 2 3 4``
    """

    names: ClassVar = ("Reshape",)

    dims: tuple[Dim, ...]
    begin_axis: int = 0
    end_axis: int = 0

    def infer(self, x: TensorType) -> TensorType:
        begin, end = max(self.begin_axis - 1, 0), self.end_axis - 1 if self.end_axis > 0 else x.rank
        self._require_range(x, begin, end)
        return x.with_shape((*x.shape[:begin], *self._replacement(x, x.shape[begin:end]), *x.shape[end:]))

    def _require_range(self, x: TensorType, begin: int, end: int) -> None:
        for name, axis in (("beginAxis", self.begin_axis), ("endAxis", self.end_axis)):
            if axis < 0:
                raise ShapeError(f"{name} is {axis}, expected 0 or more")
        if not x.is_complete or begin <= end <= x.rank:
            return
        if begin <= end:
            raise ShapeError(f"axes {begin + 1} to {end} are outside {x}", 0)
        if self.end_axis > 0:
            raise ShapeError(f"endAxis is {self.end_axis}, which is before beginAxis, {self.begin_axis}")
        raise ShapeError(f"axis {self.begin_axis} is outside {x}", 0)

    def _replacement(self, x: TensorType, replaced: Shape) -> Shape:
        unknown = [d for d in self.dims if not d]
        if len(unknown) > 1:
            raise ShapeError(f"at most one dimension can be inferred, {len(unknown)} are 0")
        if None in replaced:
            return tuple(d or None for d in self.dims)
        size, given = math.prod(d for d in replaced if d), math.prod(d for d in self.dims if d)
        if (size % given if unknown else size != given) or not given:
            wanted = format_shape(tuple(d or 0 for d in self.dims))
            raise ShapeError(f"the {size} elements to be reshaped, of {x}, do not fit {wanted}", 0)
        return tuple(d or size // given for d in self.dims)

    def evaluate(self, c: Context, x: Any) -> Any:
        return x.reshape((*x.shape[: c.result.axis is not None], *reversed(c.result.dims)))


@op
class TransposeDimensions(_Moving):
    """Two axes exchanged; one that is missing is added with size 1.

    Example: ``TransposeDimensions ([2 x 3] 1 2 3 4 5 6, axis1=1, axis2=2) = [3 x 2] 1 3 5 2 4 6``
    Example: ``TransposeDimensions ([2] 1 2, axis1=1, axis2=2) = [1 x 2] 1 2``
    """

    names: ClassVar = ("TransposeDimensions", "Transpose")

    axis1: int = 1
    axis2: int = 2

    def infer(self, x: TensorType) -> TensorType:
        least, most = sorted((self.axis1, self.axis2))
        if least < 1 or (x.is_complete and least > x.rank):
            raise ShapeError(f"axis {least} is outside {x}", 0)
        shape = [*x.shape, *(1,) * (most - x.rank)]
        shape[least - 1], shape[most - 1] = shape[most - 1], shape[least - 1]
        return x.dense().with_shape(shape)

    def evaluate(self, c: Context, x: Any) -> Any:
        lead = x.shape[: c.result.axis is not None]
        x = x.reshape((*lead, *(1,) * (c.result.rank - c.operands[0].rank), *x.shape[len(lead) :]))
        return x.swapaxes(array_axis(self.axis1), array_axis(self.axis2))


@op
class Slice(_Moving):
    """Elements ``beginIndex`` to ``endIndex`` - 1 along one axis, counted from 0.

    Negative numbers count from the end; an ``endIndex`` of 0 is the end.

    Example: ``Slice ([4] 1 2 3 4, beginIndex=1, endIndex=3) = [2] 2 3``
    Example: ``Slice ([2 x 3] 1 2 3 4 5 6, beginIndex=-1, endIndex=0, axis=2) = [2 x 1] 5 6``
    """

    names: ClassVar = ("Slice", "RowSlice")
    spelling: ClassVar = {"begin": "beginIndex", "end": "endIndex"}

    begin: int
    end: int
    axis: int = 1

    def infer(self, x: TensorType) -> TensorType:
        if self.axis < 1 or (x.is_complete and self.axis > x.rank):
            raise ShapeError(f"axis {self.axis} is outside {x}", 0)
        size = x.dim(self.axis)
        if size is None or self.axis > x.rank:
            return x
        start, stop = self.bounds(size)
        if stop <= start:
            raise ShapeError(f"the slice of {x} is empty: it begins at {start} and ends before {stop}", 0)
        if not 0 <= start < stop <= size:
            what = "rows" if self.axis == 1 else f"elements of axis {self.axis},"
            raise ShapeError(f"{what} {start} to {stop - 1} are outside {x}", 0)
        return x.with_dim(self.axis, stop - start)

    def evaluate(self, c: Context, x: Any) -> Any:
        return x[along(self.axis, slice(*self.bounds(c.operands[0].dims[self.axis - 1])))]

    def bounds(self, size: int) -> tuple[int, int]:
        """The first element and the one behind the last, of an axis of that size."""
        return (
            self.begin if self.begin >= 0 else size + self.begin,
            self.end if self.end > 0 else size + self.end,
        )


@op
class RowStack(_Moving):
    """The operands one behind the other along an axis, a new one if they have no such axis.

    Along other axes they must agree, or be 1, and are then repeated.

    Example: ``RowStack ([2] 1 2, [3] 3 4 5) = [5] 1 2 3 4 5``
    Example: ``RowStack ([2] 1 2, [2] 3 4, axis=2) = [2 x 2] 1 2 3 4``
    """

    names: ClassVar = ("RowStack", "Splice")
    arity: ClassVar = (1, None)

    axis: int = 1

    def infer(self, *types: TensorType) -> TensorType:
        if self.axis < 1:
            raise ShapeError(f"axis is {self.axis}, the first one is 1")
        rank = max(self.axis, *(t.rank for t in types))
        others = broadcast(*(_padded(t, rank).with_dim(self.axis, 1).with_axis(None) for t in types))
        sizes = [t.dim(self.axis) for t in types]
        total = None if None in sizes else sum(s for s in sizes if s is not None)
        stacked = result_type(others.with_dim(self.axis, total).shape, *types)
        return replace(stacked, storage=self._storage(stacked, types))

    def _storage(self, result: TensorType, types: Sequence[TensorType]) -> Storage:
        """Symbols stay symbols, unless one of the operands is dense or repeated."""
        piece = result.with_dim(self.axis, 1)
        whole = all(_padded(t.dense(), result.rank).with_dim(self.axis, 1) == piece for t in types)
        if not whole or any(t.storage is Storage.DENSE for t in types):
            return Storage.DENSE
        return types[0].storage if len(types) == 1 else Storage.SPARSE

    def evaluate(self, c: Context, *xs: Any) -> Any:
        frames = next((x.shape[:1] for x, t in zip(xs, c.operands, strict=True) if t.axis is not None), ())
        pieces = [self._piece(c, x, t, frames) for x, t in zip(xs, c.operands, strict=True)]
        return c.xp.concatenate(pieces, axis=array_axis(self.axis))

    def _piece(self, c: Context, x: Any, type: TensorType, frames: tuple[int, ...]) -> Any:
        shape = c.result.with_dim(self.axis, type.dim(self.axis)).dims
        return c.xp.broadcast_to(align(x, type, c.result.rank), (*frames, *reversed(shape)))


@op
class RowRepeat(_Moving):
    """The sample ``numRepeats`` times behind itself along its last axis.

    Example: ``RowRepeat ([2] 1 2, numRepeats=3) = [6] 1 2 1 2 1 2``
    """

    names: ClassVar = ("RowRepeat",)

    num_repeats: int

    def infer(self, x: TensorType) -> TensorType:
        if self.num_repeats < 1:
            raise ShapeError(f"numRepeats is {self.num_repeats}, expected at least 1")
        last = x.shape[-1] if x.shape else None
        return x.dense().with_dim(max(x.rank, 1), None if last is None else last * self.num_repeats)

    def evaluate(self, c: Context, x: Any) -> Any:
        lead = x.shape[: c.result.axis is not None]
        sample = x.shape[len(lead) :]
        copies = c.xp.broadcast_to(x.reshape((*lead, 1, *sample)), (*lead, self.num_repeats, *sample))
        return copies.reshape((*lead, *reversed(c.result.dims)))


def _padded(type: TensorType, rank: int) -> TensorType:
    return type.with_shape((*type.shape, *(1,) * (rank - type.rank)))
