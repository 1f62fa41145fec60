"""Half precision on XLA: the reference's values within the tolerance of the type, and what stays in float32."""

from __future__ import annotations

import re
from itertools import cycle
from pathlib import Path
from typing import Any, get_args

import jax
import numpy as np
import pytest

from graphc.backend import Environment, load
from graphc.backends.reference import gradients
from graphc.backends.reference.evaluate import FLOAT64
from graphc.cli.main import main
from graphc.config.schema import SECTIONS
from graphc.data.columns import DenseColumn
from graphc.ir import Graph, Node
from graphc.ir.arithmetic import ARITHMETIC, Arithmetic
from graphc.network.build import ELEMENTS
from graphc.ops.convolution import Convolution
from graphc.ops.criteria import CrossEntropyWithSoftmax
from graphc.ops.elementwise import ElementTimes, Plus
from graphc.ops.initializers import Initializer
from graphc.ops.normalization import BatchNormalization
from graphc.ops.pooling import MaxPooling
from graphc.ops.products import Times
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.ops.unary import Exp, RectifiedLinear
from graphc.train.evaluation import EvaluationStep
from graphc.train.feeds import Minibatches, to_device
from graphc.train.initialise import initialise
from graphc.train.learner import Learner
from graphc.train.step import TrainingStep
from tests.backends.test_xla_operators import CASES, Case, built

XLA: Any = load("xla")
# the distance from 1 to the next number, halved
ROUNDING: dict[Arithmetic, float] = {"half": 2.0**-11, "bfloat16": 2.0**-8}
NARROW: list[Arithmetic] = list(ROUNDING)


# the types in turns: what differs between them is rounding alone
@pytest.mark.parametrize(("c", "arithmetic"), list(zip(CASES, cycle(NARROW))), ids=str)
def test_every_operator_is_the_references(c: Case, arithmetic: Arithmetic) -> None:
    graph, parameters, feeds = built(c)
    environment = Environment(None, c.settings)
    expected = FLOAT64.function(graph, training=c.training)(parameters, feeds, environment).outputs["y"]
    run = XLA.function(graph, training=c.training, arithmetic=arithmetic)
    found = jax.jit(lambda *given: run(*given, environment).outputs["y"])(parameters, feeds)
    assert found.dtype == np.float32
    close(found, expected, arithmetic)


MULTIPLYING = [c for c in CASES if c.op.family in ("products", "convolution", "pooling")][::3]


@pytest.mark.parametrize(("c", "arithmetic"), list(zip(MULTIPLYING, cycle(NARROW))), ids=str)
def test_gradients_are_the_references(c: Case, arithmetic: Arithmetic) -> None:
    graph, parameters, feeds = built(c)
    names = [*parameters, *feeds]
    wanted = gradients(graph, "y", names, parameters, feeds, Environment(None, c.settings), training=c.training)
    run = XLA.function(graph, training=c.training, arithmetic=arithmetic)
    total = jax.grad(lambda given: run(*given, Environment(None, c.settings)).outputs["y"].sum())
    found = jax.jit(total)((parameters, feeds))
    for name, g in {**found[0], **found[1]}.items():
        assert g.dtype == np.float32
        close(g, wanted[name], arithmetic)


def close(found: Any, expected: Any, arithmetic: Arithmetic) -> None:
    # a few roundings of operands and result, against the largest of the elements that were added up
    tolerance = 8 * ROUNDING[arithmetic]
    largest = float(np.max(np.abs(np.nan_to_num(expected, posinf=0, neginf=0)), initial=1.0))
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * largest)


def parameter(name: str, *shape: int) -> Node:
    return LearnableParameter(name, shape, initializer=Initializer("glorotUniform"))()


def state(name: str, value: float) -> Node:
    return LearnableParameter(name, (1,) if "count" in name else (4,), 0.0, Initializer("fixedValue", value=value))()


def convnet(storage: Any = None) -> Graph:
    x, labels = InputValue("features", (6, 6, 2))(), InputValue("labels", (3,))()
    h = Convolution((3, 3), (4,))(parameter("K", 3, 3, 2, 4), x)
    scale, bias = parameter("scale", 4), parameter("bias", 4)
    h = BatchNormalization(spatial=True)(h, scale, bias, state("mean", 0), state("variance", 1), state("count", 0))
    h = MaxPooling(2, 2, 2, 2)(RectifiedLinear()(h))
    z = Plus()(Times()(parameter("W", 3, 3, 3, 4), h), parameter("b", 3))
    return Graph({"ce": CrossEntropyWithSoftmax()(labels, z), "z": z}, {"h": h})


@pytest.mark.parametrize(("arithmetic", "name"), [("half", "f16"), ("bfloat16", "bf16")])
def test_what_is_narrow(arithmetic: Arithmetic, name: str) -> None:
    graph = convnet()
    run = XLA.function(graph, training=True, arithmetic=arithmetic)
    feeds = {"features": np.zeros((4, 2, 6, 6), np.float32), "labels": np.zeros((4, 3), np.float32)}

    def loss(parameters: Any, feeds: Any) -> Any:
        return run(parameters, feeds, Environment()).outputs["ce"].sum()

    text = jax.jit(jax.value_and_grad(loss)).lower(initialise(graph), feeds).as_text()
    lines = text.splitlines()
    multiplied = [line for line in lines if re.search(r"stablehlo\.(dot_general|convolution)", line)]
    operands = [re.search(r": \((.*)\) ->", line) for line in multiplied]
    assert operands and all(found and found[1].count(f"x{name}>") == 2 for found in operands)
    added = [line for line in lines if "stablehlo.reduce(" in line and "applies stablehlo.add" in line]
    assert added and all("xf32>" in line for line in added if f"x{name}>" not in line)
    assert not [line for line in lines if re.search(rf"(exponential|log|sqrt|rsqrt) .*x{name}>", line)]


@pytest.mark.parametrize("arithmetic", NARROW)
def test_training_keeps_parameters_and_what_the_learner_remembers_in_float32(arithmetic: Arithmetic) -> None:
    graph = convnet()
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, 64)
    data = {
        "features": DenseColumn((rng.normal(size=(64, 72)) + label[:, None]).astype(np.float32)),
        "labels": DenseColumn(np.eye(3, dtype=np.float32)[label]),
    }
    plan = Minibatches.of(np.split(np.arange(64), [16, 32, 48]) * 4)

    def trained(arithmetic: Arithmetic) -> tuple[Any, float, float]:
        step = TrainingStep(graph, "ce", learner=Learner(), arithmetic=arithmetic)
        columns = to_device(step.graph, data, step.device)
        epoch = step.epoch(plan, learning_rate=0.01)
        state = step.run(step.begin(step.state(initialise(graph))), columns, epoch, 0, len(plan))
        values = state.parameters()
        evaluation = EvaluationStep(graph, ["ce"], arithmetic=arithmetic)
        found = evaluation.totals(evaluation.place(values), columns, evaluation.table(plan))
        arrays = [*values.values(), *(x for slots in state.learner().values() for x in slots.values())]
        assert {x.dtype for x in arrays} == {np.dtype(np.float32)}
        assert not step.totals(state).overflowed
        return values, step.totals(state).sums["ce"], found.sums["ce"]

    exact, narrow = trained("full"), trained(arithmetic)
    assert narrow[1:] == pytest.approx(exact[1:], rel=20 * ROUNDING[arithmetic])
    for name, value in exact[0].items():
        np.testing.assert_allclose(narrow[0][name], value, atol=30 * ROUNDING[arithmetic], err_msg=name)
    # updates that are too small for the narrow type are kept
    assert any((value.astype(np.float16) != value).any() for value in narrow[0].values())


def test_overflow_is_known_by_node_and_minibatch() -> None:
    x, labels = InputValue("features", (2,))(), InputValue("labels", (2,))()
    h = Exp()(Times()(parameter("W", 2, 2), x))
    big = ElementTimes()(h, h)
    graph = Graph({"ce": CrossEntropyWithSoftmax()(labels, big)}, {"h": h, "big": big})
    data = {
        "features": DenseColumn(np.array([[1, 1]] * 4 + [[7, 1]] * 4, np.float32)),
        "labels": DenseColumn(np.eye(2, dtype=np.float32)[[0, 1] * 4]),
    }
    plan = Minibatches.of(np.split(np.arange(8), 2))

    def totals(arithmetic: Arithmetic) -> Any:
        step = TrainingStep(graph, "ce", arithmetic=arithmetic)
        values = {"W": np.eye(2, dtype=np.float32)}
        epoch = step.epoch(plan, learning_rate=0.0)
        return step.totals(step.run(step.begin(step.state(values)), to_device(graph, data, step.device), epoch, 0, 2))

    assert totals("half").overflowed == {"big": 1} and totals("half").first_bad == {"ce": 1}
    assert not totals("bfloat16").overflowed and not totals("bfloat16").first_bad


CONFIGURATION = """
command = T ; precision = PRECISION ; modelPath = m
T = [
    action = train
    BrainScriptNetworkBuilder = {
        x = Input {2} ; y = Input {2}
        h = Exp (ParameterTensor {2:2, initValue=1} * x)
        large = h .* h
        ce = CrossEntropyWithSoftmax (y, large)
        featureNodes = (x) ; labelNodes = (y) ; criterionNodes = (ce)
    }
    reader = [
        readerType = CNTKTextFormatReader ; file = data.ctf
        input = [ x = [ dim = 2 ; format = dense ] ; y = [ dim = 2 ; format = dense ] ]
    ]
    SGD = [ epochSize = 0 ; minibatchSize = 2 ; maxEpochs = 1 ; learningRatesPerSample = 0.001 ]
]
"""


def test_overflow_is_told_with_its_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data.ctf").write_text("|x 4 4 |y 1 0\n|x 1 1 |y 0 1\n")
    for precision, status in (("half", 1), ("bfloat16", 0)):
        Path("c.cntk").write_text(CONFIGURATION.replace("PRECISION", precision))
        assert main(["run", "c.cntk", f"modelPath={precision}"]) == status
        told = capsys.readouterr().err
        assert (
            "the node large has a value beyond 65504, the largest of half precision, in epoch 1, minibatch 1" in told
        ) == (status == 1)


def test_every_precision_has_its_element_type_and_arithmetic() -> None:
    (key,) = (key for key in SECTIONS["root"] if key.name == "precision")
    assert all(word in key.kind.name for word in ARITHMETIC)
    assert ELEMENTS.keys() == ARITHMETIC.keys()
    assert set(ARITHMETIC.values()) == set(get_args(Arithmetic))


def test_quantized_products_are_exact_and_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "q.bs"
    path.write_text("{ x = Input {3}\n z = QuantizedTimes (ParameterTensor {2:3}, x) ; outputNodes = (z) }\n")
    assert main(["check", str(path)]) == 0
    said = capsys.readouterr()
    assert "warning[GC0418]: z computes the exact product" in said.out + said.err
