"""Laws that every operator keeps, and whether its gradient is the derivative of its value."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from graphc.backend import Environment, Feeds, Parameters
from graphc.diagnostics import did_you_mean
from graphc.ir import (
    DEFAULT_AXIS,
    Graph,
    Node,
    Op,
    ShapeError,
    Storage,
    TensorType,
    equal_graphs,
    format_graph,
    operator,
    parse_graph,
    verify,
)
from graphc.ops.lengths import has_sequences
from graphc.ops.recurrence import Scan
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.testing.counterexample import blamed_on
from graphc.testing.lengths import Layout, Lengths, environment_of, lengths_of, random_lengths
from graphc.testing.recipes import RECIPES
from graphc.testing.runs import examples, for_all, replayed
from graphc.testing.values import Style, random_feeds, random_parameters

_APPLICATIONS = 10
_REAL, _PADDING = 3, 2
# of gradients, in float64
_TOLERANCE = 1e-6


def check_operator(op: type[Op] | str) -> None:
    """Fail unless the operator keeps every law below on random operands.

    - Values have the inferred type; the text of the node reads back.
    - With dimensions unknown, inference finds nothing that contradicts what it finds when they are known, and what the
      operator offers to a parameter of unknown shape fits.
    - Padding frames change neither values of real frames, nor sums, nor gradients, nor state.
    - Frames, or the sequences that they form, are independent: in another order they give the same in this order.
    - An operand that is the same for all frames may have frames or not.
    """
    _for_applications(op, lambda graph: _keep_laws(graph.roots["z"]))


def check_gradient(op: type[Op] | str) -> None:
    """Fail unless the operator's `pullback` is the derivative of its value in float64, to 1e-6, where there is one.

    Operands of `Op.no_gradient` have none to check; those of `Op.gradient_differs` are told to be otherwise, but where
    `Recipe.differs_outside` says that the numbers drawn here are inside the domain of the derivative. Without a
    `pullback` there is nothing to check: a backend differentiates the value, which is what `check_lowering` looks at.
    """
    _for_applications(op, lambda graph: _compare_gradients(graph.roots["z"]))


def _for_applications(op: type[Op] | str, check: Callable[[Graph], None]) -> None:
    from graphc.testing.strategies import applications  # loads hypothesis

    def blaming(graph: Graph) -> None:
        with blamed_on(graph):
            check(graph)

    if (graph := replayed()) is not None:
        blaming(graph)
        return
    for_all(applications(_class_of(op)), blaming, count=examples(_APPLICATIONS))


def _class_of(op: type[Op] | str) -> type[Op]:
    cls = operator(op) if isinstance(op, str) else op
    if cls is None:
        names = [name for known in RECIPES for name in known.names]
        hint = did_you_mean(str(op), names)
        raise ValueError(f"there is no operator {op!r}" + (f": {hint}" if hint else ""))
    if cls not in RECIPES:
        raise ValueError(f"nothing says how to apply {cls.names[0]}: give it an entry in graphc.testing.RECIPES")
    return cls


def _keep_laws(node: Node) -> None:
    graph = Graph({"z": node})
    verify(graph)
    assert equal_graphs(parse_graph(format_graph(graph)), graph), "its text reads back as another graph"
    cost = node.op.cost(node.type, *(source.type for source in node.inputs))
    assert 0 <= cost.flops < math.inf and 0 <= cost.bytes < math.inf, f"its cost is {cost}"
    _infer_from_less(node)
    _offer_what_fits(node)
    for style in (Style.TIES, Style.DISTINCT):
        _have_inferred_type(graph, style)
        _ignore_padding(graph, style)
    _treat_sequences_alike(graph)
    _repeat_what_is_the_same(node)


# inference


def _infer_from_less(node: Node) -> None:
    if not RECIPES[type(node.op)].infers_from_less:
        return
    types = [source.type for source in node.inputs]
    for index, full in enumerate(types):
        partial = [full.with_dim(axis, None) for axis in range(1, full.rank + 1)]
        for less in (*partial, full.with_shape((None,) * full.rank)):
            given = [*types[:index], less, *types[index + 1 :]]
            if dict(node.op.offers(*given)).get(index, full.shape) != full.shape:
                continue  # an operand of unknown shape would become another one
            found = node.op.infer(*given)
            assert _agrees(found, node.type), f"{found} is inferred from {less} as operand {index + 1}, not {node.type}"


def _agrees(found: TensorType, full: TensorType) -> bool:
    """Whether what is known already stays.

    A shape with unknown dimensions may still grow axes, and whether symbols stay symbols can depend on what is unknown.
    """
    if found.is_complete and found.rank != full.rank:
        return False
    same = all(size in (None, full.dim(axis)) for axis, size in enumerate(found.shape, 1))
    return same and found.with_shape(full.shape).dense() == full.dense()


def _offer_what_fits(node: Node) -> None:
    types = [source.type for source in node.inputs]
    for index, source in enumerate(node.inputs):
        if source.type.axis is not None:
            continue
        unknown = source.type.with_shape((None,) * source.type.rank)
        for target, shape in node.op.offers(*types[:index], unknown, *types[index + 1 :]):
            if target != index or None in shape:
                continue
            fitting = [*types[:index], source.type.with_shape(shape), *types[index + 1 :]]
            try:
                node.op.check(*fitting)
                assert node.op.infer(*fitting).is_complete, f"{shape}, which it offers, leaves the result unknown"
            except ShapeError as error:
                raise AssertionError(f"{shape}, which it offers, does not fit: {error.message}") from error


# values


def _values(graph: Graph, seed: int, style: Style, lengths: Lengths) -> tuple[Parameters, dict[str, Any]]:
    return random_parameters(graph, seed, style=style), dict(random_feeds(graph, seed, frames=lengths, style=style))


def _lengths(graph: Graph, seed: int) -> Lengths:
    """Sequences for operators that look along them; for others frames are enough."""
    return random_lengths(graph, seed) if has_sequences(graph) else lengths_of(graph, _REAL)


def _environment(graph: Graph, lengths: Lengths, padding: int = 0, **others: Any) -> Environment:
    kind = Layout.APART if has_sequences(graph) else Layout.FRAMES
    return environment_of(lengths, kind, padding, **others)


def _evaluate(
    graph: Graph, parameters: Parameters, feeds: Feeds, lengths: Lengths, *, padding: int = 0, training: bool
) -> Any:
    return _results(graph, parameters, feeds, lengths, padding=padding, training=training)[0]


def _results(
    graph: Graph, parameters: Parameters, feeds: Feeds, lengths: Lengths, *, padding: int = 0, training: bool
) -> tuple[Any, list[int] | None]:
    """The real frames of the value, and the lengths of their sequences."""
    run, node = _reference().BACKEND.function(graph, training=training), graph.roots["z"]
    results = run(parameters, feeds, _environment(graph, lengths, padding))
    value, axis = results.outputs["z"], node.type.axis
    if axis is None:
        return value, None
    frames = results.frames[axis.name]
    sequences = frames.sequences
    found = [1] * int(frames.count) if sequences is None else sequences.lengths[: int(sequences.count)].tolist()
    return value[: int(frames.count)], found


def _have_inferred_type(graph: Graph, style: Style) -> None:
    node, lengths = graph.roots["z"], _lengths(graph, 1)
    for training in (False, True):
        value, own = _results(graph, *_values(graph, 1, style, lengths), lengths, training=training)
        shape = (*([] if own is None else [sum(own)]), *reversed(node.type.dims))
        assert value.shape == shape, f"the value has the array shape {value.shape}, inferred {shape}"
        assert value.dtype == node.type.element.value, f"the value has the element type {value.dtype}"


def _ignore_padding(graph: Graph, style: Style) -> None:
    lengths = _lengths(graph, 2)
    parameters, feeds = _values(graph, 2, style, lengths)
    padded = {name: _padded(feed) for name, feed in feeds.items()}
    for training in (False, True):
        expected = _evaluate(graph, parameters, feeds, lengths, training=training)
        found = _evaluate(graph, parameters, padded, lengths, padding=_PADDING, training=training)
        _assert_near(found, expected, "with padding, the value")
    if not _has_gradient(graph.roots["z"].op):
        return
    wrt = [*parameters, *_dense(feeds)]
    expected = _reference().gradients(graph, "z", wrt, parameters, feeds, _environment(graph, lengths))
    found = _reference().gradients(graph, "z", wrt, parameters, padded, _environment(graph, lengths, _PADDING))
    for name in wrt:
        real = slice(len(feeds[name])) if name in feeds else slice(None)
        _assert_near(found[name][real], expected[name], f"with padding, the gradient by {name}")
        assert not found[name][real.stop :].any() or name not in feeds, f"a padding frame of {name} has a gradient"


def _has_gradient(op: Op) -> bool:
    """Whether the reference does not have to find it by differences."""
    return hasattr(op, "pullback") or isinstance(op, Scan)


def _padded(feed: Any) -> Any:
    if isinstance(feed, tuple):
        return tuple(_padded(part) for part in feed)
    # a frame like any other, and one that nobody may look at
    rubbish = 1000 if feed.dtype.kind == "i" else np.nan
    return np.concatenate([feed, feed[:1], np.full_like(feed[:1], rubbish)])


def _treat_sequences_alike(graph: Graph) -> None:
    node = graph.roots["z"]
    if not (RECIPES[type(node.op)].frames_are_independent or node.op.family == "sequences"):
        return
    lengths = _lengths(graph, 3)
    parameters, feeds = _values(graph, 3, Style.DISTINCT, lengths)
    inputs = {n.op.name: n.op.axis for n in graph.nodes if isinstance(n.op, InputValue)}
    turned = {name: _turned(feed, lengths[inputs[name]]) for name, feed in feeds.items()}
    other = {axis: [*each[1:], each[0]] for axis, each in lengths.items()}
    for training in (False, True):
        expected, own = _results(graph, parameters, feeds, lengths, training=training)
        found, _ = _results(graph, parameters, turned, other, training=training)
        wanted = expected if own is None else _turned(expected, own)
        _assert_near(found, wanted, "with sequences in another order, the value", room=1e-4)


def _turned(frames: Any, lengths: Sequence[int]) -> Any:
    """The first sequence behind the others."""
    if isinstance(frames, tuple):
        return tuple(_turned(part, lengths) for part in frames)
    return np.concatenate([frames[lengths[0] :], frames[: lengths[0]]])


def _repeat_what_is_the_same(node: Node) -> None:
    """A parameter gives what an input gives that holds it in every frame."""
    if {source.type.axis for source in node.inputs} - {None} != {DEFAULT_AXIS}:
        return  # without frames there is nothing that it could be repeated for, and of other axes it would not be
    graph = Graph({"z": node})
    lengths = _lengths(graph, 4)
    parameters, feeds = _values(graph, 4, Style.DISTINCT, lengths)
    for index, source in enumerate(node.inputs):
        if source.type.axis is not None or not isinstance(source.op, LearnableParameter):
            continue
        name = source.op.name
        repeated = InputValue(f"{name} repeated", source.type.dims, element=source.type.element)()
        try:
            other = node.op(*node.inputs[:index], repeated, *node.inputs[index + 1 :])
        except ShapeError:
            continue  # it must be the same for all frames
        # a table with frames is another one in each
        if other.type.with_axis(None) != node.type.with_axis(None) or other.type.axis != node.type.axis:
            continue
        if list(node.inputs).count(source) > 1:
            continue
        value = np.broadcast_to(parameters[name], (sum(lengths[DEFAULT_AXIS.name]), *parameters[name].shape))
        expected = _evaluate(graph, parameters, feeds, lengths, training=False)
        given = parameters, {**feeds, f"{name} repeated": value}, lengths
        found = _evaluate(Graph({"z": other}), *given, training=False)
        _assert_near(found, expected, f"with {name} repeated in every frame, the value", room=1e-4)


# gradients


def _compare_gradients(node: Node) -> None:
    if not _has_gradient(node.op) or len(set(node.inputs)) < len(node.inputs):
        return  # labels that are scores as well are none, and a bound of itself is no bound
    graph = Graph({"z": node})
    reference, lengths = _reference(), _lengths(graph, 5)
    parameters, feeds = _values(graph, 5, Style.DISTINCT, lengths)
    others = {"settings": {"dropout_rate": 0.5}, "random": reference.PhiloxStream(0)}
    environment = _environment(graph, lengths, **others)
    step = reference.Step(parameters, feeds, environment, training=True, element=reference.FLOAT64.element)
    values = step.values(graph)
    operands = step.operands(node, values)
    y = values[node]
    g = np.random.default_rng(0).uniform(0.5, 1.5, y.shape)
    with np.errstate(all="ignore"):
        given = reference.pullback(step, node, operands, y, g)
    for index, (own, x) in enumerate(zip(given, operands, strict=True)):
        if index in node.op.no_gradient or index in _deliberate(node.op):
            continue
        if node.inputs[index].type.storage is not Storage.DENSE:
            continue  # it holds zeros, at which there may be no derivative
        assert own is not None, f"there is no gradient for operand {index + 1}"
        assert np.shape(reference.sum_to(own, x.shape)) == x.shape, f"the gradient for operand {index + 1} has no fit"
        for complaint in _wrong_places(step, node, operands, g, index, reference.sum_to(own, x.shape)):
            raise AssertionError(f"the gradient of operand {index + 1}, {complaint}")


def _deliberate(op: Op) -> set[int]:
    """Operands whose gradient is not the derivative on numbers that are drawn here."""
    return set(op.gradient_differs) - RECIPES[type(op)].differs_outside


def _wrong_places(step: Any, node: Node, operands: list[Any], g: Any, index: int, own: np.ndarray) -> Iterator[str]:
    """Elements whose gradient is not the derivative, where one exists: where wider differences give the same."""

    def derivative(scale: float) -> np.ndarray:
        reference = _reference()
        return reference.sum_to(reference.numerical(step, node, operands, g, index, scale=scale), own.shape)

    expected = derivative(1.0)
    room = _TOLERANCE * np.maximum(np.abs(expected), 1.0)
    if np.all(np.abs(own - expected) <= room):
        return
    exists = np.abs(derivative(4.0) - expected) <= room
    for at in zip(*np.nonzero(exists & ~(np.abs(own - expected) <= room)), strict=True):
        yield f"element {tuple(map(int, at))}, is {own[at]:.9g}, but the derivative is {expected[at]:.9g}"


def _dense(feeds: Feeds) -> list[str]:
    return [name for name, x in feeds.items() if not isinstance(x, tuple) and x.dtype.kind == "f"]


def _reference() -> Any:
    # by name, as every backend: nothing under graphc/ imports one
    return importlib.import_module("graphc.backends.reference")


def _assert_near(found: Any, expected: Any, what: str, *, room: float = 1e-5) -> None:
    np.testing.assert_allclose(found, expected, rtol=room, atol=room, equal_nan=True, err_msg=f"{what} differs")
