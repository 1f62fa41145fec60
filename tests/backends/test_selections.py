"""What conditions of every kind select: the specification's loop against reference and XLA, and what a run tells."""

from __future__ import annotations

import math
from typing import Any

import jax
import numpy as np
import pytest

from graphc.backend import Environment, load
from graphc.data.layout import Room, layout
from graphc.diagnostics import Diagnostics, SourceText
from graphc.ir import Frames, Graph
from graphc.network.build import build_network
from graphc.network.lower import to_graph
from graphc.network.session import Session
from graphc.ops.lengths import first_failures, length_checks

NETWORK = """{
    c = Input {1} ; x = Input {2}
    y = BS.Sequences.Gather (c, x)
    outputNodes = y
}"""
LOOP = """{
    c = Input {1} ; x = Input {2}
    y = h ; h = Gathered + 0.5 * PastValue (2, h, defaultHiddenActivation = 0) ; Gathered = BS.Sequences.Gather (c, x)
    outputNodes = y
}"""
# conditions of the frames of each sequence
TAKEN: dict[str, tuple[list[float], ...]] = {
    "flags": ([1, 0, 1], [0, 1], [1, 1, 0, 0]),
    "fractions": ([0.5, 0.5, 0.5], [0, 0.25], [0.3, 0.3, 0.3, 0.3]),
    "repeated": ([0, 2, 0], [0, 2], [1, 0, 0, 2]),
    "not above 0 at first": ([-1, 1, 1], [-0.5, 1], [0, -1, 0, 2]),
    "falling and rising": ([1, -1, 1], [1, 1], [2, -2, 2, 1]),
    "falling and rising above": ([1, -1, 2], [1, 0], [1, -0.5, 1, 0]),
    "falling by fractions": ([1, -0.25, 0.5], [0.25, -0.5], [0.5, 0.5, -0.1, 0.2]),
    "almost nothing": ([0, 1e-20, 0], [1e-20, 1], [1e-20, -1, 1e-20, 1]),
    "no number behind": ([1, math.nan, 1], [1, 1], [1, 1, -math.inf, 1]),
    "far below 0": ([1, -1e30, 7], [1, 1], [0, 1, -1e9, 1e8]),
}
# what no minibatch can hold or nobody may leave empty: conditions, the sequence that is told and what it has
FAILED: dict[str, tuple[tuple[list[float], ...], int, int]] = {
    "nothing": (([1, 1], [0, 0]), 1, 0),
    "below 0": (([1, 1], [-1, -2]), 1, 0),
    "no number": (([math.nan, 1], [1, 1]), 0, 0),
    "ended at once": (([1, 1], [-math.inf, math.inf]), 1, 0),
    "too much": (([1, 1], [2, 3]), 1, 5),
    "endless": (([1, 0], [0, math.inf]), 1, 5),
    "more than any number": (([1, 0], [1e30, 1]), 1, 5),
}


def graph_of(text: str, precision: str = "double") -> Graph:
    source = SourceText.from_string(text, "selection.bs")
    network = build_network(source, precision=precision, session=Session(), diagnostics=Diagnostics())
    return to_graph(network, ["y"])


def selected(conditions: list[float]) -> list[int]:
    """The specification's loop."""
    desired, out = 0.0, []
    for t, condition in enumerate(conditions):
        desired += condition
        while (not out and desired > 0) or len(out) < desired * (1 - 2.0**-23):
            out.append(t)
    return out


def feeds(conditions: tuple[list[float], ...], frames: int | None = None) -> dict[str, Any]:
    c = np.concatenate([np.array(each, float) for each in conditions])[:, None]
    c = np.concatenate([c, np.full(((frames or len(c)) - len(c), 1), math.nan)])
    return {"c": c, "x": np.stack([np.arange(len(c)), -np.arange(len(c))], axis=1).astype(float)}


def frames_of(conditions: tuple[list[float], ...], room: Room | None = None) -> dict[str, Frames]:
    return {"*": layout(np.array([len(each) for each in conditions]), room)}


ROOMS = {"exact": None, "padded": Room(16, 5, 8, 3)}


def on_xla(text: str, conditions: tuple[list[float], ...], room: Room | None, precision: str = "double") -> Any:
    graph = graph_of(text, precision)
    engine: Any = load("xla")
    environment = Environment(frames=frames_of(conditions, room))
    with engine.precision(graph):
        given = feeds(conditions, room.frames if room else None)
        return graph, jax.jit(engine.function(graph))({}, given, environment)


def check(found: Any, axes: Any, conditions: tuple[list[float], ...]) -> None:
    starts = np.cumsum([0, *map(len, conditions)])
    rows = [np.array(selected(each)) + start for each, start in zip(conditions, starts, strict=False)]
    (name,) = set(axes) - {"*"}
    sequences = axes[name].sequences
    assert np.asarray(sequences.lengths)[: len(rows)].tolist() == [len(each) for each in rows]
    taken = np.concatenate(rows)
    assert np.asarray(found)[: len(taken)].tolist() == np.stack([taken, -taken], axis=1).tolist()


@pytest.mark.parametrize("case", TAKEN)
def test_reference_selects_as_specified(case: str) -> None:
    conditions = TAKEN[case]
    environment = Environment(frames=frames_of(conditions))
    found = load("reference").function(graph_of(NETWORK))({}, feeds(conditions), environment)
    check(found.outputs["y"], found.frames, conditions)


@pytest.mark.parametrize("precision", ("float", "double"))
@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("case", TAKEN)
def test_xla_selects_as_specified(case: str, room: str, precision: str) -> None:
    _, found = on_xla(NETWORK, TAKEN[case], ROOMS[room], precision)
    check(found.outputs["y"], found.frames, TAKEN[case])


@pytest.mark.parametrize("case", FAILED)
def test_what_cannot_be_selected_is_counted(case: str) -> None:
    conditions, sequence, length = FAILED[case]
    graph, found = on_xla(NETWORK, conditions, None)
    checks = length_checks(graph)
    (row,) = first_failures(np, checks, jax.tree.map(np.asarray, dict(found.frames)), -1)
    assert row[:2].tolist() == [sequence, length]


# what a loop goes through: conditions, the sequence that is longer than the loop has steps
LOOPED: dict[str, tuple[tuple[list[float], ...], int | None]] = {
    "as long": (([1, 1, 1], [3, 0, 0], [0, 0, 1]), None),
    "longer": (([0, 1, 0], [3, 1, 0], [0, 0, 1]), 1),
}


@pytest.mark.parametrize("case", LOOPED)
def test_loops_over_repeated_frames_have_enough_steps(case: str) -> None:
    conditions, wrong = LOOPED[case]
    graph, found = on_xla(LOOP, conditions, None)
    rows = first_failures(np, length_checks(graph), jax.tree.map(np.asarray, dict(found.frames)), -1)
    assert [row[0] for row in rows if row[0] >= 0] == ([] if wrong is None else [wrong])
    if wrong is None:
        given, environment = feeds(conditions), Environment(frames=frames_of(conditions))
        expected = load("reference").function(graph)({}, given, environment)
        count = int(expected.frames[next(n for n in expected.frames if n != "*")].count)
        np.testing.assert_allclose(found.outputs["y"][:count], expected.outputs["y"][:count], rtol=1e-12)


# of an axis of its own: what is chosen of x by a condition on c
ELSEWHERE = "{{ t = DynamicAxis() ; c = Input {{1, dynamicAxis = t}} ; x = Input {{2}} ; y = {} ; outputNodes = y }}"
OTHERS: dict[str, tuple[str, list[int], list[int], int | None]] = {
    "first of others": ("BS.Sequences.Gather (BS.Loop.IsFirst (c), x)", [3, 2], [1, 4], None),
    "last of shorter ones": ("BS.Sequences.Gather (BS.Loop.IsLast (c), x)", [3, 2], [3, 4], None),
    "last of longer ones": ("BS.Sequences.Gather (BS.Loop.IsLast (c), x)", [3, 5], [3, 4], 1),
    "last of longer ones, of a first": (
        "BS.Sequences.Gather (BS.Loop.IsLast (c), BS.Sequences.First (x))",
        [1, 2],
        [3, 4],
        1,
    ),
    "one frame's value": ("BS.Sequences.Gather (BS.Sequences.First (c), x)", [3, 5], [1, 4], None),
    "last two": ("BS.Sequences.Gather (BS.Loop.IsLastN (2, c), x)", [3, 5], [3, 4], 1),
}


@pytest.mark.parametrize("case", OTHERS)
def test_what_is_chosen_by_another_axis_must_be_there(case: str) -> None:
    text, chosen, lengths, wrong = OTHERS[case]
    graph = graph_of(ELSEWHERE.format(text))
    engine: Any = load("xla")
    environment = Environment(frames={"t": layout(np.array(chosen)), "*": layout(np.array(lengths))})
    given = {"c": np.ones((sum(chosen), 1)), "x": np.arange(2.0 * sum(lengths)).reshape(-1, 2)}
    with engine.precision(graph):
        found = jax.jit(engine.function(graph))({}, given, environment)
    rows = first_failures(np, length_checks(graph), jax.tree.map(np.asarray, dict(found.frames)), -1)
    assert [row[0] for row in rows if row[0] >= 0] == ([] if wrong is None else [wrong])
    if wrong is None:
        expected = load("reference").function(graph)({}, given, environment).outputs["y"]
        np.testing.assert_array_equal(found.outputs["y"], expected)


TABLE = "{ i = Input {1} ; t = ParameterTensor {(2:3)} ; y = GatherPacked (i, t) ; outputNodes = y }"


@pytest.mark.parametrize("room", ROOMS)
def test_what_is_outside_a_table_is_no_number(room: str) -> None:
    """Where CNTK fails; clipped indices would be read, and trained, in silence."""
    indices, graph = [0, 2, 3, -1, 1.5, math.nan, 1e30, 1], graph_of(TABLE)
    table = np.arange(6.0).reshape(3, 2)
    expected = np.array([table[int(i)] if 0 <= i < 3 else [math.nan] * 2 for i in indices])
    environment = Environment(frames={"*": layout(np.array([3, 5]), ROOMS[room])})
    given = np.concatenate([indices, np.full((ROOMS[room].frames if ROOMS[room] else 8) - 8, math.nan)])[:, None]
    engine: Any = load("xla")
    with engine.precision(graph):
        run = jax.jit(engine.function(graph))
        found = run({"t": table}, {"i": given}, environment).outputs["y"]
    by_reference = load("reference").function(graph)({"t": table}, {"i": given}, environment).outputs["y"]
    for each in (found, by_reference):
        np.testing.assert_array_equal(each[:8], expected)
        assert np.isfinite(each[8:]).all()
