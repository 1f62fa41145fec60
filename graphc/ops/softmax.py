"""Softmax and what belongs to it; all of them take the whole sample, whatever its rank."""

from __future__ import annotations

from typing import Any, ClassVar

from graphc.ir import Context, Cost, Op, TensorType, op
from graphc.ir.layout import static_axes
from graphc.ops.rules import flat


def log_softmax(xp: Any, z: Any, axes: tuple[int, ...] | int) -> Any:
    """``z`` minus the logarithm of the sum of its exponentials along ``axes``."""
    shifted = z - z.max(axis=axes, keepdims=True)  # the shift avoids overflow
    return shifted - xp.log(xp.exp(shifted).sum(axis=axes, keepdims=True))


class _SoftmaxLike(Op):
    family: ClassVar = "softmax"
    arity: ClassVar = (1, 1)
    operands: ClassVar = ("z",)

    def infer(self, z: TensorType) -> TensorType:
        return z.dense()

    def cost(self, result: TensorType, *types: TensorType) -> Cost:
        return Cost(5.0 * result.size, super().cost(result, *types).bytes)


@op
class Softmax(_SoftmaxLike):
    """e^z, divided by its sum over the sample. With ``axis`` the library builds it from other operations.

    Example: ``Softmax ([3] 0 1 2) = [3] 0.09003057 0.24472847 0.66524096``
    """

    names: ClassVar = ("Softmax",)

    def evaluate(self, c: Context, z: Any) -> Any:
        axes = static_axes(c.result.rank)
        exponential = c.xp.exp(z - z.max(axis=axes, keepdims=True))  # the shift avoids overflow
        return exponential / exponential.sum(axis=axes, keepdims=True)


@op
class LogSoftmax(_SoftmaxLike):
    """The logarithm of `Softmax`, computed without it.

    Example: ``LogSoftmax ([3] 0 1 2) = [3] -2.40760596 -1.40760596 -0.40760596``
    """

    names: ClassVar = ("LogSoftmax",)

    def evaluate(self, c: Context, z: Any) -> Any:
        return log_softmax(c.xp, z, static_axes(c.result.rank))


@op
class Hardmax(_SoftmaxLike):
    """1 at the largest element of the sample, the first of several, and 0 elsewhere; no gradient.

    Example: ``Hardmax ([4] 1 3 3 2) = [4] 0 1 0 0``
    """

    names: ClassVar = ("Hardmax",)
    no_gradient: ClassVar = frozenset({0})

    def evaluate(self, c: Context, z: Any) -> Any:
        best = flat(z, c.result).argmax(axis=-1)[..., None]
        return (c.xp.arange(c.result.size) == best).astype(z.dtype).reshape(z.shape)
