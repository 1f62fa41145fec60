"""Convolution: channels last, kernels as (height, width, in, out); value and gradients each in their fastest form."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from graphc.backends.xla import depthwise, forms
from graphc.backends.xla.lowering import full_precision, lowers_values
from graphc.backends.xla.values import Value
from graphc.ir import Context
from graphc.ops.convolution import Convolution
from graphc.ops.geometry import AxisGeometry

Axes = depthwise.Axes
# (images, kernels, axes, groups) → images
Form = Callable[[Any, Any, Axes, int], Any]

# Forms that spell out kernel elements or groups make programs that grow with their number.
_MOST_SHIFTS = 64
_MOST_SPLITS = 32
# a kernel filled up with zeros multiplies so many times more
_MOST_GROUPS_FILLED = 8

# where a group is one channel
DEPTHWISE: Mapping[str, Form] = {"shifts": depthwise.shifted, "edges": depthwise.edged}


@lowers_values(Convolution)
def convolution(op: Convolution, c: Context, weights: Value, image: Value) -> Value:
    *spatial, channels = op.geometry(c.operands[1])
    is_whole = op.groups > 1 or _is_whole(channels)
    is_plain = op.is_shared and is_whole
    if image.type.axis is None or weights.type.axis is not None or not spatial or not is_plain:
        return Value(c.result, op.evaluate(c, weights.array, image.dense))
    axes = tuple(reversed(spatial))
    if weights.kept is not None:
        return Value(c.result, channels_last=convolve(image.channels_last, weights.kept, axes, op.groups))
    # the memory of the weights is the kernels', whatever shape they were declared with
    kernel = weights.array.reshape(tuple(reversed(op.kernel_shape(c.operands[1]))))
    if op.transpose:
        return Value(c.result, channels_last=_transposed(image.channels_last, kernel, axes))
    kernel = jnp.moveaxis(kernel, (1, 0), (-2, -1))
    return Value(c.result, channels_last=convolve(image.channels_last, kernel, axes, op.groups))


def _is_whole(channels: AxisGeometry) -> bool:
    """Whether each kernel covers the channels exactly once."""
    return channels.kernel == channels.size and channels.windows == 1 and channels.low == 0


def convolve(x: Any, kernel: Any, axes: Axes, groups: int = 1) -> Any:
    """Images under kernels; value, gradient of the images and gradient of the kernels each in a form of its own.

    A convolution is linear in either operand, so that the gradient of any form is that of all.
    """
    known, choices = facts(x, kernel, axes, groups), available(kernel, groups)

    @jax.custom_vjp
    def call(x: Any, kernel: Any) -> Any:
        value = {name: partial(of_value, form, axes, groups) for name, form in choices.items()}
        return forms.apply("convolution", "value", known, value, x, kernel)

    def call_forward(x: Any, kernel: Any) -> Any:
        return call(x, kernel), (x, kernel)

    def call_backward(saved: Any, g: Any) -> Any:
        with full_precision():
            return tuple(
                forms.apply("convolution", part, known, adjoints(part, choices, axes, groups), *saved, g)
                for part in GRADIENTS
            )

    call.defvjp(call_forward, call_backward)
    return call(x, kernel)


def of_value(form: Form, axes: Axes, groups: int, x: Any, kernel: Any) -> Any:
    """The images under the kernels."""
    return form(x, kernel, axes, groups)


def of_images(form: Form, axes: Axes, groups: int, x: Any, kernel: Any, g: Any) -> Any:
    """Gradient of the images."""
    return jax.vjp(lambda x: form(x, kernel, axes, groups), x)[1](g)[0]


def of_kernels(form: Form, axes: Axes, groups: int, x: Any, kernel: Any, g: Any) -> Any:
    """Gradient of the kernels."""
    return jax.vjp(lambda kernel: form(x, kernel, axes, groups), kernel)[1](g)[0]


GRADIENTS: Mapping[str, Callable[..., Any]] = {"of images": of_images, "of kernels": of_kernels}


def adjoints(part: str, choices: Mapping[str, Form], axes: Axes, groups: int) -> forms.Forms:
    """The forms of a gradient: those of the value, transposed, where a group is one channel others."""
    of_channels = choices.keys() & DEPTHWISE.keys()
    transposed = {n: partial(GRADIENTS[part], f, axes, groups) for n, f in choices.items() if n not in of_channels}
    others = depthwise.GRADIENTS[part] if of_channels else {}
    return {**transposed, **{n: partial(f, axes, groups) for n, f in others.items()}}


def facts(x: Any, kernel: Any, axes: Axes, groups: int) -> forms.Facts:
    """What a convolution is to the table of measurements: not the number of frames, which may not be known."""
    each, maps = kernel.shape[-2:]
    return {
        "kind": "plain" if groups == 1 else "depthwise" if each == 1 else "grouped",
        "groups": groups,
        "channels a group": each,
        "maps a group": maps // groups,
        "kernel": math.prod(a.kernel for a in axes),
        "windows": math.prod(a.windows for a in axes),
        "stride": max(a.stride for a in axes),
    }


def available(kernel: Any, groups: int) -> Mapping[str, Form]:
    """The forms that suit a kernel, the plain one first."""
    shifts, each = math.prod(kernel.shape[:-2]), kernel.shape[-2]
    found: dict[str, Form] = {"convolution": convolved}
    if shifts <= _MOST_SHIFTS:
        if groups == 1:
            found["rows"] = as_rows
        if each == 1:
            found.update(DEPTHWISE)
    if 1 < groups <= _MOST_SPLITS:
        found["split"] = split
    if 1 < groups <= _MOST_GROUPS_FILLED:
        found["filled"] = filled
    return found


def convolved(x: Any, kernel: Any, axes: Axes, groups: int) -> Any:
    """XLA's own convolution."""
    return lax.conv_general_dilated(
        x,
        kernel,
        [a.stride for a in axes],
        [(a.low, a.high) for a in axes],
        rhs_dilation=[a.dilation for a in axes],
        dimension_numbers=_dimension_numbers(len(axes)),
        feature_group_count=groups,
        precision=lax.Precision.HIGHEST,
    )


def as_rows(x: Any, kernel: Any, axes: Axes, groups: int) -> Any:
    """One matrix product, its left operand a row a window; without groups."""
    assert groups == 1, groups
    rows = jnp.concatenate([part for _, part in depthwise.shifts(x, axes)], axis=-1)
    y = rows.reshape(-1, rows.shape[-1]) @ kernel.reshape(-1, kernel.shape[-1])
    return y.reshape(*rows.shape[:-1], kernel.shape[-1])


def split(x: Any, kernel: Any, axes: Axes, groups: int) -> Any:
    """A convolution for each group, behind one another."""
    parts = zip(jnp.split(x, groups, -1), jnp.split(kernel, groups, -1), strict=True)
    return jnp.concatenate([convolved(image, kernels, axes, 1) for image, kernels in parts], axis=-1)


def filled(x: Any, kernel: Any, axes: Axes, groups: int) -> Any:
    """One convolution without groups; the kernels are filled up with zeros for the channels of other groups."""
    *spatial, each, maps = kernel.shape
    own = jnp.eye(groups, dtype=kernel.dtype)[:, None, :, None]
    full = kernel.reshape(*spatial, 1, each, groups, maps // groups) * own
    return convolved(x, full.reshape(*spatial, groups * each, maps), axes, 1)


def _transposed(x: Any, kernel: Any, axes: Axes) -> Any:
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
