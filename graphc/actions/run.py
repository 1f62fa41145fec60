"""Executes the commands of a configuration, one after the other."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TextIO

from graphc.actions.context import RunContext, RunOptions
from graphc.actions.events import CommandFinished, CommandStarted, Found, Observer, RunFinished, RunStarted
from graphc.actions.test import test
from graphc.actions.train import train
from graphc.actions.write import write
from graphc.config.commands import Command, OtherCommand, TestCommand, TrainCommand, WriteCommand
from graphc.config.experiment import Experiment
from graphc.diagnostics import Diagnostic, DiagnosticError, RunError
from graphc.files import atomic_writer


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
        for section in experiment.commands:
            with _telling(observer, section.name):
                for command in section.read():
                    _execute(command, context)
            context.warn(section.name, context.take_warnings())
        if settings.done_file:
            _write_done_file(Path(settings.done_file))
    observer.handle(RunFinished(timestamping=settings.timestamping))


def _execute(command: Command, context: RunContext) -> None:
    context.warn(command.name, context.take_warnings())
    if isinstance(command, OtherCommand):
        raise DiagnosticError(command.diagnostic())
    action: Callable[..., None]
    match command:
        case TrainCommand():
            name, action = "train", train
        case TestCommand():
            name, action = "test", test
        case WriteCommand():
            name, action = "write", write
    context.observer.handle(CommandStarted(command.name, name))
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


def _write_done_file(path: Path) -> None:
    now = datetime.now().strftime("%Y/%m/%d %H:%M:%S")
    try:
        with atomic_writer(path) as stream:
            stream.write(f"Successfully finished at {now} on {socket.gethostname()}\n")
    except OSError as error:
        message = f"doneFile {path} cannot be written: {os.strerror(error.errno or 0).lower()}"
        raise RunError(Diagnostic("GC0004", message)) from error
