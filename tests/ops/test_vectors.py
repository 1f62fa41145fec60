"""What CNTK 2.7 computed, as recorded in op_vectors.json, against the operators through the reference backend."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphc.backend import Environment
from graphc.backends.reference import BACKEND, gradients
from graphc.ir import ElementType, Graph, Node, Op, operator
from graphc.ops.convolution import Convolution
from graphc.ops.criteria import ClassificationError, Logistic
from graphc.ops.elementwise import Clip, ElementTimes, If, Minus, Plus
from graphc.ops.initializers import Initializer
from graphc.ops.normalization import BatchNormalization
from graphc.ops.pooling import Pooling
from graphc.ops.products import Times, TransposeTimes
from graphc.ops.reductions import ReduceElements
from graphc.ops.regions import ROIPooling
from graphc.ops.sampling import RandomSampleInclusionFrequency
from graphc.ops.shaping import Reshape, RowRepeat, RowStack, Slice, TransposeDimensions
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.ops.unary import Exp, Floor, Negate, Reciprocal, RectifiedLinear, Sigmoid, StopGradient
from graphc.ops.unpooling import MaxUnpooling
from graphc.ops.word_criteria import CosDistanceWithNegativeSamples

VECTORS = {
    v["id"]: v
    for v in json.loads((Path(__file__).parents[1] / "vectors" / "op_vectors.json").read_text("utf-8"))["vectors"]
}

# vectors of what has no operator here; whoever adds one must take its vectors off this list
NOT_COVERED = {
    "they need sequences of several frames: tests/backends/test_sequence_vectors.py": (
        "PastValue_1 PastValue_2 PastValue_init_param PastValue_init_seq FutureValue_1 Recurrence_cumsum "
        "Loop_IsFirst Loop_IsLast Loop_IsFirstN Loop_Iteration Sequences_First Sequences_Last Where Where_repeat "
        "Where_fraction Sequences_Gather Sequences_Scatter Slice_time Slice_time_neg BroadcastSequenceAs "
        "PastValueWindow_value PastValueWindow_valid RecurrentLSTMLayer RecurrentLSTMLayer_full RecurrentGRU "
        "ForwardBackward ForwardBackward_repeat EditDistanceError EditDistanceError_pen EditDistanceError_squash "
        "OptimizedRNNStack_lstm"
    ),
    "statistics come from a pass over the training set: tests/train/test_expression_vectors.py": (
        "Mean_precompute InvStdDev_precompute MeanVarNorm LogPrior"
    ),
    "initial values are made by no operator: tests/train/test_expression_vectors.py": (
        "init_uniform init_glorotUniform init_heNormal init_normal init_bilinear init_bilinear4"
    ),
    "layers are written in the library: tests/train/test_expression_vectors.py": (
        "LayerNormalizationLayer StabilizerLayer"
    ),
    "a literal does not grow the rank of the result": "Plus_scalar_literal_call",
}
LISTED = {id for ids in NOT_COVERED.values() for id in ids.split()}


def constant(value: float, element: ElementType) -> Node:
    return LearnableParameter(f"constant {value}", (1,), 0.0, Initializer("fixedValue", value=value), element)()


def plus(a: dict[str, Any], x: Node, y: Node | None = None) -> Node:
    return Plus()(x, constant(1, x.type.element) if y is None else y)


def reduced(kind: str) -> Callable[..., Node]:
    return lambda a, x: ReduceElements(kind, a.get("axis", 0))(x)


def softmax(a: dict[str, Any], z: Node) -> Node:
    if "axis" not in a:
        return applied("Softmax", z)
    return Exp()(Minus()(z, ReduceElements("LogSum", a["axis"])(z)))


def cross_entropy(a: dict[str, Any], labels: Node, z: Node) -> Node:
    if "axis" not in a:
        return applied("CrossEntropyWithSoftmax", labels, z)
    product = ReduceElements("Sum", a["axis"])(ElementTimes()(labels, z))
    return Minus()(ReduceElements("LogSum", a["axis"])(z), product)


def convolution(a: dict[str, Any], w: Node, x: Node, *, transpose: bool = False) -> Node:
    return Convolution(transpose=transpose, **snake(a))(w, x)


def normalization(a: dict[str, Any], *inputs: Node) -> Node:
    return BatchNormalization(**{k: v for k, v in snake(a).items() if k != "mode"})(*inputs)


def xor(_: dict[str, Any], x: Node, y: Node) -> Node:
    product = ElementTimes()(x, y)
    return Minus()(Plus()(x, y), ElementTimes()(constant(2, x.type.element), product))


def top_n(a: dict[str, Any], labels: Node, z: Node) -> Node:
    return ClassificationError()(labels, z, *([constant(a["topN"], z.type.element)] if "topN" in a else []))


def applied(name: str, *inputs: Node) -> Node:
    found = operator(name)
    assert found is not None, name
    return found()(*inputs)


def snake(attributes: dict[str, Any]) -> dict[str, Any]:
    given = {re.sub("[A-Z]", lambda m: "_" + m[0].lower(), k): v for k, v in attributes.items()}
    return {k: v for k, v in given.items() if v is not None}


# BrainScript functions that are not one operator without attributes
FUNCTIONS: dict[str, Callable[..., Node]] = {
    "ReLU": lambda a, x: RectifiedLinear()(x),
    "Ceil": lambda a, x: Negate()(Floor()(Negate()(x))),
    "Round": lambda a, x: Floor()(Plus()(x, constant(0.5, x.type.element))),
    "ElementDivide": lambda a, x, y: ElementTimes()(x, Reciprocal()(y)),
    "StopGradient": lambda a, x: ElementTimes()(x, StopGradient()(x)),
    "Plus": plus,
    "Clip": lambda a, x: Clip()(constant(-1, x.type.element), constant(2, x.type.element), x),
    "BS.Boolean.If": lambda a, *xs: If()(*xs),
    "BS.Boolean.Xor": xor,
    "Times": lambda a, x, y: Times(**snake(a))(x, y),
    "TransposeTimes": lambda a, x, y: TransposeTimes()(x, y),
    "ReduceSum": reduced("Sum"),
    "ReduceMean": reduced("Mean"),
    "ReduceMax": reduced("Max"),
    "ReduceMin": reduced("Min"),
    "ReduceLogSum": reduced("LogSum"),
    "Softmax": softmax,
    "CrossEntropyWithSoftmax": cross_entropy,
    "ClassificationError": top_n,
    "WeightedLogistic": lambda a, *xs: Logistic()(*xs),
    "NewReshape": lambda a, x: Reshape(**snake(a))(x),
    "ReshapeDimension": lambda a, x: Reshape((0, a["N"]), a["axis"], a["axis"] + 1)(x),
    "FlattenDimensions": lambda a, x: Reshape((0,), a["axis"], a["axis"] + a["num"])(x),
    "TransposeDimensions": lambda a, x: TransposeDimensions(**snake(a))(x),
    "Slice": lambda a, x: Slice(a["beginIndex"], a["endIndex"], a["axis"])(x),
    "RowSlice": lambda a, x: Slice(a["beginIndex"], a["beginIndex"] + a["numRows"])(x),
    "Splice": lambda a, *xs: RowStack(**a)(*xs),
    "RowStack": lambda a, *xs: RowStack()(*xs),
    "RowRepeat": lambda a, x: RowRepeat(a["numRepeats"])(x),
    "Convolution": convolution,
    "ConvolutionTranspose": lambda a, w, x: convolution(a, w, x, transpose=True),
    "Pooling": lambda a, x: Pooling(**snake(a))(x),
    "MaxUnpooling": lambda a, u, x: MaxUnpooling(**snake(a))(u, x),
    "BatchNormalization": normalization,
    "CosDistanceWithNegativeSamples": lambda a, *xs: CosDistanceWithNegativeSamples(**snake(a))(*xs),
    "ROIPooling": lambda a, *xs: ROIPooling(**snake(a))(*xs),
    "CNTK2.GetInclusionFrequency": lambda a, w: RandomSampleInclusionFrequency("f", *a.values())(w),
    "DenseLayer": lambda a, x, w, b: Sigmoid()(Plus()(Times(infer_input_rank_to_map=0)(w, x), b)),
}


class Case:
    """A vector as a graph, parameters and feeds."""

    def __init__(self, vector: dict[str, Any], element: ElementType) -> None:
        self.vector = vector
        self.parameters: dict[str, np.ndarray] = {}
        self.feeds: dict[str, np.ndarray] = {}
        sources = [self._source(entry, element) for entry in vector["inputs"]]
        build = FUNCTIONS.get(vector["op"], lambda a, *xs: applied(vector["op"], *xs))
        node = build(vector["attrs"], *sources)
        updates = tuple((node.inputs[i], op(*node.inputs)) for i, op in node.op.updates().items())
        self.graph = Graph({"y": node}, updates=updates)
        self.training = vector["attrs"].get("mode") != "eval"
        self.shape = node.type.shape

    def _source(self, entry: dict[str, Any], element: ElementType) -> Node:
        name, shape = entry["name"], tuple(entry["shape"])
        if entry["kind"] == "parameter":
            self.parameters[name] = np.array(entry["data"], float)
            return LearnableParameter(name, shape, element=element)()
        self.feeds[name] = frames(entry)
        return InputValue(name, shape, element=element)()

    def cotangent(self, shape: tuple[int, ...]) -> np.ndarray:
        weight = self.vector["cotangent"]
        return np.ones(shape) if weight == "ones" else np.broadcast_to(np.array(weight, float), shape)


def frames(entry: dict[str, Any]) -> np.ndarray:
    """Data of an entry as one array, sequences one behind the other."""
    data = entry["data"]
    return np.array([f for sequence in data for f in sequence] if entry["kind"] == "sequence" else data, float)


def check_close(actual: Any, expected: Any, what: str, *, exact: bool) -> None:
    actual, expected = np.asarray(actual, float), np.asarray(expected, float)
    assert actual.shape == expected.shape, (what, actual.shape, expected.shape)
    size = np.abs(expected)
    # the vectors have eight digits, so the last one is off by a half
    digit = 10.0 ** (np.floor(np.log10(size, where=size > 0, out=np.full_like(size, -np.inf))) - 7)
    room = 1e-9 + 1e-8 * size + digit / 2 if exact else np.maximum(2e-5 * size, 1e-5)
    wrong = ~((np.abs(actual - expected) <= room) | (actual == expected))
    assert not wrong.any(), f"{what}: {actual[wrong]} instead of {expected[wrong]}"


@pytest.mark.parametrize("element", list(ElementType), ids=str)
@pytest.mark.parametrize("id", [id for id in VECTORS if id not in LISTED])
def test_forward(id: str, element: ElementType) -> None:
    case = Case(VECTORS[id], element)
    results = BACKEND.function(case.graph, training=case.training)(case.parameters, case.feeds, Environment())
    exact = element is ElementType.FLOAT64 and VECTORS[id]["dtype"] == "float64"
    assert case.shape == tuple(VECTORS[id]["output"]["shape"])
    assert results.outputs["y"].dtype == element.value
    check_close(results.outputs["y"], frames(VECTORS[id]["output"]), "value", exact=exact)
    for name, expected in VECTORS[id].get("updated", {}).items():
        check_close(results.updates[name], expected, name, exact=exact)


@pytest.mark.parametrize("id", [id for id, v in VECTORS.items() if "grads" in v and id not in LISTED])
def test_gradients(id: str) -> None:
    vector = VECTORS[id]
    case = Case(vector, ElementType.FLOAT64)
    shape = frames(vector["output"]).shape
    arguments = (vector["grads"], case.parameters, case.feeds)
    found = gradients(case.graph, "y", *arguments, training=case.training, cotangent=case.cotangent(shape))
    kinds = {entry["name"]: entry["kind"] for entry in vector["inputs"]}
    for name, data in vector["grads"].items():
        expected = frames({"data": data, "kind": kinds[name]})
        check_close(found[name], expected, name, exact=vector["dtype"] == "float64")


def test_the_list_of_what_is_not_covered_is_right() -> None:
    assert set(VECTORS) >= LISTED
    names = {VECTORS[id]["op"] for id in LISTED if operator(VECTORS[id]["op"])}
    # statistics of the training set
    without = {name for name in names if operator(name).evaluate is Op.evaluate}  # pyright: ignore[reportOptionalMemberAccess]
    across = {"EditDistanceError", "ForwardBackward", "FutureValue", "OptimizedRNNStack", "PastValue", "Where"}
    # a slice of frames, which is none of the operator's; a literal that grows the rank
    assert names - without - across == {"Plus", "Slice"}
