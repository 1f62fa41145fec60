"""What operators compute, said by others: pairs of graphs that are equal on random shapes, values and gradients."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import numpy as np
import pytest

from graphc.backend import Environment
from graphc.backends.reference import FLOAT64, gradients
from graphc.ir import DEFAULT_AXIS, Carry, Graph, Node, Region
from graphc.ops.convolution import Convolution
from graphc.ops.criteria import CosDistance, MatrixL2Reg, SquareError
from graphc.ops.delays import FutureValue, PastValue
from graphc.ops.elementwise import DiagTimes, ElementTimes, Minus, Plus
from graphc.ops.normalization import BatchNormalization
from graphc.ops.pooling import Pooling
from graphc.ops.products import KhatriRaoProduct, Times, TransposeTimes
from graphc.ops.recurrence import Scan
from graphc.ops.reductions import ALL_AXES, REDUCTIONS, ReduceElements, SumElements
from graphc.ops.rules import one_frame_of
from graphc.ops.sequences import GatherPacked, ScatterPacked, TimeReverse
from graphc.ops.shaping import Reshape, RowRepeat, RowStack, Slice, TransposeDimensions
from graphc.ops.softmax import LogSoftmax, Softmax
from graphc.ops.sources import InputValue
from graphc.ops.unary import Exp, Log, Negate, Reciprocal, Sigmoid, Sqrt
from graphc.ops.unpooling import MaxUnpooling
from graphc.testing import RandomFeeds, Style, random_feeds, random_lengths, random_parameters
from graphc.testing.choices import Seeded
from graphc.testing.drawing import Drawing

Pair = tuple[Node, Node]

# sequences drawn here are not longer
LONGEST = 4


def total(x: Node) -> Node:
    return ReduceElements("Sum")(x)


def mean_of_axis(d: Drawing) -> Pair:
    x = d.anything(sparse=False)
    axis = d.choices.integer(1, x.type.rank)
    share = d.constant((1,), 1 / x.type.dims[axis - 1])
    return ReduceElements("Mean", axis)(x), ElementTimes()(ReduceElements("Sum", axis)(x), share)


def mean_of_all(d: Drawing) -> Pair:
    x = d.anything(sparse=False)
    return ReduceElements("Mean")(x), ElementTimes()(total(x), d.constant((1,), 1 / x.type.size))


def axis_by_exchange(d: Drawing) -> Pair:
    x = d.anything(ranks=(2, 3), sparse=False)
    kind = d.choices.one_of(("Sum", "Max", "LogSum"))
    other = TransposeDimensions(1, 2)(ReduceElements(kind, 1)(TransposeDimensions(1, 2)(x)))
    return ReduceElements(kind, 2)(x), other


def softmax(d: Drawing) -> Pair:
    z = d.anything(sparse=False)
    return Softmax()(z), Exp()(Minus()(z, ReduceElements("LogSum")(z)))


def log_softmax(d: Drawing) -> Pair:
    z = d.anything(sparse=False)
    return LogSoftmax()(z), Log()(Softmax()(z))


def sigmoid(d: Drawing) -> Pair:
    x = d.anything(sparse=False)
    return Sigmoid()(x), Reciprocal()(Plus()(d.constant((1,), 1.0), Exp()(Negate()(x))))


def second_of_a_stack(d: Drawing) -> Pair:
    shape = d.shape()
    axis = d.choices.integer(1, len(shape))
    x, y = d.source(shape, frames=True), d.source(shape, frames=True)
    return Slice(-shape[axis - 1], 0, axis)(RowStack(axis)(x, y)), Reshape(shape)(y)


def repetition(d: Drawing) -> Pair:
    x = d.anything(sparse=False)
    return RowRepeat(2)(x), RowStack(x.type.rank)(x, x)


def transposed_product(d: Drawing) -> Pair:
    a, b = d.source((3, 2), frames=False), d.source((3, *d.shape(0, 2)), frames=True)
    return TransposeTimes()(a, b), Times()(TransposeDimensions()(a), b)


def product_of_a_vector(d: Drawing) -> Pair:
    n, m = d.choices.integer(1, 3), d.choices.integer(1, 3)
    a, b = d.source((m, n), frames=False), d.source((n,), frames=True)
    row = ReduceElements("Sum", 2)(ElementTimes()(a, Reshape((1, n))(b)))
    return Times()(a, b), Reshape((m,))(row)


def all_products(d: Drawing) -> Pair:
    a, b = d.anything(ranks=(1, 1), sparse=False), d.anything(ranks=(1, 1), sparse=False)
    products = ElementTimes()(a, Reshape((1, b.type.size))(b))
    return KhatriRaoProduct()(a, b), Reshape((a.type.size * b.type.size,))(products)


def diagonal(d: Drawing) -> Pair:
    x = d.anything(sparse=False)
    scale = d.source((x.type.dims[0],), frames=False)
    return DiagTimes()(scale, x), ElementTimes()(scale, x)


def square_error(d: Drawing) -> Pair:
    x, y = (d.source(shape, frames=True) for shape in [d.shape()] * 2)
    difference = Minus()(x, y)
    return SquareError()(x, y), SumElements()(ElementTimes()(difference, difference))


def norm(d: Drawing) -> Pair:
    w = d.source(d.shape(), frames=False)
    return MatrixL2Reg()(w), Sqrt()(total(ElementTimes()(w, w)))


def cosine(d: Drawing) -> Pair:
    a, b = (d.source(shape, frames=True) for shape in [d.shape(1, 1)] * 2)
    lengths = (Sqrt()(total(ElementTimes()(x, x))) for x in (a, b))
    return CosDistance()(a, b), ElementTimes()(total(ElementTimes()(a, b)), Reciprocal()(ElementTimes()(*lengths)))


def convolution(d: Drawing) -> Pair:
    """Sums of shifted inputs, between zeros where pads are automatic."""
    c = d.choices
    size, kernel, dilation, automatic = c.integer(5, 7), c.integer(1, 3), c.integer(1, 2), c.flag()
    x, w = d.source((size,), frames=True), d.source((kernel, 1), frames=False)
    reach = (kernel - 1) * dilation
    low, high = (reach // 2, reach - reach // 2) if automatic else (0, 0)
    padded = RowStack()(*(d.constant((n,), 0.0) for n in [low] if n), x, *(d.constant((n,), 0.0) for n in [high] if n))
    count = size + low + high - reach
    weights = [Slice(j, j + 1)(Reshape((kernel,))(w)) for j in range(kernel)]
    terms = [ElementTimes()(Slice(j * dilation, j * dilation + count)(padded), v) for j, v in enumerate(weights)]
    op = Convolution((kernel,), (1,), auto_padding=(automatic,), dilation=(dilation,))
    return op(w, x), reduce(Plus(), terms)


def strides(d: Drawing) -> Pair:
    """Windows of one element, a stride apart, as many as begin inside; what is left over is shared by both ends."""
    size, stride = d.choices.integer(2, 7), d.choices.integer(1, 3)
    x = d.source((size,), frames=True)
    count = -(-size // stride)
    first = (size - 1 - (count - 1) * stride) // 2
    chosen = [Slice(first + i * stride, first + i * stride + 1)(x) for i in range(count)]
    return Pooling("max", (1,), (stride,))(x), RowStack()(*chosen)


def mean_of_equals(d: Drawing) -> Pair:
    """What lies outside takes no part in a mean."""
    size, kernel = d.choices.integer(3, 6), d.choices.integer(1, 3)
    return Pooling("average", (kernel,))(d.constant((size,), 2.0)), d.constant((size,), 2.0)


def channels(d: Drawing) -> Pair:
    """Spatial normalization is that of each channel alone."""
    x = d.source((*d.shape(1, 2), d.choices.integer(2, 3)), frames=True)
    count, axis = x.type.dims[-1], x.type.rank
    parameters = d.parameter((count,)), d.parameter((count,)), d.state((count,), 0.0), d.state((count,), 1.0)
    seen, op = d.state((1,), 0.0), BatchNormalization(spatial=True)
    own = [[Slice(k, k + 1)(p) for p in parameters] for k in range(count)]
    alone = [op(Slice(k, k + 1, axis)(x), *own[k], seen) for k in range(count)]
    return op(x, *parameters, seen), RowStack(axis)(*alone)


def pixels(d: Drawing) -> Pair:
    """Normalization of every element by itself is the spatial one of elements that are all channels."""
    x = d.source(d.shape(2, 3), frames=True)
    size = x.type.size
    parameters = d.parameter((size,)), d.parameter((size,)), d.state((size,), 0.0), d.state((size,), 1.0)
    seen = d.state((1,), 0.0)
    flat = BatchNormalization(spatial=True)(Reshape((1, size))(x), *parameters, seen)
    return BatchNormalization()(x, *parameters, seen), Reshape(x.type.dims)(flat)


def steps_of_delay(d: Drawing) -> Pair:
    """A delay by several frames is as many delays by one."""
    cls, step = d.choices.one_of((PastValue, FutureValue)), d.choices.integer(2, 3)
    x, default = d.source(d.shape(), frames=True), d.choices.one_of((0.1, 0.0, -0.5))
    one = cls(default_hidden_activation=default)
    return cls(time_step=step, default_hidden_activation=default)(x), reduce(lambda y, _: one(y), range(step), x)


def future_is_reversed_past(d: Drawing) -> Pair:
    x, step = d.source(d.shape(), frames=True), d.choices.integer(1, 3)
    return FutureValue(time_step=step)(x), TimeReverse()(PastValue(time_step=step)(TimeReverse()(x)))


def initial_frames(d: Drawing) -> Pair:
    """A delay with an initial state, by a loop that hands nothing on but its operand."""
    x, step, backward = d.source(d.shape(1, 2), frames=True), d.choices.integer(1, 3), d.choices.flag()
    initial = InputValue("state", x.type.dims, "other")() if d.choices.flag() else d.parameter(x.type.dims)
    one, before = InputValue("one", x.type.dims)(), InputValue("before", x.type.dims)()
    carry = Carry("before", "one", step, initial=1)
    body = Graph({"before": before, "one": one}, names={"one": one})
    loop = Scan(Region(body, DEFAULT_AXIS, backward, ("one",), (), (carry,)), "before")
    return loop(x, initial), (FutureValue if backward else PastValue)(time_step=step)(x, initial)


def sums_so_far(d: Drawing) -> Pair:
    """A loop that adds its operand to a state, and what a chain of delays adds up."""
    x, backward = d.source(d.shape(1, 2), frames=True), d.choices.flag()
    one, before = InputValue("one", x.type.dims)(), InputValue("before", x.type.dims)()
    body = Graph({"before": before, "h": Plus()(one, before)}, names={"one": one})
    region = Region(body, DEFAULT_AXIS, backward, ("one",), (), (Carry("before", "h", 1, 0.0),))
    delay = (FutureValue if backward else PastValue)(default_hidden_activation=0.0)
    terms = [x]
    while len(terms) < LONGEST:
        terms.append(delay(terms[-1]))
    return Scan(region, "h")(x), reduce(Plus(), terms)


def put_back(d: Drawing) -> Pair:
    """Chosen frames at their places again, and 0 elsewhere."""
    where = d.one_of_each()
    flags, index = where.inputs[0], d.selections[one_frame_of(DEFAULT_AXIS)]
    x = d.source(d.shape(), frames=True)
    return ScatterPacked()(x, index, GatherPacked()(index, x)), ElementTimes()(x, flags)


IDENTITIES: list[Callable[[Drawing], Pair]] = [
    *(mean_of_axis, mean_of_all, axis_by_exchange, softmax, log_softmax, sigmoid, second_of_a_stack),
    *(repetition, transposed_product, product_of_a_vector, all_products, diagonal, square_error, norm, cosine),
    *(convolution, strides, mean_of_equals, channels, pixels),
    *(steps_of_delay, future_is_reversed_past, initial_frames, sums_so_far, put_back),
]


@pytest.mark.parametrize("identity", IDENTITIES, ids=lambda f: f.__name__)
def test_both_sides_are_equal(identity: Callable[[Drawing], Pair]) -> None:
    for seed in range(15):
        left, right = identity(Drawing(Seeded.of(seed)))
        assert left.type == right.type
        graphs = Graph({"z": left}), Graph({"z": right})
        lengths = random_lengths(graphs[0], seed)
        parameters = random_parameters(graphs[0], seed, style=Style.DISTINCT)
        feeds = random_feeds(graphs[0], seed, frames=lengths, style=Style.DISTINCT)
        given = parameters, feeds, RandomFeeds(feeds, lengths).environment()
        values = [FLOAT64.function(graph)(*given).outputs["z"] for graph in graphs]
        np.testing.assert_allclose(*values, rtol=1e-9, atol=1e-12)
        wrt = [*parameters, *feeds]
        both = [gradients(graph, "z", wrt, *given, cotangent=np.cos(values[0])) for graph in graphs]
        for name in wrt:
            # what one side does not read has no influence
            both[1].setdefault(name, np.zeros_like(both[0][name]))
            np.testing.assert_allclose(both[0][name], both[1][name], rtol=1e-6, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("kind", REDUCTIONS)
@pytest.mark.parametrize("sign", [1, -1])
def test_padding_is_neutral_in_reductions_of_all_frames(kind: str, sign: int) -> None:
    x = InputValue("x", (2,))()
    run = FLOAT64.function(Graph({"z": ReduceElements(kind, ALL_AXES)(x)}))
    real = sign * np.array([[3.0, 1.0], [2.0, 4.0]])
    padded = np.concatenate([real, [[9.0, -9.0], [np.nan, 0.0]]])
    expected = run({}, {"x": real}, Environment()).outputs["z"]
    np.testing.assert_allclose(run({}, {"x": padded}, Environment(2)).outputs["z"], expected, rtol=1e-12)


def test_of_windows_that_share_a_maximum_the_last_is_unpooled() -> None:
    u, x = (InputValue(name, (3,))() for name in "ux")
    run = FLOAT64.function(Graph({"z": MaxUnpooling((3,))(u, x)}))
    feeds = {"u": np.array([[7.0, 8.0, 9.0]]), "x": np.array([[1.0, 5.0, 2.0]])}
    np.testing.assert_array_equal(run({}, feeds, Environment()).outputs["z"], [[0.0, 9.0, 0.0]])
