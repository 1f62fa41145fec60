"""How to apply each operator: one entry an operator, for everything that draws operators.

An entry makes operands of the right types and the operator with attributes that suit them (`Drawing` provides either),
and says which numbers operands should hold where not any will do. Entries of operators with windows are in
`graphc.testing.recipes_windows`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import graphc.ops  # noqa: F401  (fills the registry)
from graphc.ir import Node, Op
from graphc.ir.node import REGISTRY
from graphc.ops import (
    criteria,
    delays,
    elementwise,
    legacy_reshape,
    normalization,
    products,
    ranking,
    recurrence,
    recurrent_stack,
    reductions,
    regions,
    sampling,
    sequences,
    shaping,
    softmax,
    sources,
    statistics,
    tables,
    tracing,
    transcription,
    unary,
    word_criteria,
)
from graphc.ops import random as random_ops
from graphc.ops.convolution import Convolution
from graphc.ops.legacy_convolution import LegacyConvolution
from graphc.ops.pooling import AveragePooling, MaxPooling, Pooling
from graphc.ops.unpooling import MaxUnpooling
from graphc.ops.windows import BorderFrames, GatherWindow
from graphc.testing import domains
from graphc.testing.domains import POSITIVE, PROBABILITY, Domain
from graphc.testing.drawing import Drawing, divisors
from graphc.testing.recipes_sequences import (
    border,
    delay,
    gathering,
    layers,
    loop,
    packed_index,
    reconciliation,
    restacking,
    scattering,
    selection,
    window,
)
from graphc.testing.recipes_transcription import edit_distance, forward_backward
from graphc.testing.recipes_windows import convolution, image_pooling, legacy_convolution, roi_pooling, unpooling
from graphc.testing.recipes_windows import pooling as pooled

Make = Callable[[Drawing, type[Op]], Node]


@dataclass(frozen=True)
class Recipe:
    """``make`` applies the operator to operands of the drawing; ``domains`` tells of operands, by index, their numbers.

    ``frames_are_independent``: frames in another order give the same results in this order. ``infers_from_less``: what
    is inferred while dimensions are unknown stays when they are known. ``differs_outside``: operands of
    `Op.gradient_differs` whose gradient is the derivative on numbers of these domains all the same.

    For your own operator: ``RECIPES[MyOperator] = Recipe(unary_operator)``.
    """

    make: Make
    domains: Mapping[int, Domain] = field(default_factory=lambda: MappingProxyType({}))
    frames_are_independent: bool = True
    infers_from_less: bool = True
    differs_outside: frozenset[int] = frozenset()


def wish_of(operand: Node, readers: list[Node]) -> tuple[Domain, Node] | None:
    """What numbers a source should hold, and who wants it: the first reader that does not take any."""
    for reader in readers:
        wishes = RECIPES[type(reader.op)].domains if type(reader.op) in RECIPES else {}
        for index, source in enumerate(reader.inputs):
            if source is operand and index in wishes:
                return wishes[index], reader
    return None


def recipes(family: str | None = None) -> dict[type[Op], Recipe]:
    """The entries of a family, or all, in order of names."""
    chosen = [cls for cls in RECIPES if family in (None, cls.family)]
    if not chosen:
        raise ValueError(f"no operator family is called {family!r}: {', '.join(sorted({c.family for c in RECIPES}))}")
    return {cls: RECIPES[cls] for cls in sorted(chosen, key=lambda cls: cls.names[0])}


def evaluable() -> Iterator[type[Op]]:
    """Every registered operator whose value is defined: those that need an entry."""
    classes = dict.fromkeys(REGISTRY.values())
    return (cls for cls in classes if cls.evaluate is not Op.evaluate or cls is recurrence.Scan)


def unary_operator(d: Drawing, cls: type[Op]) -> Node:
    return cls()(d.anything())


def dense_unary(d: Drawing, cls: type[Op]) -> Node:
    return cls()(d.anything(sparse=False))


def with_name(d: Drawing, cls: type[Op]) -> Node:
    return cls(name=d.name(cls.names[0]))(d.anything())  # pyright: ignore[reportCallIssue]


def binary(d: Drawing, cls: type[Op]) -> Node:
    x = d.anything()
    operands = [x, d.partner(x.type)]
    return cls()(*(operands if d.choices.flag() else reversed(operands)))


def ternary(d: Drawing, cls: type[Op]) -> Node:
    x = d.anything()
    y = d.partner(x.type)
    operands = [d.partner(x.type, y.type), y, x]
    turn = d.choices.integer(0, 2)
    return cls()(*operands[turn:], *operands[:turn])


def environment(d: Drawing, cls: type[Op]) -> Node:
    return sources.EnvironmentInput("isTraining", d.element)()


def diagonal_times(d: Drawing, cls: type[Op]) -> Node:
    x = d.anything()
    rows = x.type.dims[0]
    return cls()(d.shaped(d.choices.one_of(((rows,), (rows, 1)))), x)


def times(d: Drawing, cls: type[Op]) -> Node:
    c = d.choices
    b = d.anything()
    outputs = d.shape(0, 2)
    inner = b.type.dims[: c.integer(1, b.type.rank)]
    if len(outputs) == 1 and len(inner) > 1 and c.flag():
        inner = _flattened(inner)
    # one frame's matrix for another frame's vector is rare, but allowed
    a = d.shaped((*outputs, *inner), frames=c.integer(0, 5) == 5, sparse=True)
    return cls(output_rank=len(outputs))(a, b)  # pyright: ignore[reportCallIssue]


def _flattened(inner: tuple[int, ...]) -> tuple[int, ...]:
    """The axes as one, which a matrix may have: unless their product already is a shorter run of them."""
    size = math.prod(inner)
    shorter = (math.prod(inner[:count]) for count in range(1, len(inner)))
    return inner if size in shorter else (size,)


def transpose_times(d: Drawing, cls: type[Op]) -> Node:
    b = d.anything()
    shape = (b.type.dims[0], *d.shape(0, 1))
    return cls()(d.shaped(shape, frames=d.choices.integer(0, 5) == 5, sparse=True), b)


def khatri_rao(d: Drawing, cls: type[Op]) -> Node:
    return cls()(d.anything(ranks=(1, 1)), d.anything(ranks=(1, 1)))


def lookup(d: Drawing, cls: type[Op]) -> Node:
    x = d.anything(ranks=(1, 1))
    entries = d.choices.one_of(divisors(x.type.size))
    return cls()(d.shaped((d.choices.integer(1, 3), entries), frames=False), x)


def reduction(d: Drawing, cls: type[Op]) -> Node:
    x = d.anything()
    axis = d.choices.integer(-1, x.type.rank)
    return reductions.ReduceElements(d.choices.one_of(reductions.REDUCTIONS), axis)(x)


def with_frames(d: Drawing, cls: type[Op]) -> Node:
    return cls()(d.anything(frames=True))


def reshape(d: Drawing, cls: type[Op]) -> Node:
    c, x = d.choices, d.anything()
    begin = c.integer(1, x.type.rank)
    end = c.integer(begin, x.type.rank) + 1
    size = math.prod(x.type.dims[begin - 1 : end - 1])
    first = c.one_of(divisors(size))
    dims = c.one_of(((size,), (first, size // first), (0, first), (first, 0), (1, size, 1)))
    whole = (begin, end) == (1, x.type.rank + 1)
    return shaping.Reshape(dims)(x) if whole else shaping.Reshape(dims, begin, end)(x)


def transposition(d: Drawing, cls: type[Op]) -> Node:
    x = d.anything(ranks=(1, 3))
    axes = d.choices.integer(1, x.type.rank), d.choices.integer(1, x.type.rank + 1)
    return shaping.TransposeDimensions(*(axes if d.choices.flag() else reversed(axes)))(x)


def slicing(d: Drawing, cls: type[Op]) -> Node:
    c, x = d.choices, d.anything(largest=7)
    axis = c.integer(1, x.type.rank)
    size = x.type.dims[axis - 1]
    begin = c.integer(0, size - 1)
    end = c.integer(begin + 1, size)
    # the same places counted from the end; an end of 0 is the end
    return shaping.Slice(begin - size * c.flag(), end - size * (end == size or c.flag()), axis)(x)


def stacking(d: Drawing, cls: type[Op]) -> Node:
    c, first = d.choices, d.anything()
    axis = c.integer(1, first.type.rank + 1)
    operands = [first]
    while len(operands) < 3 and c.flag():
        shape = [*first.type.dims, *(1,) * (axis - first.type.rank)]
        shape = [1 if c.integer(0, 3) == 3 else size for size in shape]
        shape[axis - 1] = c.integer(1, 3)
        operands.insert(c.integer(0, 1) * len(operands), d.shaped(tuple(shape), sparse=True))
    return shaping.RowStack(axis)(*operands)


def repetition(d: Drawing, cls: type[Op]) -> Node:
    return shaping.RowRepeat(d.choices.integer(1, 3))(d.anything())


def legacy_reshaping(d: Drawing, cls: type[Op]) -> Node:
    c, x = d.choices, d.anything()
    if x.type.axis is None and c.flag():
        return legacy_reshape.LegacyReshape(c.one_of(divisors(x.type.size)))(x)
    size = x.type.size
    first = c.one_of(divisors(size))
    second = c.one_of(divisors(size // first))
    dims = c.one_of(
        ((first, second, 0), (first, 0, second), (0, first, second), (first, second, size // first // second))
    )
    if x.type.axis is not None:
        dims = c.one_of((dims, (0, 0, 0)))
    return legacy_reshape.LegacyReshape(size, *dims, image_layout=c.one_of(("CHW", "HWC")))(x)


def square_matrix(d: Drawing, cls: type[Op]) -> Node:
    size = d.choices.integer(1, 3)
    return cls()(d.shaped((size, size), sparse=True))


def cropping(d: Drawing, cls: type[Op]) -> Node:
    c, a = d.choices, d.anything(ranks=(2, 3))
    size = tuple(c.integer(1, dim) for dim in a.type.dims[:2])
    offsets = [c.integer(0, dim - part) for dim, part in zip(a.type.dims, size, strict=False)]
    anchors = [d.anything(), d.anything()] if c.integer(0, 3) == 3 else []
    return regions.Crop(*offsets)(a, d.shaped((*size, *d.shape(0, 1))), *anchors)


def criterion(d: Drawing, cls: type[Op]) -> Node:
    """Two equal samples, one of them at least with frames."""
    a = d.anything()
    b = d.same_sample(a.type, frames=True if a.type.axis is None else None, sparse=True)
    return cls()(a, b)


def with_rank(d: Drawing, cls: type[Op]) -> Node:
    node = criterion(d, cls)
    return cls()(*node.inputs, d.shaped((1,), frames=False)) if d.choices.flag() else node


def with_weights(d: Drawing, cls: type[Op]) -> Node:
    node = criterion(d, cls)
    if d.choices.flag():
        return node
    return cls()(*node.inputs, d.shaped(d.choices.one_of(((1,), node.inputs[0].type.dims))))


def word_classes(d: Drawing, cls: type[Op]) -> Node:
    c = d.choices
    hidden, scores = d.anything(ranks=(1, 2), frames=True), d.anything(ranks=(1, 1), frames=True)
    count = max(scores.type.size, c.integer(1, 5))
    weights = d.shaped((hidden.type.size, count), frames=False)
    return cls()(d.shaped((4,), frames=True), hidden, weights, scores)


def negative_samples(d: Drawing, cls: type[Op]) -> Node:
    a = d.anything(frames=True)
    op = word_criteria.CosDistanceWithNegativeSamples(d.choices.integer(0, 3), d.choices.integer(0, 3))
    return op(a, d.same_sample(a.type, frames=True))


def given_gradient(d: Drawing, cls: type[Op]) -> Node:
    derivatives = d.anything()
    return cls()(d.anything(frames=True), derivatives, d.same_sample(derivatives.type))


def ranked(d: Drawing, cls: type[Op]) -> Node:
    return cls()(*(d.shaped((1,), frames=True) for _ in range(3)))


def sampled(d: Drawing, cls: type[Op]) -> Node:
    c, size, repeats = d.choices, d.choices.integer(2, 5), d.choices.flag()
    weights = d.shaped(c.one_of(((size,), (size, 1))), frames=False)
    number = c.integer(1, 6 if repeats else size - 1)
    name = d.name(cls.names[0])
    return cls(name=name, sample_size=number, allow_duplicates=repeats)(weights)  # pyright: ignore[reportCallIssue]


def normalized_by_statistics(d: Drawing, cls: type[Op]) -> Node:
    x = d.anything()
    shapes = x.type.dims, (x.type.size,)
    return cls()(x, *(d.shaped(d.choices.one_of(shapes), frames=False) for _ in range(2)))


def epoch_statistic(d: Drawing, cls: type[Op]) -> Node:
    x = d.anything(frames=True)
    return cls()(x, d.state(x.type.dims, 0.0), d.state((1,), 0.0))


def batch_normalization(d: Drawing, cls: type[Op]) -> Node:
    c, x = d.choices, d.anything(frames=True)
    spatial = c.flag()
    features = x.type.dims[-1] if spatial else x.type.size
    shape = c.one_of(((features,), (features, 1)))
    operands = [x, d.parameter(shape), d.parameter(shape), d.state(shape, 0.0), d.state(shape, 1.0), d.state((1,), 0.0)]
    constants = (0.0, 4.0, -1.0, normalization.NEVER)
    return normalization.BatchNormalization(
        spatial=spatial,
        normalization_time_constant=c.one_of(constants),
        blend_time_constant=c.one_of((*constants[:2], normalization.NEVER)),
        epsilon=c.one_of((0.00001, 0.5)),
    )(*operands)


def running_statistic(index: int) -> Make:
    """The update that batch normalization has for one of its parameters."""

    def make(d: Drawing, cls: type[Op]) -> Node:
        node = batch_normalization(d, cls)
        return node.op.updates()[index](*node.inputs)

    return make


_UNARY = (
    *(unary.RectifiedLinear, unary.Sigmoid, unary.StableSigmoid, unary.Tanh, unary.Exp, unary.Pass, unary.Reciprocal),
    *(unary.Abs, unary.Negate, unary.Floor, unary.StopGradient, unary.Sin, unary.Cosine, unary.Sinh, unary.Cosh),
    *(unary.Asinh, softmax.Softmax, softmax.LogSoftmax, softmax.Hardmax, reductions.SumElements),
)
_BINARY = (
    *(elementwise.Plus, elementwise.Minus, elementwise.ElementTimes, elementwise.LogPlus, elementwise.Less),
    *(elementwise.Equal, elementwise.Greater, elementwise.GreaterEqual, elementwise.NotEqual, elementwise.LessEqual),
)
_RANKING = {0: domains.gains, 2: domains.queries}
_NORMALIZATION = {4: POSITIVE, 5: domains.whole(9)}
_SCALING = {2: POSITIVE}

RECIPES: dict[type[Op], Recipe] = {
    sources.EnvironmentInput: Recipe(environment),
    **dict.fromkeys(_UNARY, Recipe(unary_operator)),
    **dict.fromkeys((unary.Log, unary.Sqrt), Recipe(dense_unary, {0: POSITIVE})),
    **dict.fromkeys((unary.Asin, unary.Acos, unary.Atanh), Recipe(dense_unary, {0: domains.INSIDE_ONE})),
    **dict.fromkeys((random_ops.Dropout, tracing.Trace), Recipe(with_name)),
    **dict.fromkeys(_BINARY, Recipe(binary)),
    elementwise.Clip: Recipe(ternary, {0: domains.BELOW, 1: domains.ABOVE}),
    elementwise.If: Recipe(ternary, {0: domains.whole(2)}),
    elementwise.DiagTimes: Recipe(diagonal_times),
    # over how many axes a matrix sums, only the dimensions of both operands tell
    **dict.fromkeys((products.Times, products.QuantizedTimes), Recipe(times, infers_from_less=False)),
    products.TransposeTimes: Recipe(transpose_times),
    products.KhatriRaoProduct: Recipe(khatri_rao),
    tables.LookupTable: Recipe(lookup),
    tables.Diagonal: Recipe(square_matrix),
    reductions.ReduceElements: Recipe(reduction),
    reductions.SumColumnElements: Recipe(with_frames),
    shaping.Reshape: Recipe(reshape),
    shaping.TransposeDimensions: Recipe(transposition),
    shaping.Slice: Recipe(slicing),
    shaping.RowStack: Recipe(stacking),
    shaping.RowRepeat: Recipe(repetition),
    legacy_reshape.LegacyReshape: Recipe(legacy_reshaping),
    regions.Crop: Recipe(cropping),
    criteria.CrossEntropyWithSoftmax: Recipe(criterion, {0: domains.distribution}, differs_outside=frozenset({1})),
    criteria.ClassificationError: Recipe(with_rank, {0: domains.distribution, 2: domains.rank}),
    criteria.CrossEntropy: Recipe(criterion, {0: domains.distribution, 1: PROBABILITY}),
    criteria.Logistic: Recipe(
        with_weights,
        {0: domains.whole(2), 1: PROBABILITY, 2: domains.neutral_weights},
        differs_outside=frozenset({1}),
    ),
    **dict.fromkeys((criteria.SquareError, criteria.CosDistance), Recipe(criterion)),
    **dict.fromkeys((criteria.MatrixL1Reg, criteria.MatrixL2Reg), Recipe(unary_operator)),
    word_criteria.ClassBasedCrossEntropyWithSoftmax: Recipe(word_classes, {0: domains.words}),
    word_criteria.CosDistanceWithNegativeSamples: Recipe(negative_samples, frames_are_independent=False),
    word_criteria.DummyCriterion: Recipe(given_gradient),
    **dict.fromkeys((ranking.LambdaRank, ranking.NDCG1Eval), Recipe(ranked, _RANKING, False)),
    transcription.LabelsToGraph: Recipe(with_frames),
    transcription.ForwardBackward: Recipe(forward_backward, {0: domains.tokens}),
    transcription.EditDistanceError: Recipe(edit_distance, frames_are_independent=False),
    **dict.fromkeys((delays.PastValue, delays.FutureValue), Recipe(delay, frames_are_independent=False)),
    sequences.Where: Recipe(selection, {0: domains.chosen}, frames_are_independent=False),
    sequences.PackedIndex: Recipe(packed_index, frames_are_independent=False),
    sequences.GatherPacked: Recipe(gathering, {0: domains.entry}, frames_are_independent=False),
    sequences.ScatterPacked: Recipe(scattering, frames_are_independent=False),
    sequences.ReconcileDynamicAxis: Recipe(reconciliation, frames_are_independent=False),
    GatherWindow: Recipe(window, frames_are_independent=False),
    BorderFrames: Recipe(border, frames_are_independent=False),
    legacy_reshape.Restack: Recipe(restacking, frames_are_independent=False),
    sequences.TimeReverse: Recipe(with_frames, frames_are_independent=False),
    recurrent_stack.OptimizedRNNStack: Recipe(layers, frames_are_independent=False),
    recurrence.Scan: Recipe(loop, frames_are_independent=False, infers_from_less=False),
    **dict.fromkeys(
        (sampling.RandomSample, sampling.RandomSampleInclusionFrequency), Recipe(sampled, {0: domains.weights})
    ),
    statistics.EpochAccumulator: Recipe(with_frames),
    **dict.fromkeys((statistics.EpochMean, statistics.EpochFrames), Recipe(epoch_statistic, {2: domains.whole(9)})),
    statistics.PerDimMeanVarNormalization: Recipe(normalized_by_statistics, _SCALING),
    statistics.PerDimMeanVarDeNormalization: Recipe(normalized_by_statistics, _SCALING),
    normalization.BatchNormalization: Recipe(batch_normalization, _NORMALIZATION),
    normalization.RunningMean: Recipe(running_statistic(3), _NORMALIZATION),
    normalization.RunningVariance: Recipe(running_statistic(4), _NORMALIZATION),
    normalization.RunningCount: Recipe(running_statistic(5), _NORMALIZATION),
    Convolution: Recipe(convolution),
    LegacyConvolution: Recipe(legacy_convolution),
    Pooling: Recipe(pooled),
    MaxPooling: Recipe(image_pooling),
    AveragePooling: Recipe(image_pooling),
    MaxUnpooling: Recipe(unpooling),
    regions.ROIPooling: Recipe(roi_pooling, {1: domains.regions}),
}
