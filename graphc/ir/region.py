"""The body of a recurrence: an acyclic graph of one time step, and how its values go from step to step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from graphc.ir.graph import Graph
from graphc.ir.types import DynamicAxis, TensorType


@dataclass(frozen=True)
class Carry:
    """A delay inside a loop: the body's input ``name`` is its value ``value`` of ``time_step`` frames before.

    ("Before" is in the direction of the loop.) In the first frames of a sequence it is the operand number ``initial``
    of the loop or, where that is none, ``default``.
    """

    name: str
    value: str
    time_step: int = 1
    default: float = 0.1
    initial: int | None = None


@dataclass(frozen=True, eq=False)
class Region:
    """A loop over the frames of each sequence of ``axis``, from the last frame on if ``backward``.

    ``body`` is one step: its inputs named ``steps`` are the loop's first operands, a frame at a time; its parameters
    named ``constants`` are the operands behind them, which have no dynamic axis; initial states follow. Its roots can
    be results of the loop. Regions that compute the same are equal.
    """

    body: Graph
    axis: DynamicAxis
    backward: bool
    steps: tuple[str, ...]
    constants: tuple[str, ...]
    carries: tuple[Carry, ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Region) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @cached_property
    def _key(self) -> tuple[Any, ...]:
        # nodes are interned, so equal ones are the same
        roots = tuple(self.body.roots.items())
        return roots, self.axis, self.backward, self.steps, self.constants, self.carries

    @cached_property
    def initials(self) -> int:
        """How many operands are initial states."""
        return len({carry.initial for carry in self.carries} - {None})

    @property
    def operands(self) -> int:
        return len(self.steps) + len(self.constants) + self.initials

    def type_of(self, output: str) -> TensorType:
        return self.body.roots[output].type

    def one_step(self, outputs: tuple[str, ...]) -> Graph:
        """The body for these results and what goes on to the next step."""
        return self.body.select(tuple(dict.fromkeys([*(c.value for c in self.carries), *outputs])))

    def with_body(self, change: Callable[[Graph], Graph]) -> Region:
        return replace(self, body=change(self.body))
