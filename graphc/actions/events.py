"""What happens in a run, as data: the log, the metrics file and the terminal are observers of these events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from graphc.diagnostics import Diagnostic

Phase = Literal["train", "cv", "test"]


@dataclass(frozen=True, slots=True)
class Criterion:
    """Average of a criterion or metric node over ``samples`` samples."""

    name: str
    operation: str
    value: float
    samples: int


@dataclass(frozen=True, slots=True)
class RunStarted:
    commands: tuple[str, ...]
    precision: str
    arguments: tuple[str, ...]
    trace_level: int


@dataclass(frozen=True, slots=True)
class CommandStarted:
    """``trace_level`` is how much the log tells of this command; none: as much as of the run."""

    section: str
    action: str
    trace_level: int | None = None


@dataclass(frozen=True, slots=True)
class NetworkReady:
    """A network is built or loaded. ``tensors`` are the trained parameters with their shapes in the author's order."""

    section: str
    nodes: int
    device: str
    criteria: tuple[tuple[str, str], ...]
    evaluations: tuple[tuple[str, str], ...]
    tensors: Mapping[str, tuple[int, ...]]
    parameters: int
    tensor_total: int
    gradient_nodes: int
    resumed_from: Path | None = None
    # names and operations of the statistics that are going to be computed before training
    statistics: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class StatisticsComputed:
    """The pass over the data before training is done."""

    section: str


@dataclass(frozen=True, slots=True)
class EpochStarted:
    """``momentum`` is the effective one of a full minibatch, ``momentum_time_constant`` in samples."""

    section: str
    epoch: int
    epochs: int
    learning_rate: float
    momentum: float
    momentum_time_constant: float
    minibatches: int


@dataclass(frozen=True, slots=True)
class MinibatchesDone:
    """Averages since the last such event; minibatches ``first`` to ``last``, from 1. ``fraction`` of the epoch done.

    A test has no epochs: ``epoch`` is 0. ``is_sized``: CNTK would know the size of the epoch by now; ``shown``: it
    would write a line.
    """

    section: str
    phase: Phase
    epoch: int
    epochs: int
    first: int
    last: int
    criteria: tuple[Criterion, ...]
    samples: int
    seconds: float
    fraction: float = 1.0
    is_sized: bool = False
    shown: bool = True


@dataclass(frozen=True, slots=True)
class EpochFinished:
    section: str
    phase: Phase
    epoch: int
    epochs: int
    criteria: tuple[Criterion, ...]
    total_samples: int
    learning_rate: float
    momentum_time_constant: float
    seconds: float
    minibatches: int
    # rate of the epoch's training alone, without reading, compiling and saving
    samples_per_second: float = 0.0
    # of sequences: what part of the frames, and of the places in lanes, was real; shapes, and those met first
    layout: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelSaved:
    section: str
    path: Path


@dataclass(frozen=True, slots=True)
class NothingToDo:
    """The final model is there already (`makeMode`)."""

    section: str
    path: Path


@dataclass(frozen=True, slots=True)
class FinalResults:
    section: str
    phase: Phase
    minibatches: int
    criteria: tuple[Criterion, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class MinibatchWritten:
    section: str
    minibatch: int
    samples: int


@dataclass(frozen=True, slots=True)
class Written:
    """Outputs are on disk; ``values`` by node where they are small (under 1 MB as text)."""

    section: str
    path: str
    files: Sequence[Path]
    samples: int
    seconds: float
    values: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Dumped:
    """The text of a saved model's nodes is on disk."""

    section: str
    path: Path
    nodes: int
    with_values: bool


@dataclass(frozen=True, slots=True)
class Noted:
    """A line for the log that has no event of its own."""

    section: str
    text: str
    trace_level: int = 0


@dataclass(frozen=True, slots=True)
class Traced:
    """Values of nodes in a minibatch, as lines that end."""

    section: str
    text: str


@dataclass(frozen=True, slots=True)
class Found:
    """A warning or an error."""

    section: str
    diagnostic: Diagnostic


@dataclass(frozen=True, slots=True)
class CommandFinished:
    section: str
    action: str


@dataclass(frozen=True, slots=True)
class RunFinished:
    ok: bool = True
    timestamping: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)


Event = (
    RunStarted
    | CommandStarted
    | NetworkReady
    | StatisticsComputed
    | EpochStarted
    | MinibatchesDone
    | EpochFinished
    | ModelSaved
    | NothingToDo
    | FinalResults
    | MinibatchWritten
    | Written
    | Dumped
    | Noted
    | Traced
    | Found
    | CommandFinished
    | RunFinished
)


class Observer(Protocol):
    def handle(self, event: Event) -> None: ...


@dataclass(frozen=True)
class Observers:
    """Passes each event on to several observers, in order."""

    observers: tuple[Observer, ...] = ()

    def handle(self, event: Event) -> None:
        for observer in self.observers:
            observer.handle(event)
