"""Training an embedding of symbols: by column, with a whole gradient, and by products with one-hot vectors.

    python -m benchmarks.symbols

One step is a minibatch of 700 symbols with momentum. Times are medians of rounds in which each way takes its turn.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import jax
import numpy as np

from graphc.data.columns import DenseColumn, SparseColumn
from graphc.ir import Graph, Storage
from graphc.ops.criteria import SquareError
from graphc.ops.products import Times
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.train.feeds import Minibatches, to_device
from graphc.train.step import TrainingStep

SYMBOLS = 700
# vocabulary and width of the embedding
SIZES = ((10_000, 200), (100_000, 150))
ROUNDS, STEPS = 7, 4


def way(vocabulary: int, width: int, storage: Storage, by_column: bool) -> Callable[[], float]:
    """A function that trains a few minibatches and gives the seconds of one."""
    x = InputValue("x", (vocabulary,), storage=storage)()
    y = InputValue("y", (width,))()
    table = LearnableParameter("E", (width, vocabulary))()
    graph = Graph({"loss": SquareError()(y, Times()(table, x))})
    step = TrainingStep(graph, "loss", column_sparse={"E"} if by_column else ())
    rng = np.random.default_rng(0)
    chosen = rng.integers(0, vocabulary, SYMBOLS).astype(np.int32)
    column = SparseColumn(chosen, np.ones(SYMBOLS, np.float32), np.arange(SYMBOLS + 1), vocabulary)
    data = {"x": column, "y": DenseColumn(rng.normal(size=(SYMBOLS, width)).astype(np.float32))}
    columns = to_device(step.graph, data, step.device)
    state = step.state({"E": rng.normal(size=(vocabulary, width)).astype(np.float32)})
    epoch = step.epoch(Minibatches.of([np.arange(SYMBOLS)] * STEPS), learning_rate=1e-3, momentum_per_sample=0.99)

    def run() -> float:
        nonlocal state
        state = step.begin(state)
        jax.block_until_ready(state)
        began = time.perf_counter()
        state = step.run(state, columns, epoch, 0, STEPS)
        jax.block_until_ready(state.carry)
        return (time.perf_counter() - began) / STEPS

    run()
    return run


def main() -> None:
    for vocabulary, width in SIZES:
        ways = {
            "by column": way(vocabulary, width, Storage.ONEHOT, True),
            "whole gradient": way(vocabulary, width, Storage.ONEHOT, False),
            "one-hot product": way(vocabulary, width, Storage.DENSE, False),
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, run in ways.items():
                times[name].append(run())
        medians = {name: statistics.median(found) for name, found in times.items()}
        print(f"{vocabulary} x {width}, {SYMBOLS} symbols a minibatch")
        for name, seconds in medians.items():
            print(f"  {name:16} {seconds * 1e3:9.2f} ms   {medians['one-hot product'] / seconds:7.1f} x")


if __name__ == "__main__":
    main()
