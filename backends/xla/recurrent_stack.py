"""Stacks of recurrent layers: a scan a layer and direction, whose parameters get their gradients after the loop."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from graphc.backends.xla.lowering import lowers
from graphc.backends.xla.scans import Gradients, Tap, scan
from graphc.ir import Context
from graphc.ops.recurrent_stack import OptimizedRNNStack, Part, cell, entered, start


@lowers(OptimizedRNNStack)
def optimized_rnn_stack(op: OptimizedRNNStack, c: Context, weights: Any, x: Any) -> Any:
    return op.value(c, weights, x, _direction)


def _direction(xp: Any, op: OptimizedRNNStack, gates: Any, part: Part, inside: Any, *, backward: bool) -> Any:
    def step(invariant: Any, state: Any, row: Any, taps: Any) -> Any:
        (matrix, bias), (of_input, is_inside) = invariant, row
        product = state[0] @ matrix + taps[0]
        found = cell(jnp, op.recurrent_op, of_input, product + bias + taps[1], state)
        found = found if is_inside is None else entered(jnp, is_inside, found)
        return found, found[0], [state[0], None]

    result = jax.ShapeDtypeStruct(gates.shape[1:], gates.dtype)
    gradients = Gradients((), (Tap(0, result), Tap(1, result, "bias")))
    invariant = [part.recurrent.T, part.recurrent_bias]
    return scan(step, invariant, start(jnp, op, gates), (gates, inside), gradients, reverse=backward)[0]
