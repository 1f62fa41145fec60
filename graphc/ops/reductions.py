"""Sums, means and extrema over axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from graphc.ir import Context, Cost, Op, ShapeError, TensorType, op
from graphc.ir.layout import array_axis, static_axes
from graphc.ops.rules import flat, masked, real_frames, require_frames

REDUCTIONS = ("Sum", "Mean", "Max", "Min", "LogSum")
ALL_STATIC_AXES = 0
ALL_AXES = -1


@op
class ReduceElements(Op):
    """Sum, mean, largest, smallest or log-sum-exp element along an axis, which stays with size 1.

    ``reductionOp`` is Sum, Mean, Max, Min or LogSum. ``axis`` 0 takes all axes of a sample and gives [1]; -1 takes all
    frames as well and gives one [1]. The gradient of Max and Min goes in full to every element that attains it.

    Example: ``ReduceElements ([2 x 3] 1 2 3 4 5 6, reductionOp=Sum, axis=2) = [2 x 1] 9 12``
    Example: ``ReduceElements ([2 x *] 1 2 3 4, reductionOp=Mean) = [1 x *] 1.5 3.5``
    Example: ``ReduceElements ([2 x *] 1 2 3 4, reductionOp=Max, axis=-1) = [1] 4``
    """

    names: ClassVar = ("ReduceElements",)
    family: ClassVar = "reductions"
    arity: ClassVar = (1, 1)
    operands: ClassVar = ("x",)

    reduction_op: str
    axis: int = ALL_STATIC_AXES

    def infer(self, x: TensorType) -> TensorType:
        if self.reduction_op not in REDUCTIONS:
            raise ShapeError(f"reductionOp is {self.reduction_op!r}, expected one of {', '.join(REDUCTIONS)}")
        if self.axis == ALL_AXES:
            return x.dense().with_shape((1,)).with_axis(None)
        if self.axis == ALL_STATIC_AXES:
            return x.dense().with_shape((1,))
        if self.axis < 0 or (x.is_complete and self.axis > x.rank):
            raise ShapeError(f"axis {self.axis} is outside {x}", 0)
        return x.dense().with_dim(self.axis, 1) if self.axis <= x.rank else x.dense()

    def evaluate(self, c: Context, x: Any) -> Any:
        reduced, axes = self._operand(c, x)
        match self.reduction_op:
            case "Sum":
                y = reduced.sum(axis=axes, keepdims=True)
            case "Mean":
                y = reduced.sum(axis=axes, keepdims=True) / self._count(c, x)
            case "Max":
                y = reduced.max(axis=axes, keepdims=True)
            case "Min":
                y = reduced.min(axis=axes, keepdims=True)
            case _:
                most = reduced.max(axis=axes, keepdims=True)
                shift = c.xp.where(c.xp.isfinite(most), most, 0.0)  # all -inf must give -inf, not a NaN
                y = shift + c.xp.log(c.xp.exp(reduced - shift).sum(axis=axes, keepdims=True))
        return y.reshape(self._result_shape(c, x))

    def pullback(self, c: Context, xs: Sequence[Any], y: Any, g: Any) -> Sequence[Any]:
        (x,) = xs
        if self.axis == ALL_STATIC_AXES:
            kept = (*x.shape[: c.operands[0].axis is not None], *(1,) * c.operands[0].rank)
            y, g = y.reshape(kept), g.reshape(kept)
        match self.reduction_op:
            case "Sum":
                dx = c.xp.broadcast_to(g, x.shape)
            case "Mean":
                dx = c.xp.broadcast_to(g / self._count(c, x), x.shape)
            case "LogSum":
                dx = g * c.xp.exp(x - y)
            case _:
                dx = g * (x == y)
        return (masked(c, dx, c.operands[0]),)

    def cost(self, result: TensorType, *types: TensorType) -> Cost:
        return Cost(float(types[0].size), super().cost(result, *types).bytes)

    def _operand(self, c: Context, x: Any) -> tuple[Any, tuple[int, ...]]:
        """The operand with padding frames made neutral where they take part, and the array axes to reduce."""
        if self.axis == ALL_STATIC_AXES:
            return x, static_axes(c.operands[0].rank)
        if self.axis != ALL_AXES:
            return x, (array_axis(self.axis),)
        neutral = {"Max": -math.inf, "LogSum": -math.inf, "Min": math.inf}.get(self.reduction_op, 0.0)
        if c.operands[0].axis is not None and c.frames is not None and c.frames.mask is not None:
            mask = c.frames.mask.reshape((-1,) + (1,) * (x.ndim - 1))
            x = c.xp.where(mask != 0, x, neutral)
        return x, tuple(range(x.ndim))

    def _count(self, c: Context, x: Any) -> Any:
        """How many elements one result is made from."""
        (type,) = c.operands
        if self.axis > 0:
            return type.dims[self.axis - 1]
        frames = real_frames(c, x) if self.axis == ALL_AXES and type.axis is not None else 1
        return type.size * frames

    def _result_shape(self, c: Context, x: Any) -> tuple[int, ...]:
        return (*x.shape[: c.result.axis is not None], *reversed(c.result.dims))


@op
class SumElements(Op):
    """The sum of all elements of all frames, without dynamic axis: what turns a value into a criterion.

    Example: ``SumElements ([2 x *] 1 2 3 4) = [1] 10``
    """

    names: ClassVar = ("SumElements",)
    family: ClassVar = "reductions"
    arity: ClassVar = (1, 1)
    operands: ClassVar = ("x",)

    def infer(self, x: TensorType) -> TensorType:
        return x.dense().with_shape((1,)).with_axis(None)

    def evaluate(self, c: Context, x: Any) -> Any:
        return masked(c, x, c.operands[0]).sum().reshape((1,))

    def cost(self, result: TensorType, *types: TensorType) -> Cost:
        return Cost(float(types[0].size), super().cost(result, *types).bytes)


@op
class SumColumnElements(Op):
    """The sum of all elements of a sample, one [1] a frame. `ReduceElements` says the same and more.

    Example: ``SumColumnElements ([2 x *] 1 2 3 4) = [1 x *] 3 7``
    """

    names: ClassVar = ("SumColumnElements",)
    family: ClassVar = "reductions"
    arity: ClassVar = (1, 1)
    operands: ClassVar = ("x",)

    def infer(self, x: TensorType) -> TensorType:
        return x.dense().with_shape((1,))

    def check(self, x: TensorType) -> None:
        require_frames("SumColumnElements", x)

    def evaluate(self, c: Context, x: Any) -> Any:
        return flat(x, c.operands[0]).sum(axis=-1, keepdims=True)

    def cost(self, result: TensorType, *types: TensorType) -> Cost:
        return Cost(float(types[0].size), super().cost(result, *types).bytes)
