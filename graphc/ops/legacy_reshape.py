"""The reshape of CNTK's first networks, which knew matrices and images only."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from graphc.ir import Context, Cost, Op, Shape, ShapeError, TensorType, op
from graphc.ops.geometry import channels_first


@op
class LegacyReshape(Op):
    """A parameter as a matrix of ``numRows`` rows, or samples of ``numRows`` elements as images.

    Of ``imageWidth``, ``imageHeight`` and ``imageChannels`` one may be 0, which is found from the others; without any
    the sample is a vector. Other numbers of rows would put several frames into one, or one into several: that is not
    supported.

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

    def infer(self, x: TensorType) -> TensorType:
        if self.num_rows < 1:
            raise ShapeError(f"numRows is {self.num_rows}, expected at least 1")
        if x.axis is not None or any(self._image()):
            if x.is_complete and x.size != self.num_rows:
                raise ShapeError(
                    f"numRows is {self.num_rows}, but samples of {x} have {x.size} elements: "
                    "putting several frames into one, or one into several, is not supported",
                    0,
                )
            return x.dense().with_shape(self._sample())
        if not x.is_complete:
            return x.dense().with_shape((self.num_rows, None))
        if x.size % self.num_rows:
            raise ShapeError(f"the {x.size} elements of {x} do not fill rows of {self.num_rows}", 0)
        return x.dense().with_shape((self.num_rows, x.size // self.num_rows))

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
