"""How many minibatches a dispatch should hold: graphc.train.step.DENSE_MINIBATCHES_PER_DISPATCH.

    python -m benchmarks.dispatch

Prints microseconds a minibatch of 32 for the shapes of models/digits/mlp.cntk, the least of several epochs.
"""

from __future__ import annotations

import itertools
import time

import numpy as np

from graphc.data.columns import DenseColumn
from graphc.ir import Graph
from graphc.ops.criteria import CrossEntropyWithSoftmax
from graphc.ops.elementwise import Plus
from graphc.ops.products import Times
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.ops.unary import RectifiedLinear
from graphc.train.feeds import Minibatches, to_device
from graphc.train.initialise import initialise
from graphc.train.step import TrainingStep

SAMPLES, BATCH = 1024, 32


def mlp(*widths: int) -> Graph:
    z = InputValue("x", (widths[0],))()
    for i, (into, out) in enumerate(itertools.pairwise(widths)):
        z = RectifiedLinear()(z) if i else z
        z = Plus()(Times()(LearnableParameter(f"W{i}", (out, into))(), z), LearnableParameter(f"b{i}", (out,))())
    return Graph({"ce": CrossEntropyWithSoftmax()(InputValue("labels", (widths[-1],))(), z)})


def measure(widths: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    columns = {
        "x": DenseColumn(rng.normal(size=(SAMPLES, widths[0])).astype(np.float32)),
        "labels": DenseColumn(np.eye(widths[-1], dtype=np.float32)[rng.integers(0, widths[-1], SAMPLES)]),
    }
    plan = Minibatches.of(np.split(np.arange(SAMPLES), SAMPLES // BATCH))
    for together in (1, 2, 4, 8, 16, 32):
        step = TrainingStep(mlp(*widths), "ce", minibatches_per_dispatch=together)
        data = to_device(step.graph, columns, step.device)
        state, epoch = step.state(initialise(step.graph)), step.epoch(plan, learning_rate=1e-3)
        best = float("inf")
        for _ in range(30):
            started = time.perf_counter()
            state = step.run(step.begin(state), data, epoch, 0, len(plan))
            step.totals(state)
            best = min(best, time.perf_counter() - started)
        print(widths, f"{together:2} a dispatch: {best / len(plan) * 1e6:.0f} µs", flush=True)


if __name__ == "__main__":
    measure((64, 10))
    measure((64, 200, 100, 10))
    measure((784, 512, 512, 10))
