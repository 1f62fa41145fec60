"""How many examples a property is tried on, from which seed, and how hypothesis is run for it."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from graphc.ir import Graph, parse_graph

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

T = TypeVar("T")


@dataclass(frozen=True)
class Options:
    """What the options of the pytest plugin said; the seed decides on every example."""

    examples: int | None = None
    seed: int = 0
    replay: Path | None = None
    # counter-examples are shown as they were found, which is quicker than making them small
    as_found: bool = False


OPTIONS: ContextVar[Options | None] = ContextVar("graphc.testing options", default=None)


def options() -> Options:
    """What the plugin was told; the defaults where nothing or nobody said so."""
    return OPTIONS.get() or Options()


def examples(default: int) -> int:
    """How many examples to try."""
    chosen = options().examples
    return default if chosen is None else chosen


def replayed() -> Graph | None:
    """The graph of the file to be replayed, if there is one."""
    path = options().replay
    return None if path is None else parse_graph(path.read_text("utf-8"), str(path))


def for_all(strategy: SearchStrategy[T], check: Callable[[T], None], *, count: int) -> None:
    """Try the property on ``count`` examples; a failure is that of the smallest counter-example that was found."""
    from hypothesis import HealthCheck, Phase, given, seed, settings

    @seed(options().seed)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=(Phase.generate,) if options().as_found else (Phase.generate, Phase.shrink),
        report_multiple_bugs=False,
        suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large),
    )
    @given(strategy)
    def run(example: T) -> None:
        check(example)

    run()
