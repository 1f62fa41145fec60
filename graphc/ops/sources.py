"""Operators without operands: inputs and parameters."""

from __future__ import annotations

from typing import Any, ClassVar

from graphc.ir import (
    DEFAULT_AXIS,
    Context,
    Cost,
    DynamicAxis,
    ElementType,
    Op,
    Shape,
    ShapeError,
    Storage,
    TensorType,
    op,
)
from graphc.ops.initializers import Initializer


@op
class InputValue(Op):
    """A stream of the reader: one sample of shape ``shape`` a frame.

    ``axis`` names the dynamic axis; inputs that name the same one have the same sequences.

    Example: ``InputValue (shape=2:3) = [2 x 3 x *]``
    """

    names: ClassVar = ("InputValue", "Input")
    family: ClassVar = "sources"
    identified: ClassVar = True
    internal: ClassVar = frozenset({"name", "element", "storage"})
    spelling: ClassVar = {"axis": "dynamicAxis"}

    name: str
    shape: Shape
    axis: str = DEFAULT_AXIS.name
    element: ElementType = ElementType.FLOAT32
    storage: Storage = Storage.DENSE

    def infer(self) -> TensorType:
        return TensorType(self.shape, self.element, DynamicAxis(self.axis), self.storage)

    def cost(self, result: TensorType, *types: TensorType) -> Cost:
        return Cost(0.0, 0.0)


@op
class LearnableParameter(Op):
    """Values that training changes, unless ``learning_rate_multiplier`` is 0; no dynamic axis.

    A dimension of 0 is inferred from where the parameter is used.

    Example: ``LearnableParameter (shape=2:3) = [2 x 3]``
    """

    names: ClassVar = ("LearnableParameter", "Parameter")
    family: ClassVar = "sources"
    identified: ClassVar = True
    internal: ClassVar = frozenset({"name", "element", "initializer", "is_state"})

    name: str
    shape: Shape
    learning_rate_multiplier: float = 1.0
    initializer: Initializer = Initializer()
    element: ElementType = ElementType.FLOAT32
    # its values are not the initializer's for life: an operator's state, or loaded from a model and then frozen
    is_state: bool = False

    def infer(self) -> TensorType:
        return TensorType(self.shape, self.element)

    @property
    def is_trained(self) -> bool:
        return self.learning_rate_multiplier > 0

    @property
    def constant(self) -> float | None:
        """The value of a frozen parameter that holds one value everywhere, else none."""
        if self.is_trained or self.is_state or self.initializer.kind not in ("fixedValue", "zero"):
            return None
        return self.initializer.value if self.initializer.kind == "fixedValue" else 0.0

    def cost(self, result: TensorType, *types: TensorType) -> Cost:
        return Cost(0.0, 0.0)


@op
class EnvironmentInput(Op):
    """A property of the run as a number: ``isTraining`` is 1 in training and 0 otherwise.

    Example: ``EnvironmentInput (propertyName=isTraining) = [1] 0``
    """

    names: ClassVar = ("EnvironmentInput",)
    family: ClassVar = "sources"
    internal: ClassVar = frozenset({"element"})

    property_name: str
    element: ElementType = ElementType.FLOAT32

    def infer(self) -> TensorType:
        if self.property_name != "isTraining":
            raise ShapeError(f"propertyName is {self.property_name!r}, there is only 'isTraining'")
        return TensorType((1,), self.element)

    def evaluate(self, c: Context) -> Any:
        return c.xp.full((1,), float(c.training), self.element.value)
