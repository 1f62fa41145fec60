"""Who watches a run: its log file, its metrics file, and a terminal or whatever standard error is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TextIO

from graphc.actions.events import Event, Observer
from graphc.actions.log import CntkLog
from graphc.actions.metrics import MetricsFile
from graphc.config.experiment import RootSettings
from graphc.ui.guard import Guarded


class Faces(Observer):
    """All observers of a run as one."""

    def __init__(self, observers: list[Observer]) -> None:
        self._observers = observers

    def handle(self, event: Event) -> None:
        for observer in self._observers:
            observer.handle(event)

    def stop(self) -> None:
        """Leave the terminal clean, however the run ended."""

    def finish(self) -> None:
        """Show what came out."""

    @property
    def last_model(self) -> Path | None:
        """The newest model that the run has saved, where somebody noted it."""
        return None


class _Terminal(Faces):
    def __init__(self, observers: list[Observer], log: Path | None) -> None:
        # rich takes a while to load, and a run in CNTK's manner never shows any of it
        from rich.console import Console

        from graphc.ui.progress import TerminalProgress
        from graphc.ui.summary import Summary

        self._output = Console()
        self._summary = Summary(log)
        self._progress: TerminalProgress | None = None
        more: list[Observer] = [self._summary]
        if sys.stderr.isatty():
            self._progress = TerminalProgress(Console(stderr=True))
            more.append(self._progress)
        super().__init__([*observers, *more])

    def stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()

    def finish(self) -> None:
        self._summary.print_to(self._output)

    @property
    def last_model(self) -> Path | None:
        return self._summary.last_model


def observers(log: TextIO | None, metrics: TextIO | None, settings: RootSettings, *, plain: bool) -> Faces:
    """CNTK's log goes to its file, or to standard error where there is no terminal to show progress on.

    ``plain`` is CNTK's manner: its log and nothing else.
    """
    found: list[Observer] = []
    if log is not None:
        written = CntkLog(log, settings.timestamping)
        found.append(Guarded(written, "log", log.name, settings.spans.get("stderr")))
        if plain:
            print(f"Redirecting stderr to file {log.name}", file=sys.stderr)
    if metrics is not None:
        found.append(Guarded(MetricsFile(metrics), "metrics", metrics.name))
    shows_progress = sys.stderr.isatty() and not plain
    if not shows_progress and (log is None or not plain):
        found.append(CntkLog(sys.stderr, settings.timestamping, errors=False, exceptions=plain))
    return Faces(found) if plain else _Terminal(found, Path(log.name) if log is not None else None)
