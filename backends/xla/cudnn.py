"""Stacks of LSTM layers on cuDNN, all layers and steps in one call: what only a CUDA device has.

JAX's binding knows no other cell than the LSTM and no other element type than float32. Its layout of weights is that of
`OptimizedRNNStack`, which has it from cuDNN. No device has run this so far: tests put JAX's own definition of the cell
in the place of the call.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import rnn

from graphc.backends.xla.device import devices
from graphc.ir import Context
from graphc.ops.frames import sequences_of
from graphc.ops.grids import Grid
from graphc.ops.recurrent_stack import OptimizedRNNStack


def is_wanted(op: OptimizedRNNStack, x: Any) -> bool:
    """Whether the stack is marked for cuDNN and can run there; the mark is made for CUDA devices only."""
    return op.cudnn and op.recurrent_op == "lstm" and x.dtype == jnp.float32 and bool(devices("cuda"))


def lstm_stack(op: OptimizedRNNStack, c: Context, weights: Any, x: Any, initial: Any) -> Any:
    """The states of the last layer at every frame."""
    columns = op.num_layers * op.directions
    first = jnp.zeros((2, columns, op.hidden_dims), x.dtype) if initial is None else op.states(initial)
    if op.axis == 2:
        return lstm(op, weights.reshape(-1), x, jnp.full(x.shape[0], x.shape[1], jnp.int32), first)
    grid = Grid.of(jnp, sequences_of(c, c.operands[1].axis, x.shape[0]))
    # cuDNN takes no empty sequences: a lane that is not used has a frame that nobody reads
    lengths = jnp.maximum(grid.lengths, 1).astype(jnp.int32)
    found = lstm(op, weights.reshape(-1), grid.laid(jnp, x).swapaxes(0, 1), lengths, first)
    return grid.back(jnp, found.swapaxes(0, 1))


def lstm(op: OptimizedRNNStack, weights: Any, x: Any, lengths: Any, initial: Any) -> Any:
    """The states ``(sequences, time, hidden)`` for inputs laid out alike; ``initial`` as `OptimizedRNNStack.states`."""
    h, c = jnp.broadcast_to(initial[:, :, None], (*initial.shape[:2], x.shape[0], op.hidden_dims))
    sizes = x.shape[-1], op.hidden_dims, op.num_layers
    # float means products of float32, not of TF32
    return call(x, h, c, weights, lengths, *sizes, 0.0, op.bidirectional, jax.lax.Precision.HIGHEST)[0]


def call(*arguments: Any) -> Any:
    """cuDNN itself, as JAX binds it."""
    return rnn.lstm(*arguments)
