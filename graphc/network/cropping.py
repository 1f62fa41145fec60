"""Where a `Crop` cuts when its author gives no offsets: from how both operands come from one image.

Along each spatial axis, every operation on the way takes a position of its input to one of its result by
``y = scale * x + shift``; walking down from an operand puts these maps together. At the image that both operands come
from, the two maps together say which position of ``a`` the first position of ``b`` is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from graphc.ir import ShapeError, TensorType
from graphc.network.network import NetworkNode
from graphc.ops.convolution import Convolution
from graphc.ops.geometry import AxisGeometry, channels_first
from graphc.ops.normalization import BatchNormalization
from graphc.ops.pooling import PoolingBase
from graphc.ops.regions import Crop
from graphc.ops.sources import LearnableParameter
from graphc.ops.unpooling import MaxUnpooling

_HINT = "give xOffset and yOffset"


@dataclass(frozen=True)
class _Map:
    """``y = scale * x + shift``."""

    scale: Fraction = Fraction(1)
    shift: Fraction = Fraction(0)

    def after(self, first: _Map) -> _Map:
        return _Map(self.scale * first.scale, self.scale * first.shift + self.shift)

    def inverse(self) -> _Map:
        return _Map(1 / self.scale, -self.shift / self.scale)


_Maps = tuple[_Map, _Map]
_SAME: _Maps = (_Map(), _Map())


def offsets(node: NetworkNode) -> tuple[int, int]:
    """``xOffset`` and ``yOffset`` of a crop whose operands have complete types; raises `ShapeError`."""
    a, b, *anchors = node.inputs
    of_a, of_b = dict(_walk(a)), _walk(b)
    if anchors:
        common, partner = dict(of_b).get(anchors[1]), of_a.get(anchors[0])
    else:
        common, partner = next(((maps, of_a[image]) for image, maps in of_b if image in of_a), (None, None))
    if common is None or partner is None:
        origin = "eqA and eqB" if anchors else "one image"
        message = f"the offsets cannot be derived: the operands do not come from {origin} through convolutions, "
        raise ShapeError(message + "pooling and elementwise operations", 0, 1, hint=_HINT)
    x, y = (
        _offset(to.after(back.inverse()), axis) for axis, (to, back) in enumerate(zip(common, partner, strict=True), 1)
    )
    return x, y


def _offset(to_b: _Map, axis: int) -> int:
    """Of what takes positions of a to positions of b."""
    if to_b.scale != 1:
        message = f"along axis {axis}, a step in the second operand is {1 / to_b.scale} steps in the first, not one"
        raise ShapeError(message, 0, 1)
    if to_b.shift > 0 or to_b.shift.denominator != 1:
        raise ShapeError(f"along axis {axis}, the second operand begins at position {-to_b.shift} of the first", 0, 1)
    return int(-to_b.shift)


def _walk(root: NetworkNode) -> Iterator[tuple[NetworkNode, _Maps]]:
    """Every image below the root, nearest first, with the maps that take its positions to the root's."""
    found: dict[NetworkNode, _Maps] = {root: _SAME}
    waiting = deque([root])
    while waiting:
        node = waiting.popleft()
        yield node, found[node]
        for child, step in _steps(node):
            maps = tuple(outer.after(inner) for outer, inner in zip(found[node], step, strict=True))
            if child not in found:
                found[child] = (maps[0], maps[1])
                waiting.append(child)
            elif found[child] != maps:
                message = f"the offsets cannot be derived: two ways from {child.name} move the image differently"
                raise ShapeError(message, 0, 1, hint=_HINT)


def _steps(node: NetworkNode) -> Iterator[tuple[NetworkNode, _Maps]]:
    """The images that a node reads, with maps from their positions to its own; none where it keeps no positions."""
    if not channels_first(getattr(node.op, "image_layout", "CHW")):
        return
    match node.op:
        case Convolution():
            image = node.inputs[1]
            maps = _windows(node.op.geometry(_type(image)))
            # the adjoint puts a position where a convolution would have read it
            yield image, maps if node.op.transpose else _inverses(maps)
        case PoolingBase():
            (image,) = node.inputs
            yield image, _inverses(_windows(node.op.geometry(_type(image))))
        case MaxUnpooling():
            pooled, image = node.inputs
            yield pooled, _windows(node.op.geometry(_type(image)))
            yield image, _SAME
        case Crop():
            x, y = node.op.x_offset, node.op.y_offset
            if x is not None and y is not None:
                yield node.inputs[0], (_Map(shift=Fraction(-x)), _Map(shift=Fraction(-y)))
        case BatchNormalization():
            yield node.inputs[0], _SAME
        case op if op.aligned:
            yield from ((n, _SAME) for n in node.inputs if not isinstance(n.op, LearnableParameter))


def _windows(axes: list[AxisGeometry]) -> _Maps:
    """From the number of a window to the position at its centre."""
    x, y = (_Map(Fraction(a.stride), Fraction((a.kernel - 1) * a.dilation // 2 - a.low)) for a in axes[:2])
    return x, y


def _inverses(maps: _Maps) -> _Maps:
    x, y = (m.inverse() for m in maps)
    return x, y


def _type(node: NetworkNode) -> TensorType:
    if node.type is None or not node.type.is_complete or node.type.rank < 2:
        raise ShapeError(f"the offsets cannot be derived: {node.name} is no image", 0, 1, hint=_HINT)
    return node.type
