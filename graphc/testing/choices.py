"""Who decides in what is generated: hypothesis, which can shrink it, or a seeded generator, which is fast."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

T = TypeVar("T")


class Choices(Protocol):
    """Decisions. The first option, the least number and no are the simplest: a counter-example shrinks to them."""

    def integer(self, least: int, most: int) -> int: ...

    def one_of(self, options: Sequence[T]) -> T: ...

    def flag(self) -> bool: ...


@dataclass(frozen=True)
class Seeded:
    """Decisions of a generator of random numbers."""

    source: random.Random

    @staticmethod
    def of(*seed: Any) -> Seeded:
        """Decisions that the parts of the seed determine, on every machine and in every process."""
        return Seeded(random.Random(repr(seed)))

    def integer(self, least: int, most: int) -> int:
        return self.source.randint(least, most)

    def one_of(self, options: Sequence[T]) -> T:
        return self.source.choice(options)

    def flag(self) -> bool:
        return self.source.random() < 0.5


@dataclass(frozen=True)
class Drawn:
    """Decisions of hypothesis."""

    draw: Callable[[SearchStrategy[Any]], Any]

    def integer(self, least: int, most: int) -> int:
        from hypothesis import strategies as st

        return self.draw(st.integers(least, most))

    def one_of(self, options: Sequence[T]) -> T:
        from hypothesis import strategies as st

        return self.draw(st.sampled_from(options))

    def flag(self) -> bool:
        from hypothesis import strategies as st

        return self.draw(st.booleans())
