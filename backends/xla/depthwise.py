"""Forms of a convolution whose groups are one channel each: elementwise products in place of matrix products.

XLA's own convolution runs these one number at a time. All forms are channels last and take any number of axes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
from jax import lax

from graphc.backends.xla.arithmetic import widened
from graphc.ops.geometry import AxisGeometry

Axes = Sequence[AxisGeometry]
Offset = tuple[int, ...]

# A loop over rows spells out so many products at most; more are hardly faster and compile longer.
_MOST_ROWS = 8
_MOST_PRODUCTS = 128
# and a step takes several images where they are small, but no more sums a kernel element than stay in the caches
_MOST_SUMS = 4096


def shifts(x: Any, axes: Axes) -> Iterator[tuple[Offset, Any]]:
    """For each element of the kernel, what it sees of the images in all windows."""
    padded = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *((a.low, a.high, 0) for a in axes), (0, 0, 0)])
    for offset in _offsets(axes):
        yield offset, padded[(slice(None), *map(_seen, offset, axes))]


def shifted(x: Any, kernel: Any, axes: Axes, groups: int) -> Any:
    """The sum over kernel elements of the shifted images times that element."""
    total: Any = 0
    for offset, part in shifts(widened(x), axes):
        total = total + _of_maps(part, kernel.shape[-1], groups) * widened(kernel[offset][0])
    return total.astype(x.dtype)


def edged(x: Any, kernel: Any, axes: Axes, groups: int) -> Any:
    """The same, with zeros put round the products: images are not copied to be padded, but each product has borders."""
    total: Any = 0
    for offset in _offsets(axes):
        inside = [_inside(j, a) for j, a in zip(offset, axes, strict=True)]
        part = widened(x)[(slice(None), *(index for index, _ in inside))]
        product = _of_maps(part, kernel.shape[-1], groups) * widened(kernel[offset][0])
        borders = [(0, 0, 0), *(border for _, border in inside), (0, 0, 0)]
        total = total + lax.pad(product, jnp.zeros((), product.dtype), borders)
    return total.astype(x.dtype)


def turned(axes: Axes, groups: int, x: Any, kernel: Any, g: Any) -> Any:
    """Gradient of the images as shifts of its own, under the kernel turned round.

    Transposed shifts would be a sum of padded arrays, into each of which XLA fuses whatever makes the gradient.
    With strides, positions that are equal modulo the stride see the same elements of the kernel: one sum each.
    """
    seen = [[_elements(a, r) for r in range(a.stride)] for a in axes]
    sizes = [-(-a.size // a.stride) for a in axes]
    firsts = [[first for elements in of_axis for _, first in elements] for of_axis in seen]
    lows = [max(0, -min(found)) for found in firsts]
    highs = [max(0, max(f) + n - a.windows) for f, n, a in zip(firsts, sizes, axes, strict=True)]
    borders = [(low, high, 0) for low, high in zip(lows, highs, strict=True)]
    g = widened(g)
    padded = lax.pad(g, jnp.zeros((), g.dtype), [(0, 0, 0), *borders, (0, 0, 0)])
    sums = []
    for elements in itertools.product(*seen):
        total: Any = jnp.zeros((g.shape[0], *sizes, g.shape[-1]), g.dtype)
        for element in itertools.product(*elements):
            starts = [low + first for low, (_, first) in zip(lows, element, strict=True)]
            index = (slice(start, start + n) for start, n in zip(starts, sizes, strict=True))
            total = total + padded[(slice(None), *index)] * widened(kernel[tuple(j for j, _ in element)][0])
        sums.append(total)
    found = _interleaved(sums, axes)[(slice(None), *(slice(a.size) for a in axes))]
    return _over_maps(found, groups, x.shape[-1]).astype(x.dtype)


def sums(axes: Axes, groups: int, x: Any, kernel: Any, g: Any) -> Any:
    """Gradient of the kernels; the sums over windows are products with a row of ones.

    XLA's CPU compiler makes slow loops of reductions that leave the last axis.
    """
    maps = kernel.shape[-1]
    x, g = widened(x), widened(g)
    ones = jnp.ones((1, math.prod(g.shape[:-1])), g.dtype)
    parts = [ones @ (_of_maps(part, maps, groups) * g).reshape(-1, maps) for _, part in shifts(x, axes)]
    return jnp.concatenate(parts).reshape(kernel.shape).astype(kernel.dtype)


def running_sums(axes: Axes, groups: int, x: Any, kernel: Any, g: Any) -> Any:
    """Gradient of the kernels; a loop over some rows of windows at a time adds to a row of sums a kernel element.

    What a step reads and writes stays in the processor's caches. The rows of the next step are part of the loop's
    state, because XLA would fuse their selection into each sum and not vectorise it.
    """
    if g.shape[0] == 0:
        return jnp.zeros_like(kernel)
    a, *others = axes
    maps, elements = kernel.shape[-1], math.prod(kernel.shape[:-2])
    rows, steps, read = _in_steps(axes, widened(x), widened(g), elements)

    def add(step: Any, state: Any) -> Any:
        (image, gradient), totals = state
        image = _of_maps(image, maps, groups)
        found = []
        for total, (i, *offset) in zip(totals, _offsets(axes), strict=True):
            index = tuple(map(_seen, offset, others))
            for row in range(rows):
                total = total + image[(slice(None), row * a.stride + i * a.dilation, *index)] * gradient[:, row]
            found.append(total)
        return read(jnp.minimum(step + 1, steps - 1)), found

    first = read(0)
    totals = [jnp.zeros_like(first[1][:, 0])] * elements
    _, totals = lax.fori_loop(0, steps, add, (first, totals))
    return jnp.stack([t.reshape(-1, maps).sum(0) for t in totals]).reshape(kernel.shape).astype(kernel.dtype)


def _in_steps(axes: Axes, x: Any, g: Any, elements: int) -> tuple[int, Any, Callable[[Any], tuple[Any, Any]]]:
    """How many rows of windows a step takes, how many steps there are, and what each sees of images and gradient."""
    a, *others = axes
    blocks = -(-a.windows // max(1, min(_MOST_ROWS, _MOST_PRODUCTS // elements)))
    rows = -(-a.windows // blocks)
    spread = (a.kernel - 1) * a.dilation + 1
    high = (blocks * rows - 1) * a.stride + spread - a.size - a.low
    borders = [(0, 0, 0), (a.low, high, 0), *((b.low, b.high, 0) for b in others), (0, 0, 0)]
    x = lax.pad(x, jnp.zeros((), x.dtype), borders)
    g = lax.pad(g, jnp.zeros((), g.dtype), [(0, 0, 0), (0, blocks * rows - a.windows, 0), *[(0, 0, 0)] * len(axes)])
    images = _images_a_step(g.shape[0], math.prod(g.shape[2:]))

    def block(of: Any, step: Any, stride: int, size: int) -> Any:
        starts = (step // blocks * images, step % blocks * rows * stride, *[0] * len(axes))
        return lax.dynamic_slice(of, starts, (images, size, *of.shape[2:]))

    def read(step: Any) -> tuple[Any, Any]:
        return block(x, step, a.stride, (rows - 1) * a.stride + spread), block(g, step, 1, rows)

    return rows, g.shape[0] // images * blocks, read


GRADIENTS: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    "of images": {"turned": turned},
    "of kernels": {"sums": sums, "running sums": running_sums},
}


def _offsets(axes: Axes) -> Iterator[Offset]:
    return itertools.product(*(range(a.kernel) for a in axes))


def _images_a_step(images: Any, sums: int) -> int:
    """How many images add to sums of their own, so many an image, in one step of a loop."""
    if not isinstance(images, int):
        return 1  # not known yet
    return max(n for n in range(1, images + 1) if images % n == 0 and (n == 1 or n * sums <= _MOST_SUMS))


def _seen(element: int, axis: AxisGeometry) -> slice:
    """What an element of the kernel sees of a padded axis, in all windows."""
    start = element * axis.dilation
    return slice(start, start + (axis.windows - 1) * axis.stride + 1, axis.stride)


def _inside(element: int, axis: AxisGeometry) -> tuple[slice, tuple[int, int, int]]:
    """What an element of the kernel sees within the image, and how many windows before and behind see nothing."""
    first = element * axis.dilation - axis.low
    low = min(max(0, -(first // axis.stride)), axis.windows)
    high = max(0, axis.windows - max(low, -((first - axis.size) // axis.stride)))
    begin, count = first + low * axis.stride, axis.windows - low - high
    return slice(begin, begin + count * axis.stride, axis.stride) if count else slice(0, 0), (low, high, 0)


def _elements(axis: AxisGeometry, remainder: int) -> list[tuple[int, int]]:
    """Elements that see positions of this remainder modulo the stride, each with the window that sees the first."""
    reached = [(j, divmod(remainder + axis.low - j * axis.dilation, axis.stride)) for j in range(axis.kernel)]
    return [(j, window) for j, (window, rest) in reached if rest == 0]


def _interleaved(parts: Sequence[Any], axes: Axes) -> Any:
    """One array of those for each tuple of remainders modulo the strides."""
    for i, a in reversed(list(enumerate(axes, start=1))):
        if a.stride > 1:
            rows = [jnp.stack(parts[k : k + a.stride], axis=i + 1) for k in range(0, len(parts), a.stride)]
            parts = [y.reshape(*y.shape[:i], -1, *y.shape[i + 2 :]) for y in rows]
    (whole,) = parts
    return whole


def _of_maps(part: Any, maps: int, groups: int) -> Any:
    """What each kernel sees where a group is one channel; ready to broadcast where there is one group."""
    return jnp.repeat(part, maps // groups, axis=-1) if maps > groups > 1 else part


def _over_maps(found: Any, groups: int, channels: int) -> Any:
    """The sum over the kernels of each channel."""
    maps = found.shape[-1]
    return found if maps == channels else found.reshape(*found.shape[:-1], groups, maps // groups).sum(-1)
