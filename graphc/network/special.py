"""Operations that a network can hold and a graph cannot: dynamic axes by name, and delays before they are lowered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from graphc.ir import DynamicAxis, ElementType, Op, Shape, ShapeError, TensorType, operator
from graphc.ops.rules import broadcast, offer_others


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


@dataclass(frozen=True)
class Delay(Op):
    """The value of another frame of the same sequence: the only operation whose input may depend on its result.

    Frames outside the sequence are ``defaultHiddenActivation``, or the second operand. ``shape`` is a hint that the
    first operand overrides.
    """

    family: ClassVar = "sequences"
    arity: ClassVar = (1, 2)
    operands: ClassVar = ("x", "initialState")

    shape: tuple[int, ...] = (0,)
    time_step: int = 1
    default_hidden_activation: float = 0.1

    def infer(self, x: TensorType, initial: TensorType | None = None) -> TensorType:
        if initial is None:
            return x.dense()
        # an initial state may come from other sequences: its last frames stand before the first
        return broadcast(x.with_axis(None), initial.with_axis(None)).with_axis(x.axis)

    def offers(self, *types: TensorType) -> Iterable[tuple[int, Shape]]:
        return offer_others(*types)

    def check(self, x: TensorType, initial: TensorType | None = None) -> None:
        if self.time_step < 1:
            raise ShapeError(f"timeStep is {self.time_step}, it must be 1 or more")
        if x.axis is None:
            raise ShapeError("only values that depend on an input have other frames", 0)


@dataclass(frozen=True)
class PastValue(Delay):
    """The value ``timeStep`` frames ago.

    Example: ``PastValue ([2 x *], timeStep=2) = [2 x *]``
    """

    names: ClassVar = ("PastValue", "Delay")


@dataclass(frozen=True)
class FutureValue(Delay):
    """The value ``timeStep`` frames ahead.

    Example: ``FutureValue ([2 x *]) = [2 x *]``
    """

    names: ClassVar = ("FutureValue",)


NETWORK_OPERATIONS: tuple[type[Op], ...] = (AxisSource, PastValue, FutureValue)
_SPECIAL: dict[str, type[Op]] = {n.lower(): c for c in NETWORK_OPERATIONS for n in c.names}


def network_operator(name: str) -> type[Op] | None:
    """Class of an operation name, any case, aliases included: of the registry, or one of these."""
    return _SPECIAL.get(name.lower()) or operator(name)
