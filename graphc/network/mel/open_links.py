"""Links that lead nowhere, as edits leave them until others are set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from graphc.diagnostics import Span
from graphc.ir import Op, ShapeError, TensorType
from graphc.network.network import NetworkNode


@dataclass(frozen=True)
class Nothing(Op):
    """Stands where a link leads nowhere, which it must not when the model is saved."""

    names: ClassVar = ("Nothing",)
    family: ClassVar = "sources"

    def infer(self) -> TensorType:
        raise ShapeError("a link leads nowhere")


def open_link(node: NetworkNode, span: Span) -> NetworkNode:
    """What a node reads that was linked to ``node`` before the edit at ``span``."""
    return NetworkNode(node.name, Nothing(), [], span)
