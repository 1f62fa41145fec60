"""``graphc run``: execute the commands of a configuration."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from graphc.backend import load as load_backend
from graphc.cli.arguments import Parser, load, make_parser
from graphc.config.experiment import Experiment, RootSettings, read_experiment
from graphc.diagnostics import RunError, Span
from graphc.ui.guard import unwritable


def parser() -> Parser:
    return make_run_parser(
        "run",
        "Execute the commands of a configuration: train, test, write.",
        """
        graphc run models/digits/convnet.cntk
        graphc run models/digits/convnet.cntk randomSeed=3 'Train=[SGD=[maxEpochs=5]]'
        graphc run models/digits/mlp.cntk command=Test --metrics test.jsonl
        """,
    )


def make_run_parser(name: str, description: str, examples: str) -> Parser:
    made = make_parser(name, description, examples)
    made.add_argument("--metrics", metavar="FILE.jsonl", help="write what happens, one JSON object a line")
    made.add_argument("--device", metavar="cpu|gpu|tpu|N", help="where to compute; beats deviceId")
    made.add_argument("--rng", choices=("jax", "cntk"), help="whose random numbers; beats randomGenerator")
    made.add_argument("--check-data", action="store_true", help="look at every number of the data before it is used")
    return made


def run(options: argparse.Namespace) -> int:
    return execute(options, plain=False)


def execute(options: argparse.Namespace, *, plain: bool) -> int:
    """Run a configuration; ``plain``: nothing but CNTK's log on standard error."""
    experiment = read_experiment(load(options.arguments))
    with _interrupts_later():
        # The backend sets the C library's allocator, which must happen before anything else loads jax.
        load_backend("xla")
        from graphc.actions.context import RunOptions  # these load jax
        from graphc.actions.run import run as run_experiment
        from graphc.ui.observers import observers

    arguments = ("graphc", *sys.argv[1:])
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(_log(experiment.settings, experiment))
        metrics = stack.enter_context(_opened(Path(options.metrics), "metrics")) if options.metrics else None
        faces = observers(log, metrics, experiment.settings, plain=plain)
        stack.callback(faces.stop)
        try:
            run_experiment(
                experiment,
                faces,
                output=sys.stdout,
                options=RunOptions(options.device, options.rng, options.check_data),
                arguments=arguments,
            )
        except KeyboardInterrupt:
            faces.stop()
            print(_interrupted(faces.last_model, experiment.settings), file=sys.stderr)
            return 130
        faces.finish()
    return 0


@contextlib.contextmanager
def _interrupts_later() -> Iterator[None]:
    """Ctrl-C takes effect when the block ends: inside a library that is being loaded it would break something else."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if seen and before is not signal.SIG_IGN:
        raise KeyboardInterrupt


def _interrupted(model: Path | None, settings: RootSettings) -> str:
    if model is None:
        return "interrupted"
    going_on = ", and the same command goes on from there" if settings.make_mode else ""
    return f"interrupted: the last model is {model}{going_on}"


@contextlib.contextmanager
def _log(settings: RootSettings, experiment: Experiment) -> Iterator[TextIO | None]:
    """The log file that ``stderr`` names, or none."""
    path = log_path(settings, experiment)
    if path is None:
        yield None
        return
    place = settings.spans.get("stderr")
    with _opened(path, "log", place, append=settings.append_log_file) as stream:
        yield stream


def log_path(settings: RootSettings, experiment: Experiment) -> Path | None:
    """CNTK's name of the log: as given or, with time stamps, followed by the commands and ``.log``."""
    if not settings.stderr:
        return None
    commands = "".join(f"_{section.name}" for section in experiment.commands)
    name = f"{settings.stderr}{commands}.log" if settings.timestamping else settings.stderr
    return experiment.root.context.directory / name


@contextlib.contextmanager
def _opened(path: Path, what: str, place: Span | None = None, *, append: bool = False) -> Iterator[TextIO]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("a" if append else "w", encoding="utf-8")
    except OSError as error:
        raise RunError(unwritable(what, path, error, place)) from error
    try:
        yield stream
    except BaseException:
        with contextlib.suppress(OSError):  # of what could not be written before, and is told already
            stream.close()
        raise
    stream.close()
