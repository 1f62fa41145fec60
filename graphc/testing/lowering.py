"""Whether a backend computes what the reference computes: operator by operator, and whole graphs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.backend import Backend, Environment, Feeds, Parameters, Results, load
from graphc.ir import ElementType, Graph, Node, Op, Storage, topological
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.testing.choices import Seeded
from graphc.testing.counterexample import Counterexample, blamed_on
from graphc.testing.drawing import Drawing
from graphc.testing.lengths import Layout, environment_of, random_lengths, real_frames
from graphc.testing.recipes import RECIPES, recipes
from graphc.testing.runs import examples, for_all, options, replayed
from graphc.testing.truncated import check_truncated
from graphc.testing.values import Style, random_feeds, random_parameters
from graphc.testing.whole_graphs import check_whole_graphs

# applications of each operator, unless the caller says otherwise
_APPLICATIONS = 10
# applications that one program holds: compiling costs less for many together, and grows faster than their number
_BATCH = 400
# attempts to find a smaller counter-example, each of which is compiled
_SHRINKING = 40
# relative and absolute, of values and of gradients; errors of float32 add up in sums
_TOLERANCE = {
    ElementType.FLOAT32: ((2e-5, 2e-5), (1e-3, 1e-3)),
    ElementType.FLOAT64: ((1e-9, 1e-9), (1e-6, 1e-6)),
}


@dataclass(frozen=True)
class Mode:
    """How a program is run: with which numbers, whether it trains, and how sequences stand in its minibatch."""

    element: ElementType
    style: Style
    training: bool
    layout: Layout = Layout.APART

    @property
    def padding(self) -> int:
        return 0 if self.layout is Layout.REGULAR else 1


# every operator meets these in turn
MODES = (
    Mode(ElementType.FLOAT32, Style.DISTINCT, False, Layout.FRAMES),
    Mode(ElementType.FLOAT64, Style.DISTINCT, True, Layout.PACKED),
    Mode(ElementType.FLOAT32, Style.TIES, True, Layout.APART),
    Mode(ElementType.FLOAT64, Style.TIES, False, Layout.FRAMES),
    Mode(ElementType.FLOAT32, Style.DISTINCT, True, Layout.REGULAR),
)


def check_lowering(
    backend: str | Backend, *, family: str | None = None, operators: Sequence[type[Op]] | None = None
) -> None:
    """Fail unless the backend gives the reference's values and gradients for every operator, or those chosen.

    Each is tried with random attributes, shapes, storages and element types, with padding, in training and inference;
    without a choice of operators, whole graphs follow, and loops on pieces of sequences. A backend without
    `value_and_gradients` is judged by its values.
    """
    target = load(backend) if isinstance(backend, str) else backend
    graph = replayed()
    if graph is not None:
        for mode in MODES:
            compare(target, graph, mode)
        return
    chosen = list(recipes(family)) if operators is None else list(operators)
    for mode, graph in _batches(chosen, examples(_APPLICATIONS)):
        if failing := _first_failure(target, graph, mode):
            if not options().as_found:
                _shrink(target, graph.roots[failing], mode)
            compare(target, graph.select([failing]), mode)
    if family is None and operators is None:
        check_whole_graphs(target, examples(_APPLICATIONS))
        check_truncated(target, examples(_APPLICATIONS))


def compare(backend: Backend, graph: Graph, mode: Mode) -> None:
    """Fail unless values, gradients and updates of the graph agree."""
    with blamed_on(graph):
        for found in differences(backend, graph, mode):
            raise Counterexample(found.message, graph)


@dataclass(frozen=True)
class Difference:
    root: str
    message: str


def differences(backend: Backend, graph: Graph, mode: Mode) -> Iterator[Difference]:
    """What the backend computes otherwise than the reference, root by root."""
    seed, lengths = options().seed, random_lengths(graph, options().seed, mode.layout)
    parameters = random_parameters(graph, seed, style=mode.style)
    feeds = random_feeds(graph, seed, frames=lengths, padding=mode.padding, style=mode.style)
    environment = environment_of(lengths, mode.layout, mode.padding)
    reference = load("reference")
    results = reference.function(graph, training=mode.training)(parameters, feeds, environment)
    real = {name: real_frames(node.type, results.frames) for name, node in graph.roots.items()}
    # inference has no gradients, and compiles in a third of the time without them
    weights = _weights(graph, results, real) if mode.training else {}
    given = parameters, feeds, environment, weights
    expected, gradients = reference.value_and_gradients(graph, training=mode.training)(*given)
    found, own_gradients = _run(backend, graph, mode, *given)
    value_room, gradient_room = _TOLERANCE[mode.element]
    for name in graph.roots:
        shown = slice(real[name])
        actual, wanted = np.asarray(found.outputs[name])[shown], expected.outputs[name][shown]
        if actual.dtype != mode.element.value:
            yield Difference(name, f"{name} has the element type {actual.dtype}")
        elif complaint := _unlike(actual, wanted, value_room):
            yield Difference(name, f"{name} differs from the reference: {complaint}")
    if own_gradients is None:
        return
    owners, sources = _owners(graph), _sources(graph.nodes)
    for name, wanted in gradients.items():
        root = owners[name]
        if mode.style is Style.TIES and not _defines_ties(graph.roots[root]):
            continue
        shown = slice(real_frames(sources[name].type, results.frames))
        if complaint := _unlike(np.asarray(own_gradients[name])[shown], wanted[shown], gradient_room):
            yield Difference(root, f"the gradient of {root} by {name} differs from the reference: {complaint}")


def _run(
    backend: Backend,
    graph: Graph,
    mode: Mode,
    parameters: Parameters,
    feeds: Feeds,
    environment: Environment,
    weights: Mapping[str, Any],
) -> tuple[Any, Mapping[str, Any] | None]:
    if not hasattr(backend, "value_and_gradients"):
        return backend.compile(graph, training=mode.training)(parameters, feeds, environment), None
    return backend.value_and_gradients(graph, training=mode.training)(parameters, feeds, environment, weights)


def _batches(chosen: Sequence[type[Op]], count: int) -> Iterator[tuple[Mode, Graph]]:
    """Graphs with an application of an operator as each root, which share nothing; every mode has its share."""
    for number, mode in enumerate(MODES):
        own = range(number, count, len(MODES))
        pairs = [(cls, index) for index in own for cls in chosen]
        for start in range(0, len(pairs), _BATCH):
            drawing = Drawing(Seeded.of(options().seed), mode.element)
            roots = {}
            for cls, index in pairs[start : start + _BATCH]:
                drawing.begin(Seeded.of(options().seed, cls.names[0], index), _storage(cls, index))
                roots[f"{cls.names[0]} {index}"] = RECIPES[cls].make(drawing, cls)
            yield mode, Graph(roots)


def _storage(cls: type[Op], index: int) -> Storage | None:
    """How an example stores its first input: backends have other code for each storage that an operator takes."""
    return tuple(Storage)[index % len(Storage)] if cls.takes_sparse else None


def _first_failure(backend: Backend, graph: Graph, mode: Mode) -> str | None:
    with blamed_on(graph):
        found = next(differences(backend, graph, mode), None)
    return None if found is None else found.root


def _shrink(backend: Backend, node: Node, mode: Mode) -> None:
    """Fail with a smaller application of the operator, if one is found."""
    from graphc.testing.strategies import applications  # loads hypothesis

    def check(graph: Graph) -> None:
        compare(backend, graph, mode)

    for_all(applications(type(node.op), mode.element), check, count=_SHRINKING)


def _weights(graph: Graph, results: Results, real: Mapping[str, int | None]) -> dict[str, np.ndarray]:
    """A weight for every element of every root, 0 in frames that are padding."""
    found = {}
    for index, name in enumerate(graph.roots):
        value = results.outputs[name]
        found[name] = np.random.default_rng([options().seed, index]).uniform(0.5, 1.5, value.shape).astype(value.dtype)
        if real[name] is not None:
            found[name][real[name] :] = 0
    return found


def _defines_ties(root: Node) -> bool:
    """Whether the operator says what its gradient is where there is no derivative."""
    return hasattr(root.op, "pullback")


def _owners(graph: Graph) -> dict[str, str]:
    """Source → the root that it belongs to: the last one that reads it, where each reads its own."""
    found: dict[str, str] = {}
    for name, root in graph.roots.items():
        found |= dict.fromkeys(_sources(topological([root])), name)
    return dict.fromkeys(_sources(graph.nodes), next(iter(graph.roots))) | found


def _sources(nodes: Iterable[Node]) -> dict[str, Node]:
    return {node.op.name: node for node in nodes if isinstance(node.op, InputValue | LearnableParameter)}


def _unlike(found: np.ndarray, expected: np.ndarray, room: tuple[float, float]) -> str | None:
    """How far two arrays are apart, none if near enough."""
    relative, absolute = room
    if found.shape != expected.shape:
        return f"its shape is {found.shape}, expected {expected.shape}"
    scale = np.max(np.abs(expected), initial=0, where=np.isfinite(expected))
    if np.allclose(found, expected, rtol=relative, atol=absolute * max(scale, 1), equal_nan=True):
        return None
    return f"{np.array2string(found, precision=9)}, expected {np.array2string(expected, precision=9)}"
