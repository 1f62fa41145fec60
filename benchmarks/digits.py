"""Training epochs of models/digits against the same networks written by hand in JAX (benchmarks/plain_jax.py).

    python -m benchmarks.digits [mlp convnet …] [--torch PYTHON]

graphc runs the real file, with its reader, schedules, metrics and progress reports; its time of an epoch is the one it
reports, in which the checkpoint that follows is not counted. After each of its epochs the hand-written loop trains one
on the same images in the same process, so both see the same machine. Where torch can be imported, or with an
interpreter that can, PyTorch trains one too, in a process of its own (benchmarks/plain_torch.py). All run under the
allocator settings of graphc unless GRAPHC_MALLOC=0 leaves the allocator alone.

A pair is equally many epochs of both. The ratio is throughput of graphc over theirs, above 1 graphc is faster: the
median of the pairs and the second least and second most, which enclose the true median with 98 % confidence.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from graphc.actions.events import EpochFinished, Event
from graphc.actions.run import run
from graphc.backend import load as load_backend
from graphc.config.experiment import read_experiment
from graphc.syntax.configuration import default_presets, load_configuration

load_backend("xla")  # sets the allocator before jax is there

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from benchmarks import plain_jax  # noqa: E402

MODELS = Path(__file__).parents[1] / "models" / "digits"
PAIRS, WARM_UP = 10, 3
# epochs of a pair: long enough for a clock, short enough for a benchmark
EPOCHS = {"logistic": 20, "mlp": 20, "convnet": 5}
BATCH = 32

Train = Callable[[int], float]


def images() -> tuple[np.ndarray, np.ndarray]:
    """The training set, one row an image, labels onehot."""
    rows = [line.split() for line in (MODELS / "train.ctf").read_text("utf-8").splitlines()]
    at = [(row.index("|features"), row.index("|labels")) for row in rows]
    x = np.array([[float(v) for v in row[f + 1 : f + 65]] for row, (f, _) in zip(rows, at, strict=True)], np.float32)
    y = np.array([[float(v) for v in row[i + 1 : i + 11]] for row, (_, i) in zip(rows, at, strict=True)], np.float32)
    return x, y


def plain(name: str) -> Train:
    """An epoch of the hand-written loop: its seconds."""
    x, y = images()
    data = jax.device_put((x.reshape(-1, 8, 8, 1), y))
    step = plain_jax.step(name)
    state = plain_jax.initial(name)
    rates = jnp.float32(0.002), jnp.float32(np.exp(-BATCH / 256)), jnp.float32(0.5)

    def epoch(number: int) -> float:
        nonlocal state
        started = time.perf_counter()
        order = jax.device_put(np.random.default_rng(number).permutation(len(x)).astype(np.int32))
        key = jax.random.key(number)
        for start in range(0, len(x), BATCH):
            state = step(*state, *data, order, start, key, rates, size=min(BATCH, len(x) - start))
        jax.block_until_ready(state)
        return time.perf_counter() - started

    return epoch


@contextmanager
def torch(python: str, name: str) -> Iterator[Train]:
    """An epoch of PyTorch in another process: its seconds."""
    script = str(Path(__file__).parent / "plain_torch.py")
    with subprocess.Popen([python, script, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        asked, told = worker.stdin, worker.stdout
        assert asked is not None and told is not None

        def epoch(number: int) -> float:
            asked.write(f"{number}\n")
            asked.flush()
            return float(told.readline())

        yield epoch
        asked.close()


@dataclass
class Interleaved:
    """Watches a run and lets the others train an epoch after each of its epochs."""

    others: dict[str, Train]
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def handle(self, event: Event) -> None:
        if not isinstance(event, EpochFinished):
            return
        self.seconds.setdefault("graphc", []).append(event.seconds)
        for name, train in self.others.items():
            self.seconds.setdefault(name, []).append(train(event.epoch))


def measure(name: str, python: str | None) -> None:
    epochs = WARM_UP + PAIRS * EPOCHS[name]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        others = {"plain JAX": plain(name)}
        if python is not None:
            others["PyTorch"] = stack.enter_context(torch(python, name))
        watcher = Interleaved(others)
        overrides = ["command=Train", f"OutputDir={folder}", "stderr=", f"Train=[SGD=[maxEpochs={epochs}]]"]
        file = str(MODELS / f"{name}.cntk")
        experiment = read_experiment(load_configuration([file], overrides, presets=default_presets(file)))
        run(experiment, watcher, output=io.StringIO())
    ours = blocks(watcher.seconds.pop("graphc"), name)
    for other, seconds in watcher.seconds.items():
        theirs = blocks(seconds, name)
        ratios = sorted(t / o for o, t in zip(ours, theirs, strict=True))
        epoch = statistics.median(ours) / EPOCHS[name] * 1e3, statistics.median(theirs) / EPOCHS[name] * 1e3
        print(
            f"{name:9} graphc / {other:10} {statistics.median(ratios):.2f}  [{ratios[1]:.2f} … {ratios[-2]:.2f}]"
            f"   {epoch[0]:.1f} ms against {epoch[1]:.1f} ms an epoch",
            flush=True,
        )


def blocks(seconds: list[float], name: str) -> list[float]:
    """Seconds of each pair's epochs."""
    kept, size = seconds[WARM_UP:], EPOCHS[name]
    return [sum(kept[i : i + size]) for i in range(0, len(kept), size)]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.digits")
    parser.add_argument("models", nargs="*", default=["mlp", "convnet"], metavar="MODEL", help="mlp, convnet, logistic")
    parser.add_argument("--torch", metavar="PYTHON", help="an interpreter that can import torch")
    options = parser.parse_args(arguments)
    python = options.torch or (sys.executable if importlib.util.find_spec("torch") else None)
    allocator = "as it is" if os.environ.get("GRAPHC_MALLOC") == "0" else "set as graphc sets it"
    print(f"{PAIRS} interleaved pairs, median [second least … second most]; the allocator is {allocator} in every row")
    for name in options.models:
        measure(name, python)


if __name__ == "__main__":
    main(sys.argv[1:])
