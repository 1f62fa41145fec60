"""Looking at values in passing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from graphc.ir import Context, Op, TensorType, op


class Shown(StrEnum):
    """What is shown of a value: its numbers, the place of the largest in each frame, or what is not 0."""

    REAL = "real"
    CATEGORY = "category"
    SPARSE = "sparse"


@dataclass(frozen=True)
class TextFormat:
    """How printed values look, in the words of the ``format`` section of ``write``."""

    type: Shown = Shown.REAL
    label_mapping_file: str = ""
    transpose: bool = True
    prologue: str = ""
    epilogue: str = ""
    sequence_separator: str = ""
    sequence_prologue: str = ""
    sequence_epilogue: str = "\\n"
    element_separator: str = " "
    sample_separator: str = "\\n"
    precision_format: str = ""


@op
class Trace(Op):
    """The operand itself. Its values are also printed in the log, where the run computes it.

    That is in the first ``logFirst`` minibatches of a command and then in every ``logFrequency``-th, 0 for none, behind
    the text ``say``; with ``logGradientToo`` training also prints the gradient of the criterion. No more than
    ``onlyUpToRow`` elements and ``onlyUpToT`` frames of each sequence are printed. ``format`` is a record like that of
    ``action = write``.

    Example: ``Trace ([2] 1 2, say=h) = [2] 1 2``
    """

    names: ClassVar = ("Trace",)
    family: ClassVar = "tracing"
    arity: ClassVar = (1, 1)
    operands: ClassVar = ("x",)
    # two traces of one value are two reports
    identified: ClassVar = True

    name: str
    say: str = ""
    log_frequency: int = 100
    log_first: int = 10
    log_gradient_too: bool = False
    only_up_to_row: int = 100000000
    only_up_to_t: int = 100000000
    format: TextFormat = TextFormat()

    spelling: ClassVar = {"only_up_to_t": "onlyUpToT"}

    def infer(self, x: TensorType) -> TensorType:
        return x

    def evaluate(self, c: Context, x: Any) -> Any:
        return x
