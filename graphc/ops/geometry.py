"""Where the windows of convolutions and pooling lie: the one place that knows kernel, stride, pads and dilation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from graphc.ir import ShapeError


@dataclass(frozen=True, slots=True)
class AxisGeometry:
    """Windows along one axis: window ``i`` covers positions ``i * stride - low + j * dilation``, ``j < kernel``.

    ``low`` and ``high`` are the positions that windows reach beyond either end; negative ones are left out inside.
    """

    size: int
    kernel: int
    stride: int
    dilation: int
    low: int
    high: int
    windows: int

    def positions(self, xp: Any) -> Any:
        """Input position of element ``j`` of window ``i``, shape (windows, kernel); some lie outside.

        Made with ``xp``, as what follows: a traced function must not hold arrays that grow with the image.
        """
        starts = xp.arange(self.windows)[:, None] * self.stride - self.low
        return starts + xp.arange(self.kernel)[None, :] * self.dilation

    def inside(self, xp: Any) -> Any:
        """Whether element ``j`` of window ``i`` lies inside the input, shape (windows, kernel)."""
        positions = self.positions(xp)
        return (positions >= 0) & (positions < self.size)

    def reaches_inside(self, window: int) -> bool:
        """Whether an element of this window lies inside the input."""
        start = window * self.stride - self.low
        first = max(0, -(start // self.dilation))  # the first element that does not lie before it
        return first < self.kernel and start + first * self.dilation < self.size

    def outermost(self) -> Iterator[int]:
        """Windows of which one lies outside if any does; a wrong shape can have a billion of them."""
        # Where elements lie further apart than the input is long, windows that begin before it can miss it in turns.
        yield from range(min(self.windows, 1 if self.dilation <= self.size else self.dilation))
        if self.windows > 0:
            yield self.windows - 1

    def selection(self, xp: Any, dtype: Any) -> Any:
        """1 where element ``j`` of window ``i`` is position ``q``, shape (windows, kernel, size)."""
        return (self.positions(xp)[..., None] == xp.arange(self.size)).astype(dtype)


@dataclass(frozen=True, slots=True)
class Windows:
    """Attributes of windows as their author gave them: one number for all axes, or a list that its last entry ends."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...] = (1,)
    auto_padding: tuple[bool, ...] = (True,)
    lower_pad: tuple[int, ...] = (0,)
    upper_pad: tuple[int, ...] = (0,)
    dilation: tuple[int, ...] = (1,)
    ceil: bool = False

    def axes(self, dims: Sequence[int], kernel_fill: Sequence[int], stride_fill: Sequence[int]) -> list[AxisGeometry]:
        """Geometry of every axis of ``dims``; kernel and stride of axes the kernel does not name are the fills'."""
        count, rank = len(self.kernel), len(dims)
        if count > rank:
            raise ShapeError(f"the kernel has {count} axes, the input only {rank}")
        self.require_fitting(rank)
        kernel = (*self.kernel, *kernel_fill[count:])
        stride = expand(self.stride, count, stride_fill)
        auto = expand(self.auto_padding, count, (False,) * rank)
        low = expand(self.lower_pad, count, (0,) * rank)
        high = expand(self.upper_pad, count, (0,) * rank)
        dilation = expand(self.dilation, count, (1,) * rank)
        return [
            self._axis(k + 1, dims[k], kernel[k], stride[k], auto[k], low[k], high[k], dilation[k]) for k in range(rank)
        ]

    def require_fitting(self, rank: int) -> None:
        """Raise `ShapeError` if a list has more entries than the input has axes, or a pad is negative."""
        lists = {
            "stride": self.stride,
            "autoPadding": self.auto_padding,
            "lowerPad": self.lower_pad,
            "upperPad": self.upper_pad,
            "dilation": self.dilation,
        }
        for name, values in lists.items():
            if len(values) > rank:
                raise ShapeError(f"{name} has {len(values)} entries, the input only {rank} axes")
        for name, pads in (("lowerPad", self.lower_pad), ("upperPad", self.upper_pad)):
            if any(pad < 0 for pad in pads):
                raise ShapeError(f"{name} is {min(pads)}, expected 0 or more")

    def _axis(
        self, axis: int, size: int, kernel: int, stride: int, auto: bool, low: int, high: int, dilation: int
    ) -> AxisGeometry:
        if kernel < 1 or stride < 1 or dilation < 1:
            raise ShapeError(
                f"kernel {kernel}, stride {stride} and dilation {dilation} of axis {axis} must be positive"
            )
        if kernel > size:
            raise ShapeError(f"the kernel is larger than the input: {kernel} against {size} along axis {axis}")
        reach = (kernel - 1) * dilation + 1
        if auto:
            windows = (size - 1) // stride + 1
            extra = size - ((windows - 1) * stride + 1)
            low = (reach - 1) // 2 - extra // 2
            high = reach - 1 - (reach - 1) // 2 - (extra - extra // 2)
            return AxisGeometry(size, kernel, stride, dilation, low, high, windows)
        room = size + low + high - reach
        windows = (-(-room // stride) if self.ceil else room // stride) + 1
        if windows < 1:
            raise ShapeError(f"windows of {reach} do not fit the {size + low + high} positions of axis {axis}")
        if (low > 0 or high > 0) and (windows - 1) * stride + reach != size + low + high:
            raise ShapeError(
                f"windows of {reach} with stride {stride} do not tile axis {axis}: {size} positions, "
                f"pads {low} and {high}"
            )
        reached = (windows - 1) * stride + reach - low - size
        return AxisGeometry(size, kernel, stride, dilation, low, reached, windows)


def expand(values: Sequence[Any], count: int, rest: Sequence[Any]) -> tuple[Any, ...]:
    """``values``, the last one repeated up to ``count`` entries, then ``rest`` from there on; all of it for none."""
    if not values:
        return tuple(rest)
    own = (*values, *(values[-1],) * (count - len(values)))[: len(rest)]
    return (*own, *rest[len(own) :])


def gather_windows(xp: Any, x: Any, axes: Sequence[AxisGeometry], outside: float) -> Any:
    """All windows of samples: ``(frames, windowsN, …, windows1, kernelN, …, kernel1)``.

    ``axes`` are in the author's order, ``x`` has as many trailing axes. Elements outside hold ``outside``.
    """
    rank = len(axes)
    lead = x.ndim - rank
    for k, axis in enumerate(reversed(axes)):
        at = lead + 2 * k  # every axis taken so far has become two
        x = xp.take(x, axis.positions(xp).clip(0, axis.size - 1).reshape(-1), axis=at)
        x = x.reshape((*x.shape[:at], axis.windows, axis.kernel, *x.shape[at + 1 :]))
    order = [*range(lead), *range(lead, lead + 2 * rank, 2), *range(lead + 1, lead + 2 * rank, 2)]
    return xp.where(inside_windows(xp, axes), x.transpose(order), xp.asarray(outside, x.dtype))


def inside_windows(xp: Any, axes: Sequence[AxisGeometry]) -> Any:
    """Whether an element of a window lies inside, shape ``(windowsN, …, windows1, kernelN, …, kernel1)``."""
    rank = len(axes)
    mask: Any = True
    for k, axis in enumerate(reversed(axes)):
        shape = [1] * (2 * rank)
        shape[k], shape[rank + k] = axis.windows, axis.kernel
        mask = mask & axis.inside(xp).reshape(shape)
    return mask


def scatter_windows(xp: Any, windows: Any, axes: Sequence[AxisGeometry]) -> Any:
    """The adjoint of `gather_windows`: every element is added to the position it was taken from."""
    rank = len(axes)
    lead = windows.ndim - 2 * rank
    for axis, left in zip(axes, range(rank, 0, -1), strict=True):
        # the author's first axis is the last one among the `left` axes of windows, and of kernel elements
        selection = axis.selection(xp, windows.dtype)
        windows = xp.tensordot(windows, selection, axes=((lead + left - 1, lead + 2 * left - 1), (0, 1)))
    return windows.transpose((*range(lead), *reversed(range(lead, lead + rank))))


def require_inside(axes: Sequence[AxisGeometry]) -> None:
    """Raise `ShapeError` if a window has no element inside: pooling it has no meaning."""
    for number, axis in enumerate(axes, 1):
        if not all(axis.reaches_inside(window) for window in axis.outermost()):
            raise ShapeError(f"a window along axis {number} lies entirely outside the input", 0)


def channels_first(layout: str) -> bool:
    """Whether an ``imageLayout`` puts channels behind width and height (CHW, in the array's order) or before (HWC)."""
    match layout.upper():
        case "CHW" | "CUDNN":
            return True
        case "HWC" | "LEGACY":
            return False
        case _:
            raise ShapeError(f"imageLayout is {layout!r}, expected CHW or HWC")


def element_count(axes: Sequence[AxisGeometry]) -> int:
    """Number of elements of one window."""
    return math.prod(a.kernel for a in axes)
