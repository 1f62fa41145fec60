"""The table at the end of a run: what came out, how fast, and where the files are."""

from __future__ import annotations

import time
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from graphc.actions.events import (
    CommandFinished,
    CommandStarted,
    EpochFinished,
    Event,
    FinalResults,
    ModelSaved,
    NothingToDo,
    Observer,
    Written,
)
from graphc.ui.progress import describe


class Summary(Observer):
    """Collects events; `print_to` shows the table."""

    def __init__(self, log: Path | None) -> None:
        self._log = log
        self._action: dict[str, str] = {}
        self._rows: dict[tuple[str, str], tuple[str, str, str]] = {}
        self._seconds: dict[tuple[str, str], float] = {}
        self._started = 0.0
        self._outputs: list[Path] = []
        self._model: Path | None = None

    def handle(self, event: Event) -> None:
        match event:
            case CommandStarted(section, action):
                self._action[section] = action
                self._started = time.perf_counter()
            case CommandFinished(section, action) if (section, action) in self._rows:
                self._seconds[section, action] = time.perf_counter() - self._started
            case EpochFinished(section=section, phase="train"):
                rate = f"{event.samples_per_second:,.0f}"
                self._row(section, describe(event.criteria), event.criteria[0].samples, rate)
            case FinalResults(section=section, phase="test"):
                self._row(section, describe(event.criteria), event.criteria[0].samples if event.criteria else 0)
            case Written(section=section):
                self._row(section, ", ".join(f.name for f in event.files) or "standard output", event.samples)
                self._outputs += event.files
            case NothingToDo(section, path):
                self._row(section, "already trained", 0)
                self._model = path
            case ModelSaved(_, path):
                self._model = path
            case _:
                pass

    @property
    def last_model(self) -> Path | None:
        """The newest model that the run has saved or found."""
        return self._model

    def _row(self, section: str, result: str, samples: int, rate: str = "") -> None:
        action = self._action.get(section, "")
        self._rows[section, action] = (result, f"{samples:,}" if samples else "", rate)

    def print_to(self, console: Console) -> None:
        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
        for heading in ("command", "action", "result"):
            table.add_column(heading, overflow="fold")
        table.add_column("samples", justify="right")
        # of training alone: a test is over before its program is compiled
        table.add_column("samples/s", justify="right")
        table.add_column("seconds", justify="right")
        for (section, action), cells in self._rows.items():
            seconds = self._seconds.get((section, action))
            table.add_row(section, action, *cells, "" if seconds is None else f"{seconds:.1f}")
        console.print()
        console.print(table)
        for label, path in (("model", self._model), *(("output", p) for p in self._outputs), ("log", self._log)):
            if path is not None:
                # Paths are for copying: never wrapped.
                console.print(f"{label:6}  {path}", soft_wrap=True, highlight=False, markup=False)
