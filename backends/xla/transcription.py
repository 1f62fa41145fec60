"""Criteria on whole sequences: loops over time that are compiled once, however long the sequences are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax

from graphc.backends.xla.lowering import lowers, with_pullback
from graphc.ir import Context
from graphc.ops.transcription import EditDistanceError, ForwardBackward


@lowers(ForwardBackward)
def forward_backward(op: ForwardBackward, c: Context, graph: Any, features: Any) -> Any:
    def value(c: Context, graph: Any, features: Any) -> Any:
        return op.value(c, graph, features, jax.lax.scan)

    def gradients(c: Context, xs: Sequence[Any], y: Any, g: Any) -> Sequence[Any]:
        return op.gradients(c, xs, g, jax.lax.scan)

    return with_pullback(value, gradients, c, graph, features)


@lowers(EditDistanceError)
def edit_distance_error(op: EditDistanceError, c: Context, a: Any, b: Any) -> Any:
    return op.value(c, a, b, jax.lax.scan)
