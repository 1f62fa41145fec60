"""What a network can hold and a graph cannot: dynamic axes by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from graphc.ir import DynamicAxis, ElementType, Op, TensorType, operator


@dataclass(frozen=True)
class AxisSource(Op):
    """A dynamic axis of its own, for inputs to name: its name is the node's. It has no value.

    Example: ``DynamicAxis () = [1 x node]``
    """

    names: ClassVar = ("DynamicAxis",)
    family: ClassVar = "sources"
    identified: ClassVar = True

    name: str
    element: ElementType = ElementType.FLOAT32

    def infer(self) -> TensorType:
        return TensorType((1,), self.element, DynamicAxis(self.name))


NETWORK_OPERATIONS: tuple[type[Op], ...] = (AxisSource,)
_SPECIAL: dict[str, type[Op]] = {n.lower(): c for c in NETWORK_OPERATIONS for n in c.names}


def network_operator(name: str) -> type[Op] | None:
    """Class of an operation name, any case, aliases included: of the registry, or one of these."""
    return _SPECIAL.get(name.lower()) or operator(name)
