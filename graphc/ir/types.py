"""What is known about a value before it exists: element type, sample shape, dynamic axis and storage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

# A dimension that inference has not found yet is None (the author writes 0 or Inferred).
Dim = int | None
Shape = tuple[Dim, ...]

MAX_RANK = 12
# what the index arithmetic of every device can hold
MAX_DIM = (1 << 31) - 1
# of one sample
MOST_ELEMENTS = 1 << 40


class ElementType(Enum):
    """Element type of a value; its value is NumPy's name for it."""

    FLOAT32 = "float32"
    FLOAT64 = "float64"

    def __str__(self) -> str:
        return self.value


class Storage(Enum):
    """How the samples of a value are stored."""

    DENSE = "dense"
    ONEHOT = "onehot"  # one index a frame, its entry is 1; an index outside the sample is none, and all is 0
    SPARSE = "sparse"  # a bag of index:value a frame


@dataclass(frozen=True, slots=True)
class DynamicAxis:
    """A minibatch of sequences of frames. Axes with one name are one axis."""

    name: str = "*"

    def __str__(self) -> str:
        return self.name


DEFAULT_AXIS = DynamicAxis()


@dataclass(frozen=True, slots=True)
class TensorType:
    """Type of a value. ``shape`` is in the author's order, first axis fastest; see `graphc.ir.layout` for arrays."""

    shape: Shape
    element: ElementType = ElementType.FLOAT32
    axis: DynamicAxis | None = None
    storage: Storage = Storage.DENSE

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def is_complete(self) -> bool:
        """Whether every dimension is known."""
        return None not in self.shape

    @property
    def dims(self) -> tuple[int, ...]:
        """The shape of a complete type."""
        assert self.is_complete, self
        return self.shape  # pyright: ignore[reportReturnType]

    @property
    def size(self) -> int:
        """Number of elements of a sample of a complete type."""
        return math.prod(self.dims)

    def dim(self, axis: int) -> Dim:
        """Dimension of an axis numbered from 1; axes behind the last are 1."""
        return self.shape[axis - 1] if axis <= self.rank else 1

    def with_shape(self, shape: Sequence[Dim]) -> TensorType:
        return replace(self, shape=tuple(shape))

    def with_dim(self, axis: int, size: Dim) -> TensorType:
        return self.with_shape((*self.shape[: axis - 1], size, *self.shape[axis:]))

    def with_axis(self, axis: DynamicAxis | None) -> TensorType:
        return replace(self, axis=axis)

    def dense(self) -> TensorType:
        return replace(self, storage=Storage.DENSE)

    def __str__(self) -> str:
        """As diagnostics show it: ``[5 x 2]``, ``[784 x *]`` with a dynamic axis, ``?`` for an unknown dimension."""
        return format_shape(self.shape, self.axis)


def format_shape(shape: Shape, axis: DynamicAxis | None = None) -> str:
    dims = ["?" if d is None else str(d) for d in shape]
    return f"[{' x '.join([*dims, str(axis)] if axis else dims)}]"


class ShapeError(Exception):
    """A shape rule was broken. It knows no position: who applies the operator attaches it.

    ``operands`` are the indices (from 0) of the inputs to blame; their origins are shown with the message.
    """

    def __init__(self, message: str, *operands: int, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.operands = operands
        self.hint = hint
