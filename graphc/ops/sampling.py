"""Random samples of classes, and how often each class is in one."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, runtime_checkable

from graphc.ir import Context, Op, RandomStream, ShapeError, TensorType, op
from graphc.ops.grids import Loop, unrolled
from graphc.ops.rules import result_type

# halvings that find a number of draws to the last bit of its element type, and the first of the steps that they take
_HALVINGS, _WIDEST = 60, 30.0


@runtime_checkable
class ClassStream(RandomStream, Protocol):
    """Random numbers whose owner draws classes himself, one after the other, as CNTK does."""

    def classes(self, op: RandomSample, weights: Any) -> Any:
        """Numbers of the classes drawn; -1 for each where the weights do not allow so many."""
        ...

    def frequencies(self, op: RandomSampleInclusionFrequency, weights: Any) -> Any:
        """How often each class is expected."""
        ...


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

    Every minibatch draws anew, in tests too, with or without replacement (``allowDuplicates``). Weights of which one is
    negative, or too few are positive, give no number. No gradient. A program that is run without random numbers, such
    as an exported one, takes quantiles, or without replacement the most probable classes.

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

    def evaluate(self, c: Context, weights: Any) -> Any:
        xp, column = c.xp, self.classes(c, weights)[:, None]
        return xp.where(column < 0, xp.nan, column == xp.arange(weights.size)).astype(weights.dtype)

    def classes(self, c: Context, weights: Any) -> Any:
        """Numbers of the classes drawn; -1 for each where the weights do not allow so many."""
        xp, weights = c.xp, weights.reshape(-1)
        if isinstance(c.random, ClassStream):
            return c.random.classes(self, weights)
        drawn = self._repeated(c, weights) if self.allow_duplicates else self._different(c, weights)
        needed = 1 if self.allow_duplicates else self.sample_size
        return xp.where((weights >= 0).all() & ((weights > 0).sum() >= needed), drawn, -1)

    def _repeated(self, c: Context, weights: Any) -> Any:
        sums, size = c.xp.cumsum(weights), self.sample_size
        quantiles = (c.xp.arange(size) + 0.5) / size
        # above 0, so that a class without weight is never met
        numbers = quantiles if c.random is None else 1 - c.random.uniform(self.name, (size,))
        return c.xp.searchsorted(sums, (numbers * sums[-1]).astype(sums.dtype))

    def _different(self, c: Context, weights: Any) -> Any:
        """Exponential times with the weights as rates: those that end first are as if drawn one after the other."""
        xp, times = c.xp, 1.0
        if c.random is not None:
            coarse, fine = c.random.uniform(self.name, (2, len(weights)))
            # the times that decide are the smallest, where one number of 24 bits would be too coarse
            times = -xp.log1p(-(coarse + fine * 2.0**-24))
        ends = xp.where(weights > 0, times / xp.where(weights > 0, weights, 1), xp.inf)
        return xp.argsort(ends, stable=True)[: self.sample_size]


@op
class RandomSampleInclusionFrequency(_Sampling):
    """How often each class is expected in a `RandomSample`.

    That is ``sizeOfSampledSet`` times its probability p with replacement, and without 1 - (1 - p)^t: t draws give that
    many different classes in the mean. (CNTK finds t by ten simulations; so does training with its generator.)

    Example: ``RandomSampleInclusionFrequency ([2] 1 3, sizeOfSampledSet=2, allowDuplicates=true) = [2 x 1] 0.5 1.5``
    Example: ``RandomSampleInclusionFrequency ([2] 2 2, sizeOfSampledSet=1) = [2 x 1] 0.5 0.5``
    """

    names: ClassVar = ("RandomSampleInclusionFrequency",)
    identified: ClassVar = True

    name: str
    sample_size: int
    allow_duplicates: bool = False

    def infer(self, weights: TensorType) -> TensorType:
        return result_type((weights.dim(1), 1), weights)

    def check(self, weights: TensorType) -> None:
        self.check_weights(weights, self.sample_size, repeats=self.allow_duplicates)

    def evaluate(self, c: Context, weights: Any) -> Any:
        return self.value(c, weights, unrolled(c.xp))

    def value(self, c: Context, weights: Any, loop: Loop) -> Any:
        """`evaluate`, with the number of draws searched in a loop of the caller's."""
        if isinstance(c.random, ClassStream):
            return c.random.frequencies(self, weights.reshape(-1)).reshape((1, -1))
        share = weights.reshape((1, -1)) / weights.sum()
        if self.allow_duplicates:
            return share * self.sample_size
        return -c.xp.expm1(self._draws(c.xp, share, loop) * c.xp.log1p(-share))

    def _draws(self, xp: Any, share: Any, loop: Loop) -> Any:
        """The number of draws with ``sample_size`` different classes in the mean, between 0 and 2^60."""

        def halve(exponent: Any, steps: tuple[Any]) -> tuple[Any, Any]:
            found = -xp.expm1(2**exponent * xp.log1p(-share)).sum(axis=-1, keepdims=True)
            exponent = exponent + xp.where(found < self.sample_size, steps[0], -steps[0])
            return exponent, exponent

        steps = xp.asarray([_WIDEST / 2.0**halving for halving in range(_HALVINGS)], share.dtype)
        return 2 ** loop(halve, 0 * share[..., :1], (steps,))[0]
