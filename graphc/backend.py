"""What a backend is: something that turns a graph into a function, found by name."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any, Protocol

import graphc.backends
from graphc.diagnostics import Diagnostic, DiagnosticError, did_you_mean
from graphc.ir import Frames, Graph, RandomStream
from graphc.ir.arithmetic import Arithmetic

# Parameter values by name, arrays in the layout of graphc.ir.layout.
Parameters = Mapping[str, Any]
# Input values by name: dense ``(frames, dN, …, d1)``; onehot ``(frames,)`` indices; sparse a pair
# ``(indices, values)``, each ``(frames, capacity)``. An index outside the sample is no entry; values are finite there.
Feeds = Mapping[str, Any]


@dataclass(frozen=True)
class Environment:
    """What a step needs beside parameters and feeds; every member may be traced.

    ``count`` is the number of real frames, those behind are padding; none: all are real. ``frames`` says more of
    dynamic axes, by name: how their frames form sequences; on an axis that is not there every frame is a sequence.
    ``settings`` are the schedules' scalars (graphc.ir.Context). ``carried`` is what recurrences bring along from the
    minibatch before (`graphc.ops.recurrence.History`), where minibatches have pieces of sequences.
    """

    count: Any | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    random: RandomStream | None = None
    frames: Mapping[str, Frames] = field(default_factory=dict)
    carried: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Results:
    """``outputs``: value of each root by name; ``updates``: new value of each parameter that is state, by name.

    ``frames`` are the dynamic axes that the step has met, by name. ``touched``: parameter of which the gradient is
    asked for by column → for each product that reads it the indices and values, ``(frames, capacity)``, of its other
    operand. ``carried``: what the next minibatch is given as `Environment.carried`; no gradient comes through it.
    """

    outputs: Mapping[str, Any]
    updates: Mapping[str, Any] = field(default_factory=dict)
    frames: Mapping[str, Frames] = field(default_factory=dict)
    touched: Mapping[str, Any] = field(default_factory=dict)
    carried: Mapping[str, Any] = field(default_factory=dict)


Function = Callable[[Parameters, Feeds, Environment], Results]
# With a fourth argument, weights of root elements by the root's name: the results, and by name of parameter or dense
# input the gradient of the weighted sum.
Gradients = Callable[[Parameters, Feeds, Environment, Mapping[str, Any]], tuple[Results, Mapping[str, Any]]]


class Backend(Protocol):
    """``function`` is pure and, where the backend traces, traceable; ``compile`` is ready to run on arrays."""

    name: str

    def function(self, graph: Graph, *, training: bool = False) -> Function:
        """Raises `DiagnosticError` naming every operator of the graph that has no lowering, with its place."""
        ...

    def compile(
        self, graph: Graph, *, training: bool = False, device: str | int = "auto", arithmetic: Arithmetic = "full"
    ) -> Function:
        """``arithmetic`` less than full allows a backend to compute in less where rounding does no harm."""
        ...

    def value_and_gradients(self, graph: Graph, *, training: bool = False) -> Gradients:
        """What `graphc.testing.check_lowering` compares; a backend that cannot differentiate does without it."""
        ...

    def lowered_text(
        self, graph: Graph, *, stage: str = "stablehlo", training: bool = False, arithmetic: Arithmetic = "full"
    ) -> str:
        """The program in the backend's own notation, for people to read."""
        ...


def names() -> list[str]:
    """Own backends, found by listing their package without importing it, then those of entry points."""
    own = [m.name for m in pkgutil.iter_modules(graphc.backends.__path__) if m.ispkg]
    return sorted({*own, *(e.name for e in entry_points(group="graphc.backends"))})


def load(name: str) -> Backend:
    """The backend of that name: attribute ``BACKEND`` of its package."""
    if name not in names():
        hint = did_you_mean(name, names(), f"there are {', '.join(names())}")
        raise DiagnosticError(Diagnostic("GC0801", f"there is no backend {name!r}", hint=hint))
    for entry in entry_points(group="graphc.backends", name=name):
        return entry.load()
    return importlib.import_module(f"graphc.backends.{name}").BACKEND
