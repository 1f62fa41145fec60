"""Turns a file that cannot be written, from the start or in the middle of a run, into a diagnostic told once."""

from __future__ import annotations

from pathlib import Path

from graphc.actions.events import Event, Observer
from graphc.diagnostics import Diagnostic, RunError, Span
from graphc.files import why


def unwritable(what: str, path: Path | str, error: OSError, place: Span | None = None) -> Diagnostic:
    return Diagnostic("GC0004", f"the {what} file {path} cannot be written: {why(error)}", place)


class Guarded(Observer):
    """Hands events to an observer that writes a file, until the file refuses; then the run ends with `RunError`."""

    def __init__(self, observer: Observer, what: str, path: str, place: Span | None = None) -> None:
        self._observer = observer
        self._what, self._path, self._place = what, path, place
        self._failed = False

    def handle(self, event: Event) -> None:
        if self._failed:
            return
        try:
            self._observer.handle(event)
        except OSError as error:
            self._failed = True
            raise RunError(unwritable(self._what, self._path, error, self._place)) from error
