"""Activations where XLA has a form of its own that fuses better than the operator's expression."""

from __future__ import annotations

from typing import Any

from jax import lax

from graphc.backends.xla.lowering import with_pullback
from graphc.ir import Context
from graphc.ops.unary import Sigmoid, StableSigmoid


def fused_sigmoid(op: Sigmoid | StableSigmoid, c: Context, x: Any) -> Any:
    """One fusion; the choice between two quotients would be three, which a step of a recurrence feels.

    For loops only: it rounds differently, and elsewhere recorded losses follow CNTK's quotients more closely.
    """
    return with_pullback(lambda _, x: lax.logistic(x), op.pullback, c, x)
