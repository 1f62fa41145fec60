"""Executes the commands of a configuration, one after the other."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TextIO

from graphc.actions.beam_search import beam_search
from graphc.actions.context import RunContext, RunOptions
from graphc.actions.dump import dump
from graphc.actions.edit import edit
from graphc.actions.edit_script import run_edits
from graphc.actions.events import CommandFinished, CommandStarted, Found, Noted, Observer, RunFinished, RunStarted
from graphc.actions.test import test
from graphc.actions.train import train
from graphc.actions.write import write
from graphc.config.commands import (
    BeamSearchCommand,
    Command,
    DumpCommand,
    EditCommand,
    OtherCommand,
    RunnableCommand,
    ScriptCommand,
    TestCommand,
    TrainCommand,
    WriteCommand,
    readers_of,
)
from graphc.config.experiment import Experiment
from graphc.diagnostics import Diagnostic, DiagnosticError, Diagnostics, RunError, Span
from graphc.files import atomic_writer, why
from graphc.train.memory import enough_memory


def run(
    experiment: Experiment,
    observer: Observer,
    *,
    output: TextIO,
    options: RunOptions | None = None,
    arguments: tuple[str, ...] = (),
) -> None:
    """Execute every command; raises `DiagnosticError`, after telling the observer, when one fails.

    ``arguments`` is the command line, for the log; ``output`` is where ``outputPath = -`` writes.
    """
    settings = experiment.settings
    names = tuple(section.name for section in experiment.commands)
    observer.handle(RunStarted(names, settings.precision, arguments, settings.trace_level))
    context = RunContext(experiment, observer, output, options or RunOptions())
    with contextlib.chdir(experiment.root.context.directory):
        with _telling(observer, ""):
            commands = _read(experiment)
        for command in commands:
            with _telling(observer, command.name):
                _execute(command, context)
        if settings.done_file:
            with _telling(observer, ""):
                _write_done_file(Path(settings.done_file), settings.spans.get("doneFile"))
    observer.handle(RunFinished(timestamping=settings.timestamping))


def _read(experiment: Experiment) -> list[RunnableCommand]:
    """Every command, before the first is executed: a long training must not end in a misspelt key of the next one."""
    found = Diagnostics()
    commands: list[RunnableCommand] = []
    for section in experiment.commands:
        try:
            commands += [_runnable(command, experiment) for command in section.read()]
        except DiagnosticError as error:
            found.extend(error.diagnostics)
    found.raise_errors()
    return commands


def _runnable(command: Command, experiment: Experiment) -> RunnableCommand:
    if isinstance(command, OtherCommand):
        others = ":".join(s.name for s in experiment.commands if s.name != command.name)
        hint = f"leave it out: command={others}" if others else None
        raise DiagnosticError(replace(command.diagnostic(), hint=hint))
    for reader in readers_of(command):
        reader.require_supported()
    return command


def _execute(command: RunnableCommand, context: RunContext) -> None:
    context.warn(command.name, context.take_warnings())
    action: Callable[..., None]
    match command:
        case TrainCommand():
            name, action = "train", train
        case TestCommand():
            name, action = "test", test
        case WriteCommand():
            name, action = "write", write
        case BeamSearchCommand():
            name, action = "beamSearch", beam_search
        case EditCommand():
            name, action = "edit", edit
        case ScriptCommand():
            name, action = "edit", run_edits
        case DumpCommand():
            name, action = "dumpNode", dump
    context.observer.handle(CommandStarted(command.name, name, command.trace_level))
    with enough_memory(command.name, command.span):
        action(command, context)
    context.observer.handle(CommandFinished(command.name, name))


@contextlib.contextmanager
def _telling(observer: Observer, section: str) -> Iterator[None]:
    try:
        yield
    except DiagnosticError as error:
        for diagnostic in error.diagnostics:
            observer.handle(Found(section, diagnostic))
        observer.handle(RunFinished(ok=False))
        raise
    except KeyboardInterrupt:
        observer.handle(Noted(section, "Interrupted."))
        observer.handle(RunFinished(ok=False))
        raise


def _write_done_file(path: Path, place: Span | None) -> None:
    now = datetime.now().strftime("%Y/%m/%d %H:%M:%S")
    try:
        with atomic_writer(path) as stream:
            stream.write(f"Successfully finished at {now} on {socket.gethostname()}\n")
    except OSError as error:
        message = f"doneFile {path} cannot be written: {why(error)}"
        raise RunError(Diagnostic("GC0004", message, place)) from error
