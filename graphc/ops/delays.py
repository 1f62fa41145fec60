"""Delays: values of other frames of the same sequence. Inside a loop they become what it carries (graphc.ir.region)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from graphc.ir import Context, Op, Shape, ShapeError, TensorType, op
from graphc.ir.layout import align
from graphc.ops.frames import boundary, neighbour, per_frame, sequences_of
from graphc.ops.rules import broadcast, offer_others


class Delay(Op):
    """The value of another frame of the same sequence: the only operation whose input may depend on its result."""

    family: ClassVar = "sequences"
    arity: ClassVar = (1, 2)
    operands: ClassVar = ("x", "initialState")
    # which way the other frame lies
    direction: ClassVar[int]

    shape: tuple[int, ...]
    time_step: int
    default_hidden_activation: float

    def infer(self, x: TensorType, initial: TensorType | None = None) -> TensorType:
        if initial is None:
            # symbols stay symbols where a frame outside the sequence is none
            return x if self.default_hidden_activation == 0 else x.dense()
        # an initial state may come from other sequences: its last frames stand before the first
        return broadcast(x.with_axis(None), initial.with_axis(None)).with_axis(x.axis)

    def offers(self, *types: TensorType) -> Iterable[tuple[int, Shape]]:
        return offer_others(*types)

    def check(self, x: TensorType, initial: TensorType | None = None) -> None:
        if self.time_step < 1:
            raise ShapeError(f"timeStep is {self.time_step}, it must be 1 or more")
        if x.axis is None:
            raise ShapeError("only values that depend on an input have other frames", 0)

    def evaluate(self, c: Context, x: Any, initial: Any = None) -> Any:
        distance = self.direction * self.time_step
        sequences = sequences_of(c, c.operands[0].axis, x.shape[0])
        source, inside = neighbour(c.xp, sequences, distance)
        moved = align(c.xp.take(x, source, axis=0), c.operands[0], c.result.rank)
        return c.xp.where(per_frame(inside, moved.ndim), moved, self._outside(c, x, initial, sequences))

    def _outside(self, c: Context, x: Any, initial: Any, sequences: Any) -> Any:
        if initial is None:
            return c.xp.asarray(self.default_hidden_activation, x.dtype)
        type = c.operands[1]
        if type.axis is None:
            return initial
        source = sequences_of(c, type.axis, initial.shape[0])
        found = boundary(c, sequences, self.direction * self.time_step, initial, source)
        return align(found, type, c.result.rank)


@op
class PastValue(Delay):
    """The value ``timeStep`` frames ago.

    Frames outside the sequence are ``defaultHiddenActivation``, or the second operand: one value, or the last frames of
    another sequence. ``shape`` is a hint that the first operand overrides.

    Example: ``PastValue ([2 x *], timeStep=2) = [2 x *]``
    """

    names: ClassVar = ("PastValue", "Delay")
    direction: ClassVar = -1

    shape: tuple[int, ...] = (0,)
    time_step: int = 1
    default_hidden_activation: float = 0.1


@op
class FutureValue(Delay):
    """The value ``timeStep`` frames ahead.

    Frames outside the sequence are ``defaultHiddenActivation``, or the second operand: one value, or the first frames
    of another sequence. ``shape`` is a hint that the first operand overrides.

    Example: ``FutureValue ([2 x *]) = [2 x *]``
    """

    names: ClassVar = ("FutureValue",)
    direction: ClassVar = 1

    shape: tuple[int, ...] = (0,)
    time_step: int = 1
    default_hidden_activation: float = 0.1
