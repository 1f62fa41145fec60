"""How long initial values take to draw, on one thread: CNTK's generators, and NumPy's own 32-bit twister beside them.

    python -m benchmarks.draws [COUNT [REPETITIONS]]

Seconds of the clock, least and median, and of the processor. The limit is for the clock at its least: 50 million
uniform float32 numbers in 4 s.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

from graphc.data.mersenne import MT19937_64
from graphc.train import polar, ziggurat
from graphc.train.uniform import uniform
from graphc.train.xorwow import XorwowStream

COUNT, REPETITIONS = 50_000_000, 3
LIMITED, LIMIT = "uniform float32", 4.0

DRAWS: dict[str, Callable[[int], object]] = {
    LIMITED: lambda n: uniform(MT19937_64(1), n, -0.05, 0.05, np.float32),
    "uniform float64": lambda n: uniform(MT19937_64(1), n, -0.05, 0.05),
    "normal, ziggurat": lambda n: ziggurat.normal(MT19937_64(1), n),
    "normal, polar": lambda n: polar.normal(MT19937_64(1), n, "msvc"),
    "uniform float32 of a GPU": lambda n: XorwowStream(1).uniform(n, np.float32),
    "NumPy's MT19937, float64": lambda n: np.random.Generator(np.random.MT19937(1)).random(n),
}


def measured(draw: Callable[[int], object], count: int) -> tuple[float, float]:
    """Seconds of the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    draw(count)
    return time.perf_counter() - clock, time.process_time() - processor


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    repetitions = int(sys.argv[2]) if len(sys.argv) > 2 else REPETITIONS
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in DRAWS}
    for _ in range(repetitions):
        for name, draw in DRAWS.items():
            taken[name].append(measured(draw, count))
    print(f"{count:,} numbers{'':18}clock: least  median  processor")
    for name, seconds in taken.items():
        clock, processor = ([s[i] for s in seconds] for i in (0, 1))
        print(f"{name:32}{min(clock):11.2f}{statistics.median(clock):8.2f}{statistics.median(processor):11.2f}")
    least = min(clock for clock, _ in taken[LIMITED])
    print(f"limit: {LIMITED} of {COUNT:,} in {LIMIT:g} s; here {least * COUNT / count:.2f} s")
    return int(least * COUNT / count > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
