"""How to apply the operators that move windows over images: most random attributes of these would fit nothing."""

from __future__ import annotations

import math
from typing import Any

from graphc.ir import Node, Op
from graphc.ops.convolution import Convolution
from graphc.ops.legacy_convolution import LegacyConvolution
from graphc.ops.pooling import AveragePooling, MaxPooling, Pooling
from graphc.ops.regions import ROIPooling
from graphc.ops.unpooling import MaxUnpooling
from graphc.testing.drawing import Drawing, divisors

_LARGEST = 5


def image(d: Drawing, least: int = 1) -> Node:
    """An operand of up to three axes, larger than others."""
    return d.anything(ranks=(least, 3), largest=_LARGEST)


def convolution(d: Drawing, cls: type[Op]) -> Node:
    if d.choices.integer(0, 2) == 2:
        return _adjoint(d)
    x = image(d)
    groups = d.choices.one_of(divisors(x.type.dims[-1])) if d.choices.integer(0, 2) == 2 else 1

    def proposal() -> Convolution:
        maps = groups * d.choices.integer(1, 3 if groups == 1 else 2)
        return _tried(Convolution(**_windows(d, x, dilated=True), map_dims=(maps,), groups=groups), x)

    op = d.attempt(proposal, lambda: Convolution((1,), (d.choices.integer(1, 3),)))
    return op(_weights(d, op.kernel_shape(x.type)), x)


def _tried(op: Convolution, x: Node) -> Convolution:
    """The operator itself; raises `ShapeError` where it does not fit the input."""
    op.infer(x.type.with_axis(None).with_shape((None,)), x.type)
    return op


def _adjoint(d: Drawing) -> Node:
    c = d.choices
    maps = c.integer(1, 3)
    x = d.shaped((*d.shape(1, 2, 4), maps * c.integer(1, 2)))
    spatial = x.type.rank - 1

    def proposal() -> Convolution:
        kernel = (*(c.integer(1, 3) for _ in range(spatial)), c.integer(1, 3))
        stride = (*(c.integer(1, 2) for _ in range(spatial)), kernel[-1])
        auto = c.flag()
        pads: dict[str, Any] = {} if auto else {"lower_pad": (c.integer(0, 1),), "upper_pad": (c.integer(0, 1),)}
        return _tried(Convolution(kernel, (maps,), stride, auto_padding=(auto,), transpose=True, **pads), x)

    simple = Convolution((1,) * (spatial + 1), (maps,), transpose=True)
    op = d.attempt(proposal, lambda: simple)
    return op(_weights(d, op.kernel_shape(x.type)), x)


def _weights(d: Drawing, shape: tuple[int, ...]) -> Node:
    if d.choices.integer(0, 3) == 3:
        return d.shaped((shape[-1], math.prod(shape[:-1])), frames=False)
    return d.shaped(shape, frames=False)


def legacy_convolution(d: Drawing, cls: type[Op]) -> Node:
    c, x = d.choices, image(d, 3)
    kernel = [c.integer(1, min(size, 3)) for size in x.type.dims[1:]]
    strides = [c.integer(1, size) for size in kernel]
    attributes: Any = (*kernel, c.integer(1, 3), *strides, c.flag())
    op = LegacyConvolution(*attributes)
    return op(d.shaped((op.map_count, x.type.dims[0] * math.prod(kernel)), frames=False), x)


def pooling(d: Drawing, cls: type[Op]) -> Node:
    c, x = d.choices, image(d)
    kind = c.one_of(("max", "average"))

    def proposal() -> Node:
        more: dict[str, Any] = {"ceil_out_dim": c.flag(), "include_pad": c.flag()}
        return Pooling(kind, **_windows(d, x, dilated=False), **more)(x)

    return d.attempt(proposal, lambda: Pooling(kind, (1,))(x))


def image_pooling(d: Drawing, cls: type[Op]) -> Node:
    c, x = d.choices, image(d, 3)
    assert issubclass(cls, MaxPooling | AveragePooling)
    layout = c.one_of(("CHW", "HWC"))
    sizes = x.type.dims[:2] if layout == "CHW" else x.type.dims[1:]
    kernel = [c.integer(1, min(size, 3)) for size in sizes]
    attributes: Any = (*kernel, c.integer(1, 3), c.integer(1, 3), layout)
    return cls(*attributes)(x)


def unpooling(d: Drawing, cls: type[Op]) -> Node:
    x = image(d)

    def proposal() -> MaxUnpooling:
        op = MaxUnpooling(**_windows(d, x, dilated=False))
        Pooling("max", op.kernel_dims, op.stride, op.auto_padding, op.lower_pad, op.upper_pad)(x)
        return op

    op = d.attempt(proposal, lambda: MaxUnpooling((1,)))
    return op(d.shaped(tuple(axis.windows for axis in op.geometry(x.type))), x)


def roi_pooling(d: Drawing, cls: type[Op]) -> Node:
    c, x = d.choices, image(d, 3)
    bins = tuple(c.integer(1, min(size, 3)) for size in x.type.dims[:2])
    return ROIPooling(bins, c.one_of((1.0, 0.5, 0.0625)))(x, d.shaped((4, *d.shape(0, 1))))


def _windows(d: Drawing, x: Node, *, dilated: bool) -> dict[str, Any]:
    """Attributes of windows for some of the first axes of an image."""
    c = d.choices
    count = c.integer(1, x.type.rank)
    own = range(c.integer(1, count))
    found: dict[str, Any] = {
        "kernel_dims": tuple(c.integer(1, min(3, size)) for size in x.type.dims[:count]),
        "stride": tuple(c.integer(1, 3) for _ in own),
        "auto_padding": tuple(c.flag() for _ in own),
    }
    if not any(found["auto_padding"]) and c.flag():
        found |= {"lower_pad": tuple(c.integer(0, 2) for _ in own), "upper_pad": tuple(c.integer(0, 2) for _ in own)}
    if dilated and c.flag():
        found["dilation"] = tuple(c.integer(1, 2) for _ in own)
    return found
