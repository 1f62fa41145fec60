"""Operators that map every element by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from graphc.ir import Context, Op, TensorType, op

# CNTK's clipping of the logarithm; the value is float32's nearest to -85.1, in every precision
SMALLEST_LOG_ARGUMENT = 1e-37
LOG_OF_SMALLEST = -85.0999984741211


def clipped_log(xp: Any, x: Any) -> Any:
    """Natural logarithm, ``LOG_OF_SMALLEST`` for arguments below ``SMALLEST_LOG_ARGUMENT``."""
    small = x < SMALLEST_LOG_ARGUMENT
    return xp.where(small, LOG_OF_SMALLEST, xp.log(xp.where(small, 1.0, x)))


class Unary(Op):
    """Base: shape and dynamic axis of the result are the operand's."""

    family: ClassVar = "elementwise"
    arity: ClassVar = (1, 1)
    operands: ClassVar = ("x",)
    aligned: ClassVar = True

    def infer(self, x: TensorType) -> TensorType:
        return x.dense()


@op
class RectifiedLinear(Unary):
    """The positive part: max (x, 0). The gradient at 0 is 0.

    Example: ``RectifiedLinear ([3] -1 0 2) = [3] 0 0 2``
    """

    names: ClassVar = ("RectifiedLinear", "ReLU")

    def evaluate(self, c: Context, x: Any) -> Any:
        return c.xp.maximum(x, 0)

    def pullback(self, c: Context, xs: Sequence[Any], y: Any, g: Any) -> Sequence[Any]:
        return (g * (y > 0),)


class _Sigmoid(Unary):
    def evaluate(self, c: Context, x: Any) -> Any:
        decay = c.xp.exp(-c.xp.abs(x))  # never overflows, and keeps small results exact
        return c.xp.where(x >= 0, 1 / (1 + decay), decay / (1 + decay))

    def pullback(self, c: Context, xs: Sequence[Any], y: Any, g: Any) -> Sequence[Any]:
        return (g * y * (1 - y),)


@op
class Sigmoid(_Sigmoid):
    """The logistic function 1 / (1 + e^-x), exact far out on both sides.

    Example: ``Sigmoid ([3] -1 0 1) = [3] 0.26894142 0.5 0.73105858``
    """

    names: ClassVar = ("Sigmoid",)


@op
class StableSigmoid(_Sigmoid):
    """Another name of the logistic function, kept for old models; see `Sigmoid`.

    Example: ``StableSigmoid ([2] -1 0) = [2] 0.26894142 0.5``
    """

    names: ClassVar = ("StableSigmoid",)


@op
class Tanh(Unary):
    """The hyperbolic tangent.

    Example: ``Tanh ([3] -1 0 1) = [3] -0.76159416 0 0.76159416``
    """

    names: ClassVar = ("Tanh",)

    def evaluate(self, c: Context, x: Any) -> Any:
        return c.xp.tanh(x)

    def pullback(self, c: Context, xs: Sequence[Any], y: Any, g: Any) -> Sequence[Any]:
        return (g * (1 - y * y),)


@op
class Log(Unary):
    """The natural logarithm. Arguments below 1e-37, zero and negative ones too, give -85.1; models rely on it.

    The gradient is e^-y of the result y, hence large but finite where the result was clipped.

    Example: ``Log ([3] 1 2.5 0) = [3] 0 0.91629073 -85.0999985``
    """

    names: ClassVar = ("Log",)

    def evaluate(self, c: Context, x: Any) -> Any:
        return clipped_log(c.xp, x)

    def pullback(self, c: Context, xs: Sequence[Any], y: Any, g: Any) -> Sequence[Any]:
        return (g * c.xp.exp(-y),)


@op
class Exp(Unary):
    """The exponential function.

    Example: ``Exp ([3] -1 0 1) = [3] 0.36787944 1 2.71828183``
    """

    names: ClassVar = ("Exp",)

    def evaluate(self, c: Context, x: Any) -> Any:
        return c.xp.exp(x)


@op
class Pass(Unary):
    """The operand itself, as a node that can carry a name and a tag.

    Example: ``Pass ([2] 1 2) = [2] 1 2``
    """

    names: ClassVar = ("Pass",)

    def infer(self, x: TensorType) -> TensorType:
        return x

    def evaluate(self, c: Context, x: Any) -> Any:
        return x


@op
class Reciprocal(Unary):
    """1 / x, and 0 at 0, where the gradient is 0 too.

    Example: ``Reciprocal ([3] 2 0 -4) = [3] 0.5 0 -0.25``
    """

    names: ClassVar = ("Reciprocal",)

    def evaluate(self, c: Context, x: Any) -> Any:
        zero = x == 0
        return c.xp.where(zero, 0.0, 1 / c.xp.where(zero, 1.0, x))

    def pullback(self, c: Context, xs: Sequence[Any], y: Any, g: Any) -> Sequence[Any]:
        return (-g * y * y,)


@op
class Sqrt(Unary):
    """The square root; negative arguments count as 0. The gradient is infinite at 0.

    Example: ``Sqrt ([3] 4 2 -1) = [3] 2 1.41421356 0``
    """

    names: ClassVar = ("Sqrt",)

    def evaluate(self, c: Context, x: Any) -> Any:
        return c.xp.sqrt(c.xp.maximum(x, 0))

    def pullback(self, c: Context, xs: Sequence[Any], y: Any, g: Any) -> Sequence[Any]:
        return (g / (2 * y),)


@op
class Abs(Unary):
    """The absolute value. The gradient at 0 is 0.

    Example: ``Abs ([3] -1.5 0 2) = [3] 1.5 0 2``
    """

    names: ClassVar = ("Abs",)

    def evaluate(self, c: Context, x: Any) -> Any:
        return c.xp.abs(x)

    def pullback(self, c: Context, xs: Sequence[Any], y: Any, g: Any) -> Sequence[Any]:
        return (g * c.xp.sign(xs[0]),)


@op
class Negate(Unary):
    """-x.

    Example: ``Negate ([2] 1 -2) = [2] -1 2``
    """

    names: ClassVar = ("Negate",)

    def evaluate(self, c: Context, x: Any) -> Any:
        return -x


@op
class Floor(Unary):
    """The largest whole number that is not above x; no gradient.

    Example: ``Floor ([3] 1.5 -1.5 2) = [3] 1 -2 2``
    """

    names: ClassVar = ("Floor",)
    no_gradient: ClassVar = frozenset({0})

    def evaluate(self, c: Context, x: Any) -> Any:
        return c.xp.floor(x)


@op
class StopGradient(Unary):
    """The operand itself, through which no gradient flows.

    Example: ``StopGradient ([2] 1 2) = [2] 1 2``
    """

    names: ClassVar = ("StopGradient",)
    no_gradient: ClassVar = frozenset({0})

    def evaluate(self, c: Context, x: Any) -> Any:
        return x


@op
class Sin(Unary):
    """The sine.

    Example: ``Sin ([2] 0 1) = [2] 0 0.84147098``
    """

    names: ClassVar = ("Sin",)

    def evaluate(self, c: Context, x: Any) -> Any:
        return c.xp.sin(x)


@op
class Cosine(Unary):
    """The cosine.

    Example: ``Cosine ([2] 0 1) = [2] 1 0.54030231``
    """

    names: ClassVar = ("Cosine",)

    def evaluate(self, c: Context, x: Any) -> Any:
        return c.xp.cos(x)


@op
class Asin(Unary):
    """The inverse sine, for x in -1 … 1.

    Example: ``Asin ([2] 0 0.5) = [2] 0 0.52359878``
    """

    names: ClassVar = ("Asin",)

    def evaluate(self, c: Context, x: Any) -> Any:
        return c.xp.arcsin(x)


@op
class Acos(Unary):
    """The inverse cosine, for x in -1 … 1.

    Example: ``Acos ([2] 0 0.5) = [2] 1.57079633 1.04719755``
    """

    names: ClassVar = ("Acos",)

    def evaluate(self, c: Context, x: Any) -> Any:
        return c.xp.arccos(x)


@op
class Sinh(Unary):
    """The hyperbolic sine.

    Example: ``Sinh ([2] 0 1) = [2] 0 1.17520119``
    """

    names: ClassVar = ("Sinh",)

    def evaluate(self, c: Context, x: Any) -> Any:
        return c.xp.sinh(x)


@op
class Cosh(Unary):
    """The hyperbolic cosine.

    Example: ``Cosh ([2] 0 1) = [2] 1 1.54308063``
    """

    names: ClassVar = ("Cosh",)

    def evaluate(self, c: Context, x: Any) -> Any:
        return c.xp.cosh(x)


@op
class Asinh(Unary):
    """The inverse hyperbolic sine, which CNTK declares but cannot run.

    Example: ``Asinh ([2] 0 1) = [2] 0 0.88137359``
    """

    names: ClassVar = ("Asinh",)

    def evaluate(self, c: Context, x: Any) -> Any:
        return c.xp.arcsinh(x)


@op
class Atanh(Unary):
    """The inverse hyperbolic tangent, for x between -1 and 1, which CNTK declares but cannot run.

    Example: ``Atanh ([2] 0 0.5) = [2] 0 0.54930614``
    """

    names: ClassVar = ("Atanh",)

    def evaluate(self, c: Context, x: Any) -> Any:
        return c.xp.arctanh(x)
