"""The NumPy backend: feeds, padding, state, randomness, gradients by reverse sweep, and what it cannot do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphc.backend import Environment, load
from graphc.backends.reference import BACKEND, FLOAT64, PhiloxStream, gradients
from graphc.diagnostics import DiagnosticError, SourceFile
from graphc.ir import DynamicAxis, ElementType, Graph, Node, Storage
from graphc.ops.criteria import ClassificationError, CosDistance, CrossEntropyWithSoftmax, Logistic, SquareError
from graphc.ops.elementwise import ElementTimes, Plus
from graphc.ops.initializers import Initializer
from graphc.ops.normalization import BatchNormalization
from graphc.ops.pooling import Pooling
from graphc.ops.products import Times
from graphc.ops.random import Dropout
from graphc.ops.reductions import ReduceElements, SumElements
from graphc.ops.shaping import RowStack
from graphc.ops.softmax import Softmax
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.ops.statistics import Mean
from graphc.ops.unary import Log, StopGradient, Tanh

X = InputValue("x", (3,), element=ElementType.FLOAT64)()
Y = InputValue("y", (3,), element=ElementType.FLOAT64)()


def parameter(name: str, *shape: int) -> Node:
    return LearnableParameter(name, shape, element=ElementType.FLOAT64)()


def run(node: Node, feeds: dict[str, Any], parameters: Any = None, *, training: bool = False, **given: Any) -> Any:
    environment = Environment(**given)
    return BACKEND.function(Graph({"z": node}), training=training)(parameters or {}, feeds, environment).outputs["z"]


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.1, 0.9, shape)


def test_it_is_found_by_name() -> None:
    assert load("reference") is BACKEND


def test_onehot_and_sparse_feeds_are_made_dense() -> None:
    onehot = InputValue("x", (3,), storage=Storage.ONEHOT)()
    np.testing.assert_array_equal(run(onehot, {"x": [2, 0, -1]}), [[0, 0, 1], [1, 0, 0], [0, 0, 0]])
    sparse = InputValue("x", (2, 2), storage=Storage.SPARSE)()
    feed = (np.array([[0, 3], [1, 1]]), np.array([[5.0, 7.0], [1.0, 2.0]]))
    np.testing.assert_array_equal(run(sparse, {"x": feed}), [[[5, 0], [0, 7]], [[0, 3], [0, 0]]])


def test_constants_need_no_value_and_parameters_are_checked() -> None:
    constant = LearnableParameter("c", (1,), 0.0, Initializer("fixedValue", value=2.5), ElementType.FLOAT64)()
    np.testing.assert_array_equal(run(Plus()(X, constant), {"x": np.ones((1, 3))}), [[3.5, 3.5, 3.5]])
    with pytest.raises(KeyError):
        run(Plus()(X, parameter("b", 3)), {"x": np.ones((1, 3))})
    with pytest.raises(ValueError, match=r"parameter b has the array shape \(2,\), expected \(3,\)"):
        run(Plus()(X, parameter("b", 3)), {"x": np.ones((1, 3))}, {"b": np.ones(2)})
    with pytest.raises(ValueError, match="input x has the array shape"):
        run(Tanh()(X), {"x": np.ones((1, 2))})


def test_element_types() -> None:
    x = InputValue("x", (1,))()
    step = {}, {"x": np.array([[1 / 3]])}, Environment()
    assert BACKEND.function(Graph({"z": Tanh()(x)}))(*step).outputs["z"].dtype == "float32"
    assert FLOAT64.function(Graph({"z": Tanh()(x)}))(*step).outputs["z"].dtype == "float64"


SCALE, BIAS, MEAN, VARIANCE = (parameter(n, 3, 1) for n in ("scale", "bias", "mean", "variance"))
COUNT = parameter("count", 1)
BATCH_NORM_VALUES = {n: random(1, 3, seed=i) for i, n in enumerate(("scale", "bias", "mean", "variance"))}
NUMBER = parameter("n", 1)

PADDED = {
    "square error": SquareError()(X, Y),
    "cross entropy": CrossEntropyWithSoftmax()(X, Y),
    "classification error": ClassificationError()(X, Y),
    "weighted logistic": Logistic()(X, Y, X),
    "sum": SumElements()(X),
    "log sum": ReduceElements("LogSum", -1)(X),
    "mean": ReduceElements("Mean", -1)(X),
    "max": ReduceElements("Max", -1)(X),
    "min": ReduceElements("Min", -1)(X),
    "batch normalization": SumElements()(
        ElementTimes()(BatchNormalization()(X, SCALE, BIAS, MEAN, VARIANCE, COUNT), Y)
    ),
}


@pytest.mark.parametrize("kind", PADDED)
def test_padding_frames_count_for_nothing(kind: str) -> None:
    node = PADDED[kind]
    values = {**BATCH_NORM_VALUES, "count": np.ones(1)}
    short = {"x": random(4, 3), "y": random(4, 3, seed=1)}
    # far from the real frames, so that a leak shows
    long = {name: np.concatenate([v, np.full((2, 3), 1e3), -np.ones((1, 3))]) for name, v in short.items()}
    expected = run(node, short, values, training=True)
    np.testing.assert_allclose(run(node, long, values, training=True, count=4), expected, rtol=1e-12)
    wrt = ["x", "y", "scale"]
    graph = Graph({"z": node})
    expected = gradients(graph, "z", wrt, values, short)
    for name, g in gradients(graph, "z", wrt, values, long, Environment(count=4)).items():
        if g.shape[0] == 7:
            assert not g[4:].any()
            g = g[:4]
        np.testing.assert_allclose(g, expected[name], rtol=1e-8, atol=1e-10)


def test_axes_of_different_lengths_keep_their_own_counts() -> None:
    other = InputValue("x2", (3,), "other", ElementType.FLOAT64)()
    sums = Plus()(ReduceElements("Mean", -1)(X), ReduceElements("Mean", -1)(other))
    assert other.type.axis == DynamicAxis("other")
    assert run(sums, {"x": np.ones((2, 3)), "x2": np.full((5, 3), 2.0)}) == 3


def graph_with_state(**attributes: Any) -> Graph:
    node = BatchNormalization(**attributes)(X, SCALE, BIAS, MEAN, VARIANCE, COUNT)
    return Graph({"z": node}, updates=tuple((node.inputs[i], op(*node.inputs)) for i, op in node.op.updates().items()))


@pytest.mark.parametrize(
    ("constant", "count", "share", "counted"),
    [(0.0, 8, 1, 12), (np.inf, 8, 0, 12), (np.inf, 0, 1, 4), (-1.0, 8, 4 / 12, 12), (10.0, 8, 1 - np.exp(-0.4), 12)],
)
def test_running_statistics(constant: float, count: float, share: float, counted: float) -> None:
    x = random(4, 3)
    values = {**BATCH_NORM_VALUES, "count": np.array([count])}
    expected = (1 - share) * values["mean"] + share * x.mean(axis=0)
    own = graph_with_state(normalization_time_constant=constant)
    overridden = Environment(settings={"batch_normalization_time_constant": constant})
    for graph, environment in ((own, Environment()), (graph_with_state(), overridden)):
        updates = BACKEND.function(graph, training=True)(values, {"x": x}, environment).updates
        np.testing.assert_allclose(updates["mean"], expected)
        assert updates["count"] == counted
    assert not BACKEND.function(own)(values, {"x": x}, Environment()).updates


def test_frozen_statistics_normalize_and_are_not_counted() -> None:
    graph = graph_with_state(normalization_time_constant=np.inf, blend_time_constant=np.inf)
    values = {**BATCH_NORM_VALUES, "count": np.array([8.0])}
    step = values, {"x": random(4, 3)}, Environment()
    trained = BACKEND.function(graph, training=True)(*step)
    np.testing.assert_allclose(trained.outputs["z"], BACKEND.function(graph)(*step).outputs["z"])
    np.testing.assert_array_equal(trained.updates["count"], values["count"])


def test_one_pixel_has_no_variance() -> None:
    values = {**BATCH_NORM_VALUES, "count": np.zeros(1)}
    updates = BACKEND.function(graph_with_state(), training=True)(values, {"x": random(1, 3)}, Environment()).updates
    np.testing.assert_array_equal(updates["variance"], np.zeros((1, 3)))


def test_dropout() -> None:
    x = np.ones((2000, 3))
    node = Dropout("d")(X)
    given = {"settings": {"dropout_rate": 0.25}, "random": PhiloxStream(1)}
    y = run(node, {"x": x}, training=True, **given)
    assert set(np.unique(y)) == {0, 1 / 0.75}
    assert abs(y.mean() - 1) < 0.02
    np.testing.assert_array_equal(run(node, {"x": x}, training=True, **given), y)
    np.testing.assert_array_equal(run(node, {"x": x}, **given), x)
    np.testing.assert_array_equal(
        run(node, {"x": x}, training=True, settings={"dropout_rate": 0.0}, random=PhiloxStream(1)), x
    )
    environment = Environment(**given)
    found = gradients(Graph({"z": node}), "z", ["x"], {}, {"x": x}, environment)
    np.testing.assert_array_equal(found["x"], y)


def test_random_numbers_depend_on_seed_name_and_step() -> None:
    streams = PhiloxStream(1), PhiloxStream(2), PhiloxStream(1, step=1)
    drawn = [s.uniform(name, (4,)).tolist() for s in streams for name in ("a", "b")]
    assert len({tuple(d) for d in drawn}) == 6
    assert drawn[0] == PhiloxStream(1).uniform("a", (4,)).tolist()
    assert PhiloxStream(1, dtype="float32").uniform("a", (2, 2)).dtype == "float32"


def test_gradients_of_a_network_are_differences_of_its_value() -> None:
    w1, w2, b = parameter("w1", 4, 3), parameter("w2", 3, 4), parameter("b", 4)
    hidden = Tanh()(Plus()(Times()(w1, X), b))
    pooled = Pooling("max", (2,), (2,), (False,))(hidden)
    output = Times()(w2, RowStack()(pooled, pooled))
    loss = CrossEntropyWithSoftmax()(Softmax()(Y), Plus()(output, Times()(w2, hidden)))
    graph = Graph({"loss": loss})
    values = {"w1": random(3, 4), "w2": random(4, 3, seed=1), "b": random(4, seed=2)}
    feeds = {"x": random(5, 3, seed=3), "y": random(5, 3, seed=4)}
    evaluate = BACKEND.function(graph, training=True)

    def value(**changed: Any) -> float:
        return evaluate({**values, **changed}, feeds, Environment()).outputs["loss"].item()

    for name, g in gradients(graph, "loss", values, values, feeds).items():
        for at in np.ndindex(g.shape):
            unit = np.zeros(g.shape)
            unit[at] = 1e-5
            difference = (value(**{name: values[name] + unit}) - value(**{name: values[name] - unit})) / 2e-5
            assert difference == pytest.approx(g[at], rel=1e-6, abs=1e-8)


def test_gradients_of_broadcast_operands_are_summed() -> None:
    node = ElementTimes()(X, parameter("p", 1, 2))
    found = gradients(Graph({"z": node}), "z", ["p", "x"], {"p": np.array([[2.0], [5.0]])}, {"x": np.ones((4, 3))})
    np.testing.assert_allclose(found["p"], [[12], [12]])
    np.testing.assert_allclose(found["x"], np.full((4, 3), 7))


def test_no_gradient_flows_where_none_should() -> None:
    feeds = {"x": random(2, 3)}
    assert not gradients(Graph({"z": StopGradient()(X)}), "z", ["x"], {}, feeds)["x"].any()
    assert not gradients(Graph({"z": Tanh()(X)}), "z", ["other"], {}, feeds)


def test_gradients_outside_domains_stay_finite() -> None:
    feeds = {"x": np.zeros((1, 3)), "y": np.zeros((1, 3))}
    assert np.isfinite(gradients(Graph({"z": Log()(X)}), "z", ["x"], {}, feeds)["x"]).all()
    assert not gradients(Graph({"z": CosDistance()(X, Y)}), "z", ["x"], {}, feeds)["x"].any()


def test_operators_without_value_are_named_with_their_place() -> None:
    file = SourceFile("model.bs", "m = Mean (x)\nz = x - m")
    graph = Graph({"z": Plus()(X, Mean()(X, span=file.span(4, 12)))})
    with pytest.raises(DiagnosticError) as raised:
        BACKEND.function(graph)
    (diagnostic,) = raised.value.diagnostics
    assert (diagnostic.code, diagnostic.message) == ("GC0802", "the operation Mean cannot be evaluated")
    assert str(diagnostic.span) == "model.bs:1:5"


def test_a_nan_counts_as_an_error() -> None:
    feeds = {"x": np.eye(3), "y": np.array([[np.nan, 0, 0], [0, 1, 0], [0, np.nan, 1]])}
    assert run(ClassificationError()(X, Y), feeds) == 2


def test_values_without_frames_may_be_roots() -> None:
    np.testing.assert_array_equal(run(parameter("p", 2), {}, {"p": [1, 2]}), [1, 2])
