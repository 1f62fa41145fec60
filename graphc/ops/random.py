"""Operators that draw random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from graphc.ir import Context, Op, TensorType, op


@op
class Dropout(Op):
    """Training sets each element to 0 with probability r, the trainer's ``dropoutRate``, and divides others by 1 - r.

    Each frame and each minibatch draws anew. Otherwise, or where r is 0, the operand itself.

    Example: ``Dropout ([2 x *] 1 2) = [2 x *] 1 2``
    """

    names: ClassVar = ("Dropout",)
    family: ClassVar = "random"
    arity: ClassVar = (1, 1)
    operands: ClassVar = ("x",)
    aligned: ClassVar = True
    identified: ClassVar = True

    name: str

    def infer(self, x: TensorType) -> TensorType:
        return x.dense()

    def evaluate(self, c: Context, x: Any) -> Any:
        return x if self._is_identity(c) else x * self._mask(c, x)

    def pullback(self, c: Context, xs: Sequence[Any], y: Any, g: Any) -> Sequence[Any]:
        return (g if self._is_identity(c) else g * self._mask(c, xs[0]),)

    def _is_identity(self, c: Context) -> bool:
        return not c.training or "dropout_rate" not in c.settings

    def _mask(self, c: Context, x: Any) -> Any:
        assert c.random is not None, "a step with a dropout rate needs random numbers"
        rate = c.xp.asarray(c.settings["dropout_rate"], x.dtype)
        kept = (c.random.uniform(self.name, x.shape) > rate) | (rate == 0)
        return kept.astype(x.dtype) / c.xp.where(rate < 1, 1 - rate, 1.0)
