"""Batch normalization: the operation and the new values of the statistics it keeps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from graphc.ir import Context, Cost, Op, Shape, ShapeError, TensorType, op
from graphc.ops.geometry import channels_first
from graphc.ops.rules import real_frames, require_frames, result_type

NEVER = math.inf  # a time constant of infinity freezes the running statistics


@dataclass(frozen=True)
class _Normalization(Op):
    """Attributes and statistics that the operation and its updates share.

    Statistics are over all real frames of the minibatch and, with ``spatial``, over all axes but the last.
    """

    family: ClassVar = "normalization"
    arity: ClassVar = (6, 6)
    operands: ClassVar = ("input", "scale", "bias", "runMean", "runVariance", "runCount")
    no_gradient: ClassVar = frozenset({3, 4, 5})

    spatial: bool = False
    normalization_time_constant: float = 0.0
    blend_time_constant: float = 0.0
    epsilon: float = 0.00001
    use_cntk_engine: bool = True
    disable_regularization: bool = False
    image_layout: str = "CHW"

    def features(self, x: TensorType) -> int:
        """Number of means: channels if spatial, else elements of a sample."""
        return x.dims[-1] if self.spatial else x.size

    def statistics_shape(self, x: TensorType) -> tuple[int, ...]:
        """Array shape in which a statistic broadcasts over samples."""
        return (x.dims[-1], *(1,) * (x.rank - 1)) if self.spatial else tuple(reversed(x.dims))

    def check(self, *types: TensorType) -> None:
        require_frames("BatchNormalization", types[0])
        for index, type in enumerate(types[1:], 1):
            if type.axis is not None:
                raise ShapeError(f"{self.operands[index]} is {type}, but must be the same for all frames", index)
        if types[5].size != 1:
            raise ShapeError(f"runCount is {types[5]}, expected [1]", 5)

    def mean(self, c: Context, x: Any) -> Any:
        """Mean of the minibatch, in `statistics_shape`."""
        return self._average(c, x)

    def variance(self, c: Context, x: Any, mean: Any) -> Any:
        """Biased variance of the minibatch, in `statistics_shape`."""
        return self._average(c, (x - mean) ** 2)

    def _average(self, c: Context, x: Any) -> Any:
        type = c.operands[0]
        pixels = type.size // self.features(type)
        total = c.sum_frames(x)
        if self.spatial:
            total = total.sum(axis=tuple(range(1, type.rank)), keepdims=True)
        return total / self._count(c, x, pixels)

    @staticmethod
    def _count(c: Context, x: Any, pixels: int = 1) -> Any:
        return c.xp.asarray(real_frames(c, x), x.dtype) * pixels

    def share(self, c: Context, x: Any, count: Any) -> Any:
        """How much the minibatch's statistics weigh in the new running ones."""
        xp, n = c.xp, self._count(c, x)
        constant = self._setting(c, x, "batch_normalization_time_constant", self.normalization_time_constant)
        count = count.reshape(())
        gradual = 1 - xp.exp(-n / xp.where(constant > 0, constant, 1.0))  # 0 where the constant is infinite
        return xp.where(
            constant < 0,
            n / (n + count),
            xp.where(count == 0, 1.0, xp.where(constant > 0, gradual, 1.0)),
        )

    def blend(self, c: Context, x: Any, count: Any) -> Any:
        """How much the running statistics weigh in the normalization."""
        xp, n = c.xp, self._count(c, x)
        constant = self._setting(c, x, "batch_normalization_blend_time_constant", self.blend_time_constant)
        finite = xp.where((constant > 0) & (constant != NEVER), constant, 1.0)
        gradual = xp.where(constant == NEVER, 1.0, finite / (finite + n))
        return xp.where((count.reshape(()) == 0) | (constant <= 0), 0.0, gradual)

    @staticmethod
    def _setting(c: Context, x: Any, name: str, own: float) -> Any:
        return c.xp.asarray(c.settings.get(name, own), x.dtype)


@op
class BatchNormalization(_Normalization):
    """scale · (x - mean) / √(variance + epsilon) + bias, with the mean and variance of the minibatch, or running ones.

    Training takes the minibatch's, and moves the parameters runMean, runVariance and runCount (frames seen so far)
    towards them: by 1 - e^(-frames / ``normalizationTimeConstant``), wholly for 0 and in the first minibatch, never
    again for infinity, and as the plain average of all frames for a negative one. ``blendTimeConstant`` mixes running
    statistics into training. Otherwise the running ones alone are used. With ``spatial`` there is one mean a channel,
    the last axis.

    Example: ``BatchNormalization ([1 x *] 1 5, [1] 2, [1] 1, [1] 3, [1] 4, [1] 8, epsilon=0) = [1 x *] -1 3``
    """

    names: ClassVar = ("BatchNormalization",)

    def infer(self, *types: TensorType) -> TensorType:
        x = types[0]
        if not channels_first(self.image_layout) and self.spatial:
            raise ShapeError("imageLayout is HWC: spatial normalization needs CHW, channels as the last axis")
        if self.epsilon < 0:
            raise ShapeError(f"epsilon is {self.epsilon:g}, expected 0 or more")
        if x.is_complete:
            features = self.features(x)
            for index, type in enumerate(types[1:5], 1):
                if type.is_complete and type.size != features:
                    wanted = "channels" if self.spatial else "elements"
                    what = f"{self.operands[index]} is {type}, but the input {x} has {features} {wanted}"
                    raise ShapeError(what, index, 0)
        return result_type(x.shape, x, *types[1:5])

    def offers(self, *types: TensorType) -> Iterable[tuple[int, Shape]]:
        x = types[0]
        if x.is_complete:
            for index, type in enumerate(types[1:5], 1):
                if type.shape == (None, 1):
                    yield index, (self.features(x), 1)

    def evaluate(
        self, c: Context, x: Any, scale: Any, bias: Any, run_mean: Any, run_variance: Any, run_count: Any
    ) -> Any:
        shape = self.statistics_shape(c.operands[0])
        mean, run_variance = run_mean.reshape(shape), run_variance.reshape(shape)
        inverse = 1 / c.xp.sqrt(run_variance + self.epsilon)
        if c.training:
            b = self.blend(c, x, run_count)
            own = self.mean(c, x)
            mean = b * mean + (1 - b) * own
            inverse = b * inverse + (1 - b) / c.xp.sqrt(self.variance(c, x, own) + self.epsilon)
        return scale.reshape(shape) * ((x - mean) * inverse) + bias.reshape(shape)

    def updates(self) -> Mapping[int, Op]:
        kept = self.attributes()
        return {3: RunningMean(**kept), 4: RunningVariance(**kept), 5: RunningCount(**kept)}

    def cost(self, result: TensorType, *types: TensorType) -> Cost:
        return Cost(8.0 * result.size, super().cost(result, *types).bytes)


class _Update(_Normalization):
    _index: ClassVar[int]
    no_gradient: ClassVar = frozenset(range(6))

    def infer(self, *types: TensorType) -> TensorType:
        return types[self._index]


@op
class RunningMean(_Update):
    """The mean that `BatchNormalization` keeps, after a training step. Made by the compiler.

    Example: ``BatchNormalizationMean ([2 x *], [2], [2], [2], [2], [1]) = [2]``
    """

    names: ClassVar = ("BatchNormalizationMean",)
    _index: ClassVar = 3

    def evaluate(self, c: Context, x: Any, _s: Any, _b: Any, run_mean: Any, _v: Any, run_count: Any) -> Any:
        a = self.share(c, x, run_count)
        return (1 - a) * run_mean + a * self.mean(c, x).reshape(run_mean.shape)


@op
class RunningVariance(_Update):
    """The variance, without bias, that `BatchNormalization` keeps, after a training step. Made by the compiler.

    Example: ``BatchNormalizationVariance ([2 x *], [2], [2], [2], [2], [1]) = [2]``
    """

    names: ClassVar = ("BatchNormalizationVariance",)
    _index: ClassVar = 4

    def evaluate(self, c: Context, x: Any, _s: Any, _b: Any, _m: Any, run_variance: Any, run_count: Any) -> Any:
        a = self.share(c, x, run_count)
        type = c.operands[0]
        m = self._count(c, x, type.size // self.features(type))
        unbiased = self.variance(c, x, self.mean(c, x)) * c.xp.where(m > 1, m / c.xp.maximum(m - 1, 1), 0.0)
        return (1 - a) * run_variance + a * unbiased.reshape(run_variance.shape)


@op
class RunningCount(_Update):
    """The number of frames that `BatchNormalization` has seen, after a training step. Made by the compiler.

    Example: ``BatchNormalizationCount ([2 x *], [2], [2], [2], [2], [1]) = [1]``
    """

    names: ClassVar = ("BatchNormalizationCount",)
    _index: ClassVar = 5

    def evaluate(self, c: Context, x: Any, _s: Any, _b: Any, _m: Any, _v: Any, run_count: Any) -> Any:
        frozen = (self.share(c, x, run_count) == 0) & (self.blend(c, x, run_count) == 1)
        return run_count + c.xp.where(frozen, 0.0, self._count(c, x))
