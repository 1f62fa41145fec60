"""Statistics of the training data, computed before training, and normalization with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from graphc.ir import Context, Graph, Node, Op, Shape, ShapeError, TensorType, op
from graphc.ops.rules import real_frames, require_frames, result_type


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
    """The mean of every element over all frames since the epoch began, this minibatch included; no gradient.

    An evaluation node that is such a value, or is computed from such values and parameters alone, is reported as it is
    after the last minibatch and not averaged. A test is an epoch.

    Example: ``EpochAccumulator ([2 x *] 1 3) = [2] 1 3``
    """

    names: ClassVar = ("EpochAccumulator",)

    def evaluate(self, c: Context, x: Any) -> Any:
        """Of the first minibatch. Later ones are in `EpochMean`, which graphs have in its place."""
        return c.sum_frames(x) / c.xp.asarray(real_frames(c, x), x.dtype)


class _OfEpoch(Op):
    family: ClassVar = "statistics"
    arity: ClassVar = (3, 3)
    operands: ClassVar = ("x", "mean", "frames")
    no_gradient: ClassVar = frozenset({0, 1, 2})

    def check(self, x: TensorType, mean: TensorType, frames: TensorType) -> None:
        require_frames(self.names[0], x)
        for index, type in ((1, mean), (2, frames)):
            if type.axis is not None:
                raise ShapeError(f"{self.operands[index]} is {type}, but must be the same for all frames", index)

    def updates(self) -> Mapping[int, Op]:
        return {1: EpochMean(), 2: EpochFrames()}


@op
class EpochMean(_OfEpoch):
    """What `EpochAccumulator` gives, from the mean so far and of how many frames that is. Made by the compiler.

    Example: ``EpochAccumulatorMean ([2 x *] 1 3, [2] 3 5, [1] 1) = [2] 2 4``
    """

    names: ClassVar = ("EpochAccumulatorMean",)

    def infer(self, x: TensorType, mean: TensorType, frames: TensorType) -> TensorType:
        return x.dense().with_axis(None)

    def evaluate(self, c: Context, x: Any, mean: Any, frames: Any) -> Any:
        total = frames + c.xp.asarray(real_frames(c, x), x.dtype)
        return frames / total * mean + c.sum_frames(x) * (1 / total)


@op
class EpochFrames(_OfEpoch):
    """The number of frames that `EpochAccumulator` has seen. Made by the compiler.

    Example: ``EpochAccumulatorFrames ([2 x *] 1 3, [2] 3 5, [1] 1) = [1] 2``
    """

    names: ClassVar = ("EpochAccumulatorFrames",)

    def infer(self, x: TensorType, mean: TensorType, frames: TensorType) -> TensorType:
        return frames

    def evaluate(self, c: Context, x: Any, mean: Any, frames: Any) -> Any:
        return frames + c.xp.asarray(real_frames(c, x), x.dtype)


def epoch_updates(graph: Graph) -> tuple[tuple[Node, Node], ...]:
    """The updates of what starts at 0 with every epoch and changes in tests too."""
    return tuple((old, new) for old, new in graph.updates if isinstance(new.op, _OfEpoch))


def accumulated_roots(graph: Graph) -> frozenset[str]:
    """Roots whose value is one of the whole epoch: accumulators, and what is computed from these and parameters."""
    of_epoch: set[Node] = set()
    constant: set[Node] = set()
    for node in graph.nodes:
        if isinstance(node.op, EpochMean):
            of_epoch.add(node)
        elif all(source in constant for source in node.inputs) and node.type.axis is None:
            constant.add(node)
        elif node.inputs and all(source in constant or source in of_epoch for source in node.inputs):
            of_epoch.add(node)
    return frozenset(name for name, node in graph.roots.items() if node in of_epoch)


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
