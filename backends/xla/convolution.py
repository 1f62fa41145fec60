"""Convolution: channels last, kernels as (height, width, in, out), in the form that measured fastest."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jax import lax

from graphc.backends.xla.lowering import lowers_values
from graphc.backends.xla.values import Value
from graphc.ir import Context
from graphc.ops.convolution import Convolution
from graphc.ops.geometry import AxisGeometry

# On CPUs, up to so many numbers under a window the windows are laid out as rows of one matrix product: 1.3 to 1.8
# times faster forward and backward for images of 1 to 3 channels, slower for more (benchmarks/convolution.py).
MOST_WINDOW_NUMBERS_AS_ROWS = 27


@lowers_values(Convolution)
def convolution(op: Convolution, c: Context, weights: Value, image: Value) -> Value:
    *spatial, channels = op.geometry(c.operands[1])
    if image.type.axis is None or weights.type.axis is not None or not spatial or not _is_whole(channels):
        return Value(c.result, op.evaluate(c, weights.array, image.dense))
    axes = tuple(reversed(spatial))
    if weights.kept is not None:
        return Value(c.result, channels_last=_forward(image.channels_last, weights.kept, axes))
    # the memory of the weights is the kernels', whatever shape they were declared with
    kernel = weights.array.reshape(tuple(reversed(op.kernel_shape(c.operands[1]))))
    if op.transpose:
        return Value(c.result, channels_last=_transposed(image.channels_last, kernel, axes))
    return Value(c.result, channels_last=_forward(image.channels_last, jnp.moveaxis(kernel, (1, 0), (-2, -1)), axes))


def _is_whole(channels: AxisGeometry) -> bool:
    """Whether each kernel covers the channels exactly once."""
    return channels.kernel == channels.size and channels.windows == 1 and channels.low == 0


def _forward(x: Any, kernel: Any, axes: Sequence[AxisGeometry]) -> Any:
    numbers = math.prod(a.kernel for a in axes) * x.shape[-1]
    if numbers > MOST_WINDOW_NUMBERS_AS_ROWS:
        return _convolved(x, kernel, axes)
    return lax.platform_dependent(
        x, kernel, cpu=lambda x, k: _as_rows(x, k, axes), default=lambda x, k: _convolved(x, k, axes)
    )


def _convolved(x: Any, kernel: Any, axes: Sequence[AxisGeometry]) -> Any:
    return lax.conv_general_dilated(
        x,
        kernel,
        [a.stride for a in axes],
        [(a.low, a.high) for a in axes],
        rhs_dilation=[a.dilation for a in axes],
        dimension_numbers=_dimension_numbers(len(axes)),
        precision=lax.Precision.HIGHEST,
    )


def _as_rows(x: Any, kernel: Any, axes: Sequence[AxisGeometry]) -> Any:
    """The convolution as one matrix product, its left operand a row a window."""
    padded = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *((a.low, a.high, 0) for a in axes), (0, 0, 0)])
    parts = []
    for offsets in itertools.product(*(range(a.kernel) for a in axes)):
        starts = [j * a.dilation for j, a in zip(offsets, axes, strict=True)]
        index = [
            slice(start, start + (a.windows - 1) * a.stride + 1, a.stride)
            for start, a in zip(starts, axes, strict=True)
        ]
        parts.append(padded[(slice(None), *index)])
    rows = jnp.concatenate(parts, axis=-1)
    y = rows.reshape(-1, rows.shape[-1]) @ kernel.reshape(-1, kernel.shape[-1])
    return y.reshape(*rows.shape[:-1], kernel.shape[-1])


def _transposed(x: Any, kernel: Any, axes: Sequence[AxisGeometry]) -> Any:
    """The adjoint: the input spread by the stride, under the kernels turned round."""
    kernel = jnp.moveaxis(jnp.flip(kernel, tuple(range(2, kernel.ndim))), (0, 1), (-2, -1))
    return lax.conv_general_dilated(
        x,
        kernel,
        (1,) * len(axes),
        [_adjoint_pads(a) for a in axes],
        lhs_dilation=[a.stride for a in axes],
        dimension_numbers=_dimension_numbers(len(axes)),
        precision=lax.Precision.HIGHEST,
    )


def _adjoint_pads(axis: AxisGeometry) -> tuple[int, int]:
    low = axis.kernel - 1 - axis.low
    spread = (axis.windows - 1) * axis.stride + 1
    return low, axis.size - spread - low + axis.kernel - 1


def _dimension_numbers(rank: int) -> lax.ConvDimensionNumbers:
    image, kernel = (0, rank + 1, *range(1, rank + 1)), (rank + 1, rank, *range(rank))
    return lax.ConvDimensionNumbers(image, kernel, image)
