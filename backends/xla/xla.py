"""The backend object: what `graphc.backend.load` hands out, and everything of JAX that training asks for."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from pathlib import Path

from graphc.backends.xla import gradients, lowering, options, program
from graphc.backends.xla.device import is_cuda, resolve
from graphc.backends.xla.random import CounterStream, epoch_word
from graphc.backends.xla.storage import kept_axes
from graphc.backends.xla.values import Columns, Kept


class XlaBackend:
    """See `graphc.backend.Backend`; the further members are for those who trace functions of their own."""

    name = "xla"

    function = staticmethod(lowering.function)
    compile = staticmethod(program.compile)
    value_and_gradients = staticmethod(gradients.value_and_gradients)
    jit = staticmethod(program.jit)
    precision = staticmethod(program.precision)
    device = staticmethod(resolve)
    is_cuda = staticmethod(is_cuda)
    stream = CounterStream
    kept_axes = staticmethod(kept_axes)
    kept = Kept
    columns = Columns
    epoch_word = staticmethod(epoch_word)
    export = staticmethod(program.export)
    lowered_text = staticmethod(program.lowered_text)


def _register(skip: Sequence[str]) -> None:
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name not in skip:
            importlib.import_module(f"{__package__}.{module.name}")


_register(skip=("xla",))
options.keep_compiled_programs()
BACKEND = XlaBackend()
