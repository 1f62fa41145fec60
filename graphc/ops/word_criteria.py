"""Criteria of language models and retrieval: classes of words, negative samples, and given derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from graphc.ir import Context, Cost, Op, ShapeError, TensorType, op
from graphc.ops.criteria import SMALLEST_DIVISOR
from graphc.ops.rules import flat, masked, real_frames, require_frames, require_same_sample, result_type
from graphc.ops.softmax import log_softmax

# as a score before a softmax: nothing is left of its exponential
_IMPOSSIBLE = -1e30


@op
class ClassBasedCrossEntropyWithSoftmax(Op):
    """The cross entropy of words: of their class among all, and of the word within its class.

    The label of a frame is four numbers: word, class, first word of the class, end of the class. ``W`` is
    [hidden x words], ``h`` the hidden layer, ``classScores`` one score a class before the softmax. Of a word outside
    its class only the class counts.

    Example: ``ClassBasedCrossEntropyWithSoftmax ([4 x *] 2 1 1 3, [1 x *] 1, [1 x 3] 5 0 0, [2 x *] 0 0) = [1] 1.38629436``
    """  # noqa: E501 (an example is one line)

    names: ClassVar = ("ClassBasedCrossEntropyWithSoftmax",)
    family: ClassVar = "criteria"
    arity: ClassVar = (4, 4)
    operands: ClassVar = ("labels", "h", "W", "classScores")
    no_gradient: ClassVar = frozenset({0})

    def infer(self, *types: TensorType) -> TensorType:
        labels, hidden, weights, _ = types
        if labels.is_complete and labels.size != 4:
            raise ShapeError(f"the labels are {labels}, expected [4]: word, class, and the class's first and end", 0)
        if weights.shape and None not in weights.shape[:1] and hidden.is_complete and weights.shape[0] != hidden.size:
            raise ShapeError(f"inner dimensions differ: W is {weights}, the hidden layer is {hidden}", 2, 1)
        return result_type((1,), *types).with_axis(None)

    def check(self, *types: TensorType) -> None:
        require_frames(self.names[0], types[0], types[1], types[3])
        if types[2].rank != 2 or types[2].axis is not None:
            raise ShapeError(f"W is {types[2]}, expected a matrix that is the same for all frames", 2)

    def evaluate(self, c: Context, labels: Any, h: Any, w: Any, scores: Any) -> Any:
        xp = c.xp
        labels, h, scores = (flat(x, c.operands[i]) for i, x in ((0, labels), (1, h), (3, scores)))
        word, group, first, end = (labels[..., i, None] for i in range(4))
        words = xp.arange(w.shape[0])
        in_class = (words >= first) & (words < end)
        logits = xp.where(in_class, h @ w.T, xp.asarray(_IMPOSSIBLE, h.dtype))
        of_word = _pick(xp, log_softmax(xp, logits, -1), in_class & (words == word))
        of_class = _pick(xp, log_softmax(xp, scores, -1), xp.arange(scores.shape[-1]) == group)
        return c.masked(-(of_word + of_class)).sum().reshape((1,))

    def cost(self, result: TensorType, *types: TensorType) -> Cost:
        return Cost(2.0 * types[2].size, super().cost(result, *types).bytes)


def _pick(xp: Any, x: Any, chosen: Any) -> Any:
    """The chosen element of each vector, 0 where none is: ``(frames, 1)``."""
    return xp.where(chosen, x, xp.zeros((), x.dtype)).sum(axis=-1, keepdims=True)


@op
class CosDistanceWithNegativeSamples(Op):
    """Cosines of a frame of ``a`` with the same frame of ``b``, and with ``numNegSamples`` other frames of ``b``.

    Those are the frames ``numShifts``, ``numShifts`` + 1, … further on in the minibatch, which begins again behind its
    last.

    Example: ``CosDistanceWithNegativeSamples ([2 x *] 1 0 0 1, [2 x *] 3 4 1 0, numShifts=1, numNegSamples=1) = [2 x *] 0.6 1 0 0.8``
    """  # noqa: E501 (an example is one line)

    names: ClassVar = ("CosDistanceWithNegativeSamples",)
    family: ClassVar = "criteria"
    arity: ClassVar = (2, 2)
    operands: ClassVar = ("a", "b")

    num_shifts: int
    num_neg_samples: int

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        if self.num_shifts < 0 or self.num_neg_samples < 0:
            raise ShapeError(f"numShifts is {self.num_shifts} and numNegSamples {self.num_neg_samples}, not 0 or more")
        require_same_sample(a, b)
        return result_type((self.num_neg_samples + 1,), a, b)

    def check(self, a: TensorType, b: TensorType) -> None:
        for index, type in enumerate((a, b)):
            if type.axis is None:
                raise ShapeError(f"operand {index + 1} is {type}: it must depend on an input to have frames", index)

    def evaluate(self, c: Context, a: Any, b: Any) -> Any:
        xp = c.xp
        a, b = (_unit(xp, flat(x, t)) for x, t in zip((a, b), c.operands, strict=True))
        count = real_frames(c, a)
        frame = xp.arange(a.shape[0])
        shifts = self.num_shifts % count + xp.arange(self.num_neg_samples)
        others = xp.take(b, (frame[:, None] + shifts) % count, axis=0)
        own = (a * b).sum(axis=-1, keepdims=True)
        return xp.concatenate([own, (a[:, None] * others).sum(axis=-1)], axis=-1)

    def cost(self, result: TensorType, *types: TensorType) -> Cost:
        return Cost(2.0 * result.size * types[0].size, super().cost(result, *types).bytes)


def _unit(xp: Any, x: Any) -> Any:
    """Vectors of length 1; those of length 0 stay."""
    squares = (x * x).sum(axis=-1, keepdims=True)
    is_zero = squares <= SMALLEST_DIVISOR**2
    # the square root has no derivative at 0
    return xp.where(is_zero, 0, x / xp.sqrt(xp.where(is_zero, 1, squares)))


@op
class DummyCriterion(Op):
    """The sum of given objectives; the gradient to ``prediction`` is given too, as ``derivatives``.

    Example: ``DummyCriterion ([1 x *] 1 2, [2 x *] 1 1 1 1, [2 x *] 3 4 5 6) = [1] 3``
    """

    names: ClassVar = ("DummyCriterion",)
    gradient_differs: ClassVar = {2: "it is given"}
    family: ClassVar = "criteria"
    arity: ClassVar = (3, 3)
    operands: ClassVar = ("objectives", "derivatives", "prediction")
    no_gradient: ClassVar = frozenset({0, 1})

    def infer(self, *types: TensorType) -> TensorType:
        require_same_sample(types[1], types[2], 1, 2)
        return result_type((1,), *types).with_axis(None)

    def check(self, *types: TensorType) -> None:
        require_frames(self.names[0], *types)

    def evaluate(self, c: Context, objectives: Any, derivatives: Any, prediction: Any) -> Any:
        return masked(c, objectives, c.operands[0]).sum().reshape((1,))

    def pullback(self, c: Context, xs: Sequence[Any], y: Any, g: Any) -> Sequence[Any]:
        given, prediction = c.operands[1:]
        frames = next(x.shape[0] for x, t in zip(xs, c.operands, strict=True) if t.axis is not None)
        found = c.masked(c.xp.broadcast_to(g.reshape(()) * flat(xs[1], given), (frames, given.size)))
        # a prediction without dynamic axis is the same for all frames, whose gradients add up
        return None, None, (found if prediction.axis is not None else found.sum(axis=0)).reshape(xs[2].shape)
