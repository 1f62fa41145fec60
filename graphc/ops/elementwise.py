"""Operators that combine the elements of several operands, which broadcast."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from graphc.ir import Context, Op, Shape, ShapeError, TensorType, op
from graphc.ops.rules import broadcast, offer_others, result_type


class Elementwise(Op):
    """Base: operands of fewer axes get axes of 1 behind their last, and axes of 1 are repeated."""

    family: ClassVar = "elementwise"
    arity: ClassVar = (2, 2)
    operands: ClassVar = ("x", "y")
    aligned: ClassVar = True

    def infer(self, *types: TensorType) -> TensorType:
        return broadcast(*types)

    def offers(self, *types: TensorType) -> Iterable[tuple[int, Shape]]:
        return offer_others(*types)


@op
class Plus(Elementwise):
    """x + y. Axes are aligned at the first: a bias [3] is added to every column of [3 x 2].

    Example: ``Plus ([3 x 2] 1 2 3 4 5 6, [3] 10 20 30) = [3 x 2] 11 22 33 14 25 36``
    """

    names: ClassVar = ("Plus",)

    def evaluate(self, c: Context, x: Any, y: Any) -> Any:
        return x + y


@op
class Minus(Elementwise):
    """x - y.

    Example: ``Minus ([2] 5 7, [1] 1) = [2] 4 6``
    """

    names: ClassVar = ("Minus",)

    def evaluate(self, c: Context, x: Any, y: Any) -> Any:
        return x - y


@op
class ElementTimes(Elementwise):
    """x .* y, the product of elements; ``Scale (s, x)`` is the same.

    Example: ``ElementTimes ([2] 2 3, [1 x 2] 1 10) = [2 x 2] 2 3 20 30``
    """

    names: ClassVar = ("ElementTimes", "Scale", "ColumnElementTimes", "RowElementTimes")

    def evaluate(self, c: Context, x: Any, y: Any) -> Any:
        return x * y


@op
class DiagTimes(Op):
    """A diagonal matrix, given as vector d ([N] or [N x 1]), times X: row i of X times d[i]. The result is like X.

    Example: ``DiagTimes ([2 x 1] 2 10, [2 x 2] 1 2 3 4) = [2 x 2] 2 20 6 40``
    """

    names: ClassVar = ("DiagTimes",)
    family: ClassVar = "elementwise"
    arity: ClassVar = (2, 2)
    operands: ClassVar = ("d", "X")

    def infer(self, d: TensorType, x: TensorType) -> TensorType:
        rows = x.dim(1)
        if d.is_complete and rows is not None and (d.dim(1) != rows or d.size != rows):
            raise ShapeError(f"the diagonal is {d}, the matrix {x}: expected [{rows}] or [{rows} x 1]", 0, 1)
        return result_type(x.shape, d, x)

    def offers(self, d: TensorType, x: TensorType) -> Iterable[tuple[int, Shape]]:
        if not d.is_complete:
            yield 0, (x.dim(1),) if d.rank == 1 else (x.dim(1), 1)

    def evaluate(self, c: Context, d: Any, x: Any) -> Any:
        diagonal, matrix = c.operands
        lead = (d.shape[0],) if diagonal.axis is not None else ()
        return d.reshape((*lead, *(1,) * (matrix.rank - 1), diagonal.size)) * x


@op
class LogPlus(Elementwise):
    """log (e^x + e^y) without overflow.

    Example: ``LogPlus ([2] 0 1000, [2] 0 1000) = [2] 0.69314718 1000.69314718``
    """

    names: ClassVar = ("LogPlus",)

    def evaluate(self, c: Context, x: Any, y: Any) -> Any:
        return c.xp.logaddexp(x, y)


class Comparison(Elementwise):
    """Base: 1 where the relation holds, else 0; no gradient."""

    no_gradient: ClassVar = frozenset({0, 1})


@op
class Less(Comparison):
    """1 where x < y, else 0.

    Example: ``Less ([3] 1 2 3, [1] 2) = [3] 1 0 0``
    """

    names: ClassVar = ("Less",)

    def evaluate(self, c: Context, x: Any, y: Any) -> Any:
        return (x < y).astype(x.dtype)


@op
class Equal(Comparison):
    """1 where x = y, else 0.

    Example: ``Equal ([3] 1 2 3, [1] 2) = [3] 0 1 0``
    """

    names: ClassVar = ("Equal",)

    def evaluate(self, c: Context, x: Any, y: Any) -> Any:
        return (x == y).astype(x.dtype)


@op
class Greater(Comparison):
    """1 where x > y, else 0.

    Example: ``Greater ([3] 1 2 3, [1] 2) = [3] 0 0 1``
    """

    names: ClassVar = ("Greater",)

    def evaluate(self, c: Context, x: Any, y: Any) -> Any:
        return (x > y).astype(x.dtype)


@op
class GreaterEqual(Comparison):
    """1 where x >= y, else 0.

    Example: ``GreaterEqual ([3] 1 2 3, [1] 2) = [3] 0 1 1``
    """

    names: ClassVar = ("GreaterEqual",)

    def evaluate(self, c: Context, x: Any, y: Any) -> Any:
        return (x >= y).astype(x.dtype)


@op
class NotEqual(Comparison):
    """1 where x differs from y, else 0.

    Example: ``NotEqual ([3] 1 2 3, [1] 2) = [3] 1 0 1``
    """

    names: ClassVar = ("NotEqual",)

    def evaluate(self, c: Context, x: Any, y: Any) -> Any:
        return (x != y).astype(x.dtype)


@op
class LessEqual(Comparison):
    """1 where x <= y, else 0.

    Example: ``LessEqual ([3] 1 2 3, [1] 2) = [3] 1 1 0``
    """

    names: ClassVar = ("LessEqual",)

    def evaluate(self, c: Context, x: Any, y: Any) -> Any:
        return (x <= y).astype(x.dtype)


@op
class Clip(Elementwise):
    """x cut off at minValue from below and at maxValue from above. Inputs: minValue, maxValue, x.

    The gradient passes where the result equals x, the bounds included; none to the bounds.

    Example: ``Clip ([1] -1, [1] 2, [4] -3 -1 0.5 4) = [4] -1 -1 0.5 2``
    """

    names: ClassVar = ("Clip",)
    arity: ClassVar = (3, 3)
    operands: ClassVar = ("minValue", "maxValue", "x")
    no_gradient: ClassVar = frozenset({0, 1})

    def evaluate(self, c: Context, least: Any, most: Any, x: Any) -> Any:
        return c.xp.minimum(c.xp.maximum(x, least), most)

    def pullback(self, c: Context, xs: Sequence[Any], y: Any, g: Any) -> Sequence[Any]:
        return None, None, g * (y == xs[2])


@op
class If(Elementwise):
    """x where the condition is not 0, else y, element by element. Inputs: condition, x, y.

    Example: ``If ([3] 1 0 2, [3] 1 2 3, [1] 9) = [3] 1 9 3``
    """

    names: ClassVar = ("If",)
    arity: ClassVar = (3, 3)
    operands: ClassVar = ("condition", "x", "y")
    no_gradient: ClassVar = frozenset({0})

    def evaluate(self, c: Context, condition: Any, x: Any, y: Any) -> Any:
        return c.xp.where(condition != 0, x, y)
