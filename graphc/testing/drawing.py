"""Operands for generated operators: nodes that are there already, or new inputs and parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from graphc.ir import ElementType, Node, ShapeError, Storage, TensorType
from graphc.ops.initializers import Initializer
from graphc.ops.rules import broadcast, without_ones
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.testing.choices import Choices

# larger values are left out: they cost time and find nothing more
LARGEST = 64
_ATTEMPTS = 8

# numbers that passes have rules for, and others
_CONSTANTS = (0.0, 1.0, -1.0, 2.0, 0.5)

Shape = tuple[int, ...]
T = TypeVar("T")


@dataclass
class Drawing:
    """A graph in the making. Operands come from ``pool`` where something fits, else from sources that are added to it.

    ``sources`` are all new inputs and parameters; with ``constants``, some of them are frozen at one number.
    A recipe asks for operands and applies its operator; what it asks for always exists.
    """

    choices: Choices
    element: ElementType = ElementType.FLOAT32
    constants: bool = False
    pool: list[Node] = field(default_factory=list)
    sources: list[Node] = field(default_factory=list)
    _names: int = 0

    def shape(self, least: int = 1, most: int = 3, largest: int = 3) -> Shape:
        """Dimensions of ``least`` to ``most`` axes."""
        count = self.choices.integer(least, most)
        if self.choices.integer(0, 3) == 3:
            return (self.choices.integer(1, largest),) * count  # faults in the order of axes leave such types alone
        return tuple(self.choices.integer(1, largest) for _ in range(count))

    def name(self, stem: str) -> str:
        """A name that nothing else in this graph has."""
        self._names += 1
        return f"{stem}{self._names}"

    def anything(
        self, *, ranks: tuple[int, int] = (1, 3), frames: bool | None = None, sparse: bool = True, largest: int = 3
    ) -> Node:
        """An operand of any shape; ``frames`` says whether it has a dynamic axis, none: either way."""

        def fits(type: TensorType) -> bool:
            return ranks[0] <= type.rank <= ranks[1] and frames in (None, type.axis is not None)

        return self._known(fits) or self.source(self.shape(*ranks, largest), frames=frames, sparse=sparse)

    def shaped(self, shape: Shape, *, frames: bool | None = None, sparse: bool = False) -> Node:
        """An operand of that shape."""
        known = self._known(lambda t: t.dims == shape and frames in (None, t.axis is not None))
        return known or self.source(shape, frames=frames, sparse=sparse)

    def partner(self, *types: TensorType) -> Node:
        """An operand that broadcasts with these."""
        if self.constants and self.choices.integer(0, 3) == 3:
            return self.constant(self._broadcastable(broadcast(*types).dims), self.choices.one_of(_CONSTANTS))
        known = self._known(lambda t: _fits(broadcast, *(u.with_axis(None).dense() for u in (*types, t))))
        return known or self.source(self._broadcastable(broadcast(*types).dims))

    def same_sample(self, type: TensorType, *, frames: bool | None = None, sparse: bool = False) -> Node:
        """An operand with the same elements in the same order: axes of 1 may differ."""
        core = tuple(d for d in type.dims if d != 1)
        known = self._known(lambda t: without_ones(t.shape) == core and frames in (None, t.axis is not None))
        if known is not None:
            return known
        shape = self.choices.one_of((type.dims, core or (1,), (*core, 1), (1, *core)))
        return self.source(shape, frames=frames, sparse=sparse)

    def source(self, shape: Shape, *, frames: bool | None = None, sparse: bool = False) -> Node:
        """A new input or parameter."""
        if frames is False or (frames is None and self.choices.integer(0, 2) == 0):
            return self.parameter(shape)
        storages = (Storage.DENSE, Storage.DENSE, *Storage) if sparse else (Storage.DENSE,)
        storage = self.choices.one_of(storages)
        return self._add(InputValue(self.name("x"), shape, element=self.element, storage=storage)())

    def parameter(self, shape: Shape) -> Node:
        """A new parameter, which may be a constant where the graph has constants."""
        if self.constants and self.choices.flag():
            return self.constant(shape, self.choices.one_of(_CONSTANTS))
        return self._add(LearnableParameter(self.name("w"), shape, element=self.element)())

    def state(self, shape: Shape, value: float) -> Node:
        """A new parameter that an operator may update. Until then it holds one value everywhere, as constants do."""
        if self.constants:
            return self.constant(shape, value)
        return self._add(LearnableParameter(self.name("state"), shape, element=self.element)())

    def constant(self, shape: Shape, value: float) -> Node:
        """A new frozen parameter that holds one number."""
        initializer = Initializer("fixedValue", value=value)
        return self._add(LearnableParameter(self.name("c"), shape, 0.0, initializer, self.element)())

    def attempt(self, *proposals: Callable[[], T]) -> T:
        """What the first proposal gives that breaks no shape rule; all but the last are tried several times.

        Attributes of windows are proposed at random, because few of them fit; the last proposal always does.
        """
        for proposal in (p for p in proposals[:-1] for _ in range(_ATTEMPTS)):
            try:
                return proposal()
            except ShapeError:
                continue
        return proposals[-1]()

    def _add(self, node: Node) -> Node:
        self.sources.append(node)
        self.pool.append(node)
        return node

    def _known(self, fits: Callable[[TensorType], bool]) -> Node | None:
        found = [node for node in self.pool if node.type.size <= LARGEST and fits(node.type)]
        # a new operand now and then, or graphs would all hang on their first input
        if not found or self.choices.integer(0, 4) == 4:
            return None
        return self.choices.one_of(found)

    def _broadcastable(self, shape: Shape) -> Shape:
        keep = [1 if self.choices.integer(0, 3) == 3 else d for d in shape]
        match self.choices.integer(0, 3):
            case 0:
                return tuple(keep)
            case 1:
                return tuple(keep[: self.choices.integer(1, len(keep))])
            case 2 if len(shape) < 3:
                return (*keep, self.choices.integer(1, 3))
            case _:
                return shape


def _fits(rule: Callable[..., object], *types: TensorType) -> bool:
    try:
        rule(*types)
    except ShapeError:
        return False
    return True


def divisors(number: int) -> Sequence[int]:
    """Numbers that divide it, the smallest first."""
    return [d for d in range(1, number + 1) if number % d == 0]
