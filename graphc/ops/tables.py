"""Matrices seen as tables: the diagonal of one, and rows of one by one-hot vectors."""

from __future__ import annotations

from typing import Any, ClassVar

from graphc.ir import Context, Cost, Op, ShapeError, TensorType, op
from graphc.ops.rules import flat, result_type


@op
class Diagonal(Op):
    """The diagonal of a square matrix as a row.

    Example: ``Diagonal ([2 x 2] 1 2 3 4) = [1 x 2] 1 4``
    """

    names: ClassVar = ("Diagonal",)
    family: ClassVar = "shaping"
    arity: ClassVar = (1, 1)
    operands: ClassVar = ("M",)

    def infer(self, matrix: TensorType) -> TensorType:
        if matrix.is_complete and (matrix.rank > 2 or matrix.dim(1) != matrix.dim(2)):
            raise ShapeError(f"the operand is {matrix}, expected a square matrix", 0)
        return matrix.dense().with_shape((1, matrix.dim(1)))

    def evaluate(self, c: Context, matrix: Any) -> Any:
        size = c.result.dims[1]
        elements = matrix.reshape((*matrix.shape[: c.result.axis is not None], size * size))
        return elements[..., :: size + 1][..., None]

    def cost(self, result: TensorType, *types: TensorType) -> Cost:
        return Cost(0.0, super().cost(result, *types).bytes)


@op
class LookupTable(Op):
    """The columns of a table E [d x V] that one-hot vectors choose; x holds n of them, the result n columns behind it.

    Example: ``LookupTable ([2 x 3] 1 2 3 4 5 6, [6 x *] 0 1 0 1 0 0) = [4 x *] 3 4 1 2``
    """

    names: ClassVar = ("LookupTable",)
    family: ClassVar = "products"
    arity: ClassVar = (2, 2)
    operands: ClassVar = ("E", "x")
    takes_sparse: ClassVar = frozenset({1})

    def infer(self, table: TensorType, x: TensorType) -> TensorType:
        if table.is_complete and table.rank > 2:
            raise ShapeError(f"the table is {table}, expected a matrix", 0)
        width, entries = table.dim(1), table.dim(2)
        if width is None or entries is None or not x.is_complete:
            return result_type((None,), table, x)
        if x.size % entries:
            raise ShapeError(f"x is {x}, expected vectors of {entries} elements behind each other for {table}", 1, 0)
        return result_type((x.size // entries * width,), table, x)

    def check(self, table: TensorType, x: TensorType) -> None:
        if table.axis is not None:
            raise ShapeError(f"the table is {table}, but must be the same for all frames", 0)

    def evaluate(self, c: Context, table: Any, x: Any) -> Any:
        entries = c.operands[0].dim(2)
        table, x = table.reshape((entries, -1)), flat(x, c.operands[1])
        chosen = x.reshape((*x.shape[:-1], -1, entries)) @ table
        return chosen.reshape((*chosen.shape[:-2], c.result.size))

    def cost(self, result: TensorType, *types: TensorType) -> Cost:
        return Cost(2.0 * result.size * (types[0].dim(2) or 1), super().cost(result, *types).bytes)
