"""An LSTM tagger, a training step of graphc against the same written by hand in JAX.

    python -m benchmarks.recurrence [STEPS]

Vocabulary 943, embedding 150, LSTM of 300 cells, 129 labels; minibatches of 16 sequences of 32 words. The opponents:
the cell step by step under `lax.scan` with automatic gradients, and the fastest form known: the product of the
input outside the loop and the backward pass written by hand (gates kept, only the state's gradient in the reverse scan,
weight gradients as one product). All use the plain learner and donate their state. Prints the median time of a step and
the ratio to graphc's; > 1 means that graphc is faster.
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

from graphc.backend import load

load("xla")  # sets the allocator before jax is there

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from graphc.data.batches import Batches  # noqa: E402
from graphc.data.columns import SparseColumn, Stream  # noqa: E402
from graphc.data.minibatches import Minibatch  # noqa: E402
from graphc.diagnostics import Diagnostics, SourceText  # noqa: E402
from graphc.ir import Storage  # noqa: E402
from graphc.network.build import build_network  # noqa: E402
from graphc.network.lower import to_graph  # noqa: E402
from graphc.network.session import Session  # noqa: E402
from graphc.ops.sources import LearnableParameter  # noqa: E402
from graphc.passes.pipeline import optimise  # noqa: E402
from graphc.train.feeds import Minibatches, to_device  # noqa: E402
from graphc.train.step import TrainingStep  # noqa: E402

VOCABULARY, EMBEDDING, CELLS, LABELS = 943, 150, 300, 129
LANES, WORDS = 16, 32
RATE = 1e-3

MODEL = f"""{{
    x = Input {{{VOCABULARY}}} ; t = Input {{{LABELS}}}
    model = Sequential (EmbeddingLayer {{{EMBEDDING}}} : RecurrentLSTMLayer {{{CELLS}}} : DenseLayer {{{LABELS}}})
    z = model (x) ; ce = CrossEntropyWithSoftmax (t, z)
    criterionNodes = (ce)
}}"""


def tagger() -> Any:
    """A function that runs so many steps of graphc."""
    text = SourceText.from_string(MODEL, "tagger.bs")
    network = build_network(text, session=Session(), diagnostics=Diagnostics())
    storages = {"x": Storage.ONEHOT, "t": Storage.ONEHOT}
    graph = optimise(to_graph(network, ["ce"], storages=storages))
    step = TrainingStep(graph, "ce")
    rng = np.random.default_rng(0)
    columns = {"x": _words(rng, VOCABULARY), "t": _words(rng, LABELS)}
    lengths = np.full(LANES, WORDS)
    stream = Stream(columns["x"], np.arange(LANES + 1) * WORDS)
    minibatch = Minibatch(np.arange(LANES), lengths, LANES * WORDS, LANES * WORDS)
    batches = Batches([minibatch] * 2000, {"*": stream})
    epoch = step.epoch(Minibatches.of_sequences(batches), learning_rate=RATE)
    values = {
        n.op.name: rng.normal(size=tuple(reversed(n.type.dims))).astype(np.float32) * 0.05
        for n in graph.nodes
        if isinstance(n.op, LearnableParameter)
    }
    state = step.begin(step.state(values))
    on_device = to_device(step.graph, columns, step.device)

    def run(count: int) -> None:
        nonlocal state
        state = step.run(step.begin(state), on_device, epoch, 0, count)
        step.totals(state)

    return run


def _words(rng: np.random.Generator, size: int) -> SparseColumn:
    indices = rng.integers(0, size, LANES * WORDS, dtype=np.int32)
    return SparseColumn(indices, np.ones(len(indices), np.float32), np.arange(len(indices) + 1), size)


def gates(z: Any) -> tuple[Any, Any, Any, Any]:
    i, g, f, o = jnp.split(z, 4, axis=-1)
    return jax.nn.sigmoid(i), jnp.tanh(g), jax.nn.sigmoid(f), jax.nn.sigmoid(o)


def lstm_automatic(p: Any, e: Any) -> Any:
    wh = jnp.concatenate([p["W"], p["H"]])

    def cell(state: Any, x: Any) -> Any:
        h, c = state
        i, g, f, o = gates(jnp.concatenate([x, h], -1) @ wh + p["B"])
        c = f * c + i * g
        h = o * jnp.tanh(c)
        return (h, c), h

    zero = jnp.full((LANES, CELLS), 0.1)
    return jax.lax.scan(cell, (zero, zero), e)[1]


@jax.custom_vjp
def recurrent(z: Any, w: Any) -> Any:
    return _forward(z, w)[0]


def _forward(z: Any, w: Any) -> Any:
    def cell(state: Any, z: Any) -> Any:
        h, c = state
        i, g, f, o = gates(z + h @ w)
        new = f * c + i * g
        t = jnp.tanh(new)
        return (o * t, new), (o * t, i, g, f, o, t, c, h)

    zero = jnp.full((LANES, CELLS), 0.1)
    _, found = jax.lax.scan(cell, (zero, zero), z, unroll=4)
    return found[0], (w, *found[1:])


def _backward(saved: Any, dh: Any) -> Any:
    w, i, g, f, o, t, c, h = saved

    def cell(state: Any, x: Any) -> Any:
        dh_next, dc = state
        dh, i, g, f, o, t, c = x
        dh = dh + dh_next
        dc = dc + dh * o * (1 - t * t)
        dz = jnp.concatenate(
            [dc * g * i * (1 - i), dc * i * (1 - g * g), dc * c * f * (1 - f), dh * t * o * (1 - o)], -1
        )
        return (dz @ w.T, dc * f), dz

    zero = jnp.zeros((LANES, CELLS))
    _, dz = jax.lax.scan(cell, (zero, zero), (dh, i, g, f, o, t, c), reverse=True, unroll=4)
    return dz, h.reshape(-1, CELLS).T @ dz.reshape(-1, 4 * CELLS)


recurrent.defvjp(_forward, _backward)


def lstm_by_hand(p: Any, e: Any) -> Any:
    z = e.reshape(-1, EMBEDDING) @ p["W"] + p["B"]
    return recurrent(z.reshape(WORDS, LANES, -1), p["H"])


def by_hand(layer: Any) -> Any:
    rng = np.random.default_rng(0)
    shapes = {
        "E": (VOCABULARY, EMBEDDING),
        "W": (EMBEDDING, 4 * CELLS),
        "H": (CELLS, 4 * CELLS),
        "B": (4 * CELLS,),
        "V": (CELLS, LABELS),
        "b": (LABELS,),
    }
    p = {n: jnp.asarray(rng.normal(size=s) * 0.05, jnp.float32) for n, s in shapes.items()}
    words = jnp.asarray(rng.integers(0, VOCABULARY, (WORDS, LANES)))
    tags = jnp.asarray(rng.integers(0, LABELS, (WORDS, LANES)))

    def loss(p: Any) -> Any:
        z = layer(p, p["E"][words]).reshape(-1, CELLS) @ p["V"] + p["b"]
        true = jnp.take_along_axis(z, tags.reshape(-1, 1), 1)[:, 0]
        return (jax.nn.logsumexp(z, -1) - true).sum()

    def step(p: Any, m: Any) -> Any:
        with jax.default_matmul_precision("highest"):
            value, g = jax.value_and_grad(loss)(p)
        m = jax.tree.map(lambda m, g: 0.9 * m + RATE * 0.1 * g, m, g)
        return value, jax.tree.map(jnp.subtract, p, m), m

    staged = jax.jit(step, donate_argnums=(0, 1))
    m = jax.tree.map(jnp.zeros_like, p)

    def run(count: int) -> None:
        nonlocal p, m
        value = None
        for _ in range(count):
            value, p, m = staged(p, m)
        jax.block_until_ready(value)

    return run


def main() -> None:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    runs = {"graphc": tagger(), "automatic": by_hand(lstm_automatic), "by hand": by_hand(lstm_by_hand)}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for name, run in runs.items():
        started = time.perf_counter()
        run(2)
        print(f"{name}: compiled in {time.perf_counter() - started:.1f} s")
    for _ in range(15):
        for name, run in runs.items():
            started = time.perf_counter()
            run(steps)
            times[name].append((time.perf_counter() - started) / steps)
    for name, each in times.items():
        ratios = [t / g for t, g in zip(each, times["graphc"], strict=True)]
        print(f"{name:10} {statistics.median(each) * 1e3:8.2f} ms a step, ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
