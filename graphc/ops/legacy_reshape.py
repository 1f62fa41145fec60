"""The reshape of CNTK's first networks, which knew matrices and images only."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from graphc.ir import Context, Cost, DynamicAxis, Frames, Op, Sequences, Shape, ShapeError, TensorType, op
from graphc.ops.frames import at, frames_of, sequences_of
from graphc.ops.geometry import channels_first


@op
class LegacyReshape(Op):
    """A parameter as a matrix of ``numRows`` rows, or samples of ``numRows`` elements as images.

    Of ``imageWidth``, ``imageHeight`` and ``imageChannels`` one may be 0, which is found from the others; without any
    the sample is a vector. So many rows that they hold several samples put that many frames into one, in their order;
    too few for one sample cut each frame into several. Either makes a dynamic axis of its own. Sequences whose frames
    do not fill the last one are an error of the run.

    Example: ``LegacyReshape ([2 x 3] 1 2 3 4 5 6, numRows=3) = [3 x 2] 1 2 3 4 5 6``
    Example: ``LegacyReshape ([4 x *] 1 2 3 4, numRows=4, imageWidth=2, imageChannels=1) = [2 x 2 x 1 x *] 1 2 3 4``
    """

    names: ClassVar = ("LegacyReshape",)
    family: ClassVar = "shaping"
    arity: ClassVar = (1, 1)
    operands: ClassVar = ("x",)

    num_rows: int
    image_width: int = 0
    image_height: int = 0
    image_channels: int = 0
    image_layout: str = "CHW"
    # of the frames that it makes, if these are others than those of the operand: inference names it
    axis: str = ""

    internal: ClassVar = frozenset({"axis"})

    def changes_frames(self, x: TensorType) -> bool:
        """Whether a frame of the result is not one of the operand."""
        return x.axis is not None and x.is_complete and x.size != self.num_rows

    def infer(self, x: TensorType) -> TensorType:
        if self.num_rows < 1:
            raise ShapeError(f"numRows is {self.num_rows}, expected at least 1")
        if self.changes_frames(x):
            self._require_whole_frames(x)
            return TensorType(self._sample(), x.element, DynamicAxis(self.axis) if self.axis else None)
        if x.axis is not None or any(self._image()):
            if x.is_complete and x.size != self.num_rows:
                raise ShapeError(f"numRows is {self.num_rows}, but {x} has {x.size} elements", 0)
            return x.dense().with_shape(self._sample())
        if not x.is_complete:
            return x.dense().with_shape((self.num_rows, None))
        if x.size % self.num_rows:
            raise ShapeError(f"the {x.size} elements of {x} do not fill rows of {self.num_rows}", 0)
        return x.dense().with_shape((self.num_rows, x.size // self.num_rows))

    def _require_whole_frames(self, x: TensorType) -> None:
        more, fewer = max(x.size, self.num_rows), min(x.size, self.num_rows)
        if more % fewer:
            raise ShapeError(
                f"numRows is {self.num_rows}, but samples of {x} have {x.size} elements: "
                "neither is a multiple of the other",
                0,
            )

    def restacking(self, x: TensorType) -> Restack:
        """The operator that makes other frames of those of the operand."""
        dims = tuple(d for d in self._sample() if d is not None)
        return Restack(self.axis, dims, max(self.num_rows // x.size, 1), max(x.size // self.num_rows, 1))

    def _image(self) -> tuple[int, int, int]:
        if channels_first(self.image_layout):
            return self.image_width, self.image_height, self.image_channels
        return self.image_channels, self.image_width, self.image_height

    def _sample(self) -> Shape:
        dims = self._image()
        if not any(dims):
            return (self.num_rows,)
        given = math.prod(d for d in dims if d)
        shown = f"imageWidth={self.image_width}, imageHeight={self.image_height}, imageChannels={self.image_channels}"
        if min(dims) < 0 or dims.count(0) > 1 or (self.num_rows % given if 0 in dims else self.num_rows != given):
            raise ShapeError(f"{shown} do not make images of {self.num_rows} elements")
        return tuple(d or self.num_rows // given for d in dims)

    def evaluate(self, c: Context, x: Any) -> Any:
        return x.reshape((*x.shape[: c.result.axis is not None], *reversed(c.result.dims)))

    def cost(self, result: TensorType, *types: TensorType) -> Cost:
        return Cost(0.0, super().cost(result, *types).bytes)


@op
class Restack(Op):
    """``stacked`` frames of a sequence as one of ``shape``, or each as ``cut`` of them. Made by the compiler.

    Example: ``LegacyReshapeFrames ([2 x *], axis=w, shape=4, stacked=2) = [4 x w]``
    """

    names: ClassVar = ("LegacyReshapeFrames",)
    family: ClassVar = "sequences"
    arity: ClassVar = (1, 1)
    operands: ClassVar = ("x",)

    axis: str
    shape: tuple[int, ...]
    stacked: int = 1
    cut: int = 1

    def infer(self, x: TensorType) -> TensorType:
        return TensorType(self.shape, x.element, DynamicAxis(self.axis))

    def evaluate(self, c: Context, x: Any) -> Any:
        return self.select(c, x)[0]

    def select(self, c: Context, x: Any) -> tuple[Any, Frames]:
        """The frames and the axis that they are on."""
        xp, (total, *sample) = c.xp, x.shape
        axis = c.operands[0].axis
        source, count = sequences_of(c, axis, total), frames_of(c, axis).count
        missing = -total % self.stacked
        if missing:
            x = xp.concatenate([x, xp.zeros((missing, *sample), x.dtype)])
        frames = (total + missing) // self.stacked * self.cut
        numbers = xp.arange(frames, dtype="int32")
        first = numbers // self.cut * self.stacked  # where each frame begins in the operand's
        real = numbers < count // self.stacked * self.cut
        ids = xp.where(real, at(xp, source.ids, first), source.starts.shape[0])
        within = at(xp, source.positions, first) // self.stacked * self.cut + numbers % self.cut
        found = Sequences(
            ids.astype("int32"),
            xp.where(real, within, 0).astype("int32"),
            (source.starts // self.stacked * self.cut).astype("int32"),
            (source.lengths // self.stacked * self.cut).astype("int32"),
            source.count,
            -(-source.longest // self.stacked) * self.cut,
        )
        value = x.reshape((frames, *reversed(self.shape)))
        return value, Frames(count // self.stacked * self.cut, real.astype(x.dtype), found)

    def cost(self, result: TensorType, *types: TensorType) -> Cost:
        return Cost(0.0, super().cost(result, *types).bytes)
