"""The XLA backend as a whole: devices, precision, export, random numbers, and what it says when it cannot."""

from __future__ import annotations

import os
import platform
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphc.backend import Environment, load
from graphc.backends.xla import allocator, options
from graphc.backends.xla.random import CounterStream
from graphc.diagnostics import DiagnosticError, SourceFile
from graphc.ir import Context, ElementType, Graph, Node, Op, Storage, TensorType
from graphc.ops.convolution import Convolution
from graphc.ops.criteria import ClassificationError, CrossEntropyWithSoftmax
from graphc.ops.elementwise import Plus
from graphc.ops.pooling import Pooling
from graphc.ops.products import Times, TransposeTimes
from graphc.ops.random import Dropout
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.ops.unary import Exp, RectifiedLinear
from graphc.train.initialise import initialise

XLA: Any = load("xla")


class Unlowered(Op):
    """Has neither `evaluate` nor a lowering."""

    names: ClassVar = ("Unlowered",)

    def infer(self, x: TensorType) -> TensorType:
        return x


def convnet(element: ElementType = ElementType.FLOAT32, storage: Storage = Storage.DENSE) -> Graph:
    x = InputValue("x", (6, 6, 1), element=element)()
    labels = InputValue("labels", (3,), element=element, storage=storage)()
    kernel = LearnableParameter("K", (3, 3, 1, 4), element=element)()
    bias = LearnableParameter("c", (1, 1, 4), element=element)()
    h = RectifiedLinear()(Plus()(Convolution((3, 3), (4,))(kernel, x), bias))
    h = Pooling("max", (2, 2), (2,), (False,))(h)
    h = Pooling("average", (2, 2), (1,), (False,))(h)
    z = Times()(LearnableParameter("W", (3, 2, 2, 4), element=element)(), h)
    return Graph({"ce": CrossEntropyWithSoftmax()(labels, z), "errs": ClassificationError()(labels, z), "z": z})


def feeds(frames: int = 5, dtype: str = "float32") -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "x": rng.normal(size=(frames, 1, 6, 6)).astype(dtype),
        "labels": np.eye(3, dtype=dtype)[rng.integers(0, 3, frames)],
    }


def test_compiled_graph_is_the_references() -> None:
    graph = convnet()
    values = initialise(graph)
    found = XLA.compile(graph)(values, feeds(), Environment())
    wanted = load("reference").function(graph)(values, feeds(), Environment())
    for name, value in wanted.outputs.items():
        np.testing.assert_allclose(found.outputs[name], value, rtol=1e-4, atol=1e-6)


def test_missing_lowerings_are_all_named_with_their_places() -> None:
    file = SourceFile("a.cntk", "first\nsecond\n")
    x = InputValue("x", (2,))()
    first = Node(Unlowered(), (x,), x.type, file.span(0, 5))
    second = Node(Unlowered(), (first,), x.type, file.span(6, 12))
    with pytest.raises(DiagnosticError) as caught:
        XLA.function(Graph({"y": second}))
    assert [(d.code, str(d.span)) for d in caught.value.diagnostics] == [
        ("GC0802", "a.cntk:1:1"),
        ("GC0802", "a.cntk:2:1"),
    ]


@pytest.mark.parametrize("target", ["cpu", "cuda", "tpu"])
def test_text_of_every_platform(target: str) -> None:
    text = XLA.lowered_text(convnet(), platforms=(target,), training=True)
    assert "stablehlo.convolution" in text or "stablehlo.dot_general" in text


def test_text_as_hlo() -> None:
    assert XLA.lowered_text(convnet(), stage="hlo").startswith("HloModule")


def test_export_serves_any_number_of_frames_on_every_platform() -> None:
    graph = convnet()
    values = initialise(graph)
    exported = XLA.export(graph)
    assert exported.platforms == ("cpu", "cuda", "tpu")
    for frames in (2, 5):
        wanted = XLA.compile(graph)(values, feeds(frames)).outputs["z"]
        np.testing.assert_allclose(exported.call(values, feeds(frames))["z"], wanted, rtol=1e-5, atol=1e-6)


def test_export_of_gathers_and_of_double_precision() -> None:
    assert XLA.export(convnet(storage=Storage.ONEHOT)).in_avals[-2].dtype == np.int32
    assert XLA.export(convnet(ElementType.FLOAT64), frames=4).in_avals[0].dtype == np.float64


def test_double_precision_is_double_and_leaves_the_process_alone() -> None:
    graph = convnet(ElementType.FLOAT64)
    values = initialise(graph)
    found = XLA.compile(graph)(values, feeds(dtype="float64"), Environment()).outputs
    wanted = load("reference").function(graph)(values, feeds(dtype="float64"), Environment()).outputs
    assert found["z"].dtype == np.float64
    np.testing.assert_allclose(found["z"], wanted["z"], rtol=1e-12)
    assert jnp.ones(1, float).dtype == np.float32


@pytest.mark.parametrize("device", ["auto", "cpu", "CPU:0", -1])
def test_devices_that_are_there(device: str | int) -> None:
    assert XLA.device(device) in [*jax.devices(), *jax.devices("cpu")]


@pytest.mark.parametrize(
    ("device", "message"), [("gpus", "did you mean gpu"), ("cpu:77", "there is no device"), ("x", "names no device")]
)
def test_devices_that_are_not(device: str | int, message: str) -> None:
    with pytest.raises(DiagnosticError, match=message) as caught:
        XLA.device(device)
    assert [d.code for d in caught.value.diagnostics] == ["GC0803"]


@pytest.mark.parametrize("op", [Times(), TransposeTimes()], ids=["Times", "TransposeTimes"])
@pytest.mark.parametrize("storage", [Storage.ONEHOT, Storage.SPARSE], ids=str)
def test_sparse_products_are_dense_ones(op: Op, storage: Storage) -> None:
    indices = np.array([[3, 0], [0, 1], [3, 3], [2, 0]], np.int32)
    entries = np.array([[1, 0], [2, -1], [0.5, 1], [1, 0]], np.float32)
    fed: Any = (indices, entries) if storage is Storage.SPARSE else indices[:, 0]
    plain = np.zeros((4, 4), np.float32)
    np.add.at(plain, (np.arange(4)[:, None], indices), entries if storage is Storage.SPARSE else np.eye(2)[[0] * 4])
    shape = (3, 4) if isinstance(op, Times) else (4, 3)
    w = LearnableParameter("W", shape)()
    value = initialise(Graph({"W": w}))

    def run(storage: Storage, fed: Any) -> Any:
        function = XLA.function(Graph({"y": Exp()(op(w, InputValue("x", (4,), storage=storage)()))}))
        return jax.value_and_grad(lambda w: function({"W": w}, {"x": fed}).outputs["y"].sum())(value["W"])

    for a, b in zip(run(storage, fed), run(Storage.DENSE, plain), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


@pytest.mark.parametrize("storage", [Storage.ONEHOT, Storage.SPARSE], ids=str)
def test_sparse_labels_are_dense_ones(storage: Storage) -> None:
    def graph(storage: Storage) -> Graph:
        labels, z = InputValue("labels", (3,), storage=storage)(), InputValue("z", (3,))()
        return Graph({"ce": CrossEntropyWithSoftmax()(labels, z), "errs": ClassificationError()(labels, z)})

    label = np.array([0, 2, 1, 1, 0], np.int32)
    z = np.array([[1, 2, 0], [0, 0, 0], [3, 3, 1], [0, 1, 0], [2, 2, 2]], np.float32)
    fed: Any = label if storage is Storage.ONEHOT else (label[:, None], np.ones((5, 1), np.float32))

    def run(storage: Storage, fed: Any) -> Any:
        function = XLA.function(graph(storage))

        def total(z: Any) -> tuple[Any, Any]:
            outputs = function({}, {"labels": fed, "z": z}, Environment(count=4)).outputs
            return outputs["ce"].sum(), outputs["errs"]

        return jax.value_and_grad(total, has_aux=True)(z)

    found, wanted = (jax.tree.leaves(run(s, f)) for s, f in ((storage, fed), (Storage.DENSE, np.eye(3)[label])))
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def stream(minibatch: int = 0, seed: int = 1, epoch: int = 0) -> CounterStream:
    return CounterStream.of(seed, epoch, minibatch)


def test_random_numbers_depend_on_seed_name_epoch_and_minibatch_alone() -> None:
    drawn = [
        stream().uniform("a", (4, 5)),
        stream().uniform("b", (4, 5)),
        stream(minibatch=1).uniform("a", (4, 5)),
        stream(seed=2).uniform("a", (4, 5)),
        stream(epoch=1).uniform("a", (4, 5)),
    ]
    np.testing.assert_array_equal(drawn[0], stream().uniform("a", (4, 5)))
    assert len({np.asarray(d).tobytes() for d in drawn}) == len(drawn)


def test_random_numbers_are_even() -> None:
    numbers = np.concatenate([np.asarray(stream(i).uniform("a", (4096,))) for i in range(16)])
    assert numbers.min() >= 0 and numbers.max() < 1
    cells = np.bincount((numbers * 64).astype(int), minlength=64)
    # chi-square with 63 degrees of freedom: 120 is passed once in 30,000 tries, and the numbers are fixed
    assert ((cells - 1024) ** 2 / 1024).sum() < 120
    assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 0.01
    assert np.bincount(np.asarray(stream().bytes("a", (50000,))), minlength=256).min() > 120


@pytest.mark.parametrize("rate", [0.003, 0.3, 0.5])
def test_dropout_keeps_the_expected_part_and_the_mean(rate: float) -> None:
    node = Dropout("d")(InputValue("x", (4096,))())
    run = XLA.function(Graph({"y": node}), training=True)

    def outputs(minibatch: Any) -> Any:
        environment = Environment(None, {"dropout_rate": rate}, stream(minibatch))
        return run({}, {"x": jnp.ones((1, 4096))}, environment).outputs["y"]

    y = np.asarray(jax.jit(jax.vmap(outputs))(jnp.arange(64)))
    assert set(np.unique(y)) == {np.float32(0), np.float32(1) / (1 - np.float32(rate))}
    assert (y == 0).mean() == pytest.approx(rate, abs=0.003)


def test_dropout_gradient_has_the_mask_of_the_value() -> None:
    node = Dropout("d")(InputValue("x", (100,))())
    run = XLA.function(Graph({"y": node}), training=True)
    environment = Environment(None, {"dropout_rate": 0.5}, stream())
    x = jnp.ones((3, 100))
    y, pull = jax.vjp(lambda x: run({}, {"x": x}, environment).outputs["y"], x)
    np.testing.assert_array_equal(pull(jnp.ones_like(y))[0], y)
    assert np.asarray(run({}, {"x": x}, Environment()).outputs["y"]).all()


def test_gradient_of_a_maximum_goes_to_the_first() -> None:
    pool = Pooling("max", (2, 2), (1,), (False,))(InputValue("x", (3, 2, 1))())
    run = XLA.function(Graph({"y": pool}))
    gradient = jax.grad(lambda x: run({}, {"x": x}).outputs["y"].sum())(jnp.ones((1, 1, 2, 3)))
    assert gradient.tolist() == [[[[1, 1, 0], [0, 0, 0]]]]


def test_parameters_are_kept_as_all_their_readers_want_them() -> None:
    x = InputValue("x", (6, 6, 2))()
    shared, matrix = LearnableParameter("S", (3, 3, 2, 4))(), LearnableParameter("M", (4, 18))()
    own = [Convolution((3, 3), (4,))(w, x) for w in (LearnableParameter("K", (3, 3, 2, 4))(), shared, matrix)]
    y = Plus()(own[0], own[1])
    products = [
        Times()(LearnableParameter("W", (5, 6, 6, 4))(), y),
        Times()(LearnableParameter("V", (5, 6, 6, 2))(), x),
    ]
    graph = Graph({"m": own[2], "e": Exp()(shared), "w": products[0], "v": products[1]})
    assert XLA.kept_axes(graph) == {"K": (2, 3, 1, 0), "W": (1, 2, 0, 3)}


def test_values_stay_channels_last_between_convolutions() -> None:
    graph = convnet().select(["z"])
    text = XLA.lowered_text(graph, frames=8)
    # the weights are permuted; of the images, only the input
    permuted = [line for line in text.splitlines() if "stablehlo.transpose" in line and "(tensor<8x" in line]
    assert ["tensor<8x1x6x6xf32>" in line for line in permuted] == [True]


def test_allocator_can_be_left_alone() -> None:
    assert allocator.configure({"GRAPHC_MALLOC": "0"}) is False
    assert allocator.configure({}) is (platform.libc_ver()[0] == "glibc")


def test_allocator_is_set_before_jax_is_there() -> None:
    code = (
        "import sys, platform; import graphc.backend; seen = []; "
        "platform.libc_ver = lambda: seen.append('jax' in sys.modules) or ('', ''); "
        "graphc.backend.load('xla'); print(seen, 'jax' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[False] True"


def test_unknown_compiler_options_are_left_out() -> None:
    assert not options._is_known("xla_no_such_option", "1")


def test_compiler_options_are_for_large_images_on_cpus() -> None:
    kernel, x = LearnableParameter("K", (3, 3, 1, 4))(), InputValue("x", (16, 16, 1))()
    large = Graph({"y": Convolution((3, 3), (4,))(kernel, x)})
    known = {n: v for n, v in options._LARGE_CONVOLUTION.items() if options._is_known(n, v)}
    assert options.compiler_options(large, "cpu") == known
    assert options.compiler_options(large, "gpu") == options.compiler_options(convnet(), "cpu") == {}


@pytest.mark.skipif(os.name != "posix", reason="folder permissions are POSIX")
def test_compiled_programs_are_kept_for_their_owner_alone(tmp_path: Path) -> None:
    code = "import graphc.backend, jax; graphc.backend.load('xla'); print(jax.config.jax_compilation_cache_dir)"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")} | {"XDG_CACHE_HOME": str(tmp_path)}

    def folder(**more: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment | more, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    path = Path(folder())
    assert path.is_relative_to(tmp_path) or sys.platform != "linux"
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert folder(JAX_COMPILATION_CACHE_DIR=str(tmp_path / "own")) == str(tmp_path / "own")


def test_context_is_what_operators_are_promised() -> None:
    seen: list[Context] = []

    class Looks(Op):
        names: ClassVar = ("Looks",)
        arity: ClassVar = (1, 1)

        def infer(self, x: TensorType) -> TensorType:
            return x

        def evaluate(self, c: Context, x: Any) -> Any:
            seen.append(c)
            return x

    x = InputValue("x", (2,))()
    run = XLA.function(Graph({"y": Node(Looks(), (x,), x.type)}), training=True)
    run({}, {"x": np.ones((3, 2))}, Environment(count=2, settings={"dropout_rate": 0.1}))
    (c,) = seen
    assert (c.xp, c.training, c.operands, c.result) == (jnp, True, (x.type,), x.type)
    assert c.frames is not None and np.asarray(c.frames.mask).tolist() == [1, 1, 0]
    assert c.settings["dropout_rate"] == 0.1
