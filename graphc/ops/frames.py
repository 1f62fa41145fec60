"""What operators that look across a sequence ask of a step: where sequences begin, and whose neighbour a frame is."""

from __future__ import annotations

from typing import Any

from graphc.ir import Context, DynamicAxis, Frames, Sequences


def frames_of(c: Context, axis: DynamicAxis | None) -> Frames:
    """The frames of a dynamic axis that the step has met."""
    assert axis is not None
    if axis.name in c.axes:
        return c.axes[axis.name]
    assert c.frames is not None, axis
    return c.frames


def sequences_of(c: Context, axis: DynamicAxis | None, total: int) -> Sequences:
    """The sequences of an axis of ``total`` frames, padding included."""
    if c.frames is None and (axis is None or axis.name not in c.axes):
        return single_frames(c.xp, Frames(total), total)  # nothing says otherwise: all frames are real
    frames = frames_of(c, axis)
    return frames.sequences or single_frames(c.xp, frames, total)


def single_frames(xp: Any, frames: Frames, total: int) -> Sequences:
    """Every frame a sequence of its own."""
    numbers = xp.arange(total, dtype="int32")
    zeros = xp.zeros(total, "int32")
    real = numbers < frames.count
    lengths = xp.where(real, zeros + 1, zeros)
    return Sequences(xp.where(real, numbers, zeros + total), zeros, numbers, lengths, frames.count, 1)


def lengths_of_frames(xp: Any, sequences: Sequences) -> Any:
    """Length of the sequence of each frame; padding has length 0."""
    return at(xp, xp.concatenate([sequences.lengths, xp.zeros(1, sequences.lengths.dtype)]), sequences.ids)


def at(xp: Any, x: Any, indices: Any) -> Any:
    """Rows of ``x``; indices outside count as the nearest one inside."""
    return xp.take(x, indices, axis=0, mode="clip")


def per_frame(flags: Any, rank: int) -> Any:
    """Flags ``(frames,)`` ready to choose among samples of an array of that rank."""
    return flags.reshape((-1,) + (1,) * (rank - 1))


def neighbour(xp: Any, sequences: Sequences, distance: int) -> tuple[Any, Any]:
    """For each frame, the frame ``distance`` further on in its sequence, and whether there is one.

    Where there is none, it is the frame itself.
    """
    frames = xp.arange(sequences.ids.shape[0], dtype="int32")
    position = sequences.positions + distance
    inside = (position >= 0) & (position < lengths_of_frames(xp, sequences))
    return xp.where(inside, frames + distance, frames), inside


def boundary(c: Context, sequences: Sequences, distance: int, initial: Any, source: Sequences) -> Any:
    """What a delay by ``-distance`` frames sees outside the sequence when its initial state has frames of its own.

    Before the first frame stand the last ones of ``initial``, behind the last one its first; a sequence of one frame
    is repeated.
    """
    xp = c.xp
    starts, lengths = at(xp, source.starts, sequences.ids), at(xp, source.lengths, sequences.ids)
    if distance < 0:
        offset = lengths + distance + sequences.positions
    else:
        offset = sequences.positions + distance - lengths_of_frames(xp, sequences)
    offset = xp.clip(offset, 0, xp.maximum(lengths - 1, 0))
    return at(xp, initial, starts + offset)
