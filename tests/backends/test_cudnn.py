"""LSTM stacks for cuDNN: JAX's definition of cuDNN's cell, in the place of the call, gives what our own loops give.

No machine of the project's tests has a GPU: the last test, which is the only one to run cuDNN itself, is skipped there.
"""

from __future__ import annotations

import json
from functools import partial
from io import StringIO
from itertools import product
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import rnn
from jax.interpreters import mlir

from graphc.actions.context import RunContext
from graphc.backend import Environment, load
from graphc.backends.xla import cudnn
from graphc.backends.xla.device import devices
from graphc.cli.main import main
from graphc.config.experiment import read_experiment
from graphc.data.layout import Room, layout
from graphc.ir import ElementType, Graph
from graphc.ir.layout import array_shape
from graphc.ops.recurrent_stack import OptimizedRNNStack
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.syntax.configuration import configuration_from_text
from graphc.testing.values import random_feeds, random_parameters

HIDDEN, INPUTS = 3, 2
LENGTHS = np.array([3, 1, 4])
# one sequence fewer than there is room for, and padding
ROOM = Room(11, 4, 5, 3)
SHAPES = [(1, False), (2, False), (1, True), (2, True)]
# those of one test each; all others are slow to compile
QUICK = [
    (1, False, ElementType.FLOAT32, -1),
    (1, True, ElementType.FLOAT64, -1),
    (2, False, ElementType.FLOAT64, 2),
    (2, True, ElementType.FLOAT32, -1),
]
# relative to the largest number
CLOSE = {ElementType.FLOAT32: 1e-5, ElementType.FLOAT64: 1e-12}


def by_definition(x: Any, h: Any, c: Any, weights: Any, lengths: Any, *sizes: Any) -> Any:
    """The call of cuDNN as JAX defines it; arguments are checked as its binding does on a device."""
    inputs, hidden, layers, dropout, bidirectional, precision = sizes
    directions = 1 + bidirectional
    assert x.shape[-1] == inputs and lengths.shape == x.shape[:1] and lengths.dtype == jnp.int32
    assert h.shape == c.shape == (layers * directions, x.shape[0], hidden)
    assert weights.shape == (rnn.get_num_params_in_lstm(inputs, hidden, layers, bidirectional),)
    assert precision is jax.lax.Precision.HIGHEST
    parts = rnn.unpack_lstm_weights(weights, inputs, hidden, layers, bidirectional)
    return rnn.lstm_ref(x, h, c, *parts, lengths, inputs, hidden, layers, dropout, bidirectional)


def is_marked(op: OptimizedRNNStack, x: Any) -> bool:
    return op.cudnn and op.recurrent_op == "lstm"


def stack(op: OptimizedRNNStack, element: ElementType, *, with_states: bool = True) -> Graph:
    x = InputValue("x", (INPUTS,) if op.axis < 0 else (INPUTS, 4), element=element)()
    size = rnn.get_num_params_in_lstm(INPUTS, HIDDEN, op.num_layers, op.bidirectional)
    weights = LearnableParameter("W", (HIDDEN, size // HIDDEN), element=element)()
    states = LearnableParameter("S", (HIDDEN, 2 * op.num_layers * op.directions), element=element)()
    return Graph({"z": op(weights, x, *([states] if with_states else []))})


def values_and_gradients(graph: Graph) -> dict[str, Any]:
    """Of real frames, and of a weighted sum of them by parameters and input."""
    parameters, feeds = random_parameters(graph), random_feeds(graph, frames=ROOM.frames)
    environment = Environment(frames={"*": layout(LENGTHS, ROOM)})
    engine: Any = load("xla")
    count = int(LENGTHS.sum())
    weight = np.random.default_rng(0).normal(size=array_shape(graph.roots["z"].type, count))
    with engine.precision(graph):
        run = engine.function(graph, training=True)

        def total(given: Any) -> Any:
            states = run(*given, environment).outputs["z"][:count]
            return (states * weight).sum(), states

        (_, states), of = jax.jit(jax.value_and_grad(total, has_aux=True))((parameters, feeds))
    return jax.tree.map(np.asarray, {"z": states, **of[0], **of[1]})


def assert_close(found: dict[str, Any], expected: dict[str, Any], least: float) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=least * np.abs(value).max(), err_msg=name)


def stacks() -> list[Any]:
    found = [(*shape, element, axis) for shape, element, axis in product(SHAPES, CLOSE, (-1, 2))]
    return [case if case in QUICK else pytest.param(*case, marks=pytest.mark.slow) for case in found]


@pytest.mark.parametrize(("layers", "bidirectional", "element", "axis"), stacks())
def test_the_call_gives_what_loops_give(
    layers: int, bidirectional: bool, element: ElementType, axis: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphs = [
        stack(OptimizedRNNStack(HIDDEN, layers, bidirectional, "lstm", axis, mark), element) for mark in (False, True)
    ]
    calls: list[int] = []
    monkeypatch.setattr(cudnn, "is_wanted", is_marked)
    monkeypatch.setattr(cudnn, "call", lambda *arguments: (calls.append(1), by_definition(*arguments))[1])
    expected = values_and_gradients(graphs[0])
    assert not calls
    found = values_and_gradients(graphs[1])
    assert calls
    assert_close(found, expected, CLOSE[element])


def test_states_begin_at_0(monkeypatch: pytest.MonkeyPatch) -> None:
    graphs = [
        stack(OptimizedRNNStack(HIDDEN, cudnn=mark), ElementType.FLOAT64, with_states=False) for mark in (False, True)
    ]
    monkeypatch.setattr(cudnn, "is_wanted", is_marked)
    monkeypatch.setattr(cudnn, "call", by_definition)
    assert_close(values_and_gradients(graphs[1]), values_and_gradients(graphs[0]), 1e-12)


def test_what_asks_for_cudnn(monkeypatch: pytest.MonkeyPatch) -> None:
    single, double = jnp.zeros(1, jnp.float32), np.zeros(1)
    lstm = OptimizedRNNStack(HIDDEN, cudnn=True)
    gru = OptimizedRNNStack(HIDDEN, recurrent_op="gru", cudnn=True)
    for there in ([], ["a GPU"]):
        monkeypatch.setattr(cudnn, "devices", lambda _, there=there: there)
        assert cudnn.is_wanted(lstm, single) == bool(there)
        assert not any(cudnn.is_wanted(*case) for case in ((lstm, double), (gru, single)))
        assert not cudnn.is_wanted(OptimizedRNNStack(HIDDEN), single)


# what jaxlib has for the two calls; without a device it lacks their sizes
gpu_rnn: Any = vars(rnn)["gpu_rnn"]


class Descriptors:
    """What jaxlib asks a device's plugin for, answered without one."""

    @staticmethod
    def build_rnn_descriptor(*sizes: Any) -> str:
        assert sizes[7] is False  # TF32, which is not float
        return "sizes"


@pytest.mark.skipif(bool(devices("cuda")), reason="replaces the lowerings that a device needs")
def test_programs_for_cuda_call_cudnn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cudnn, "devices", lambda _: ["a GPU"])
    sizes = "compute_rnn_workspace_reserve_space_sizes"
    monkeypatch.setattr(gpu_rnn, sizes, lambda *_: (64, 32), raising=False)
    # JAX registers these two where jaxlib has its plugin for CUDA
    lowerings = {rnn.rnn_fwd_p: "_rnn_fwd_lowering", rnn.rnn_bwd_p: "_rnn_bwd_lowering"}
    for primitive, name in lowerings.items():
        mlir.register_lowering(primitive, partial(getattr(gpu_rnn, name), Descriptors, "cu"), platform="cuda")
    graph = stack(OptimizedRNNStack(HIDDEN, 2, True, cudnn=True), ElementType.FLOAT32)
    engine: Any = load("xla")
    text = engine.lowered_text(graph, platforms=("cuda",))
    assert text.count("@cudnn_rnn_ffi") == 1 and "stablehlo.while" not in text
    text = gradient_text(graph)
    assert text.count("@cudnn_rnn_ffi") == text.count("@cudnn_rnn_bwd_ffi") == 1 and "stablehlo.while" not in text


def gradient_text(graph: Graph) -> str:
    parameters, feeds = random_parameters(graph), random_feeds(graph, frames=ROOM.frames)
    environment = Environment(frames={"*": layout(LENGTHS, ROOM)})
    run = load("xla").function(graph, training=True)

    def total(parameters: Any) -> Any:
        return run(parameters, feeds, environment).outputs["z"].sum()

    return jax.jit(jax.grad(total)).trace(parameters).lower(lowering_platforms=("cuda",)).as_text()


CONFIGURATION = """
command = Train:Test:Write
Train = {
    action = "train" ; modelPath = "$Out$/m"
    BrainScriptNetworkBuilder = {
        x = Input {2} ; y = Input {3}
        layers = RecurrentLSTMLayerStack {(4 : 4)} : RecurrentLSTMLayer {4, goBackwards=true} : LinearLayer {3}
        z = Sequential (layers) (x)
        ce = CrossEntropyWithSoftmax (y, z)
        criterionNodes = (ce) ; outputNodes = (z)
    }
    SGD = { maxEpochs = 2 ; minibatchSize = 6 ; learningRatesPerSample = 0.5 }
    reader = { $reader$ }
    cvReader = { $reader$ }
}
Test = { action = "test" ; modelPath = "$Out$/m" ; reader = { $reader$ } }
Write = { action = "write" ; modelPath = "$Out$/m" ; outputPath = "$Out$/o" ; reader = { $reader$ } }
"""
READER = """readerType = "CNTKTextFormatReader" ; file = "$Data$" ; randomize = false
        input = { x = { dim = 2 ; format = "dense" } ; y = { dim = 3 ; format = "dense" } }"""


def run(folder: Path, *settings: str) -> tuple[dict[tuple[str, int], float], np.ndarray]:
    """The criterion at the end of each epoch and test, and what is written."""
    folder.mkdir()
    (folder / "a.cntk").write_text(CONFIGURATION.replace("$reader$", READER))
    given = [str(folder / "a.cntk"), f"Out={folder}", f"Data={folder.parent / 'data.txt'}", *settings]
    assert main(["run", *given, "--metrics", str(folder / "metrics")]) == 0
    entries = [json.loads(line) for line in (folder / "metrics").read_text().splitlines()]
    ends = [e for e in entries if e["event"] in ("epoch", "final")]
    return {(e["phase"], e.get("epoch", 0)): e["metrics"]["ce"] for e in ends}, np.loadtxt(folder / "o.z")


def test_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    numbers = np.random.default_rng(0)
    frames = [f"{s} |x {a:.3f} {b:.3f} |y {'1 0 0' if a > b else '0 1 0'}" for s in (0, 0, 0, 1, 2, 2, 2, 2, 3, 3)
              for a, b in [numbers.normal(size=2)]]  # fmt: skip
    (tmp_path / "data.txt").write_text("\n".join([*frames, ""]))
    calls: list[int] = []
    monkeypatch.setattr(cudnn, "is_wanted", is_marked)
    monkeypatch.setattr(cudnn, "call", lambda *arguments: (calls.append(1), by_definition(*arguments))[1])
    monkeypatch.setattr(load("xla"), "is_cuda", lambda _: True)
    expected = run(tmp_path / "loop")
    assert not calls
    found = run(tmp_path / "cudnn", "recurrenceEngine=cudnn")
    # training, validation, test and predictions: a program or more each, of three layers
    assert len(calls) >= 12
    assert found[0].keys() == expected[0].keys() and len(expected[0]) == 6
    for each, value in expected[0].items():
        assert found[0][each] == pytest.approx(value, rel=1e-5), each
    np.testing.assert_allclose(found[1], expected[1], rtol=0, atol=1e-5)
    capsys.readouterr()


@pytest.mark.parametrize(
    ("settings", "is_cuda", "is_truncated", "expected"),
    [
        ("recurrenceEngine = cudnn", True, False, ("cudnn",)),
        ("recurrenceEngine = cudnn ; precision = half", True, False, ("cudnn",)),
        ("", True, False, ()),
        ("recurrenceEngine = cudnn", False, False, ()),
        ("recurrenceEngine = cudnn", True, True, ()),
        ("recurrenceEngine = cudnn ; precision = double", True, False, ()),
        ("recurrenceEngine = cudnn ; forceDeterministicAlgorithms = true", True, False, ()),
    ],
)
def test_when_a_run_asks_for_cudnn(
    settings: str, is_cuda: bool, is_truncated: bool, expected: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load("xla"), "is_cuda", lambda _: is_cuda)
    root = configuration_from_text(f"command = T\nT = {{}}\n{settings}")
    context = RunContext(read_experiment(root), Mock(), StringIO())
    assert context.passes_for_device(is_truncated=is_truncated) == expected


@pytest.mark.skipif(not devices("cuda"), reason="runs cuDNN, which needs an NVIDIA GPU")
@pytest.mark.parametrize(("layers", "bidirectional"), SHAPES)
def test_cudnn_on_a_device(layers: int, bidirectional: bool) -> None:
    graphs = [
        stack(OptimizedRNNStack(HIDDEN, layers, bidirectional, cudnn=mark), ElementType.FLOAT32)
        for mark in (False, True)
    ]
    expected, found = map(values_and_gradients, graphs)
    assert_close(found, expected, 1e-4)
