"""Frames in lanes and back: ``(time, lanes)``, sequences one behind the other, as loops go through them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from graphc.ir import Lanes, Sequences
from graphc.ops.frames import at, lengths_of_frames


def lanes_of(sequences: Sequences) -> Lanes:
    """Those of the data; of an axis that only the run knows, one sequence each."""
    return sequences.lanes or _one_a_lane(sequences)


def real_frames(sequences: Sequences) -> Any:
    """Which frames are no padding."""
    return sequences.ids < sequences.starts.shape[0]


def distances(sequences: Sequences, lanes: Lanes, *, backward: bool) -> Any:
    """How many frames of its sequence are behind each, in the direction of the loop: ``(time, lanes)``."""
    position = sequences.positions
    if sequences.begins is not None:
        position = position + at(jnp, sequences.begins, sequences.ids)
    if backward:
        position = lengths_of_frames(jnp, sequences) - 1 - position
    # a gap begins afresh in every step: what would run on there could overflow, and 0 times infinity is a gradient
    return jnp.where(_is_no_gap(lanes, real_frames(sequences)), _gathered(position, lanes), 0)


def _one_a_lane(sequences: Sequences) -> Lanes:
    """Lanes of one sequence each, for an axis that only the run knows; gaps repeat the last frame."""
    count = sequences.starts.shape[0]
    time = jnp.arange(sequences.longest, dtype=jnp.int32)[:, None]
    frames = sequences.starts + jnp.minimum(time, jnp.maximum(sequences.lengths - 1, 0))
    places = sequences.positions * count + jnp.minimum(sequences.ids, count - 1)
    return Lanes(frames, places)


def _gathered(x: Any, lanes: Lanes) -> Any:
    time, count = lanes.frames.shape
    if lanes.is_regular:
        return x.reshape(count, time, *x.shape[1:]).swapaxes(0, 1)
    return at(jnp, x, lanes.frames.reshape(-1)).reshape(time, count, *x.shape[1:])


def _scattered(y: Any, lanes: Lanes) -> Any:
    time, count = lanes.frames.shape
    if lanes.is_regular:
        return y.swapaxes(0, 1).reshape(time * count, *y.shape[2:])
    return at(jnp, y.reshape(time * count, *y.shape[2:]), lanes.places)


def to_lanes(x: Any, lanes: Lanes, real: Any) -> Any:
    """``(frames, …)`` as ``(time, lanes, …)``. Each frame has one place, so the gradient is a gather as well."""

    @jax.custom_vjp
    def call(x: Any, lanes: Lanes, real: Any) -> Any:
        return _gathered(x, lanes)

    def backward(saved: Any, g: Any) -> Any:
        lanes, real = saved
        found = _scattered(g, lanes)
        return found if lanes.is_regular else _where(real, found), None, None

    call.defvjp(lambda x, lanes, real: (call(x, lanes, real), (lanes, real)), backward)
    return call(x, lanes, real)


def from_lanes(y: Any, lanes: Lanes, real: Any) -> Any:
    """``(time, lanes, …)`` as ``(frames, …)``."""

    @jax.custom_vjp
    def call(y: Any, lanes: Lanes, real: Any) -> Any:
        return _scattered(y, lanes)

    def backward(saved: Any, g: Any) -> Any:
        lanes, real = saved
        if lanes.is_regular:
            return _gathered(g, lanes), None, None
        return _where(_is_no_gap(lanes, real), _gathered(g, lanes)), None, None

    call.defvjp(lambda y, lanes, real: (call(y, lanes, real), (lanes, real)), backward)
    return call(y, lanes, real)


def _is_no_gap(lanes: Lanes, real: Any) -> Any:
    time, count = lanes.frames.shape
    here = jnp.arange(time * count, dtype=jnp.int32).reshape(time, count)
    return (at(jnp, lanes.places, lanes.frames) == here) & at(jnp, real, lanes.frames)


def _where(flags: Any, x: Any) -> Any:
    return jnp.where(flags.reshape(flags.shape + (1,) * (x.ndim - flags.ndim)), x, jnp.zeros((), x.dtype))
