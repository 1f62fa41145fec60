"""Parts of images: pooling of regions of interest, and cropping."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from graphc.ir import Context, Cost, Op, ShapeError, TensorType, op
from graphc.ir.layout import along
from graphc.ops.rules import result_type


@op
class ROIPooling(Op):
    """The maximum of every bin of every region of interest, of an image [W x H x C]; 0 where a bin is empty.

    ``ROIs`` are columns (x1, y1, x2, y2) in pixels of the picture that the image was computed from, of which the image
    is ``spatialScale`` times the size. ``shape`` is the number of bins (width : height) of every region; the result is
    [width x height x C x regions]. Only the image has a gradient, at the first maximum of each bin.

    Example: ``ROIPooling ([2 x 2 x 1 x *] 1 2 3 4, [4 x 1 x *] 0 0 1 1, shape=2:1, spatialScale=1.0) = [2 x 1 x 1 x 1 x *] 3 4``
    """  # noqa: E501 (an example is one line)

    names: ClassVar = ("ROIPooling",)
    family: ClassVar = "pooling"
    arity: ClassVar = (2, 2)
    operands: ClassVar = ("input", "ROIs")
    no_gradient: ClassVar = frozenset({1})

    shape: tuple[int, ...]
    spatial_scale: float = 0.0625

    def infer(self, image: TensorType, regions: TensorType) -> TensorType:
        if len(self.shape) != 2 or min(self.shape) < 1:
            raise ShapeError(f"shape is {' : '.join(map(str, self.shape))}, expected width : height of the result")
        if not self.spatial_scale > 0:
            raise ShapeError(f"spatialScale is {self.spatial_scale:g}, expected more than 0")
        if image.is_complete and image.rank != 3:
            raise ShapeError(f"the input is {image}, expected an image [width x height x channels]", 0)
        if regions.is_complete and (regions.rank > 2 or regions.dim(1) != 4):
            raise ShapeError(f"the regions are {regions}, expected [4 x regions]", 1)
        for axis, bins in enumerate(self.shape, 1):
            size = image.dim(axis)
            if image.is_complete and size is not None and size < bins:
                raise ShapeError(f"the input {image} is smaller than the {bins} bins along axis {axis}", 0)
        return result_type((*self.shape, image.dim(3), regions.dim(2)), image, regions)

    def evaluate(self, c: Context, image: Any, regions: Any) -> Any:
        bins = [self._maximum(c.xp, values) for values in self._bins(c, image, regions)]
        return self._arrange(c.xp.stack(bins, axis=-1))

    def pullback(self, c: Context, xs: Sequence[Any], y: Any, g: Any) -> Sequence[Any]:
        image, regions = xs
        places = c.xp.arange(c.operands[0].dims[0] * c.operands[0].dims[1])
        total = c.xp.zeros((), image.dtype)
        for number, values in enumerate(self._bins(c, image, regions)):
            is_first = places == values.argmax(axis=-1)[..., None]
            is_first = is_first & (values > -math.inf)
            column, row = number % self.shape[0], number // self.shape[0]
            total = total + c.xp.where(is_first, g[..., row, column][..., None], 0)
        # (frames, regions, channels, places): regions add up
        found = total.sum(axis=-3)
        return found.reshape((*found.shape[:-1], *image.shape[-2:])), None

    def _bins(self, c: Context, image: Any, regions: Any) -> Iterator[Any]:
        """For each bin, rows of bins behind each other, the image with -inf outside it.

        Shape (frames, regions, channels, places), without frames where no operand has them.
        """
        xp, (width, height, channels) = c.xp, c.operands[0].dims
        lead = image.shape[: c.operands[0].axis is not None]
        flat = image.reshape((*lead, 1, channels, height * width))
        corners = regions.reshape((*regions.shape[: c.operands[1].axis is not None], -1, 4)) * self.spatial_scale
        # half away from zero
        corners = xp.where(corners >= 0, xp.floor(corners + 0.5), xp.ceil(corners - 0.5))
        columns = _inside(xp, corners[..., 0], corners[..., 2], self.shape[0], width)
        rows = _inside(xp, corners[..., 1], corners[..., 3], self.shape[1], height)
        for row in rows:
            for column in columns:
                mask = row[..., :, None] & column[..., None, :]
                mask = mask.reshape((*mask.shape[:-2], 1, height * width))
                yield xp.where(mask, flat, xp.asarray(-math.inf, image.dtype))

    def _maximum(self, xp: Any, values: Any) -> Any:
        found = values.max(axis=-1)
        return xp.where(found > -math.inf, found, xp.zeros((), found.dtype))

    def _arrange(self, bins: Any) -> Any:
        return bins.reshape((*bins.shape[:-1], self.shape[1], self.shape[0]))

    def cost(self, result: TensorType, *types: TensorType) -> Cost:
        return Cost(float(result.size * types[0].dims[0] * types[0].dims[1]), super().cost(result, *types).bytes)


def _inside(xp: Any, begin: Any, end: Any, bins: int, size: int) -> list[Any]:
    """For each bin, the positions of an axis inside it: ``(…, regions, size)``."""
    extent = xp.maximum(end - begin + 1, 1)
    place = xp.arange(size)
    found = []
    for i in range(bins):
        low = xp.floor(i * extent / bins) + begin
        high = xp.ceil((i + 1) * extent / bins) + begin
        found.append((place >= low[..., None]) & (place < high[..., None]))
    return found


@op
class Crop(Op):
    """The part of ``a`` that has the width and height of ``b``, from column ``xOffset`` and row ``yOffset`` on.

    Of ``b`` only the shape counts. Offsets that are not given follow from how a and b come from one image through
    convolutions, pooling and elementwise operations, or a from eqA and b from eqB, which are taken for one image.

    Example: ``Crop ([3 x 2] 1 2 3 4 5 6, [2 x 1] 0 0, xOffset=1, yOffset=1) = [2 x 1] 5 6``
    """

    names: ClassVar = ("Crop",)
    family: ClassVar = "shaping"
    arity: ClassVar = (2, 4)
    operands: ClassVar = ("a", "b", "eqA", "eqB")
    no_gradient: ClassVar = frozenset({1, 2, 3})

    x_offset: int | None = None
    y_offset: int | None = None

    @property
    def has_offsets(self) -> bool:
        """Whether both are given; else they are the compiler's to find (graphc.network.cropping)."""
        return self.x_offset is not None and self.y_offset is not None

    def infer(self, a: TensorType, b: TensorType, *anchors: TensorType) -> TensorType:
        if len(anchors) == 1:
            raise ShapeError("Crop takes 2 inputs, or 4: eqA needs its eqB")
        shape = (b.dim(1), b.dim(2), *a.shape[2:])
        for axis, offset in ((1, self.x_offset), (2, self.y_offset)):
            size, wanted = a.dim(axis), b.dim(axis)
            if None not in (offset, size, wanted) and not 0 <= offset <= size - wanted:  # type: ignore[operator]
                raise ShapeError(f"{wanted} elements from {offset} on are outside axis {axis} of {a}", 0)
        return result_type(shape, a, b)

    def check(self, a: TensorType, b: TensorType, *anchors: TensorType) -> None:
        if a.rank < 2 or b.rank < 2:
            raise ShapeError(f"images have a width and a height, but a is {a} and b is {b}", 0, 1)
        if not self.has_offsets:
            hint = "give xOffset and yOffset"
            raise ShapeError("offsets of Crop are derived in a network only", hint=hint)

    def evaluate(self, c: Context, a: Any, b: Any, *anchors: Any) -> Any:
        assert self.x_offset is not None and self.y_offset is not None, self
        width, height = c.result.dims[:2]
        a = a[along(1, slice(self.x_offset, self.x_offset + width))]
        a = a[along(2, slice(self.y_offset, self.y_offset + height))]
        frames = b.shape[:1] if c.result.axis is not None and c.operands[0].axis is None else ()
        return c.xp.broadcast_to(a, (*frames, *a.shape))
