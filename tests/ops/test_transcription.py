"""Criteria on whole sequences against their definitions: all alignments enumerated, edits one cell at a time."""

from __future__ import annotations

from itertools import groupby, product
from typing import Any

import jax
import numpy as np
import pytest

from graphc.backend import Environment, load
from graphc.backends.reference.gradients import gradients
from graphc.data.layout import Room, layout
from graphc.ir import ElementType, Graph
from graphc.ops.sources import InputValue
from graphc.ops.transcription import EditDistanceError, ForwardBackward, LabelsToGraph

CLASSES = 3
BLANK = 2
# token that begins in each frame, none where one goes on
SEQUENCES: list[list[int | None]] = [[0, 1, None, 0], [1], [None, None], [0, 0, None, 1, None], [0, 0]]
ROOM = Room(20, 7, 6, 4)


def labels(sequence: list[int | None]) -> np.ndarray:
    found, token = np.zeros((len(sequence), CLASSES)), 0
    for t, begun in enumerate(sequence):
        token = token if begun is None else begun
        found[t, token] = 1 if begun is None else 2
    return found


def graph_of(op: Any, element: str) -> Graph:
    a, b = (InputValue(name, (CLASSES,), element=ElementType(element))() for name in "ab")
    return Graph({"z": op(LabelsToGraph()(a) if isinstance(op, ForwardBackward) else a, b)})


def scores(sequences: list[Any], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(sum(map(len, sequences)), CLASSES)) * 2


def values(graph: Graph, a: np.ndarray, b: np.ndarray, lengths: list[int]) -> list[float]:
    """By the reference and, where sequences fill the minibatch and where they do not, by XLA."""
    exact = Environment(frames={"*": layout(np.array(lengths))})
    found = [float(load("reference").function(graph)({}, {"a": a, "b": b}, exact).outputs["z"][0])]
    engine: Any = load("xla")
    run = engine.compile(graph)
    padding = np.full((ROOM.frames - len(a), CLASSES), np.nan)
    wide = {"a": np.concatenate([a, padding]), "b": np.concatenate([b, padding])}
    for feeds, room in (({"a": a, "b": b}, None), (wide, ROOM)):
        environment = Environment(frames={"*": layout(np.array(lengths), room)})
        found.append(float(run({}, feeds, environment).outputs["z"][0]))
    return found


def enumerated(sequence: list[int | None], z: np.ndarray, delay: int) -> float:
    """Minus the log probability of the tokens, alignment by alignment."""
    tokens = [t for t in sequence if t is not None]
    starts = [t for t, token in enumerate(sequence) if token is not None]
    until = [*starts[1:], len(sequence)]
    logarithm = z - np.log(np.exp(z).sum(-1, keepdims=True))
    total = 0.0
    for path in product(range(CLASSES), repeat=len(z)):
        if [token for token, _ in groupby(path) if token != BLANK] != tokens:
            continue
        if delay < 0 or in_time(path, until, delay):
            total += np.exp(sum(logarithm[t, token] for t, token in enumerate(path)))
    return -np.log(total) if total else np.inf


def in_time(path: tuple[int, ...], until: list[int], delay: int) -> bool:
    """Whether no token, and no blank before one, stands too late; the first frame and the last blank are free."""
    begun, before = -1, BLANK
    for t, token in enumerate(path):
        begun += token not in (BLANK, before)
        before = token
        awaited = begun + (token == BLANK)
        if t > 0 and awaited < len(until) and t > until[awaited] + delay - (token == BLANK):
            return False
    return True


@pytest.mark.parametrize("delay", [-1, 0, 1, 2])
def test_ctc_is_the_sum_over_alignments(delay: int) -> None:
    possible = SEQUENCES[:4]
    z, given = scores(possible), np.concatenate([labels(s) for s in possible])
    parts = np.split(z, np.cumsum([len(s) for s in possible])[:-1])
    expected = sum(enumerated(s, part, delay) for s, part in zip(possible, parts, strict=True))
    found = values(graph_of(ForwardBackward(BLANK, delay), "float64"), given, z, [len(s) for s in possible])
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("delay", [-1, 1])
def test_the_gradient_of_ctc_is_its_derivative(delay: int) -> None:
    possible = SEQUENCES[:4]
    z, given = scores(possible, 1), np.concatenate([labels(s) for s in possible])
    graph = graph_of(ForwardBackward(BLANK, delay), "float64")
    lengths = [len(s) for s in possible]
    environment = Environment(frames={"*": layout(np.array(lengths))})
    found = gradients(graph, "z", ["b"], {}, {"a": given, "b": z}, environment)["b"]

    def value(z: np.ndarray) -> float:
        parts = np.split(z, np.cumsum(lengths)[:-1])
        return sum(enumerated(s, part, delay) for s, part in zip(possible, parts, strict=True))

    for at in np.ndindex(z.shape):
        h = np.zeros(z.shape)
        h[at] = 1e-4
        np.testing.assert_allclose(found[at], (value(z + h) - value(z - h)) / 2e-4, rtol=1e-6, atol=1e-7)


def test_tokens_without_room_are_impossible_and_harm_no_other_sequence() -> None:
    given, z = np.concatenate([labels(s) for s in SEQUENCES]), scores(SEQUENCES)
    lengths = [len(s) for s in SEQUENCES]
    graph = graph_of(ForwardBackward(BLANK), "float64")
    assert values(graph, given, z, lengths) == [np.inf] * 3
    environment = Environment(frames={"*": layout(np.array(lengths))})
    found = gradients(graph, "z", ["b"], {}, {"a": given, "b": z}, environment)["b"]
    assert np.isfinite(found).all() and not found[-2:].any() and found[:-2].any(axis=1).sum() >= 9


def test_ctc_of_long_sequences_is_exact_in_single_precision() -> None:
    sequence = [t // 4 % 2 if t % 4 == 0 else None for t in range(400)]
    z, given = 8 * scores([sequence]), labels(sequence)
    feeds = {"a": given, "b": z}
    environment = Environment(frames={"*": layout(np.array([len(z)]))})
    engine: Any = load("xla")
    found = []
    for element in ("float64", "float32"):
        graph = graph_of(ForwardBackward(BLANK), element)
        with engine.precision(graph):
            run = engine.function(graph, training=True)

            def total(z: Any, run: Any = run) -> Any:
                return run({}, {**feeds, "b": z}, environment).outputs["z"][0]

            found.append(jax.jit(jax.value_and_grad(total))(z.astype(element)))
    (exact, of_exact), (single, of_single) = found
    np.testing.assert_allclose(single, exact, rtol=1e-5)
    np.testing.assert_allclose(of_single, of_exact, atol=2e-3)


def edits(a: list[int], b: list[int], op: EditDistanceError) -> int:
    """As CNTK counts: cell by cell, a match always taken, and substitutions before others of one cost."""
    cells = {(i, 0): (i * op.deletion_penalty, i) for i in range(len(a) + 1)}
    cells |= {(0, j): (j * op.insertion_penalty, j) for j in range(len(b) + 1)}
    for i, j in product(range(1, len(a) + 1), range(1, len(b) + 1)):
        if a[i - 1] == b[j - 1]:
            cells[i, j] = cells[i - 1, j - 1]
            continue
        ways = [
            (cells[i - 1, j - 1][0] + op.substitution_penalty, 0, cells[i - 1, j - 1][1]),
            (cells[i, j - 1][0] + op.insertion_penalty, 1, cells[i, j - 1][1]),
            (cells[i - 1, j][0] + op.deletion_penalty, 2, cells[i - 1, j][1]),
        ]
        cost, _, number = min(ways)
        cells[i, j] = cost, number + 1
    return cells[len(a), len(b)][1]


@pytest.mark.parametrize(
    "op",
    [
        EditDistanceError(),
        EditDistanceError(2.5),
        EditDistanceError(1.5, 0.25, 2.0),
        EditDistanceError(squash_inputs=True, tokens_to_ignore=(BLANK,)),
        EditDistanceError(tokens_to_ignore=(0, 1)),
    ],
    ids=lambda op: f"{op.substitution_penalty}-{op.squash_inputs}-{len(op.tokens_to_ignore)}",
)
def test_edit_distance_is_that_of_tokens(op: EditDistanceError) -> None:
    lengths = [6, 1, 4, 5]
    tokens = np.random.default_rng(3).integers(0, CLASSES, (2, sum(lengths)))
    a, b = np.eye(CLASSES)[tokens]

    def kept(sequence: np.ndarray) -> list[int]:
        found = [t for t, _ in groupby(sequence.tolist())] if op.squash_inputs else sequence.tolist()
        return [t for t in found if t not in op.tokens_to_ignore]

    pairs = [(kept(first), kept(second)) for first, second in np.split(tokens, np.cumsum(lengths)[:-1], axis=1)]
    counted = sum(edits(first, second, op) for first, second in pairs)
    expected = counted * sum(lengths) / max(sum(len(first) for first, _ in pairs), 1)
    found = values(graph_of(op, "float64"), a, b, lengths)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
