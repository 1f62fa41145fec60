"""A 3×3 convolution and its gradients with and without XLA's YNN fusions: why backends/xla/options.py has them.

    python -m benchmarks.convolution

Prints the least of several, in microseconds a call of value and gradients, with and without XLA's YNN fusions
(backends/xla/options.py); benchmarks/README.md has a table.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from graphc.backend import load

load("xla")  # sets the allocator before jax is there

import jax  # noqa: E402
import numpy as np  # noqa: E402

from graphc.backends.xla import convolution  # noqa: E402
from graphc.ops.geometry import AxisGeometry  # noqa: E402

SHAPES = (
    (32, 8, 8, 1, 16),
    (64, 28, 28, 1, 16),
    (64, 8, 8, 3, 16),
    (32, 8, 8, 16, 32),
    (64, 16, 16, 32, 32),
    (64, 32, 32, 16, 16),
)
FORMS: dict[str, Callable[..., Any]] = {"convolution": convolution.convolved, "rows": convolution.as_rows}
OPTIONS: dict[str, dict[str, str] | None] = {"": None, " no YNN": {"xla_cpu_experimental_ynn_fusion_type": ""}}


def program(form: Callable[..., Any], shape: tuple[int, ...], options: dict[str, str] | None) -> Callable[..., Any]:
    _, height, width, channels, _ = shape
    axes = [AxisGeometry(n, 3, 1, 1, 1, 1, n) for n in (height, width)]

    def run(x: Any, kernel: Any, g: Any) -> Any:
        y, pull = jax.vjp(lambda x, kernel: form(x, kernel, axes, 1), x, kernel)
        dx, dkernel = pull(g)
        return (y, dkernel) if channels <= 3 else (y, dkernel, dx)  # nobody asks for the gradient of an input image

    return jax.jit(run, compiler_options=options)


def measure(shape: tuple[int, ...]) -> None:
    frames, height, width, channels, maps = shape
    rng = np.random.default_rng(0)
    sizes = (frames, height, width, channels), (3, 3, channels, maps), (frames, height, width, maps)
    arrays = [jax.device_put(rng.normal(size=s).astype(np.float32)) for s in sizes]
    programs = {f + o: program(form, shape, options) for f, form in FORMS.items() for o, options in OPTIONS.items()}
    best = dict.fromkeys(programs, float("inf"))
    for _ in range(15):
        for name, run in programs.items():
            jax.block_until_ready(run(*arrays))
            started = time.perf_counter()
            jax.block_until_ready([run(*arrays) for _ in range(5)])
            best[name] = min(best[name], (time.perf_counter() - started) / 5)
    print(*shape, {name: round(t * 1e6) for name, t in best.items()}, flush=True)


if __name__ == "__main__":
    for shape in SHAPES:
        measure(shape)
