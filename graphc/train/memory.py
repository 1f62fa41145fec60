"""Devices without enough memory, told as what they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import jax

from graphc.diagnostics import Diagnostic, RunError, Span


@contextmanager
def enough_memory(what: str, place: Span | None) -> Iterator[None]:
    """Raise `RunError` at ``place`` if ``what`` asks for more memory than there is."""
    try:
        yield
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" not in str(error):
            raise
        asked = re.search(r"\ballocating (\d+) bytes", str(error))
        amount = f": {int(asked[1]) / 1e9:.1f} GB at once" if asked else ""
        hint = "try a smaller minibatchSize, or look with graphc compile --emit network for values of enormous shape"
        message = f"{what} needs more memory than there is{amount}"
        raise RunError(Diagnostic("GC0804", message, place, hint=hint)) from error
