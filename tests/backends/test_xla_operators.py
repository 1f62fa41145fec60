"""Every operator on XLA in float32 against the reference in float64: values and gradients, whole and padded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
import pytest

from graphc.backend import Environment, load
from graphc.backends.reference import gradients
from graphc.backends.reference.evaluate import FLOAT64
from graphc.ir import Graph, Node, Op
from graphc.ir.node import REGISTRY
from graphc.ops import (
    convolution,
    criteria,
    elementwise,
    legacy_convolution,
    legacy_reshape,
    normalization,
    pooling,
    products,
    random,
    ranking,
    reductions,
    regions,
    sampling,
    shaping,
    softmax,
    statistics,
    tables,
    tracing,
    transcription,
    unary,
    unpooling,
    word_criteria,
)
from graphc.ops.sources import EnvironmentInput, InputValue, LearnableParameter

XLA = load("xla")
FRAMES, REAL = 5, 3


@dataclass(frozen=True)
class Case:
    """An operator on operands of the given shapes; ``*`` marks a dynamic axis."""

    op: Op
    shapes: tuple[str, ...]
    low: float = -2.0
    high: float = 2.0
    # operands that hold whole numbers, so that they are equal here and there
    whole: bool = False
    settings: Mapping[str, float] = field(default_factory=dict)
    training: bool = False

    def __str__(self) -> str:
        return f"{self.op.names[0]} {' , '.join(self.shapes)} {self.op.attributes()}"


def case(op: Op, *shapes: str, **more: Any) -> Case:
    return Case(op, shapes, **more)


conv, pool, bn = convolution.Convolution, pooling.Pooling, normalization.BatchNormalization
STATISTICS = ("2 1", "2 1", "2 1", "2 1", "1")
UNARY = (
    *(unary.Abs, unary.Asinh, unary.Cosh, unary.Cosine, unary.Exp, unary.Floor, unary.Negate, unary.Pass),
    *(unary.Reciprocal, unary.RectifiedLinear, unary.Sigmoid, unary.StableSigmoid, unary.Sin, unary.Sinh),
    *(unary.StopGradient, unary.Tanh),
)
BINARY = (
    *(elementwise.Plus, elementwise.Minus, elementwise.ElementTimes, elementwise.LogPlus, elementwise.Less),
    *(elementwise.Equal, elementwise.Greater, elementwise.GreaterEqual, elementwise.NotEqual, elementwise.LessEqual),
)
CRITERIA = (
    *(criteria.CrossEntropyWithSoftmax, criteria.ClassificationError, criteria.SquareError, criteria.CrossEntropy),
    *(criteria.Logistic, criteria.CosDistance),
)
CASES = [
    *(case(op(), "3 2 *") for op in UNARY),
    *(case(op(), "3 *", low=-0.9, high=0.9) for op in (unary.Acos, unary.Asin, unary.Atanh)),
    *(case(op(), "3 *", low=0.1) for op in (unary.Log, unary.Sqrt)),
    *(case(op(), "3 2 *", "3") for op in BINARY),
    *(case(op(), "3 *", "3 2 *", whole=True) for op in BINARY),
    case(elementwise.DiagTimes(), "3", "3 2 *"),
    case(elementwise.DiagTimes(), "3 1 *", "3 2 *"),
    case(elementwise.Clip(), "1", "3", "3 2 *"),
    case(elementwise.If(), "1 *", "3 *", "3", whole=True),
    case(products.Times(), "3 4", "4 *"),
    case(products.Times(), "3 4 2", "4 2 *"),
    case(products.Times(output_rank=2), "3 2 4", "4 5 *"),
    case(products.Times(), "3 8", "4 2 *"),
    case(products.Times(), "3 4 *", "4 *"),
    case(products.Times(), "3 4", "4 2"),
    case(products.Times(output_rank=0), "4", "4 *"),
    case(products.QuantizedTimes(), "3 4", "4 *"),
    case(products.TransposeTimes(), "4 3", "4 2 *"),
    case(products.TransposeTimes(), "4", "4 *"),
    case(products.TransposeTimes(), "4 3 *", "4 *"),
    case(products.KhatriRaoProduct(), "3 *", "4 *"),
    *(case(reductions.ReduceElements(kind), "3 2 *") for kind in ("Sum", "Mean", "Max", "Min", "LogSum")),
    case(reductions.ReduceElements("Sum", 2), "3 2 *"),
    case(reductions.SumElements(), "3 2 *"),
    case(reductions.SumColumnElements(), "3 2 *"),
    case(shaping.Reshape((3, 2)), "2 3 *"),
    case(shaping.RowRepeat(3), "2 3 *"),
    case(shaping.RowStack(), "2 3 *", "4 3 *"),
    case(shaping.RowStack(2), "2 3 *", "2 1 *"),
    case(shaping.Slice(1, 3), "4 2 *"),
    case(shaping.TransposeDimensions(1, 2), "4 2 *"),
    case(softmax.Softmax(), "3 2 *"),
    case(softmax.LogSoftmax(), "3 2 *"),
    case(softmax.Hardmax(), "4 *", whole=True),
    case(criteria.CrossEntropyWithSoftmax(), "4 *", "4 *"),
    case(criteria.CrossEntropyWithSoftmax(), "4 *", "1 1 4 *"),
    # one operand is a parameter: the same for all frames
    *(case(op(), *shapes, low=0.1, high=0.9) for op in CRITERIA for shapes in (("4", "4 *"), ("2 2 *", "2 1 2"))),
    case(criteria.ClassificationError(), "4 *", "4 *"),
    case(criteria.ClassificationError(), "4 *", "4 *", whole=True),
    case(criteria.ClassificationError(), "4 *", "4 *", "1", low=2, high=2.1),
    case(criteria.SquareError(), "4 *", "4 *"),
    case(criteria.CrossEntropy(), "4 *", "4 *", low=0.1, high=0.9),
    case(criteria.Logistic(), "1 *", "1 *", low=0.1, high=0.9),
    case(criteria.Logistic(), "1 *", "1 *", "1 *", low=0.1, high=0.9),
    case(criteria.CosDistance(), "3 *", "3 *"),
    case(criteria.MatrixL1Reg(), "3 2"),
    case(criteria.MatrixL2Reg(), "3 2"),
    case(statistics.PerDimMeanVarNormalization(), "3 *", "3", "3", low=0.5),
    case(statistics.PerDimMeanVarDeNormalization(), "3 *", "3", "3", low=0.5),
    case(conv((3, 3), (2,)), "3 3 1 2", "5 4 1 *"),
    case(conv((3, 3), (2,)), "3 3 5 2", "5 4 5 *"),
    case(conv((3, 3), (2,), stride=(2,)), "3 3 5 2", "6 5 5 *"),
    case(conv((3, 2), (2,), stride=(2, 1), auto_padding=(False,)), "3 2 1 2", "7 4 1 *"),
    case(conv((3,), (2,), auto_padding=(False,), lower_pad=(1,), upper_pad=(1,)), "3 9 2", "6 9 *"),
    case(conv((3,), (2,), dilation=(2,)), "3 3 2", "6 3 *"),
    case(conv((3,), (2,), dilation=(2,)), "3 9 2", "6 9 *"),
    case(conv((3, 3), (2,)), "2 81", "5 4 9 *"),
    case(conv((3, 2), (2,), sharing=(False, True), stride=(2, 1)), "3 2 3 3 2", "5 4 3 *"),
    case(conv((2,), (3,), sharing=(False,), auto_padding=(False,)), "2 3 3 3", "4 3 *"),
    case(conv((3, 3, 2), (2,), stride=(1, 1, 1), auto_padding=(True, True, False)), "3 3 2 2", "5 4 3 *"),
    case(conv((1, 1), (2,), stride=(3,)), "1 1 40 2", "5 4 40 *"),
    case(conv((3, 3, 2), (5,), transpose=True, auto_padding=(False,)), "3 3 2 5", "4 3 5 *"),
    case(conv((2, 3, 2), (3,), (2, 1, 2), auto_padding=(True, True, False), transpose=True), "2 3 2 3", "4 3 3 *"),
    case(conv((3, 3), (2,)), "3 3 1 2", "5 4 1"),
    *(
        case(p, "6 4 2 *", whole=whole)
        for whole in (False, True)
        for kind in ("max", "average")
        for p in (
            pool(kind, (2, 2), (2,), (False,)),
            pool(kind, (3, 2), (2,), (True,)),
            pool(kind, (3, 3), (1,), (True,), include_pad=True),
            pool(kind, (4, 3), (3, 2), (False,), ceil_out_dim=True),
            pool(kind, (2, 2, 2), (2,), (False,)),
        )
    ),
    case(unpooling.MaxUnpooling((2, 2), (2,), (False,)), "2 2 3 *", "4 4 3 *"),
    case(unpooling.MaxUnpooling((3, 2), (2, 1)), "3 4 2 *", "5 4 2 *"),
    case(unpooling.MaxUnpooling((2,), (2,), (False,)), "2", "4 *"),
    case(pool("max", (2,), (2,), (False,)), "6", whole=True),
    case(pooling.MaxPooling(2, 2, 2, 2), "6 4 3 *", whole=True),
    case(pooling.MaxPooling(2, 2, 2, 2, "HWC"), "3 6 4 *", whole=True),
    case(pooling.AveragePooling(3, 2, 2, 2), "6 4 3 *"),
    *(
        case(bn(spatial, constant, blend), x, *STATISTICS, low=0.5, training=training)
        for spatial, x in ((True, "4 3 2 *"), (False, "2 *"))
        for training, constant, blend in ((False, 0.0, 0.0), (True, 4.0, 0.0), (True, -1.0, 6.0))
    ),
    *(
        case(op(spatial=spatial, normalization_time_constant=4.0), x, *STATISTICS, low=0.5, training=True)
        for op in (normalization.RunningMean, normalization.RunningVariance, normalization.RunningCount)
        for spatial, x in ((True, "4 3 2 *"), (False, "2 *"))
    ),
    case(random.Dropout("drop"), "3 *"),
    case(random.Dropout("drop"), "3 *", training=True),
    case(regions.ROIPooling((2, 3), 1.0), "5 4 2 *", "4 3 *", low=0.0, high=4.0),
    case(regions.ROIPooling((2, 2), 1.0), "5 4 2", "4 3 *", low=0.0, high=9.0, whole=True),
    case(regions.Crop(1, 2), "5 4 2 *", "3 2 *"),
    case(regions.Crop(0, 1), "5 4", "3 2 *"),
    case(tables.Diagonal(), "3 3 *"),
    case(tables.LookupTable(), "2 3", "6 *"),
    case(legacy_reshape.LegacyReshape(4, 2, 0, 1), "4 *"),
    case(legacy_convolution.LegacyConvolution(2, 3, 2, 1, 2), "2 12", "2 4 5 *"),
    case(legacy_convolution.LegacyConvolution(2, 2, 3, zero_padding=True), "3 4", "1 3 2"),
    case(tracing.Trace("traced"), "3 *"),
    *(
        case(op("s", 2, allow_duplicates=repeats), "5", low=0.1)
        for op in (sampling.RandomSample, sampling.RandomSampleInclusionFrequency)
        for repeats in (False, True)
    ),
    case(statistics.EpochAccumulator(), "3 2 *"),
    case(statistics.EpochMean(), "3 2 *", "3 2", "1"),
    case(statistics.EpochFrames(), "3 2 *", "3 2", "1"),
    case(word_criteria.ClassBasedCrossEntropyWithSoftmax(), "4 *", "3 *", "3 4", "2 *", low=0, high=3, whole=True),
    case(word_criteria.CosDistanceWithNegativeSamples(1, 3), "3 *", "3 *"),
    case(word_criteria.DummyCriterion(), "1 *", "3 *", "3 *"),
    case(word_criteria.DummyCriterion(), "1 *", "3", "3 1 *"),
    case(word_criteria.DummyCriterion(), "1 *", "3 *", "3"),
    case(ranking.LambdaRank(), "1 *", "1 *", "1 *", low=1.0, high=3.0),
    case(ranking.LambdaRank(), "1 *", "1 *", "1 *", whole=True),
    case(ranking.NDCG1Eval(), "1 *", "1 *", "1 *", low=1.0, high=3.0),
    case(transcription.LabelsToGraph(), "3 *"),
    case(transcription.ForwardBackward(2), "3 *", "3 *", low=0.0, high=2.0, whole=True),
    case(transcription.EditDistanceError(), "3 *", "3 *"),
]
# given to the function, a property of the run, or types without a value: nothing to lower
NOT_LOWERED = {InputValue, LearnableParameter, EnvironmentInput}
NOT_LOWERED |= {cls for cls in REGISTRY.values() if cls.evaluate is Op.evaluate}
# about sequences of several frames: test_sequence_vectors.py has them
NOT_LOWERED |= {cls for cls in REGISTRY.values() if cls.family == "sequences"}


def operand(at: int, shape: str) -> Node:
    *dims, last = shape.split()
    if last == "*":
        return InputValue(f"x{at}", tuple(map(int, dims)))()
    return LearnableParameter(f"x{at}", tuple(map(int, shape.split())))()


def built(c: Case) -> tuple[Graph, dict[str, np.ndarray], dict[str, np.ndarray]]:
    inputs = [operand(i, s) for i, s in enumerate(c.shapes)]
    rng = np.random.default_rng(7)
    values = {}
    for node in inputs:
        frames = (FRAMES,) if node.type.axis else ()
        x = rng.uniform(c.low, c.high, (*frames, *reversed(node.type.dims)))
        values[node.op.name] = (np.round(x) if c.whole else x).astype(np.float32)  # type: ignore[attr-defined]
    parameters = {n.op.name: values[n.op.name] for n in inputs if n.type.axis is None}  # type: ignore[attr-defined]
    feeds = {name: v for name, v in values.items() if name not in parameters}
    return Graph({"y": c.op(*inputs)}), parameters, feeds


def real(graph: Graph, y: Any, count: int | None) -> np.ndarray:
    return np.asarray(y)[:count] if graph.roots["y"].type.axis is not None else np.asarray(y)


@pytest.mark.parametrize("c", CASES, ids=str)
def test_values_and_gradients_are_the_references(c: Case) -> None:
    check(c)


# only these look beyond their own frame
@pytest.mark.parametrize(
    "c", [c for c in CASES if c.op.family in ("criteria", "normalization", "transcription")], ids=str
)
def test_padding_does_not_matter(c: Case) -> None:
    check(c, REAL)


def check(c: Case, count: int | None = None) -> None:
    graph, parameters, feeds = built(c)
    if count is not None:
        feeds = {n: np.concatenate([x[:count], np.full_like(x[count:], 0.7)]) for n, x in feeds.items()}
    environment, values = Environment(count, c.settings), [*parameters, *feeds]
    expected = FLOAT64.function(graph, training=c.training)(parameters, feeds, environment).outputs["y"]
    weight = np.random.default_rng(8).uniform(0.5, 1.5, np.shape(expected))
    run = XLA.function(graph, training=c.training)

    def weighted(parameters: Any, feeds: Any) -> Any:
        y = run(parameters, feeds, environment).outputs["y"]
        shown = y * weight.astype(np.float32)
        if count is not None and graph.roots["y"].type.axis is not None:
            shown = shown[:count]
        return shown.sum(), y

    found, value = jax.jit(jax.grad(weighted, argnums=(0, 1), has_aux=True))(parameters, feeds)
    np.testing.assert_allclose(real(graph, value, count), real(graph, expected, count), rtol=2e-5, atol=2e-5)
    wanted = gradients(graph, "y", values, parameters, feeds, environment, training=c.training, cotangent=weight)
    for name, g in {**found[0], **found[1]}.items():
        shown = np.asarray(g)[:count] if name in feeds else np.asarray(g)
        reference = wanted[name][:count] if name in feeds else wanted[name]
        np.testing.assert_allclose(shown, reference, rtol=1e-3, atol=1e-4, err_msg=name)


def test_every_operator_has_a_case() -> None:
    assert set(REGISTRY.values()) - {type(c.op) for c in CASES} == NOT_LOWERED
