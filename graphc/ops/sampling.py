"""Random samples of classes, and how often each class is in one."""

from __future__ import annotations

from typing import Any, ClassVar

from graphc.ir import Context, Op, ShapeError, TensorType, op
from graphc.ops.rules import result_type

# halvings that find a number of draws to the last bit of its element type
_HALVINGS = 60


class _Sampling(Op):
    family: ClassVar = "sampling"
    arity: ClassVar = (1, 1)
    operands: ClassVar = ("weights",)
    no_gradient: ClassVar = frozenset({0})
    spelling: ClassVar = {"sample_size": "sizeOfSampledSet"}

    def check_weights(self, weights: TensorType, size: int, *, repeats: bool) -> None:
        if weights.axis is not None or weights.rank > 2 or weights.dim(2) != 1:
            raise ShapeError(f"the weights are {weights}, expected one a class, [n], the same for all frames", 0)
        if size < 1 or (not repeats and size >= weights.size):
            limit = "" if repeats else f" to {weights.size - 1}, because no class may come twice"
            raise ShapeError(f"a sample has {size} classes, expected 1{limit or ' or more'}")


@op
class RandomSample(_Sampling):
    """Classes drawn at random with probabilities proportional to ``weights``, one column with a single 1 for each.

    Every minibatch draws anew, with or without replacement (``allowDuplicates``). No gradient.

    Example: ``RandomSample ([4], sizeOfSampledSet=2) = [4 x 2]``
    """

    names: ClassVar = ("RandomSample",)
    identified: ClassVar = True

    name: str
    sample_size: int
    allow_duplicates: bool = False

    def infer(self, weights: TensorType) -> TensorType:
        return result_type((weights.dim(1), self.sample_size), weights)

    def check(self, weights: TensorType) -> None:
        self.check_weights(weights, self.sample_size, repeats=self.allow_duplicates)


@op
class RandomSampleInclusionFrequency(_Sampling):
    """How often each class is expected in a `RandomSample`.

    That is ``sizeOfSampledSet`` times its probability p with replacement, and without 1 - (1 - p)^t: t draws give that
    many different classes in the mean. (CNTK finds t by simulation.)

    Example: ``RandomSampleInclusionFrequency ([2] 1 3, sizeOfSampledSet=2, allowDuplicates=true) = [2 x 1] 0.5 1.5``
    Example: ``RandomSampleInclusionFrequency ([2] 2 2, sizeOfSampledSet=1) = [2 x 1] 0.5 0.5``
    """

    names: ClassVar = ("RandomSampleInclusionFrequency",)

    sample_size: int
    allow_duplicates: bool = False

    def infer(self, weights: TensorType) -> TensorType:
        return result_type((weights.dim(1), 1), weights)

    def check(self, weights: TensorType) -> None:
        self.check_weights(weights, self.sample_size, repeats=self.allow_duplicates)

    def evaluate(self, c: Context, weights: Any) -> Any:
        share = weights.reshape((1, -1)) / weights.sum()
        if self.allow_duplicates:
            return share * self.sample_size
        return -c.xp.expm1(self._draws(c.xp, share) * c.xp.log1p(-share))

    def _draws(self, xp: Any, share: Any) -> Any:
        """The number of draws with ``sample_size`` different classes in the mean, between 0 and 2^60."""
        exponent, step = 0.0 * share[..., :1], 30.0
        for _ in range(_HALVINGS):
            found = -xp.expm1(2**exponent * xp.log1p(-share)).sum(axis=-1, keepdims=True)
            exponent = exponent + xp.where(found < self.sample_size, step, -step).astype(share.dtype)
            step /= 2
        return 2**exponent
