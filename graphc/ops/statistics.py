"""Statistics of the training data, computed before training, and normalization with them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from graphc.ir import Context, Op, Shape, ShapeError, TensorType, op
from graphc.ops.rules import require_frames, result_type


class _OfFrames(Op):
    family: ClassVar = "statistics"
    arity: ClassVar = (1, 1)
    operands: ClassVar = ("x",)
    no_gradient: ClassVar = frozenset({0})

    def infer(self, x: TensorType) -> TensorType:
        return x.dense().with_axis(None)

    def check(self, x: TensorType) -> None:
        require_frames(self.names[0], x)


@dataclass(frozen=True)
class Precomputed(_OfFrames):
    """What is known of the training set before training starts: graphs hold it as a frozen parameter.

    No `evaluate`: the value comes from a pass over the reader (actions/statistics.py).
    """


@op
class Mean(Precomputed):
    """The mean of every element over all frames of the training set, found before training and then constant.

    Example: ``Mean ([2 x *]) = [2]``
    """

    names: ClassVar = ("Mean",)


@op
class InvStdDev(Precomputed):
    """1 / √variance of every element over all frames of the training set; variances below 1e-10 count as 1e-10.

    Example: ``InvStdDev ([2 x *]) = [2]``
    """

    names: ClassVar = ("InvStdDev",)


@op
class EpochAccumulator(_OfFrames):
    """The mean of every element over all frames since the epoch began, for evaluation; no gradient.

    Example: ``EpochAccumulator ([2 x *]) = [2]``
    """

    names: ClassVar = ("EpochAccumulator",)


class _Normalizing(Op):
    family: ClassVar = "statistics"
    arity: ClassVar = (3, 3)
    operands: ClassVar = ("x", "mean", "invStdDev")
    no_gradient: ClassVar = frozenset({1, 2})

    def infer(self, x: TensorType, mean: TensorType, deviation: TensorType) -> TensorType:
        for index, type in enumerate((mean, deviation), 1):
            if x.is_complete and type.is_complete and type.size != x.size:
                raise ShapeError(f"{self.operands[index]} is {type}, but the input is {x}", index, 0)
        return result_type(x.shape, x, mean, deviation)

    def check(self, x: TensorType, mean: TensorType, deviation: TensorType) -> None:
        for index, type in enumerate((mean, deviation), 1):
            if type.axis is not None:
                raise ShapeError(f"{self.operands[index]} is {type}, but must be the same for all frames", index)

    def offers(self, x: TensorType, mean: TensorType, deviation: TensorType) -> Iterable[tuple[int, Shape]]:
        for index, type in enumerate((mean, deviation), 1):
            if not type.is_complete:
                yield index, x.shape


@op
class PerDimMeanVarNormalization(_Normalizing):
    """(x - mean) .* invStdDev.

    Example: ``PerDimMeanVarNormalization ([2 x *] 3 4, [2] 1 2, [2] 0.5 2) = [2 x *] 1 4``
    """

    names: ClassVar = ("PerDimMeanVarNormalization",)

    def evaluate(self, c: Context, x: Any, mean: Any, deviation: Any) -> Any:
        sample = tuple(reversed(c.result.dims))
        return (x - mean.reshape(sample)) * deviation.reshape(sample)


@op
class PerDimMeanVarDeNormalization(_Normalizing):
    """x divided by invStdDev, plus mean: undoes `PerDimMeanVarNormalization`.

    Example: ``PerDimMeanVarDeNormalization ([2 x *] 1 4, [2] 1 2, [2] 0.5 2) = [2 x *] 3 4``
    """

    names: ClassVar = ("PerDimMeanVarDeNormalization",)

    def evaluate(self, c: Context, x: Any, mean: Any, deviation: Any) -> Any:
        sample = tuple(reversed(c.result.dims))
        return x / deviation.reshape(sample) + mean.reshape(sample)
