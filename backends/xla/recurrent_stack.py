"""Stacks of recurrent layers: a scan a layer and direction, whose parameters get their gradients after the loop."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from graphc.backends.xla import cudnn
from graphc.backends.xla.columns import multiplied
from graphc.backends.xla.lanes import distances, from_lanes, lanes_of, real_frames, to_lanes
from graphc.backends.xla.lowering import lowers
from graphc.backends.xla.scans import Gradients, Tap, scan
from graphc.ir import Context, Sequences
from graphc.ops.frames import sequences_of
from graphc.ops.recurrent_stack import WITHIN_FRAMES, OptimizedRNNStack, Part, Rows, cell, entered, start


@lowers(OptimizedRNNStack)
def optimized_rnn_stack(op: OptimizedRNNStack, c: Context, weights: Any, x: Any, initial: Any = None) -> Any:
    if cudnn.is_wanted(op, x):
        return cudnn.lstm_stack(op, c, weights, x, initial)
    rows = WITHIN_FRAMES if op.axis == 2 else _rows(sequences_of(c, c.operands[1].axis, x.shape[0]))
    return op.value(jnp, weights, x, initial, rows, _direction)


def _rows(sequences: Sequences) -> Rows:
    """In lanes as the data have them, several sequences one behind the other."""
    lanes, real = lanes_of(sequences), real_frames(sequences)

    def laid(x: Any) -> Any:
        return to_lanes(x, lanes, real)

    def back(y: Any) -> Any:
        return from_lanes(y, lanes, real)

    if lanes.is_regular:
        return Rows(laid, back)
    forward, backward = (distances(sequences, lanes, backward=way) > 0 for way in (False, True))
    return Rows(laid, back, (forward, backward))


def _direction(xp: Any, op: OptimizedRNNStack, gates: Any, part: Part, follows: Any, *, backward: bool) -> Any:
    def step(invariant: Any, state: Any, row: Any, taps: Any) -> Any:
        (matrix, bias, *initial), (of_input, is_same) = invariant, row
        state = state if is_same is None else entered(jnp, is_same, state, tuple(initial))
        product = multiplied(state[0], matrix, len(gates)) + taps[0]
        found = cell(jnp, op.recurrent_op, of_input, product + bias + taps[1], state)
        return found, found[0], [state[0], None]

    result = jax.ShapeDtypeStruct(gates.shape[1:], gates.dtype)
    invariant = [part.recurrent.T, part.recurrent_bias, *part.initial]
    # where all sequences begin at once only the start has these
    begun_later = () if follows is None else tuple(range(2, len(invariant)))
    gradients = Gradients(begun_later, (Tap(0, result), Tap(1, result, "bias")))
    return scan(step, invariant, start(jnp, op, part, gates), (gates, follows), gradients, reverse=backward)[0]
