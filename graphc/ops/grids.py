"""Sequences side by side, one a lane, and loops over their time: what criteria on whole sequences compute with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from graphc.ir import Sequences
from graphc.ops.frames import at

# (step, start, rows) → (state at the end, outputs of all steps stacked). A step maps (state, row) to the next state and
# an output; ``reverse`` runs from the last row to the first, and stacks in the order of the rows.
Loop = Callable[..., tuple[Any, Any]]


@dataclass(frozen=True)
class Grid:
    """Where the frames of an axis stand in ``(time, lanes)``: lane l is sequence l.

    ``frames[t, l]`` is the frame that stands there; behind the end of a sequence it is repeated. ``places[f]`` is ``t *
    lanes + l`` of frame f. ``lengths``, ``(lanes,)``, are 0 in lanes that are not used; ``real``, ``(frames,)``, is
    false for padding.
    """

    frames: Any
    places: Any
    lengths: Any
    real: Any

    @staticmethod
    def of(xp: Any, sequences: Sequences) -> Grid:
        lanes = sequences.starts.shape[0]
        time = xp.arange(sequences.longest, dtype="int32")[:, None]
        frames = sequences.starts + xp.minimum(time, xp.maximum(sequences.lengths - 1, 0))
        places = sequences.positions * lanes + xp.minimum(sequences.ids, lanes - 1)
        return Grid(frames, places, sequences.lengths, sequences.ids < lanes)

    @property
    def time(self) -> int:
        return self.frames.shape[0]

    @property
    def lanes(self) -> int:
        return self.frames.shape[1]

    def steps(self, xp: Any) -> Any:
        """The numbers of the steps, ``(time,)``."""
        return xp.arange(self.time, dtype="int32")

    def inside(self, xp: Any) -> Any:
        """Whether a sequence has a frame there: ``(time, lanes)``."""
        return self.steps(xp)[:, None] < self.lengths

    def laid(self, xp: Any, x: Any) -> Any:
        """``(frames, …)`` as ``(time, lanes, …)``."""
        return at(xp, x, self.frames.reshape(-1)).reshape(self.time, self.lanes, *x.shape[1:])

    def back(self, xp: Any, y: Any) -> Any:
        """``(time, lanes, …)`` as ``(frames, …)``, 0 in padding."""
        found = at(xp, y.reshape(-1, *y.shape[2:]), self.places)
        return xp.where(self.real.reshape((-1,) + (1,) * (found.ndim - 1)), found, xp.zeros((), y.dtype))


def unrolled(xp: Any) -> Loop:
    """Loops written out step by step; backends have better ones."""

    def loop(step: Callable[..., Any], start: Any, rows: Sequence[Any], *, reverse: bool = False) -> tuple[Any, Any]:
        state, outputs = start, []
        times = range(rows[0].shape[0])
        for t in reversed(times) if reverse else times:
            state, output = step(state, tuple(row[t] for row in rows))
            outputs.append(output)
        return state, xp.stack(outputs[::-1] if reverse else outputs)

    return loop


def first_chosen(xp: Any, x: Any, chosen: Any) -> Any:
    """The rows of each lane that are chosen, in their order, before the others; both are ``(time, lanes)``."""
    order = xp.argsort(~chosen, axis=0, stable=True)
    return xp.take_along_axis(x, order, axis=0)
