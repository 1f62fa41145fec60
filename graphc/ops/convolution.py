"""Convolution and its adjoint, over any number of axes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, ClassVar

from graphc.ir import Context, Cost, Op, Shape, ShapeError, TensorType, format_shape, op
from graphc.ir.types import MOST_ELEMENTS
from graphc.ops.geometry import (
    AxisGeometry,
    Windows,
    channels_first,
    element_count,
    expand,
    gather_windows,
    scatter_windows,
)
from graphc.ops.rules import result_type


@op
class Convolution(Op):
    """Every window of the input times every kernel (a cross-correlation: kernels are not flipped).

    The weights are [kernel … x channels x maps]. ``kernelDims`` names the first axes, for an image (width:height); the
    kernel covers the others, the channels, whole. ``mapDims`` is the number of kernels. ``stride``, ``autoPadding``,
    ``lowerPad``, ``upperPad`` and ``dilation`` are one number or a list, an entry an axis. ``autoPadding`` (the default)
    pads with zeros so that stride 1 keeps the size; without it the pads are those given.

    ``groups`` = g cuts the channels and the kernels into g equal parts, in order, and each part of the kernels sees its
    part of the channels only: the weights are [kernel … x channels / g x maps]. With as many groups as channels the
    convolution is depthwise. (CNTK's BrainScript has no groups.)

    ``sharing=false`` on an axis has kernels of their own for every window along it: the weights are [kernel … x windows
    of such axes … x maps], and their dimensions must be given.

    ``transpose=true`` is the adjoint, which enlarges: ``kernelDims`` then ends with the number of output channels,
    ``mapDims`` is the number of input channels, weights are [kernel … x output channels x input channels], and
    ``outputShape`` chooses among the sizes that are possible.

    Example: ``Convolution ([2 x 1 x 1] 1 10, [4 x 1] 1 2 3 4, kernelDims=2, mapDims=1, autoPadding=false) = [3 x 1] 21 32 43``
    Example: ``Convolution ([1 x 1 x 2] 1 10, [2 x 2] 1 2 3 4, kernelDims=1, mapDims=2, groups=2) = [2 x 2] 1 2 30 40``
    Example: ``Convolution ([2 x 1 x 1] 1 10, [2 x 1] 1 2, kernelDims=2:1, mapDims=1, autoPadding=false, transpose=true) = [3 x 1] 1 12 20``
    """  # noqa: E501 (an example is one line)

    names: ClassVar = ("Convolution",)
    family: ClassVar = "convolution"
    arity: ClassVar = (2, 2)
    operands: ClassVar = ("weights", "input")

    kernel_dims: tuple[int, ...]
    map_dims: tuple[int, ...] = (0,)
    stride: tuple[int, ...] = (1,)
    sharing: tuple[bool, ...] = (True,)
    auto_padding: tuple[bool, ...] = (True,)
    lower_pad: tuple[int, ...] = (0,)
    upper_pad: tuple[int, ...] = (0,)
    transpose: bool = False
    output_shape: tuple[int, ...] = ()
    dilation: tuple[int, ...] = (1,)
    groups: int = 1
    image_layout: str = "CHW"
    max_temp_mem_size_in_samples: int = 0

    @property
    def maps(self) -> int:
        """Number of kernels: output channels, or input channels of the adjoint."""
        return math.prod(self.map_dims)

    def geometry(self, x: TensorType) -> list[AxisGeometry]:
        """Windows along every axis of what is convolved: the input, or the result of the adjoint.

        Groups are windows along the last axis, the channels.
        """
        if self.transpose:
            return self._adjoint_geometry(x)
        reach = (*x.dims[:-1], x.dims[-1] // self.groups)
        return self._windows().axes(x.dims, reach, reach)

    def kernel_shape(self, x: TensorType) -> tuple[int, ...]:
        """Shape of the weights, [kernel … x maps], whatever shape they were declared with: the memory is the same.

        Between them are the windows of axes along which kernels are not shared.
        """
        axes = self.geometry(x)
        own = (a.windows for a, shared in zip(axes, self._shared(len(axes)), strict=True) if not shared)
        return (*(a.kernel for a in axes), *own, self.maps)

    def _shared(self, rank: int) -> tuple[bool, ...]:
        """Of each axis, whether one kernel serves all its windows."""
        return expand(self.sharing, len(self.kernel_dims), (True,) * rank)

    @property
    def is_shared(self) -> bool:
        return all(self.sharing)

    def infer(self, w: TensorType, x: TensorType) -> TensorType:
        self._require_supported()
        if not x.is_complete:
            return result_type((None,) * x.rank, w, x)
        self._require_equal_groups(x)
        axes = self.geometry(x)
        _require_memory(axes)
        if w.is_complete and w.size != math.prod(self.kernel_shape(x)):
            wanted = format_shape(self.kernel_shape(x))
            raise ShapeError(f"the weights are {w}, for an input {x} expected {wanted}", 0, 1)
        if self.transpose:
            return result_type([a.size for a in axes], w, x)
        sizes = [a.windows for a in axes]
        return result_type((*sizes[:-1], self.maps if self.groups > 1 else sizes[-1] * self.maps), w, x)

    def check(self, w: TensorType, x: TensorType) -> None:
        if w.axis is not None:
            raise ShapeError(f"the weights are {w}, but must be the same for all frames", 0)

    def offers(self, w: TensorType, x: TensorType) -> Iterable[tuple[int, Shape]]:
        if not w.is_complete and x.is_complete and self.is_shared:
            shape = self.kernel_shape(x)
            # a declared matrix stays one: its memory is read as the kernels
            yield 0, (self.maps, math.prod(shape[:-1])) if w.rank == 2 else shape

    def evaluate(self, c: Context, w: Any, x: Any) -> Any:
        type = c.operands[1]
        axes = self.geometry(type)
        rank, lead = len(axes), x.shape[: type.axis is not None]
        w = w.reshape(tuple(reversed(self.kernel_shape(type))))
        if self.transpose:
            x = x.reshape((*lead, self.maps, *(a.windows for a in reversed(axes))))
            return scatter_windows(c.xp, c.xp.tensordot(x, w, axes=((len(lead),), (0,))), axes)
        windows = gather_windows(c.xp, x, axes, 0.0)
        if not self.is_shared:
            return self._seen_by_own(c, windows, w, rank).reshape((*lead, *reversed(c.result.dims)))
        if self.groups == 1:
            return self._seen(c, windows, w, rank).reshape((*lead, *reversed(c.result.dims)))
        at, each = len(lead), self.maps // self.groups
        parts = [
            self._seen(c, windows.take(c.xp.arange(i, i + 1), axis=at), w[i * each : (i + 1) * each], rank)
            for i in range(self.groups)
        ]
        return c.xp.concatenate(parts, axis=at).reshape((*lead, *reversed(c.result.dims)))

    @staticmethod
    def _seen(c: Context, windows: Any, w: Any, rank: int) -> Any:
        """Every window times every kernel, maps as first axis behind the frames'."""
        kernel_axes = tuple(range(windows.ndim - rank, windows.ndim))
        y = c.xp.tensordot(windows, w, axes=(kernel_axes, tuple(range(1, rank + 1))))
        return c.xp.moveaxis(y, -1, windows.ndim - 2 * rank)

    def _seen_by_own(self, c: Context, windows: Any, w: Any, rank: int) -> Any:
        """Every window times the kernels that it does not share with others."""
        letters = iter("abcdefghijklmnopqrstuvwxyz")
        frames = [next(letters)] * (windows.ndim - 2 * rank)
        places, elements = [next(letters) for _ in range(rank)], [next(letters) for _ in range(rank)]
        own = [place for place, shared in zip(places, reversed(self._shared(rank)), strict=True) if not shared]
        maps = next(letters)
        parts = (*frames, *places, *elements), (maps, *own, *elements), (*frames, maps, *places)
        read, kernels, result = ("".join(part) for part in parts)
        return c.xp.einsum(f"{read},{kernels}->{result}", windows, w)

    def cost(self, result: TensorType, *types: TensorType) -> Cost:
        x = types[1]
        samples = x if self.transpose else result
        return Cost(2.0 * samples.size * element_count(self.geometry(x)), super().cost(result, *types).bytes)

    def _windows(self) -> Windows:
        return Windows(self.kernel_dims, self.stride, self.auto_padding, self.lower_pad, self.upper_pad, self.dilation)

    def _adjoint_geometry(self, x: TensorType) -> list[AxisGeometry]:
        rank = x.rank
        if len(self.kernel_dims) != rank:
            given = len(self.kernel_dims)
            raise ShapeError(f"kernelDims has {given} entries, an input {x} needs {rank}, the last for channels", 1)
        if x.dims[-1] % self.maps:
            raise ShapeError(f"mapDims is {self.maps}, but the input {x} has {x.dims[-1]} channels", 1)
        self._windows().require_fitting(rank)
        windows = self._without_channel_padding(rank)
        found = (*x.dims[:-1], x.dims[-1] // self.maps)
        sizes = self.output_shape if any(self.output_shape) else self._enlarged(windows, found)
        if len(sizes) != rank:
            raise ShapeError(f"outputShape has {len(sizes)} entries, the input {x} has {rank}")
        axes = windows.axes(sizes, sizes, sizes)
        if tuple(a.windows for a in axes) != found:
            needed = format_shape((*(a.windows for a in axes[:-1]), axes[-1].windows * self.maps))
            given = format_shape(tuple(sizes))
            raise ShapeError(f"an outputShape of {given} would need an input of {needed}, it is {x}", 1)
        return axes

    def _without_channel_padding(self, rank: int) -> Windows:
        # a scalar autoPadding or pad would also reach the channel axis, which nobody means
        def spatial(values: tuple[Any, ...], zero: Any) -> tuple[Any, ...]:
            return (*expand(values, rank, (zero,) * rank)[:-1], zero)

        return replace(
            self._windows(),
            auto_padding=spatial(self.auto_padding, False),
            lower_pad=spatial(self.lower_pad, 0),
            upper_pad=spatial(self.upper_pad, 0),
        )

    @staticmethod
    def _enlarged(windows: Windows, found: tuple[int, ...]) -> tuple[int, ...]:
        rank = len(found)
        stride = expand(windows.stride, rank, (1,) * rank)
        return tuple(
            (found[k] - 1) * stride[k]
            + (1 if windows.auto_padding[k] else windows.kernel[k] - windows.lower_pad[k] - windows.upper_pad[k])
            for k in range(rank)
        )

    def _require_equal_groups(self, x: TensorType) -> None:
        if self.groups == 1:
            return
        if len(self.kernel_dims) >= x.rank:
            raise ShapeError(f"with groups, kernelDims names the axes before the channels only: fewer than {x.rank}", 1)
        for what, count in (("channels", x.dims[-1]), ("kernels", self.maps)):
            if count % self.groups:
                raise ShapeError(f"groups is {self.groups}, but {count} {what} cannot be cut into so many equal parts")

    def _require_supported(self) -> None:
        if not self.kernel_dims:
            raise ShapeError("kernelDims is empty")
        if self.maps < 1:
            raise ShapeError(f"mapDims is {self.maps}: it must be the number of kernels")
        if any(d != 1 for d in self.map_dims[:-1]):
            raise ShapeError(f"mapDims is {':'.join(map(str, self.map_dims))}: only its last entry may differ from 1")
        if not self.is_shared and (self.transpose or self.groups > 1):
            what = "groups" if self.groups > 1 else "transpose=true"
            raise ShapeError(f"sharing=false, a kernel for every window, goes without {what}")
        if not channels_first(self.image_layout):
            raise ShapeError("imageLayout is HWC: convolution needs CHW, images of [width x height x channels]")
        if self.groups < 1:
            raise ShapeError(f"groups is {self.groups}, expected 1 or more")
        if self.transpose and (self.groups > 1 or any(d != 1 for d in self.dilation)):
            raise ShapeError(f"{'groups' if self.groups > 1 else 'dilation'} of a transposed convolution must be 1")


def _require_memory(axes: Iterable[AxisGeometry]) -> None:
    reached = math.prod(a.size + max(a.low, 0) + max(a.high, 0) for a in axes)
    if reached > MOST_ELEMENTS:
        raise ShapeError(f"with its pads the input has {reached:.1e} elements, which no memory holds", 1)
