"""Largest element or mean of every window."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from graphc.ir import Context, Cost, Op, ShapeError, TensorType, op
from graphc.ops.geometry import (
    AxisGeometry,
    Windows,
    channels_first,
    element_count,
    gather_windows,
    inside_windows,
    require_inside,
    scatter_windows,
)


class PoolingBase(Op):
    """Base: what lies outside the input takes no part. The gradient of a maximum goes to the first that attains it."""

    family: ClassVar = "pooling"
    arity: ClassVar = (1, 1)
    operands: ClassVar = ("input",)

    @property
    def is_max(self) -> bool:
        raise NotImplementedError

    @property
    def counts_pads(self) -> bool:
        """Whether a mean divides by the whole window, the part outside included."""
        return False

    def windows(self, x: TensorType) -> Windows:
        raise NotImplementedError

    def geometry(self, x: TensorType) -> list[AxisGeometry]:
        """Windows along every axis of the input."""
        ones = (1,) * x.rank
        return self.windows(x).axes(x.dims, ones, ones)

    def infer(self, x: TensorType) -> TensorType:
        if not x.is_complete:
            return x.dense().with_shape((None,) * x.rank)
        axes = self.geometry(x)
        require_inside(axes)
        return x.dense().with_shape([a.windows for a in axes])

    def evaluate(self, c: Context, x: Any) -> Any:
        axes = self.geometry(c.operands[0])
        inner = tuple(range(-len(axes), 0))
        if self.is_max:
            return gather_windows(c.xp, x, axes, -math.inf).max(axis=inner)
        return gather_windows(c.xp, x, axes, 0.0).sum(axis=inner) / self._divisor(c, x, axes)

    def pullback(self, c: Context, xs: Sequence[Any], y: Any, g: Any) -> Sequence[Any]:
        (x,) = xs
        axes = self.geometry(c.operands[0])
        kernel = (1,) * len(axes)
        if self.is_max:
            windows = gather_windows(c.xp, x, axes, -math.inf)
            flat = windows.reshape((*y.shape, -1))
            first = c.xp.arange(flat.shape[-1]) == flat.argmax(axis=-1)[..., None]
            parts = (g[..., None] * first).reshape(windows.shape)
        else:
            share = (g / self._divisor(c, x, axes)).reshape((*g.shape, *kernel))
            parts = share * inside_windows(c.xp, axes)
        return (scatter_windows(c.xp, parts, axes),)

    def cost(self, result: TensorType, *types: TensorType) -> Cost:
        return Cost(float(result.size * element_count(self.geometry(types[0]))), super().cost(result, *types).bytes)

    def _divisor(self, c: Context, x: Any, axes: Sequence[AxisGeometry]) -> Any:
        if self.counts_pads:
            return element_count(axes)
        return c.xp.asarray(inside_windows(c.xp, axes).sum(axis=tuple(range(-len(axes), 0))), x.dtype)


@op
class Pooling(PoolingBase):
    """The largest element (``poolKind`` max) or the mean (average) of every window.

    ``kernelDims`` names the first axes; the others are not pooled. ``autoPadding`` (the default) lets windows reach
    over both ends so that stride 1 keeps the size. ``ceilOutDim`` adds a window for a remainder. ``includePad`` divides
    a mean by the full window, not only by the part inside.

    Example: ``Pooling ([4 x 1] 1 5 2 4, poolKind=max, kernelDims=2, stride=2, autoPadding=false) = [2 x 1] 5 4``
    Example: ``Pooling ([3 x 1] 1 5 3, poolKind=average, kernelDims=3) = [3 x 1] 3 3 4``
    """

    names: ClassVar = ("Pooling",)
    choices: ClassVar = {"pool_kind": ("max", "average")}

    pool_kind: str
    kernel_dims: tuple[int, ...]
    stride: tuple[int, ...] = (1,)
    auto_padding: tuple[bool, ...] = (True,)
    lower_pad: tuple[int, ...] = (0,)
    upper_pad: tuple[int, ...] = (0,)
    ceil_out_dim: bool = False
    include_pad: bool = False
    image_layout: str = "CHW"

    @property
    def is_max(self) -> bool:
        return self.pool_kind.lower() == "max"

    @property
    def counts_pads(self) -> bool:
        return self.include_pad

    def windows(self, x: TensorType) -> Windows:
        pads = self.auto_padding, self.lower_pad, self.upper_pad
        return Windows(self.kernel_dims, self.stride, *pads, ceil=self.ceil_out_dim)

    def infer(self, x: TensorType) -> TensorType:
        if self.pool_kind.lower() not in ("max", "average"):
            raise ShapeError(f"poolKind is {self.pool_kind!r}, expected max or average")
        if not channels_first(self.image_layout):
            raise ShapeError("imageLayout is HWC: pooling needs CHW, images of [width x height x channels]")
        return super().infer(x)


@dataclass(frozen=True)
class ImagePooling(PoolingBase):
    """Base of the older forms: images of three axes, no padding."""

    window_width: int
    window_height: int
    horizontal_subsample: int
    vertical_subsample: int
    image_layout: str = "CHW"

    def windows(self, x: TensorType) -> Windows:
        skipped = () if channels_first(self.image_layout) else (1,)
        return Windows(
            (*skipped, self.window_width, self.window_height),
            (*skipped, self.horizontal_subsample, self.vertical_subsample),
            (False,),
        )

    def infer(self, x: TensorType) -> TensorType:
        channels_first(self.image_layout)
        if x.is_complete and x.rank != 3:
            raise ShapeError(f"the input is {x}, an image of three axes was expected", 0)
        return super().infer(x)


@op
class MaxPooling(ImagePooling):
    """The largest element of every window of an image, [W x H x C] or, with ``imageLayout`` HWC, [C x W x H].

    Example: ``MaxPooling ([2 x 2 x 1] 1 5 2 4, windowWidth=2, windowHeight=1, horizontalSubsample=2, verticalSubsample=1) = [1 x 2 x 1] 5 4``
    """  # noqa: E501 (an example is one line)

    names: ClassVar = ("MaxPooling",)

    @property
    def is_max(self) -> bool:
        return True


@op
class AveragePooling(ImagePooling):
    """The mean of every window of an image, [W x H x C] or, with ``imageLayout`` HWC, [C x W x H].

    Example: ``AveragePooling ([2 x 2 x 1] 1 5 2 4, windowWidth=2, windowHeight=1, horizontalSubsample=2, verticalSubsample=1) = [1 x 2 x 1] 3 3``
    """  # noqa: E501 (an example is one line)

    names: ClassVar = ("AveragePooling",)

    @property
    def is_max(self) -> bool:
        return False
