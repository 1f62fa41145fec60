"""XLA's weak spots: the plain form of an operator against graphc's, and the table from which graphc chooses.

    python -m benchmarks.operators [NAME …]           times and ratios of all, or of those whose name begins so
    python -m benchmarks.operators --write [NAME …]   measure every form of every shape for backends/xla/measured.json

Both sides run in turns in one process, forward and with gradients. `taskset -c 0` in front makes one thread of XLA's;
then the least time of the processor is taken, which other work on the machine disturbs little, else the least by the
clock.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from graphc.backend import Environment, load

load("xla")  # sets the allocator before jax is there

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from graphc.backends.xla import argmax, convolution, dropout, forms, lowering, options, pooling, products  # noqa: E402
from graphc.backends.xla.random import CounterStream  # noqa: E402
from graphc.backends.xla.values import Value  # noqa: E402
from graphc.ir import DEFAULT_AXIS, Context, Graph, Storage, TensorType  # noqa: E402
from graphc.ir.arithmetic import Arithmetic  # noqa: E402
from graphc.ops.geometry import Windows  # noqa: E402
from graphc.ops.products import Times  # noqa: E402
from graphc.ops.sources import InputValue, LearnableParameter  # noqa: E402

MOST_ROUNDS, MOST_SECONDS = 11, 1.0
# Shorter calls are repeated for one sample of their time: the other side's may have filled the processor's caches.
SHORTEST_SAMPLE = 1e-2

Program = Callable[[], Any]


@dataclass(frozen=True)
class Case:
    """An operator at one shape: two ways to compute it from the same arrays, and all that the table could name."""

    operator: str
    shape: str
    arrays: tuple[Any, ...]
    plain: Callable[..., Any]
    graphc: Callable[..., Any]
    # which of the arrays get a gradient
    differentiated: tuple[int, ...] = ()
    facts: forms.Facts | None = None
    # what the table tells apart → form → program
    parts: Mapping[str, Mapping[str, Callable[[], Any]]] | None = None
    compiler: Mapping[str, str] | None = None

    def forward(self, f: Callable[..., Any]) -> Program:
        return partial(self._staged(f), *self.arrays)

    def with_gradient(self, f: Callable[..., Any]) -> Program:
        return partial(
            self._staged(gradient_of(f, self.differentiated)), *self.arrays, like_result(self.plain, *self.arrays)
        )

    def _staged(self, f: Callable[..., Any]) -> Callable[..., Any]:
        return jax.jit(f, compiler_options=dict(self.compiler or {}) or None)


def gradient_of(f: Callable[..., Any], wrt: Sequence[int]) -> Callable[..., Any]:
    """Value and gradients of all arguments but the last, which is the gradient of the result."""

    def run(*given: Any) -> Any:
        *xs, g = given

        def of(*chosen: Any) -> Any:
            of_index = dict(zip(wrt, chosen, strict=True))
            return f(*(of_index.get(i, x) for i, x in enumerate(xs)))

        y, pull = jax.vjp(of, *(xs[i] for i in wrt))
        return y, pull(g)

    return run


def like_result(f: Callable[..., Any], *arrays: Any) -> Any:
    """Numbers in the shape of a result: nothing that the gradient's program could compute again."""
    return numbers(*jax.eval_shape(f, *arrays).shape)


# --- cases


def numbers(*shape: int) -> Any:
    return jnp.asarray(np.random.default_rng(len(shape)).normal(size=shape), jnp.float32)


# frames, width and height, channels, maps, kernel, stride, groups
DEPTHWISE = (
    (16, 32, 64, 64, 3, 1, 64),
    (8, 56, 128, 128, 3, 1, 128),
    (16, 28, 128, 128, 3, 2, 128),
    (16, 14, 256, 256, 3, 1, 256),
    (16, 7, 512, 512, 3, 1, 512),
    (16, 14, 256, 256, 5, 1, 256),
    (8, 56, 96, 96, 7, 1, 96),
    (8, 112, 32, 32, 3, 1, 32),
    (64, 14, 32, 32, 3, 1, 32),
    (8, 112, 64, 64, 3, 2, 64),
    (16, 28, 128, 128, 5, 2, 128),
    (8, 56, 96, 96, 7, 2, 96),
    (16, 28, 32, 64, 3, 1, 32),
)
GROUPED = (
    (16, 16, 64, 64, 3, 1, 2),
    (16, 16, 64, 64, 3, 1, 8),
    (16, 16, 128, 128, 3, 1, 32),
    (16, 32, 32, 32, 3, 1, 4),
    (16, 32, 32, 32, 3, 2, 4),
    (16, 28, 64, 128, 1, 1, 4),
    (8, 16, 256, 256, 3, 1, 4),
)
FEW_CHANNELS = (
    (64, 28, 1, 8, 5, 1, 1),
    (64, 28, 1, 16, 5, 1, 1),
    (64, 28, 1, 32, 5, 2, 1),
    (64, 28, 1, 16, 3, 1, 1),
    (32, 8, 1, 32, 3, 1, 1),
    (64, 8, 3, 16, 3, 1, 1),
    (32, 32, 3, 16, 3, 1, 1),
    (32, 32, 3, 32, 5, 1, 1),
    (4, 96, 3, 64, 7, 2, 1),
    (32, 28, 2, 16, 3, 1, 1),
)
MANY_CHANNELS = (
    (32, 8, 16, 32, 3, 1, 1),
    (32, 16, 16, 16, 3, 1, 1),
    (32, 14, 32, 32, 5, 1, 1),
    (16, 16, 64, 64, 3, 1, 1),
    (16, 32, 64, 64, 3, 2, 1),
    (16, 28, 64, 128, 1, 1, 1),
    (32, 8, 128, 128, 3, 1, 1),
)


def convolutions(prefix: str) -> Iterator[Case]:
    kinds = {"depthwise": DEPTHWISE, "grouped": GROUPED, "few channels": FEW_CHANNELS, "many channels": MANY_CHANNELS}
    for kind, shapes in kinds.items():
        if f"convolution {kind}".startswith(prefix):
            yield from (_convolution(kind, *shape) for shape in shapes)


def _convolution(kind: str, frames: int, size: int, channels: int, maps: int, k: int, stride: int, groups: int) -> Case:
    axes = Windows((k, k), (stride,)).axes((size, size), (size, size), (1, 1))
    x, kernel = numbers(frames, size, size, channels), numbers(k, k, channels // groups, maps)
    choices = convolution.available(kernel, groups)
    value = {name: partial(convolution.of_value, form, axes, groups) for name, form in choices.items()}
    g = numbers(frames, *(a.windows for a in axes), maps)
    # graphc switches YNN fusions off for large images (backends/xla/options.py), on both sides here
    windows = axes[0].windows * axes[1].windows
    compiler = options.for_large_convolutions() if windows >= options.LARGE_IMAGE else {}
    staged = partial(jax.jit, compiler_options=dict(compiler) or None)
    parts: dict[str, dict[str, Program]] = {"value": {n: partial(staged(f), x, kernel) for n, f in value.items()}}
    for part in convolution.GRADIENTS:
        adjoints = convolution.adjoints(part, choices, axes, groups)
        parts[part] = {n: partial(staged(f), x, kernel, g) for n, f in adjoints.items()}
    shape = f"{frames} x {size} x {size} x {channels} -> {maps}, {k} x {k}" + f" / {stride}" * (stride > 1)
    return Case(
        f"convolution {kind}",
        shape + f", {groups} groups" * (groups > 1),
        (x, kernel),
        value["convolution"],
        lambda x, kernel: convolution.convolve(x, kernel, axes, groups),
        # nobody asks for the gradient of an input image
        (1,) if kind == "few channels" else (0, 1),
        convolution.facts(x, kernel, axes, groups),
        parts,
        compiler,
    )


# frames, width and height, channels, window, stride, padding
POOLINGS = (
    (64, 28, 16, 2, 2, False),
    (64, 8, 32, 2, 2, False),
    (32, 16, 64, 2, 2, False),
    (32, 28, 16, 4, 4, False),
    (16, 32, 32, 3, 2, True),
    (8, 56, 64, 3, 2, True),
    (16, 14, 64, 3, 1, True),
    (16, 28, 32, 5, 3, True),
    (16, 8, 128, 8, 8, False),
)


def poolings(prefix: str) -> Iterator[Case]:
    for operator, table in {"max pooling": pooling.MAXIMUM, "average pooling": pooling.SUM}.items():
        if operator.startswith(prefix):
            yield from (_pooling(operator, table, *shape) for shape in POOLINGS)


def _pooling(
    operator: str, table: forms.Forms, frames: int, size: int, channels: int, k: int, stride: int, padded: bool
) -> Case:
    axes = Windows((k, k), (stride,), (padded,)).axes((size, size), (1, 1), (1, 1))
    x = numbers(frames, size, size, channels)
    choices = {name: partial(form, axes=axes) for name, form in table.items()}
    known = pooling.facts(x, axes)
    values = {n: partial(jax.jit(f), x) for n, f in choices.items()}
    g = like_result(choices["windows"], x)
    gradients = {n: partial(jax.jit(gradient_of(f, (0,))), x, g) for n, f in choices.items()}

    def chosen(part: str, x: Any) -> Any:
        return forms.apply(operator, part, known, choices, x)

    return Case(
        operator,
        f"{frames} x {size} x {size} x {channels}, {k} x {k} / {stride}" + ", padded" * padded,
        (x,),
        choices["windows"],
        partial(chosen, "gradient"),
        (0,),
        known,
        {"value": values, "gradient": gradients},
    )


def argmaxes(prefix: str) -> Iterator[Case]:
    if not "argmax".startswith(prefix):
        return
    for rows, size in ((4096, 10), (1024, 100), (256, 1000), (128, 10_000), (32, 100_000)):
        x = numbers(rows, size)
        values = {n: partial(jax.jit(f), x) for n, f in argmax.ARGMAX.items()}
        shape, known = f"{rows} x {size}", {"elements": size}
        yield Case("argmax", shape, (x,), argmax.argmax, argmax.first_largest, (), known, {"value": values})


def masks(prefix: str) -> Iterator[Case]:
    if not "dropout".startswith(prefix):
        return
    for rows, size in ((32, 200), (64, 1024), (1024, 4096)):

        def plain(x: Any, rate: Any) -> Any:
            kept = jax.random.bernoulli(jax.random.key(1), 1 - rate, x.shape)
            return jnp.where(kept, x / (1 - rate), 0)

        def ours(x: Any, rate: Any) -> Any:
            type = TensorType((x.shape[1],), axis=DEFAULT_AXIS)
            c = Context(jnp, (type,), type, True, settings={"dropout_rate": rate}, random=CounterStream.of(1))
            return dropout.dropped("drop", c, x)

        yield Case("dropout", f"{rows} x {size}", (numbers(rows, size), jnp.float32(0.5)), plain, ours, (0,))


def onehot_products(prefix: str) -> Iterator[Case]:
    if not "onehot product".startswith(prefix):
        return
    for frames, classes, width in ((256, 1000, 128), (256, 10_000, 256), (1024, 30_000, 256)):
        index = jnp.asarray(np.random.default_rng(0).integers(0, classes, frames), jnp.int32)

        def plain(w: Any, index: Any) -> Any:
            return jax.nn.one_hot(index, w.shape[0]) @ w

        def ours(w: Any, index: Any) -> Any:
            left = TensorType((w.shape[1], w.shape[0]))
            right = TensorType((w.shape[0],), axis=DEFAULT_AXIS, storage=Storage.ONEHOT)
            result = TensorType((w.shape[1],), axis=DEFAULT_AXIS)
            c = Context(jnp, (left, right), result)
            return products.times(Times(), c, Value(left, w), Value(right, index)).array

        arrays = numbers(classes, width), index
        yield Case("onehot product", f"{frames} of {classes} -> {width}", arrays, plain, ours, (0,))


def narrow_products(prefix: str) -> Iterator[Case]:
    """Against the same product in float32: what `precision = bfloat16` gains."""
    if not "bfloat16 product".startswith(prefix):
        return
    for frames, inner, width in ((64, 784, 512), (256, 1024, 1024)):
        graph = Graph({"y": Times()(LearnableParameter("W", (width, inner))(), InputValue("x", (inner,))())})

        def run(arithmetic: Arithmetic, w: Any, x: Any, graph: Graph = graph) -> Any:
            f = lowering.function(graph, training=True, arithmetic=arithmetic)
            return f({"W": w}, {"x": x}, Environment()).outputs["y"]

        arrays = numbers(inner, width), numbers(frames, inner)
        exact, narrow = partial(run, "full"), partial(run, "bfloat16")
        yield Case("bfloat16 product", f"{frames} x {inner} -> {width}", arrays, exact, narrow, (0, 1))


CASES = (convolutions, poolings, argmaxes, masks, onehot_products, narrow_products)


# --- measuring


def leasts(programs: Mapping[str, Program]) -> dict[str, float]:
    """Microseconds of the quickest call, of programs that run in turns.

    Medians of a shared machine gave one program ratios of 0.6 to 1.4 to itself.
    """
    is_one_thread = jax.default_backend() == "cpu" and len(os.sched_getaffinity(0)) == 1
    clock = time.process_time if is_one_thread else time.perf_counter
    return {name: min(found) * 1e6 for name, found in _times(programs, clock).items()}


def _times(programs: Mapping[str, Program], clock: Callable[[], float]) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in programs}
    calls = {name: _calls(program) for name, program in programs.items()}
    started = time.perf_counter()
    for done in range(MOST_ROUNDS):
        if done >= 3 and time.perf_counter() - started > MOST_SECONDS:
            break
        for name, program in programs.items():
            times[name].append(_seconds(program, calls[name], clock))
    return times


def _calls(program: Program) -> int:
    """How many make one sample; also compiles it."""
    jax.block_until_ready(program())
    return max(int(SHORTEST_SAMPLE / _seconds(program, 1, time.perf_counter)), 1)


def _seconds(program: Program, calls: int, clock: Callable[[], float]) -> float:
    started = clock()
    jax.block_until_ready([program() for _ in range(calls)])
    return (clock() - started) / calls


def show(case: Case) -> None:
    line = f"{case.operator:26}{case.shape:52}"
    line += _pair(leasts({"plain": case.forward(case.plain), "graphc": case.forward(case.graphc)}))
    if case.differentiated:
        programs = {"plain": case.with_gradient(case.plain), "graphc": case.with_gradient(case.graphc)}
        line += _pair(leasts(programs))
    print(line, flush=True)


def _pair(found: Mapping[str, float]) -> str:
    plain, ours = found["plain"], found["graphc"]
    return f"{plain:12,.0f}{ours:10,.0f}{plain / ours:7.1f}"


def measured(case: Case) -> dict[str, Any]:
    """A row of the table."""
    assert case.facts is not None and case.parts is not None, case
    print(case.operator, case.shape, flush=True)
    found = {part: leasts(programs) for part, programs in case.parts.items()}
    times = {part: {name: float(f"{t:.3g}") for name, t in row.items()} for part, row in found.items()}
    print("  ", times, flush=True)
    return {"facts": dict(case.facts), "microseconds": times}


def write(cases: Sequence[Case]) -> None:
    """Replace what the table says on this platform about the operators of the cases."""
    table = json.loads(forms.TABLE.read_text("utf-8"))
    platform = {"gpu": "cuda"}.get(jax.default_backend(), jax.default_backend())
    entry = table["platforms"].setdefault(platform, {"about": {}, "operators": {}})
    rows: dict[str, list[dict[str, Any]]] = {}
    for case in cases:
        if case.parts is not None:
            # one table for all kinds of convolution
            rows.setdefault("convolution" if "convolution" in case.operator else case.operator, []).append(
                measured(case)
            )
    entry["about"] = {"processor": _processor(), "cores": len(os.sched_getaffinity(0)), "jaxlib": version("jaxlib")}
    entry["operators"].update(rows)
    forms.TABLE.write_text(_formatted(table), "utf-8")


def _formatted(table: Mapping[str, Any]) -> str:
    """JSON with a line a measurement."""
    platforms = []
    for platform, entry in table["platforms"].items():
        operators = []
        for operator, rows in entry["operators"].items():
            lines = ",\n".join(f"          {json.dumps(row)}" for row in rows)
            operators.append(f"        {json.dumps(operator)}: [\n{lines}\n        ]")
        about = json.dumps(entry["about"])
        body = ",\n".join(operators)
        platforms.append(
            f'    {json.dumps(platform)}: {{\n      "about": {about},\n      "operators": {{\n{body}\n      }}\n    }}'
        )
    return '{\n  "platforms": {\n' + ",\n".join(platforms) + "\n  }\n}\n"


def _processor() -> str:
    if jax.default_backend() != "cpu":
        return jax.devices()[0].device_kind
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.operators")
    parser.add_argument("names", nargs="*", default=[""], metavar="NAME")
    parser.add_argument("--write", action="store_true", help="measure the forms for backends/xla/measured.json")
    given = parser.parse_args()
    cases = (case for name in given.names for make in CASES for case in make(name))
    if given.write:
        write(list(cases))
        return
    print(f"{'µs a call':78}{'plain':>12}{'graphc':>10}{'x':>7}{'with gradient':>22}{'x':>7}")
    for case in cases:
        show(case)


if __name__ == "__main__":
    main()
