"""Frames around chosen ones, looked up in one go, and frames at the border of their sequence."""

from __future__ import annotations

from typing import Any, ClassVar

from graphc.ir import Context, Cost, Op, ShapeError, TensorType, op
from graphc.ops.frames import at, lengths_of_frames, neighbour, sequences_of


@op
class GatherWindow(Op):
    """The frames of ``x`` at each of the ``offsets`` from those that ``index`` names, side by side on a new last axis.

    A frame outside the sequence is ``defaultHiddenActivation``. Authors do not write it: a stack of frames that are
    chosen from delays of one value becomes it, as in ``BS.Sequences.PastValueWindow``.

    Example: ``GatherWindow ([1 x w], [3 x *], offsets=0:-1) = [3 x 2 x w]``
    """

    names: ClassVar = ("GatherWindow",)
    family: ClassVar = "sequences"
    arity: ClassVar = (2, 2)
    operands: ClassVar = ("index", "x")
    no_gradient: ClassVar = frozenset({0})

    offsets: tuple[int, ...]
    default_hidden_activation: float = 0.0

    def infer(self, index: TensorType, x: TensorType) -> TensorType:
        return x.dense().with_shape((*x.shape, len(self.offsets))).with_axis(index.axis)

    def check(self, index: TensorType, x: TensorType) -> None:
        for number, type in enumerate((index, x)):
            if type.axis is None:
                message = f"operand {number + 1} is {type}: only values that depend on an input have frames"
                raise ShapeError(message, number)
        if index.size != 1:
            raise ShapeError(f"the index is {index}, expected one number a frame", 0)

    def evaluate(self, c: Context, index: Any, x: Any) -> Any:
        xp = c.xp
        source = sequences_of(c, c.operands[1].axis, x.shape[0])
        here = xp.clip(index.reshape(-1, 1).astype("int32"), 0, x.shape[0] - 1)
        offsets = xp.asarray(self.offsets, "int32")
        position = at(xp, source.positions, here) + offsets
        inside = (position >= 0) & (position < at(xp, lengths_of_frames(xp, source), here))
        found = at(xp, x, xp.where(inside, here + offsets, here))
        is_there = inside.reshape(inside.shape + (1,) * (x.ndim - 1))
        return xp.where(is_there, found, xp.asarray(self.default_hidden_activation, x.dtype))

    def cost(self, result: TensorType, *types: TensorType) -> Cost:
        return Cost(0.0, super().cost(result, *types).bytes)


@op
class BorderFrames(Op):
    """1 in the frames whose neighbour ``offset`` frames ahead is outside the sequence, else 0.

    Nothing is read of ``x`` but which frames it has. Authors do not write it: ``BS.Loop.IsFirst``, ``IsLast`` and their
    like become it.

    Example: ``BorderFrames ([3 x *], offset=-1) = [1 x *]``
    """

    names: ClassVar = ("BorderFrames",)
    family: ClassVar = "sequences"
    arity: ClassVar = (1, 1)
    operands: ClassVar = ("x",)
    no_gradient: ClassVar = frozenset({0})

    offset: int

    def infer(self, x: TensorType) -> TensorType:
        return x.dense().with_shape((1,))

    def check(self, x: TensorType) -> None:
        if x.axis is None:
            raise ShapeError(f"operand 1 is {x}: only values that depend on an input have frames", 0)

    def evaluate(self, c: Context, x: Any) -> Any:
        sequences = sequences_of(c, c.operands[0].axis, x.shape[0])
        _, is_inside = neighbour(c.xp, sequences, self.offset)
        return (~is_inside)[:, None].astype(c.result.element.value)

    def cost(self, result: TensorType, *types: TensorType) -> Cost:
        return super().cost(result)
