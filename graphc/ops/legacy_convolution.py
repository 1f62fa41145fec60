"""The convolution of CNTK's first networks, whose images have their channels in front."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from graphc.ir import Context, Cost, Op, Shape, ShapeError, TensorType, op
from graphc.ops.geometry import AxisGeometry, element_count, gather_windows
from graphc.ops.rules import result_type


@op
class LegacyConvolution(Op):
    """Every window of an image [channels x width x height] times every row of a matrix: [rows x width' x height'].

    A column of ``weights`` belongs to a column and a row of the window and a channel, in this order, the first counting
    fastest. ``zeroPadding`` centres windows on every element that the strides reach, with half a kernel (rounded down) of
    zeros in front; without it windows lie inside.

    Example: ``LegacyConvolution ([1 x 4] 1 10 100 1000, [1 x 3 x 2] 1 2 3 4 5 6, kernelWidth=2, kernelHeight=2, mapCount=1) = [1 x 2 x 1] 5421 6532``
    """  # noqa: E501 (an example is one line)

    names: ClassVar = ("LegacyConvolution",)
    family: ClassVar = "convolution"
    arity: ClassVar = (2, 2)
    operands: ClassVar = ("weights", "input")

    kernel_width: int
    kernel_height: int
    map_count: int
    horizontal_stride: int = 1
    vertical_stride: int = 1
    zero_padding: bool = False

    def infer(self, w: TensorType, x: TensorType) -> TensorType:
        self._require_sizes()
        if not x.is_complete:
            return result_type((self.map_count, None, None), w, x)
        axes = self.geometry(x)
        wanted = self.map_count, element_count(axes)
        if w.is_complete and w.dims != wanted:
            raise ShapeError(f"the weights are {w}, for an input {x} expected [{wanted[0]} x {wanted[1]}]", 0, 1)
        return result_type((self.map_count, axes[1].windows, axes[2].windows), w, x)

    def check(self, w: TensorType, x: TensorType) -> None:
        if w.axis is not None:
            raise ShapeError(f"the weights are {w}, but must be the same for all frames", 0)

    def offers(self, w: TensorType, x: TensorType) -> Iterable[tuple[int, Shape]]:
        if not w.is_complete and x.is_complete:
            yield 0, (self.map_count, element_count(self.geometry(x)))

    def geometry(self, x: TensorType) -> list[AxisGeometry]:
        """Windows along channels, all of which each has, width and height."""
        if x.rank != 3:
            raise ShapeError(f"the input is {x}, an image of three axes was expected", 1)
        channels, width, height = x.dims
        return [
            AxisGeometry(channels, channels, channels, 1, 0, 0, 1),
            self._axis(width, self.kernel_width, self.horizontal_stride, x),
            self._axis(height, self.kernel_height, self.vertical_stride, x),
        ]

    def evaluate(self, c: Context, w: Any, x: Any) -> Any:
        type = c.operands[1]
        axes = self.geometry(type)
        windows = gather_windows(c.xp, x, axes, 0.0)
        kernels = w.reshape((type.dims[0], self.kernel_height, self.kernel_width, self.map_count))
        # a window is (height, width, channels)
        rows = tuple(range(windows.ndim - 3, windows.ndim))
        lead = x.shape[: type.axis is not None]
        return c.xp.tensordot(windows, kernels, axes=(rows, (1, 2, 0))).reshape((*lead, *reversed(c.result.dims)))

    def cost(self, result: TensorType, *types: TensorType) -> Cost:
        return Cost(2.0 * result.size * element_count(self.geometry(types[1])), super().cost(result, *types).bytes)

    def _axis(self, size: int, kernel: int, stride: int, x: TensorType) -> AxisGeometry:
        if self.zero_padding:
            windows, low = (size - 1) // stride + 1, kernel // 2
            return AxisGeometry(size, kernel, stride, 1, low, (windows - 1) * stride + kernel - low - size, windows)
        if kernel > size:
            shown = f"{self.kernel_width} x {self.kernel_height}"
            raise ShapeError(f"the kernel {shown} is larger than the image {x}", 1, hint="add zeroPadding=true")
        windows = (size - kernel) // stride + 1
        return AxisGeometry(size, kernel, stride, 1, 0, (windows - 1) * stride + kernel - size, windows)

    def _require_sizes(self) -> None:
        if min(self.kernel_width, self.kernel_height, self.map_count) < 1:
            shown = f"a kernel of {self.kernel_width} x {self.kernel_height} and {self.map_count} maps"
            raise ShapeError(f"{shown} leave nothing to compute")
        for kernel, stride in (
            (self.kernel_width, self.horizontal_stride),
            (self.kernel_height, self.vertical_stride),
        ):
            if not 1 <= stride <= kernel:
                raise ShapeError(f"a stride is {stride}, it must be 1 to {kernel}, the kernel's size")
