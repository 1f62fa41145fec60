"""Operands for generated operators: nodes that are there already, or new inputs and parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from graphc.ir import DEFAULT_AXIS, DynamicAxis, ElementType, Node, ShapeError, Storage, TensorType
from graphc.ops.delays import FutureValue, PastValue
from graphc.ops.elementwise import ElementTimes
from graphc.ops.initializers import Initializer
from graphc.ops.reductions import SumColumnElements
from graphc.ops.rules import broadcast, is_one_frame, one_frame_of, without_ones
from graphc.ops.sequences import GatherPacked, PackedIndex, Where
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
    A recipe asks for operands and applies its operator; what it asks for always exists. Operands that have frames have
    those of ``axis``; ``selections`` has for each axis that was made from another one the index of its frames there.
    ``storage`` is that of the next new input that may be sparse, where chance is not to decide.
    """

    choices: Choices
    element: ElementType = ElementType.FLOAT32
    constants: bool = False
    axis: DynamicAxis = DEFAULT_AXIS
    pool: list[Node] = field(default_factory=list)
    sources: list[Node] = field(default_factory=list)
    selections: dict[DynamicAxis, Node] = field(default_factory=dict)
    storage: Storage | None = None
    _names: int = 0

    def begin(self, choices: Choices, storage: Storage | None = None) -> None:
        """Begin another graph, by these decisions: the next operands are new, and so are their names."""
        self.choices, self.axis, self.storage = choices, DEFAULT_AXIS, storage
        self.pool.clear()
        self.selections.clear()

    @contextmanager
    def on(self, axis: DynamicAxis) -> Iterator[None]:
        """Inside, operands are on that axis."""
        before, self.axis = self.axis, axis
        yield
        self.axis = before

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
        if frames is not False and sparse and self.storage is not None:
            storage, self.storage = self.storage, None
        elif frames is False or (frames is None and self.choices.integer(0, 2) == 0):
            return self.parameter(shape)
        else:
            storages = (Storage.DENSE, Storage.DENSE, *Storage) if sparse else (Storage.DENSE,)
            storage = self.choices.one_of(storages)
        if (index := self.selections.get(self.axis)) is not None:
            target, _ = index.inputs
            with self.on(_axis(target)):
                x = self.source(shape, frames=True, sparse=sparse)
            return self._kept(GatherPacked()(index, x))
        return self._add(InputValue(self.name("x"), shape, self.axis.name, self.element, storage)())

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
        return self._kept(self._frozen(shape, value))

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

    def private(self, stem: str, shape: Shape = (1,)) -> Node:
        """A new input that nothing else will read: its numbers are of a kind of their own."""
        assert self.axis not in self.selections, self.axis
        node = InputValue(self.name(stem), shape, self.axis.name, self.element)()
        self.sources.append(node)
        return node

    def selection(self) -> Node:
        """Which frames of ``axis`` another axis has, as places in the minibatch: one that is there already, or new."""
        known = [index for index in self.selections.values() if _axis(index.inputs[0]) == self.axis]
        if known and self.choices.integer(0, 3):
            return self.choices.one_of(known)
        return self.selections[_axis(self.where())]

    def where(self) -> Node:
        """Chosen frames of ``axis``: some, the first, or the last of each sequence."""
        # frames of a selection that another condition chooses may be none
        if self.axis in self.selections or self.choices.integer(0, 2) < 2:
            return self.one_of_each()
        return self._selected(self.name("chosen"), self.private("flag"))

    def one_of_each(self) -> Node:
        """The first frames of the sequences of ``axis``, or the last ones."""
        if is_one_frame(self.axis):
            with self.on(DEFAULT_AXIS):
                return self.one_of_each()
        border = self.choices.one_of((PastValue, FutureValue))(default_hidden_activation=1.0)
        zero = ElementTimes()(SumColumnElements()(self.anything(frames=True, sparse=False)), self._frozen((1,), 0.0))
        return self._selected(one_frame_of(self.axis).name, border(zero))

    def _selected(self, name: str, flags: Node) -> Node:
        where = Where(name)(flags)
        self.selections.setdefault(_axis(where), PackedIndex()(flags, where))
        return where

    def _frozen(self, shape: Shape, value: float) -> Node:
        initializer = Initializer("fixedValue", value=value)
        self.sources.append(LearnableParameter(self.name("c"), shape, 0.0, initializer, self.element)())
        return self.sources[-1]

    def _add(self, node: Node) -> Node:
        self.sources.append(node)
        return self._kept(node)

    def _kept(self, node: Node) -> Node:
        self.pool.append(node)
        return node

    def _known(self, fits: Callable[[TensorType], bool]) -> Node | None:
        found = [n for n in self.pool if n.type.axis in (None, self.axis) and n.type.size <= LARGEST and fits(n.type)]
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


def _axis(node: Node) -> DynamicAxis:
    assert node.type.axis is not None, node
    return node.type.axis


def _fits(rule: Callable[..., object], *types: TensorType) -> bool:
    try:
        rule(*types)
    except ShapeError:
        return False
    return True


def divisors(number: int) -> Sequence[int]:
    """Numbers that divide it, the smallest first."""
    return [d for d in range(1, number + 1) if number % d == 0]
