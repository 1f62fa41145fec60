"""The backend that training traces through: `graphc.backend.Backend` and what a step needs beyond it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, cast

from graphc.backend import Backend, Function, load
from graphc.ir import Graph
from graphc.ir.arithmetic import Arithmetic


class Engine(Backend, Protocol):
    """A backend whose functions JAX can differentiate and stage."""

    # makes the `RandomStream` of a step from a key of two 32-bit words, which may be traced
    stream: Callable[[Any], Any]
    # 32 bits that stand for run seed and epoch
    epoch_word: Callable[[int, int], int]

    # marks a parameter whose array has its axes in that order, as `numpy.transpose` takes it
    kept: Callable[[Any, tuple[int, ...]], Any]

    # marks a parameter whose gradient is wanted by column: array, products that read it, and the zeros added to these
    columns: Callable[..., Any]

    def function(self, graph: Graph, *, training: bool = False, arithmetic: Arithmetic = "full") -> Function: ...

    def kept_axes(self, graph: Graph) -> Mapping[str, tuple[int, ...]]:
        """Parameters that are read faster with their axes in another order, which a step had better keep."""
        ...

    def jit(self, f: Callable[..., Any], graph: Graph, device: Any, *, donate: Sequence[int] = ()) -> Any: ...

    def precision(self, graph: Graph) -> AbstractContextManager[Any]: ...

    def device(self, device: str | int) -> Any: ...

    def is_cuda(self, device: Any) -> bool: ...


def engine() -> Engine:
    return cast(Engine, load("xla"))
