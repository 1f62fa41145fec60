"""Training steps of recurrent networks: graphc against the same written by hand in JAX, and against itself.

    python -m benchmarks.recurrence [tagger|ragged|language|gates|small|stack|criterion|lanes|cudnn] [STEPS]

- tagger: vocabulary 943, embedding 150, LSTM of 300 cells, 129 labels; minibatches of 16 sequences of 32 words.
- ragged: the same on sequences of 5 to 60 words, packed into lanes, against graphc's own dense step by real words.
- language: two LSTM layers of 200 cells, vocabulary 10,000, 20 sequences of 35 words.
- gates: the tagger with the library's LSTM of separate parameters for each gate, as the optimiser makes it, as it
  stands in the library, and so with the gradients that JAX finds for its loop; small: the same with 64 cells, where the
  number of operations counts and not their size.
- stack: the tagger with `OptimizedRNNStack` on sentences of lengths like those of ATIS, packed into lanes, against one
  sentence a lane.
- criterion: `ForwardBackward` behind a small network without recurrence, on these sentences against sentences of one
  length, by real words.
- lanes: gates and small with 1 to 16 sequences of 32 words in a minibatch, and beside them the bare matrix products of
  the optimised step, which no lowering does without.
- cudnn: on an NVIDIA GPU, tagger, ragged and language as loops and, as with ``recurrenceEngine = cudnn``, as calls of
  cuDNN; times are walls. Without such a GPU it says so.

The opponents by hand: the cell step by step under `lax.scan` with automatic gradients, and the fastest form known: the
product of the input outside the loop and the backward pass written by hand (gates kept, only the state's gradient in
the reverse scan, weight gradients as one product). All use the plain learner and donate their state. Prints the least
processor time of a step and the ratio to graphc's, and the ratio of median walls; > 1 means that graphc is faster. On a
busy machine only the processor times mean something, and those only on one core (``taskset -c 1``).
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from graphc.backend import load

load("xla")  # sets the allocator before jax is there

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from graphc.backends.xla import recurrence as loops  # noqa: E402
from graphc.backends.xla import recurrent_stack as stacks  # noqa: E402
from graphc.backends.xla.device import is_cuda  # noqa: E402
from graphc.backends.xla.lanes import lanes_of  # noqa: E402
from graphc.data.batches import Batches  # noqa: E402
from graphc.data.columns import SparseColumn, Stream  # noqa: E402
from graphc.data.minibatches import Minibatch  # noqa: E402
from graphc.diagnostics import Diagnostics, SourceText  # noqa: E402
from graphc.ir import Lanes, Sequences, Storage  # noqa: E402
from graphc.network.build import build_network  # noqa: E402
from graphc.network.lower import to_graph  # noqa: E402
from graphc.network.session import Session  # noqa: E402
from graphc.ops.sources import LearnableParameter  # noqa: E402
from graphc.passes.pipeline import optimise  # noqa: E402
from graphc.train.feeds import Minibatches, to_device  # noqa: E402
from graphc.train.step import TrainingStep  # noqa: E402

RATE = 1e-3


@dataclass(frozen=True)
class Workload:
    """A network and the lengths of the sequences of its minibatch."""

    vocabulary: int = 943
    embedding: int = 150
    cells: int = 300
    labels: int = 129
    layers: int = 1
    lengths: tuple[int, ...] = (32,) * 16
    layer: str = "RecurrentLSTMLayer {%d}"
    criterion: str = "CrossEntropyWithSoftmax (t, z)"

    @property
    def words(self) -> int:
        return sum(self.lengths)

    @property
    def text(self) -> str:
        layers = " : ".join([self.layer.replace("%d", str(self.cells))] * self.layers)
        return f"""{{
            x = Input {{{self.vocabulary}}} ; t = Input {{{self.labels}}}
            model = Sequential (EmbeddingLayer {{{self.embedding}}} : {layers} : DenseLayer {{{self.labels}}})
            z = model (x) ; ce = {self.criterion}
            criterionNodes = (ce)
        }}"""


TAGGER = Workload()
RAGGED = Workload(lengths=tuple(int(n) for n in np.random.default_rng(1).integers(5, 61, 16)))
LANGUAGE = Workload(10_000, 200, 200, 10_000, 2, (35,) * 20)
SEPARATE = "(v => BS.RNNs.RecurrentLSTMP (%d, v, inputDim=EMBEDDING).h)"
GATES = Workload(layer=SEPARATE.replace("EMBEDDING", "150"))
# lengths of 6 to 20 words, as most sentences of ATIS have, and a longer one
SENTENCES = (*(int(n) for n in np.random.default_rng(2).integers(6, 21, 23)), 40)
STACK = Workload(layer="(v => OptimizedRNNStack (ParameterTensor {(0:0)}, v, %d))", lengths=SENTENCES)
# a token a sentence: how many there are changes nothing
ALIGNED = "ForwardBackward (LabelsToGraph (t .* (1 + BS.Loop.IsFirst (t))), z, 39)"
CRITERION = Workload(943, 40, 40, 40, lengths=SENTENCES, layer="(v => Tanh (v))", criterion=ALIGNED)
EQUAL = replace(CRITERION, lengths=(sum(SENTENCES) // len(SENTENCES),) * len(SENTENCES))
SMALL = Workload(943, 32, 64, 129, layer=SEPARATE.replace("EMBEDDING", "32"))


def of_graphc(work: Workload, *, is_optimised: bool = True, also: tuple[str, ...] = ()) -> Any:
    """A function that runs so many steps of graphc, after the usual passes and those of ``also``."""
    text = SourceText.from_string(work.text, "tagger.bs")
    network = build_network(text, session=Session(), diagnostics=Diagnostics())
    storages = {"x": Storage.ONEHOT, "t": Storage.ONEHOT}
    graph = to_graph(network, ["ce"], storages=storages)
    step = TrainingStep(optimise(graph, also=also) if is_optimised else graph, "ce")
    graph = step.graph
    rng = np.random.default_rng(0)
    columns = {"x": _words(rng, work.words, work.vocabulary), "t": _words(rng, work.words, work.labels)}
    lengths = np.array(work.lengths)
    stream = Stream(columns["x"], np.concatenate([[0], np.cumsum(lengths)]))
    minibatch = Minibatch(np.arange(len(lengths)), lengths, work.words, work.words)
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


def with_automatic_gradients(run: Any) -> Any:
    """The same steps, in which the gradients of loops are those that JAX finds for `jax.lax.scan`."""

    def plain(step: Any, invariant: Any, start: Any, rows: Any, gradients: Any, *, reverse: bool = False) -> Any:
        def body(history: Any, row: Any) -> Any:
            return step(invariant, history, row, gradients.zeros())[:2]

        history, outputs = jax.lax.scan(body, start, rows, reverse=reverse)
        return outputs, history

    def run_plainly(count: int) -> None:
        # read where the first call traces its program
        with patch.object(loops, "scan", plain), patch.object(loops, "multiplied", lambda x, matrix, _: x @ matrix):
            run(count)

    return run_plainly


def with_one_sequence_a_lane(run: Any) -> Any:
    """The same steps, in which stacks of recurrent layers do not use the lanes of the data."""

    def alone(sequences: Sequences) -> Lanes:
        return lanes_of(replace(sequences, lanes=None))

    def run_alone(count: int) -> None:
        with patch.object(stacks, "lanes_of", alone):  # read where the first call traces its program
            run(count)

    return run_alone


def _words(rng: np.random.Generator, count: int, size: int) -> SparseColumn:
    indices = rng.integers(0, size, count, dtype=np.int32)
    return SparseColumn(indices, np.ones(count, np.float32), np.arange(count + 1), size)


def gates(z: Any) -> tuple[Any, Any, Any, Any]:
    i, g, f, o = jnp.split(z, 4, axis=-1)
    return jax.nn.sigmoid(i), jnp.tanh(g), jax.nn.sigmoid(f), jax.nn.sigmoid(o)


def lstm_automatic(p: Any, e: Any, number: int) -> Any:
    wh = jnp.concatenate([p[f"W{number}"], p[f"H{number}"]])
    zero = jnp.full((e.shape[1], p[f"H{number}"].shape[0]), 0.1)

    def cell(state: Any, x: Any) -> Any:
        h, c = state
        i, g, f, o = gates(jnp.concatenate([x, h], -1) @ wh + p[f"B{number}"])
        c = f * c + i * g
        h = o * jnp.tanh(c)
        return (h, c), h

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

    zero = jnp.full((z.shape[1], w.shape[0]), 0.1)
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

    zero = jnp.zeros(h.shape[1:])
    _, dz = jax.lax.scan(cell, (zero, zero), (dh, i, g, f, o, t, c), reverse=True, unroll=4)
    return dz, h.reshape(-1, h.shape[-1]).T @ dz.reshape(-1, dz.shape[-1])


recurrent.defvjp(_forward, _backward)


def lstm_by_hand(p: Any, e: Any, number: int) -> Any:
    z = e.reshape(-1, e.shape[-1]) @ p[f"W{number}"] + p[f"B{number}"]
    return recurrent(z.reshape(*e.shape[:2], -1), p[f"H{number}"])


def products_of(work: Workload) -> Any:
    """The matrix products of a step and nothing else: those of gates as one, those of inputs before the loop."""
    words, cells, inputs, labels = work.words, work.cells, work.embedding, work.labels
    rng = np.random.default_rng(0)
    shapes = {"x": (words, inputs), "W": (inputs, 4 * cells), "H": (cells, 4 * cells), "V": (cells, labels)}
    shapes |= {"h": (words, cells), "dz": (words, 4 * cells), "dy": (words, labels)}
    given = {n: jnp.asarray(rng.normal(size=s) * 0.05, jnp.float32) for n, s in shapes.items()}
    time = work.lengths[0]

    def step(x: Any, W: Any, H: Any, V: Any, h: Any, dz: Any, dy: Any) -> Any:
        with jax.default_matmul_precision("highest"):
            forward = jax.lax.scan(lambda _, h: (None, h @ H), None, h.reshape(time, -1, cells))[1]
            backward = jax.lax.scan(lambda _, dz: (None, dz @ H.T), None, dz.reshape(time, -1, 4 * cells))[1]
            return forward, backward, x @ W, dz @ W.T, x.T @ dz, h.T @ dz, h @ V, dy @ V.T, h.T @ dy

    staged = jax.jit(step)

    def run(count: int) -> None:
        found = None
        for _ in range(count):
            found = staged(**given)
        jax.block_until_ready(found)

    return run


def by_hand(work: Workload, layer: Any) -> Any:
    rng = np.random.default_rng(0)
    cells, labels, frames = work.cells, work.labels, (work.lengths[0], len(work.lengths))
    shapes = {"E": (work.vocabulary, work.embedding), "V": (cells, labels), "b": (labels,)}
    for number in range(work.layers):
        shapes[f"W{number}"] = (cells if number else work.embedding, 4 * cells)
        shapes[f"H{number}"], shapes[f"B{number}"] = (cells, 4 * cells), (4 * cells,)
    p = {n: jnp.asarray(rng.normal(size=s) * 0.05, jnp.float32) for n, s in shapes.items()}
    words = jnp.asarray(rng.integers(0, work.vocabulary, frames))
    tags = jnp.asarray(rng.integers(0, labels, frames))

    def loss(p: Any) -> Any:
        h = p["E"][words]
        for number in range(work.layers):
            h = layer(p, h, number)
        z = h.reshape(-1, cells) @ p["V"] + p["b"]
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


def runs_of(name: str) -> dict[str, Any]:
    """The first is the one that others are compared with."""
    if name in ("gates", "small"):
        work = GATES if name == "gates" else SMALL
        written, plain = (of_graphc(work, is_optimised=False) for _ in range(2))
        return {"graphc": of_graphc(work), "as written": written, "automatic": with_automatic_gradients(plain)}
    if name == "stack":
        return {"graphc": of_graphc(STACK), "one a lane": with_one_sequence_a_lane(of_graphc(STACK))}
    if name == "criterion":
        return {"graphc": of_graphc(CRITERION), "equal": of_graphc(EQUAL)}
    if name == "ragged":
        return {"graphc": of_graphc(RAGGED), "dense": of_graphc(TAGGER)}
    work = {"tagger": TAGGER, "language": LANGUAGE}[name]
    opponents = {"automatic": lstm_automatic, "by hand": lstm_by_hand}
    return {"graphc": of_graphc(work), **{n: by_hand(work, layer) for n, layer in opponents.items()}}


def measured(runs: dict[str, Any], steps: int, rounds: int = 15) -> tuple[dict[str, list[float]], ...]:
    """Seconds of the processor and on the clock that a step takes, round by round; the runs take turns."""
    times: dict[str, list[float]] = {each: [] for each in runs}
    walls: dict[str, list[float]] = {each: [] for each in runs}
    for _ in range(rounds):
        for each, run in runs.items():
            started, wall = time.process_time(), time.perf_counter()
            run(steps)
            times[each].append((time.process_time() - started) / steps)
            walls[each].append((time.perf_counter() - wall) / steps)
    return times, walls


def table_of_lanes(steps: int) -> None:
    print("cells lanes  optimised  as written  automatic  products alone  as written / products")
    for work in (GATES, SMALL):
        for lanes in (1, 2, 4, 8, 16):
            some = replace(work, lengths=(32,) * lanes)
            written, plain = (of_graphc(some, is_optimised=False) for _ in range(2))
            runs = {"graphc": of_graphc(some), "written": written, "automatic": with_automatic_gradients(plain)}
            runs["products"] = products_of(some)
            for run in runs.values():
                run(2)
            least = {each: min(found) * 1e3 for each, found in measured(runs, steps)[0].items()}
            ratios = [f"{least[each]:7.2f} {least[each] / least['graphc']:5.2f}" for each in ("written", "automatic")]
            most = least["written"] / least["products"]
            shown = f"{least['graphc']:8.2f} {' '.join(ratios)} {least['products']:9.2f} {most:9.2f}"
            print(f"{work.cells:5} {lanes:5} {shown}", flush=True)


def table_of_cudnn(steps: int) -> None:
    if not is_cuda(jax.devices()[0]):
        print("no NVIDIA GPU")
        return
    print("            loop ms  cudnn ms  loop / cudnn")
    for name, work in {"tagger": TAGGER, "ragged": RAGGED, "language": LANGUAGE}.items():
        runs = {"loop": of_graphc(work), "cudnn": of_graphc(work, also=("cudnn",))}
        for run in runs.values():
            run(2)
        loop, cudnn = (statistics.median(found) * 1e3 for found in measured(runs, steps)[1].values())
        print(f"{name:10} {loop:8.2f} {cudnn:9.2f} {loop / cudnn:13.2f}", flush=True)


def main() -> None:
    name = next((a for a in sys.argv[1:] if not a.isdigit()), "tagger")
    steps = next((int(a) for a in sys.argv[1:] if a.isdigit()), 20)
    if name == "lanes":
        table_of_lanes(steps)
        return
    if name == "cudnn":
        table_of_cudnn(steps)
        return
    runs = runs_of(name)
    for each, run in runs.items():
        started = time.process_time()
        run(2)
        print(f"{each}: compiled in {time.process_time() - started:.1f} s of the processor")
    times, walls = measured(runs, steps)
    for each, found in times.items():
        least = min(found) / min(times["graphc"])
        median = statistics.median(t / g for t, g in zip(walls[each], walls["graphc"], strict=True))
        print(f"{each:10} {min(found) * 1e3:8.2f} ms a step, ratio {least:.2f}, of median walls {median:.2f}")
    if name == "ragged":
        share = min(times["dense"]) / TAGGER.words / (min(times["graphc"]) / RAGGED.words)
        print(f"real words a second: {share:.2f} of the dense step's")
    if name == "criterion":
        more = min(times["graphc"]) / CRITERION.words / (min(times["equal"]) / EQUAL.words)
        print(f"a word takes {more:.2f} times as long as where all sentences have one length")


if __name__ == "__main__":
    main()
