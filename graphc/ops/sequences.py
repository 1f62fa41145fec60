"""Choosing and moving frames: operators that look across a sequence, and the dynamic axes they make."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from graphc.ir import Context, DynamicAxis, Frames, Op, Sequences, ShapeError, TensorType, op
from graphc.ops.fractions import whole_frames
from graphc.ops.frames import at, frames_of, lengths_of_frames, per_frame, sequences_of
from graphc.ops.rules import is_one_frame


class _Sequences(Op):
    family: ClassVar = "sequences"


@op
class Where(_Sequences):
    """The indices, from 0, of the frames where a condition is 1, as a sequence on a dynamic axis of its own.

    The condition is one number a frame. Fractions add up: a frame is taken once for every whole number that the sum
    has reached, and the first frame with a positive sum always; a sum that falls takes nothing back. Behind a condition
    that is no number, nothing is taken. Sequences in which nothing is taken are an error of the run. No gradient.

    Example: ``Where ([1 x *]) = [1 x w]``
    """

    names: ClassVar = ("Where",)
    arity: ClassVar = (1, 1)
    operands: ClassVar = ("cond",)
    no_gradient: ClassVar = frozenset({0})
    internal: ClassVar = frozenset({"axis"})

    # conditions that select the same frames make the same axis, so inference names it (graphc.network.axes)
    axis: str = ""

    def infer(self, cond: TensorType) -> TensorType:
        return TensorType((1,), cond.element, DynamicAxis(self.axis) if self.axis else None)

    def check(self, cond: TensorType) -> None:
        _require_axis(cond, 0)
        if cond.size != 1:
            raise ShapeError(f"the condition is {cond}, expected one number a frame", 0)

    def evaluate(self, c: Context, cond: Any) -> Any:
        return self.select(c, cond)[0]

    def select(self, c: Context, cond: Any) -> tuple[Any, Frames]:
        """The indices and the axis that they are on."""
        source = sequences_of(c, c.operands[0].axis, cond.shape[0])
        flags = cond.reshape(-1)
        if is_one_frame(DynamicAxis(self.axis)):
            indices, frames = _one_of_each(c, flags, source)
        else:
            indices, frames = _selected(c, flags, source)
        return indices.astype(cond.dtype).reshape(-1, 1), frames


@op
class PackedIndex(_Sequences):
    """Indices into sequences as positions in the minibatch of ``target``; no gradient.

    The indices are counted within each sequence of ``target``, as `Where` gives them.

    Example: ``PackedIndex ([2 x *], [1 x w]) = [1 x w]``
    """

    names: ClassVar = ("PackedIndex",)
    arity: ClassVar = (2, 2)
    operands: ClassVar = ("target", "index")
    no_gradient: ClassVar = frozenset({0, 1})

    def infer(self, target: TensorType, index: TensorType) -> TensorType:
        return index.dense()

    def check(self, target: TensorType, index: TensorType) -> None:
        _require_axis(target, 0)
        _require_index(index, 1)

    def evaluate(self, c: Context, target: Any, index: Any) -> Any:
        source = sequences_of(c, c.operands[0].axis, target.shape[0])
        chosen = sequences_of(c, c.operands[1].axis, index.shape[0])
        return index + per_frame(at(c.xp, source.starts, chosen.ids), index.ndim).astype(index.dtype)


@op
class GatherPacked(_Sequences):
    """The frames of ``x`` that ``index`` names, on the dynamic axis of ``index``.

    An ``x`` without dynamic axis is a table: the index chooses along its last axis, so [d x V] gives [d], and what is
    outside gives no numbers.

    Example: ``GatherPacked ([1 x w], [3 x *]) = [3 x w]``
    """

    names: ClassVar = ("GatherPacked",)
    arity: ClassVar = (2, 2)
    operands: ClassVar = ("index", "x")
    no_gradient: ClassVar = frozenset({0})

    def infer(self, index: TensorType, x: TensorType) -> TensorType:
        shape = x.shape if x.axis is not None else (x.shape[:-1] or (1,))
        return x.with_shape(shape).with_axis(index.axis)

    def check(self, index: TensorType, x: TensorType) -> None:
        _require_index(index, 0)

    def evaluate(self, c: Context, index: Any, x: Any) -> Any:
        # along the dynamic axis or the author's last: the first of the array in both cases
        places = index.reshape(-1)
        if c.operands[1].axis is None:
            return self._of_table(c, places, x).reshape((index.shape[0], *reversed(c.result.dims)))
        return at(c.xp, x, places.astype("int32")).reshape((index.shape[0], *reversed(c.result.dims)))

    def _of_table(self, c: Context, places: Any, table: Any) -> Any:
        xp = c.xp
        is_inside = (places >= 0) & (places < table.shape[0])
        if c.frames is not None:
            # what padding finds is a number: it meets gradients of 0
            is_inside = is_inside | (xp.arange(places.shape[0], dtype="int32") >= c.frames.count)
        found = at(xp, table, xp.where(places > 0, places, xp.zeros_like(places)).astype("int32"))
        return xp.where(per_frame(is_inside, found.ndim), found, xp.asarray(math.nan, table.dtype))


@op
class ScatterPacked(_Sequences):
    """The frames of ``y`` at the places that ``index`` names, on the dynamic axis of ``cond``; other frames are 0.

    ``y`` must have as many frames a sequence as ``index``, which only the run can know: it may come from elsewhere, as
    the state of an encoder that is put into a decoder's first frame.

    Example: ``ScatterPacked ([1 x *], [1 x w], [3 x w]) = [3 x *]``
    """

    names: ClassVar = ("ScatterPacked",)
    arity: ClassVar = (3, 3)
    operands: ClassVar = ("cond", "index", "y")
    no_gradient: ClassVar = frozenset({0, 1})

    def infer(self, cond: TensorType, index: TensorType, y: TensorType) -> TensorType:
        return y.with_axis(cond.axis)

    def check(self, cond: TensorType, index: TensorType, y: TensorType) -> None:
        _require_axis(cond, 0)
        _require_index(index, 1)

    def evaluate(self, c: Context, cond: Any, index: Any, y: Any) -> Any:
        total = cond.shape[0]
        chosen = sequences_of(c, c.operands[1].axis, index.shape[0])
        real = chosen.ids < chosen.starts.shape[0]
        places = c.xp.where(real, index.reshape(-1).astype("int32"), total)
        return _put(c.xp, total, places, self._on_index(c, y, index.shape[0], chosen))

    def _on_index(self, c: Context, y: Any, total: int, chosen: Sequences) -> Any:
        """The frames of ``y`` where those of the index stand: another axis may have other padding."""
        _, index, own = (type.axis for type in c.operands)
        if own is None:
            return c.xp.broadcast_to(y, (total, *y.shape))
        if own == index:
            return y
        source = sequences_of(c, own, y.shape[0])
        return at(c.xp, y, at(c.xp, source.starts, chosen.ids) + chosen.positions)


@op
class ReconcileDynamicAxis(_Sequences):
    """``x`` on the dynamic axis of ``layout``.

    An ``x`` without dynamic axis, or with one frame a sequence, is repeated; otherwise the run requires sequences of
    equal lengths.

    Example: ``ReconcileDynamicAxis ([2 x *], [3 x w]) = [2 x w]``
    """

    names: ClassVar = ("ReconcileDynamicAxis", "ReconcileMBLayout")
    arity: ClassVar = (2, 2)
    operands: ClassVar = ("x", "layout")
    no_gradient: ClassVar = frozenset({1})
    internal: ClassVar = frozenset({"exact"})

    # of both equally many frames: none is repeated
    exact: bool = False

    def infer(self, x: TensorType, layout: TensorType) -> TensorType:
        return x.with_axis(layout.axis)

    def check(self, x: TensorType, layout: TensorType) -> None:
        _require_axis(layout, 1)

    def evaluate(self, c: Context, x: Any, layout: Any) -> Any:
        total = layout.shape[0]
        if c.operands[0].axis is None:
            return c.xp.broadcast_to(x, (total, *x.shape))
        to = sequences_of(c, c.operands[1].axis, total)
        source = sequences_of(c, c.operands[0].axis, x.shape[0])
        last = c.xp.maximum(at(c.xp, source.lengths, to.ids) - 1, 0)
        return at(c.xp, x, at(c.xp, source.starts, to.ids) + c.xp.minimum(to.positions, last))


@op
class TimeReverse(_Sequences):
    """The frames of each sequence in reverse order, which CNTK declares but cannot run.

    Example: ``TimeReverse ([2 x *]) = [2 x *]``
    """

    names: ClassVar = ("TimeReverse",)
    arity: ClassVar = (1, 1)
    operands: ClassVar = ("x",)

    def infer(self, x: TensorType) -> TensorType:
        return x

    def check(self, x: TensorType) -> None:
        _require_axis(x, 0)

    def evaluate(self, c: Context, x: Any) -> Any:
        sequences = sequences_of(c, c.operands[0].axis, x.shape[0])
        last = at(c.xp, sequences.starts, sequences.ids) + lengths_of_frames(c.xp, sequences) - 1
        frames = c.xp.arange(x.shape[0], dtype="int32")
        real = sequences.ids < sequences.starts.shape[0]
        return c.xp.take(x, c.xp.where(real, last - sequences.positions, frames), axis=0)


def _one_of_each(c: Context, flags: Any, source: Sequences) -> tuple[Any, Frames]:
    """The first frame of each sequence or, where that is not flagged, the last."""
    xp = c.xp
    slots = source.starts.shape[0]
    last = xp.maximum(source.lengths - 1, 0)
    indices = xp.where(at(xp, flags, source.starts) > 0, xp.zeros_like(last), last)
    numbers = xp.arange(slots, dtype="int32")
    real = numbers < source.count
    zeros = xp.zeros(slots, "int32")
    found = Sequences(
        xp.where(real, numbers, zeros + slots), zeros, numbers, xp.where(real, zeros + 1, zeros), source.count, 1
    )
    return indices, Frames(source.count, real.astype(flags.dtype), found)


def _selected(c: Context, flags: Any, source: Sequences) -> tuple[Any, Frames]:
    """Every frame as often as the sum of the flags says (spec: operation Where)."""
    xp = c.xp
    total = flags.shape[0]
    frames = frames_of(c, c.operands[0].axis)
    numbers = xp.arange(total, dtype="int32")
    flags = xp.where(numbers < frames.count, flags, xp.zeros((), flags.dtype))
    wanted = whole_frames(xp, flags, source)
    wanted = xp.where(numbers < frames.count, wanted, xp.zeros_like(wanted))
    previous = xp.concatenate([xp.zeros(1, wanted.dtype), wanted[:-1]])
    copies = xp.maximum(wanted - xp.where(source.positions == 0, xp.zeros_like(previous), previous), 0)
    ends = xp.cumsum(copies)
    count = ends[-1]
    # of each place the number of frames that end before it or there; not searched for, so that sizes may be symbols
    taken = xp.minimum(xp.cumsum(_counted(xp, total, ends)), total - 1).astype("int32")
    real = numbers < count
    slots = source.starts.shape[0]
    first = at(xp, ends - copies, source.starts)
    last = at(xp, ends, source.starts + xp.maximum(source.lengths - 1, 0))
    lengths = xp.where(source.lengths > 0, last - first, xp.zeros_like(first)).astype("int32")
    ids = xp.where(real, at(xp, source.ids, taken), slots).astype("int32")
    positions = xp.where(real, numbers - at(xp, first, ids), 0).astype("int32")
    indices = at(xp, source.positions, taken)
    reach = xp.where(lengths > 0, at(xp, indices, xp.maximum(last - 1, 0)) + 1, 0).astype("int32")
    found = Sequences(ids, positions, first.astype("int32"), lengths, source.count, source.longest, reach=reach)
    return indices, Frames(count, real.astype(flags.dtype), found)


def _counted(xp: Any, total: int, places: Any) -> Any:
    """How often each of ``total`` places is named; places outside are left out."""
    counts, places = xp.zeros(total + 1, "int32"), xp.minimum(places, total)
    if hasattr(counts, "at"):
        counts = counts.at[places].add(1)
    else:
        xp.add.at(counts, places, 1)
    return counts[:total]


def _put(xp: Any, total: int, places: Any, x: Any) -> Any:
    """An array of ``total`` rows with those of ``x`` at their places, 0 elsewhere; places outside are left out."""
    rows = xp.zeros((total + 1, *x.shape[1:]), x.dtype)
    if hasattr(rows, "at"):
        rows = rows.at[places].set(x)
    else:
        rows[places] = x
    return rows[:total]


def _require_axis(type: TensorType, operand: int) -> None:
    if type.axis is None:
        raise ShapeError(f"operand {operand + 1} is {type}: only values that depend on an input have frames", operand)


def _require_index(type: TensorType, operand: int) -> None:
    _require_axis(type, operand)
    if type.size != 1:
        raise ShapeError(f"the index is {type}, expected one number a frame", operand)
