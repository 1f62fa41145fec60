"""Criteria and metrics: sums over all real frames, without dynamic axis unless said otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from graphc.ir import Context, Cost, Op, ShapeError, TensorType, op
from graphc.ops.rules import flat, masked, real_frames, require_frames, require_same_sample, result_type
from graphc.ops.softmax import log_softmax
from graphc.ops.unary import clipped_log

SMALLEST_DIVISOR = 1e-30


class Criterion(Op):
    """Base: two operands with equal samples, one of which at least has frames; one number."""

    family: ClassVar = "criteria"
    arity: ClassVar = (2, 2)

    def infer(self, *types: TensorType) -> TensorType:
        require_same_sample(types[0], types[1])
        return result_type((1,), *types).with_axis(None)

    def check(self, *types: TensorType) -> None:
        require_frames(self.names[0], *types[:2])

    def cost(self, result: TensorType, *types: TensorType) -> Cost:
        return Cost(5.0 * types[0].size, super().cost(result, *types).bytes)


def _vectors(c: Context, *xs: Any) -> list[Any]:
    """Each operand as one vector a frame, so that [1 x 1 x 10] meets [10]."""
    return [flat(x, t) for x, t in zip(xs, c.operands, strict=False)]


def _total(c: Context, terms: Any) -> Any:
    """Sum of ``(frames, n)`` over all elements of all real frames, as [1]."""
    return c.masked(terms).sum().reshape((1,))


def _like(c: Context, gradients: Sequence[Any], xs: Sequence[Any]) -> list[Any]:
    """Gradients made of ``(frames, n)`` vectors, without padding frames, in the operands' own shapes.

    An operand without dynamic axis is the same for all frames, whose gradients add up.
    """
    frames = next(x.shape[0] for x, t in zip(xs, c.operands, strict=True) if t.axis is not None)
    found = []
    for g, x, t in zip(gradients, xs, c.operands, strict=False):
        if g is not None:
            g = c.masked(c.xp.broadcast_to(g, (frames, t.size)))
            g = (g if t.axis is not None else g.sum(axis=0)).reshape(x.shape)
        found.append(g)
    return found


@op
class CrossEntropyWithSoftmax(Criterion):
    """The cross entropy between labels and softmax (z), in nats, summed over the minibatch.

    Labels are one-hot or distributions over classes. The gradient to z is softmax (z) - labels even where the labels
    of a frame do not sum to 1, and then it is not the derivative of the value.

    Example: ``CrossEntropyWithSoftmax ([3 x *] 0 1 0, [3 x *] 0 1 2) = [1] 1.40760596``
    """

    names: ClassVar = ("CrossEntropyWithSoftmax",)
    operands: ClassVar = ("labels", "z")
    takes_sparse: ClassVar = frozenset({0})
    gradient_differs: ClassVar = {1: "it takes the labels of every frame to sum to 1"}

    def evaluate(self, c: Context, labels: Any, z: Any) -> Any:
        labels, z = _vectors(c, labels, z)
        return _total(c, -labels * log_softmax(c.xp, z, -1))

    def pullback(self, c: Context, xs: Sequence[Any], y: Any, g: Any) -> Sequence[Any]:
        labels, z = _vectors(c, *xs)
        logarithm = log_softmax(c.xp, z, -1)
        return _like(c, (-g * logarithm, g * (c.xp.exp(logarithm) - labels)), xs)


@op
class ClassificationError(Criterion):
    """The number of frames whose label is not among the ``topN`` largest elements of z; no gradient.

    The label is the largest element of the first operand. A third operand, a constant, is topN; without it, it is 1.
    Of equal elements the first counts as the larger.

    Example: ``ClassificationError ([3 x *] 0 1 0 1 0 0, [3 x *] 1 2 3 3 2 1) = [1] 1``
    Example: ``ClassificationError ([3 x *] 0 1 0 1 0 0, [3 x *] 1 2 3 3 2 1, [1] 2) = [1] 0``
    """

    names: ClassVar = ("ClassificationError", "ErrorPrediction")
    operands: ClassVar = ("labels", "z", "topN")
    arity: ClassVar = (2, 3)
    takes_sparse: ClassVar = frozenset({0})
    no_gradient: ClassVar = frozenset({0, 1, 2})

    def check(self, *types: TensorType) -> None:
        super().check(*types)
        if len(types) == 3 and (types[2].axis is not None or types[2].size != 1):
            raise ShapeError(f"topN is {types[2]}, expected one constant", 2)

    def evaluate(self, c: Context, labels: Any, z: Any, top: Any = None) -> Any:
        labels, z = _vectors(c, labels, z)
        label = labels.argmax(axis=-1)[..., None]
        classes = c.xp.arange(z.shape[-1])
        score = c.xp.where(classes == label, z, 0.0).sum(axis=-1, keepdims=True)
        # a comparison with NaN is false, so a NaN anywhere counts as ranked before the label
        before = ~(z <= score) | ((z == score) & (classes < label))
        wrong = before.sum(axis=-1, keepdims=True) >= (1 if top is None else top.reshape(()))
        return _total(c, wrong.astype(z.dtype))


@op
class SquareError(Criterion):
    """The sum of squared differences: neither halved nor divided.

    Example: ``SquareError ([2 x *] 1 2, [2 x *] 3 5) = [1] 13``
    """

    names: ClassVar = ("SquareError",)
    operands: ClassVar = ("x", "y")

    def evaluate(self, c: Context, x: Any, y: Any) -> Any:
        x, y = _vectors(c, x, y)
        return _total(c, (x - y) ** 2)


@op
class CrossEntropy(Criterion):
    """The cross entropy -labels · log (p), for p that are probabilities already.

    Example: ``CrossEntropy ([2 x *] 0 1, [2 x *] 0.75 0.25) = [1] 1.38629436``
    """

    names: ClassVar = ("CrossEntropy",)
    operands: ClassVar = ("labels", "p")

    def evaluate(self, c: Context, labels: Any, p: Any) -> Any:
        labels, p = _vectors(c, labels, p)
        return _total(c, -labels * clipped_log(c.xp, p))

    def pullback(self, c: Context, xs: Sequence[Any], y: Any, g: Any) -> Sequence[Any]:
        labels, p = _vectors(c, *xs)
        return _like(c, (-g * clipped_log(c.xp, p), -g * labels / _divisor(c.xp, p)), xs)


@op
class Logistic(Criterion):
    """The negative log likelihood of labels 0 or 1 under p, the probability of 1.

    A third operand, one [1] a frame, weighs the frames: the value is then -N / Σw · Σ w · log …, N frames, the gradient
    weighs with w alone.

    Example: ``Logistic ([1 x *] 1 0, [1 x *] 0.25 0.5) = [1] 2.07944154``
    """

    names: ClassVar = ("Logistic",)
    operands: ClassVar = ("labels", "p", "weights")
    arity: ClassVar = (2, 3)
    no_gradient: ClassVar = frozenset({0, 2})
    gradient_differs: ClassVar = {1: "weights are not divided by their mean, as the value does"}

    def check(self, *types: TensorType) -> None:
        super().check(*types)
        if len(types) == 3 and types[2].size not in (1, types[0].size):
            raise ShapeError(f"the weights are {types[2]}, expected [1] or the shape of the labels, {types[0]}", 2, 0)

    def evaluate(self, c: Context, labels: Any, p: Any, weights: Any = None) -> Any:
        labels, p = _vectors(c, labels, p)
        terms = -clipped_log(c.xp, _likelihood(labels, p))
        if weights is None:
            return _total(c, terms)
        weights = c.xp.broadcast_to(flat(weights, c.operands[2]), terms.shape)
        return real_frames(c, terms) / _total(c, weights) * _total(c, weights * terms)

    def pullback(self, c: Context, xs: Sequence[Any], y: Any, g: Any) -> Sequence[Any]:
        labels, p, *weights = _vectors(c, *xs)
        dp = -g * (2 * labels - 1) / _divisor(c.xp, _likelihood(labels, p))
        gradient = _like(c, (None, dp * weights[0] if weights else dp), xs)
        return [*gradient, *(None for _ in weights)]


@op
class CosDistance(Op):
    """The cosine of the angle between two vectors, a similarity, one [1] a frame; 0 where one of them is 0.

    Example: ``CosDistance ([2 x *] 1 0, [2 x *] 3 4) = [1 x *] 0.6``
    """

    names: ClassVar = ("CosDistance",)
    family: ClassVar = "criteria"
    arity: ClassVar = (2, 2)
    operands: ClassVar = ("a", "b")

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        require_same_sample(a, b)
        return result_type((1,), a, b)

    def check(self, a: TensorType, b: TensorType) -> None:
        require_frames("CosDistance", a, b)

    def evaluate(self, c: Context, a: Any, b: Any) -> Any:
        a, b = _vectors(c, a, b)
        return (a * b).sum(axis=-1, keepdims=True) * _inverse_norm(c.xp, a) * _inverse_norm(c.xp, b)

    def pullback(self, c: Context, xs: Sequence[Any], y: Any, g: Any) -> Sequence[Any]:
        a, b = _vectors(c, *xs)
        p, q = _inverse_norm(c.xp, a), _inverse_norm(c.xp, b)
        return _like(c, (g * p * (b * q - y * a * p), g * q * (a * p - y * b * q)), xs)

    def cost(self, result: TensorType, *types: TensorType) -> Cost:
        return Cost(6.0 * types[0].size, super().cost(result, *types).bytes)


class _Norm(Op):
    family: ClassVar = "criteria"
    arity: ClassVar = (1, 1)
    operands: ClassVar = ("W",)

    def infer(self, w: TensorType) -> TensorType:
        return w.dense().with_shape((1,)).with_axis(None)

    def cost(self, result: TensorType, *types: TensorType) -> Cost:
        return Cost(2.0 * types[0].size, super().cost(result, *types).bytes)


@op
class MatrixL1Reg(_Norm):
    """The sum of absolute values, for adding to a criterion.

    Example: ``MatrixL1Reg ([2 x 2] 1 -2 0 3) = [1] 6``
    """

    names: ClassVar = ("MatrixL1Reg",)

    def evaluate(self, c: Context, w: Any) -> Any:
        return c.xp.abs(masked(c, w, c.operands[0])).sum().reshape((1,))

    def pullback(self, c: Context, xs: Sequence[Any], y: Any, g: Any) -> Sequence[Any]:
        return (g * c.xp.sign(masked(c, xs[0], c.operands[0])),)


@op
class MatrixL2Reg(_Norm):
    """The square root of the sum of squares (not that sum itself), for adding to a criterion.

    Example: ``MatrixL2Reg ([2] 3 4) = [1] 5``
    """

    names: ClassVar = ("MatrixL2Reg",)

    def evaluate(self, c: Context, w: Any) -> Any:
        return c.xp.sqrt((masked(c, w, c.operands[0]) ** 2).sum()).reshape((1,))

    def pullback(self, c: Context, xs: Sequence[Any], y: Any, g: Any) -> Sequence[Any]:
        return (g * masked(c, xs[0], c.operands[0]) / (y + SMALLEST_DIVISOR),)


def _likelihood(labels: Any, p: Any) -> Any:
    return 2 * labels * p + 1 - labels - p


def _divisor(xp: Any, x: Any) -> Any:
    """``x`` kept away from 0 by the least CNTK divides by."""
    return xp.where(xp.abs(x) < SMALLEST_DIVISOR, SMALLEST_DIVISOR, x)


def _inverse_norm(xp: Any, x: Any) -> Any:
    squares = (x * x).sum(axis=-1, keepdims=True)
    return xp.where(squares > 0, 1 / xp.sqrt(xp.where(squares > 0, squares, 1.0)), 0.0)
