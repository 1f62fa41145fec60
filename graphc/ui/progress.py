"""Live progress of a run on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from graphc.actions.events import (
    CommandFinished,
    CommandStarted,
    Criterion,
    EpochFinished,
    EpochStarted,
    Event,
    FinalResults,
    Found,
    MinibatchesDone,
    MinibatchWritten,
    NetworkReady,
    NothingToDo,
    Observer,
    RunFinished,
    Traced,
    Written,
)
from graphc.diagnostics import Severity


def describe(criteria: Sequence[Criterion]) -> str:
    """``ce 0.1234  errs 2.51 %``: rates (names that end in ``s``) in percent, as the log shows them."""
    return "  ".join(
        f"{c.name} {_number(100 * c.value, 2)} %" if c.name.endswith("s") else f"{c.name} {_number(c.value, 4)}"
        for c in criteria
    )


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if abs(value) < 1e6 else f"{value:.4g}"


class TerminalProgress(Observer):
    """One live bar for the command that runs, and a line that stays for everything that is finished."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[status]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None

    def handle(self, event: Event) -> None:
        match event:
            case CommandStarted(section, action):
                self._console.print(f"[bold]{escape(section)}[/bold] [dim]({escape(action)})[/dim]")
                self._start(f"{action}: preparing", None)
            case NetworkReady():
                self._network_ready(event)
            case EpochStarted(epoch=epoch, epochs=epochs):
                self._start(f"epoch {epoch:>{len(str(epochs))}} of {epochs}", 1.0)
            case MinibatchesDone():
                self._minibatches(event)
            case EpochFinished():
                self._epoch(event)
            case NothingToDo(_, path):
                self._console.print(f"  [green]already trained[/green]: {escape(str(path))} (makeMode)")
            case FinalResults(criteria=criteria, phase="test"):
                samples = criteria[0].samples if criteria else 0
                self._console.print(f"  {describe(criteria)}  [dim]on {samples:,} samples[/dim]")
            case MinibatchWritten(_, minibatch, samples):
                self._update(None, f"minibatch {minibatch + 1}: {samples} samples")
            case Written(_, _, files, samples):
                names = ", ".join(escape(str(f)) for f in files) or "standard output"
                self._console.print(f"  wrote {samples:,} samples to {names}")
            case Traced(_, text):
                self._console.print(escape(text), end="", highlight=False, soft_wrap=True)
            case Found(_, diagnostic) if diagnostic.severity is Severity.WARNING:
                self._console.print(escape(diagnostic.render()))
            case CommandFinished() | RunFinished():
                self.stop()
            case _:
                pass

    def stop(self) -> None:
        """Take the live bar off the screen, also when a run ends early."""
        self._progress.stop()
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None

    def _start(self, description: str, total: float | None) -> None:
        if self._task is None:
            self._task = self._progress.add_task(description, total=total, status="")
            self._progress.start()
        else:
            self._progress.reset(self._task, total=total, description=description, status="")

    def _update(self, completed: float | None, status: str) -> None:
        if self._task is not None:
            self._progress.update(self._task, completed=completed, status=status)

    def _network_ready(self, event: NetworkReady) -> None:
        resumed = f", continuing from {escape(str(event.resumed_from))}" if event.resumed_from else ""
        self._console.print(
            f"  {event.parameters:,} parameters in {len(event.tensors)} tensors, {event.nodes} nodes, "
            f"{escape(event.device)}{resumed}"
        )

    def _minibatches(self, event: MinibatchesDone) -> None:
        rate = f"{event.samples / event.seconds:,.0f} samples/s" if event.seconds > 0 else ""
        self._update(event.fraction, f"{describe(event.criteria)}  [dim]{rate}[/dim]")

    def _epoch(self, event: EpochFinished) -> None:
        head = f"  epoch {event.epoch:>{len(str(event.epochs))}} of {event.epochs}"
        if event.phase == "cv":
            self._line(f"{head}  validation  {describe(event.criteria)}")
            return
        rate = f"{event.samples_per_second:,.0f} samples/s"
        self._line(f"{head}  {describe(event.criteria)}  [dim]{rate}[/dim]")

    def _line(self, text: str) -> None:
        """A line that loses its end where the terminal is narrow: epochs stand one below the other."""
        self._console.print(text, no_wrap=True, overflow="ellipsis")
