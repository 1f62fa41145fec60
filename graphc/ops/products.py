"""Matrix and tensor products."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from graphc.ir import Context, Cost, Dim, Op, Shape, ShapeError, TensorType, op
from graphc.ops.rules import result_type


class _Times(Op):
    family: ClassVar = "products"
    arity: ClassVar = (2, 2)
    operands: ClassVar = ("A", "B")
    takes_sparse: ClassVar = frozenset({1})

    output_rank: int
    infer_input_rank_to_map: int

    def left_shape(self, a: TensorType, b: TensorType) -> Shape:
        """Shape of the left operand as the product reads it: output axes, then the axes that are summed over.

        Axes that inference has yet to find are added as unknown ones. A matrix whose second dimension is the product
        of the first few of the right operand is read as that tensor: old models rely on it.
        """
        shape, o = a.shape, self.output_rank
        if o < 0:
            raise ShapeError(f"outputRank is {o}, expected 0 or more")
        if self.infer_input_rank_to_map < -1:
            raise ShapeError(f"inferInputRankToMap is {self.infer_input_rank_to_map}, expected -1 or more")
        if o > a.rank:
            if a.is_complete:
                raise ShapeError(f"outputRank is {o}, but the left operand is {a}", 0)
            return (*shape, *(None,) * (o - a.rank))
        if a.rank and shape[-1] is None and self.infer_input_rank_to_map >= 0:
            return (*shape, *(None,) * (o + b.rank - self.infer_input_rank_to_map - a.rank))
        if a.rank == 2 and o == 1 and b.is_complete and shape[1] not in (None, b.dim(1)):
            return (shape[0], *(_leading(shape[1], b.dims) or shape[1:]))
        return shape

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        left, o = self.left_shape(a, b), self.output_rank
        reduced, out = left[o:], left[:o]
        if a.shape[-1:] == (None,) and b.is_complete and self.infer_input_rank_to_map >= b.rank:
            raise ShapeError(
                f"inferInputRankToMap is {self.infer_input_rank_to_map}, but the right operand {b} "
                f"has no more axes than that, so none is left to sum over",
                1,
            )
        known = len(reduced) if b.is_complete else b.rank  # an incomplete operand may still grow axes
        if any(None not in (r, b.dim(k)) and r != b.dim(k) for k, r in enumerate(reduced[:known], 1)):
            raise ShapeError(f"inner dimensions differ: the left operand is {a}, the right is {b}", 0, 1)
        return result_type((*out, *b.shape[len(reduced) :]) or (1,), a, b)

    def offers(self, a: TensorType, b: TensorType) -> Iterable[tuple[int, Shape]]:
        if a.rank and a.shape[-1] is None:
            left = self.left_shape(a, b)
            out, reduced = left[: self.output_rank], left[self.output_rank :]
            yield 0, (*out, *(b.dim(k) if d is None else d for k, d in enumerate(reduced, 1)))

    def evaluate(self, c: Context, a: Any, b: Any) -> Any:
        left, right = c.operands
        shape, o = self.left_shape(left, right), self.output_rank
        rows, inner = _size(shape[:o]), _size(shape[o:])
        a = a.reshape((*a.shape[: left.axis is not None], inner, rows))
        b = b.reshape((*b.shape[: right.axis is not None], -1, inner))
        y = c.xp.matmul(b, a)
        return y.reshape((*y.shape[:-2], *reversed(c.result.dims)))

    def cost(self, result: TensorType, *types: TensorType) -> Cost:
        a, b = types
        inner = _size(self.left_shape(a, b)[self.output_rank :])
        return Cost(2.0 * result.size * inner, super().cost(result, *types).bytes)


@op
class Times(_Times):
    """The matrix product A * B: sums over the axes of A behind its first ``outputRank`` and the first axes of B.

    Axes of B that are left stay in the result. A parameter A of unknown dimensions takes them from B: exactly the axes
    that were declared, or, with ``inferInputRankToMap`` = m >= 0, all of B's but its last m. A number in place of an
    operand is `ElementTimes`.

    Example: ``Times ([2 x 3] 1 2 3 4 5 6, [3] 1 0 10) = [2] 51 62``
    Example: ``Times ([2 x 2] 1 2 3 4, [2 x 2] 1 0 0 10) = [2 x 2] 1 2 30 40``
    """

    names: ClassVar = ("Times",)

    output_rank: int = 1
    infer_input_rank_to_map: int = -1


@op
class QuantizedTimes(_Times):
    """`Times`; CNTK would round both operands to 16 bits, which only changes the result slightly and is not done.

    Example: ``QuantizedTimes ([1 x 2] 2 3, [2] 1 10) = [1] 32``
    """

    names: ClassVar = ("QuantizedTimes",)

    bit_smoothing_a: int = 1
    bit_smoothing_b: int = 1
    output_rank: int = 1
    infer_input_rank_to_map: int = -1


@op
class TransposeTimes(Op):
    """The transpose of A times B: sums over the first axis of both. A vector A gives the dot product.

    Example: ``TransposeTimes ([3 x 2] 1 2 3 4 5 6, [3] 1 0 10) = [2] 31 64``
    Example: ``TransposeTimes ([2] 1 2, [2] 3 4) = [1] 11``
    """

    names: ClassVar = ("TransposeTimes",)
    family: ClassVar = "products"
    arity: ClassVar = (2, 2)
    operands: ClassVar = ("A", "B")
    takes_sparse: ClassVar = frozenset({1})

    output_rank: int = 1

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        if self.output_rank != 1:
            raise ShapeError(f"outputRank is {self.output_rank}, TransposeTimes only knows 1")
        if a.rank > 2:
            raise ShapeError(f"the left operand is {a}: only vectors and matrices can be transposed", 0)
        if None not in (a.dim(1), b.dim(1)) and a.dim(1) != b.dim(1):
            raise ShapeError(f"first dimensions differ: the left operand is {a}, the right is {b}", 0, 1)
        return result_type((a.dim(2), *b.shape[1:]), a, b)

    def offers(self, a: TensorType, b: TensorType) -> Iterable[tuple[int, Shape]]:
        if a.rank and a.shape[0] is None:
            yield 0, (b.dim(1), *a.shape[1:])

    def evaluate(self, c: Context, a: Any, b: Any) -> Any:
        left, right = c.operands
        inner = left.dims[0]
        a = a.reshape((*a.shape[: left.axis is not None], -1, inner))
        b = b.reshape((*b.shape[: right.axis is not None], -1, inner))
        y = c.xp.matmul(b, a.swapaxes(-1, -2))
        return y.reshape((*y.shape[:-2], *reversed(c.result.dims)))

    def cost(self, result: TensorType, *types: TensorType) -> Cost:
        return Cost(2.0 * result.size * types[0].dims[0], super().cost(result, *types).bytes)


@op
class KhatriRaoProduct(Op):
    """All products of an element of vector a and one of vector b, as one vector in which a's index runs fastest.

    Example: ``KhatriRaoProduct ([2] 1 2, [3] 1 10 100) = [6] 1 2 10 20 100 200``
    """

    names: ClassVar = ("KhatriRaoProduct",)
    family: ClassVar = "products"
    arity: ClassVar = (2, 2)
    operands: ClassVar = ("a", "b")

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        for index, type in enumerate((a, b)):
            if type.rank != 1:
                raise ShapeError(f"operand {index + 1} is {type}, a vector was expected", index)
        known = None not in (a.dim(1), b.dim(1))
        return result_type((a.size * b.size if known else None,), a, b)

    def evaluate(self, c: Context, a: Any, b: Any) -> Any:
        y = b[..., :, None] * a[..., None, :]
        return y.reshape((*y.shape[:-2], c.result.size))


def _leading(size: Dim, dims: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shortest run of leading dimensions whose product is ``size``."""
    for count in range(1, len(dims) + 1):
        if _size(dims[:count]) == size:
            return dims[:count]
    return None


def _size(shape: Shape) -> int:
    size = 1
    for dim in shape:
        assert dim is not None, shape
        size *= dim
    return size
