"""Puts values back where max pooling took them from."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar

from graphc.ir import Context, Op, Shape, ShapeError, TensorType, op
from graphc.ops.geometry import (
    AxisGeometry,
    Windows,
    channels_first,
    gather_windows,
    require_inside,
    scatter_windows,
)
from graphc.ops.rules import result_type


@op
class MaxUnpooling(Op):
    """0 but where a window of ``poolInput`` has its maximum: there the window's element of ``unpoolInput``.

    The attributes are those of the `Pooling` of ``poolInput`` that gave something of ``unpoolInput``'s shape. Of equal
    elements the first counts; where windows overlap, the later one does. ``poolInput`` has no gradient.

    Example: ``MaxUnpooling ([2 x 1] 8 9, [4 x 1] 1 5 2 4, kernelDims=2, stride=2, autoPadding=false) = [4 x 1] 0 8 0 9``
    """  # noqa: E501 (an example is one line)

    names: ClassVar = ("MaxUnpooling",)
    family: ClassVar = "pooling"
    arity: ClassVar = (2, 2)
    operands: ClassVar = ("unpoolInput", "poolInput")
    no_gradient: ClassVar = frozenset({1})

    kernel_dims: tuple[int, ...]
    stride: tuple[int, ...] = (1,)
    auto_padding: tuple[bool, ...] = (True,)
    lower_pad: tuple[int, ...] = (0,)
    upper_pad: tuple[int, ...] = (0,)
    image_layout: str = "CHW"

    def geometry(self, pooled: TensorType) -> list[AxisGeometry]:
        """Windows along every axis of ``poolInput``."""
        ones = (1,) * pooled.rank
        pads = self.auto_padding, self.lower_pad, self.upper_pad
        return Windows(self.kernel_dims, self.stride, *pads).axes(pooled.dims, ones, ones)

    def infer(self, unpooled: TensorType, pooled: TensorType) -> TensorType:
        if not channels_first(self.image_layout):
            raise ShapeError("imageLayout is HWC: unpooling needs CHW, images of [width x height x channels]")
        if pooled.is_complete:
            axes = self.geometry(pooled)
            require_inside(axes)
            expected = tuple(a.windows for a in axes)
            if unpooled.is_complete and unpooled.dims != expected:
                wanted = pooled.with_shape(expected)
                raise ShapeError(f"unpoolInput is {unpooled}, but max pooling of poolInput gives {wanted}", 0, 1)
        return result_type(pooled.shape, unpooled, pooled)

    def offers(self, unpooled: TensorType, pooled: TensorType) -> Iterable[tuple[int, Shape]]:
        if pooled.is_complete and not unpooled.is_complete:
            yield 0, tuple(a.windows for a in self.geometry(pooled))

    def evaluate(self, c: Context, unpooled: Any, pooled: Any) -> Any:
        axes = self.geometry(c.operands[1])
        windows = gather_windows(c.xp, pooled, axes, -math.inf)
        flat = windows.reshape((*windows.shape[: windows.ndim - len(axes)], -1))
        first = flat.argmax(axis=-1)[..., None]
        result = c.xp.asarray(0, unpooled.dtype)
        # The later of two windows that share a position has it at an earlier place of its own.
        for place in reversed(range(flat.shape[-1])):
            here = ((c.xp.arange(flat.shape[-1]) == place) & (first == place)).reshape(windows.shape)
            value = here * unpooled.reshape((*unpooled.shape, *(1,) * len(axes)))
            hit = scatter_windows(c.xp, here.astype(unpooled.dtype), axes)
            result = c.xp.where(hit > 0, scatter_windows(c.xp, value, axes), result)
        return result
