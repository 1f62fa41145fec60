"""How long ``graphc check`` takes, as whole processes: with nothing kept from before, and with its caches.

    python -m benchmarks.check [FILE|LINES [REPETITIONS]]

*bare*: no caches and no bytecode, as after a checkout. *cold*: no caches, bytecode as an installer leaves it.
*warm*: both. The three take turns, so that all see the same machine. The limits are for cold and warm.
For a number of lines, a configuration of that length is made up, whose network has nearly a layer every four lines.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.networks import configuration

MODEL = Path(__file__).parents[1] / "models" / "digits" / "convnet.cntk"
REPETITIONS = 10
LIMITS = {"cold": 0.8, "warm": 0.25}
UNWANTED = {"bare": ("jax", "numpy"), "cold": ("jax", "numpy"), "warm": ("jax", "numpy", "lark")}


@contextmanager
def environments() -> Iterator[dict[str, dict[str, str]]]:
    """Environment variables by kind of start; each bare and cold start wants its folders emptied before."""
    with tempfile.TemporaryDirectory() as scratch:
        folders = {name: str(Path(scratch, name)) for name in ("cache", "bytecode", "no-cache", "no-bytecode")}
        # an environment may forbid what every installation has
        clean = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        yield {
            kind: clean | {"GRAPHC_CACHE_DIR": folders[cache], "PYTHONPYCACHEPREFIX": folders[bytecode]}
            for kind, cache, bytecode in (
                ("bare", "no-cache", "no-bytecode"),
                ("cold", "no-cache", "bytecode"),
                ("warm", "cache", "bytecode"),
            )
        }


@contextmanager
def configuration_file(named: str) -> Iterator[str]:
    """The file itself, or one with so many lines."""
    if not named.isdecimal():
        yield named
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{named}_lines.cntk")
        path.write_text(configuration(int(named)), "utf-8")
        yield str(path)


def emptied(environment: dict[str, str]) -> dict[str, str]:
    """The environment, with what earlier starts left in its own folders thrown away."""
    for variable in ("GRAPHC_CACHE_DIR", "PYTHONPYCACHEPREFIX"):
        if Path(environment[variable]).name.startswith("no-"):
            shutil.rmtree(environment[variable], ignore_errors=True)
    return environment


def seconds(file: str, environment: dict[str, str]) -> float:
    """Time of one process from its start to its end."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "graphc", "check", file], env=environment, check=True, capture_output=True)
    return time.perf_counter() - started


def modules(file: str, environment: dict[str, str]) -> list[str]:
    """What such a process imports."""
    program = "import sys; from graphc.__main__ import main; main(); print(*sys.modules)"
    command = [sys.executable, "-c", program, "check", file]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()[-1].split()


def main(arguments: list[str]) -> int:
    repetitions = int(arguments[1]) if len(arguments) > 1 else REPETITIONS
    failures = []
    with environments() as kinds, configuration_file(arguments[0] if arguments else str(MODEL)) as file:
        seconds(file, kinds["warm"])
        times: dict[str, list[float]] = {kind: [] for kind in kinds}
        for _ in range(repetitions):
            for kind, environment in kinds.items():
                times[kind].append(seconds(file, emptied(environment)))
        for kind, environment in kinds.items():
            imported = modules(file, emptied(environment))
            failures += [f"a {kind} start imports {name}" for name in UNWANTED[kind] if name in imported]
            failures += report(kind, times[kind], len(imported))
    for failure in failures:
        print(f"FAILED: {failure}")
    return 1 if failures else 0


def report(kind: str, times: list[float], imports: int) -> list[str]:
    """Prints a line; what exceeds its limit."""
    median, limit = statistics.median(times), LIMITS.get(kind)
    bound = f"limit {limit:.2f} s" if limit else "no limit"
    print(f"{kind:5} {median:6.3f} s  ({min(times):.3f} to {max(times):.3f})  {imports:4} modules  {bound}")
    return [f"a {kind} start takes {median:.3f} s"] if limit and median > limit else []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
