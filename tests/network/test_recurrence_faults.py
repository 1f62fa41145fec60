"""Recurrences that no loop can compute are told by ``check``, each once, at a price that nobody notices."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from graphc.cli.main import main
from graphc.network.recurrence import components, faults, is_loop

BOTH_WAYS = "a = Tanh (x + PastValue (0, b)) ; b = Tanh (x + FutureValue (0, a))"
WITH_STATE = "a = BatchNormalizationLayer{} (x + PastValue (0, a)) ; b = a"
TWO_AXES = (
    "y = Input{3, dynamicAxis=DynamicAxis()} ; b = Tanh (x + ReconcileDynamicAxis (a, x)) ; "
    "a = PastValue (0, ReconcileDynamicAxis (b, y))"
)
# body, what is said, and where
FAULTS = {
    "both ways": (
        BOTH_WAYS,
        "one recurrence looks both ways: PastValue (0, b) and FutureValue (0, a)",
        "PastValue (0, b)",
    ),
    "both ways, through a third node": (
        "a = PastValue (0, c) ; b = Tanh (a + FutureValue (0, b)) ; c = Sigmoid (x + b)",
        "one recurrence looks both ways: a and FutureValue (0, b)",
        "PastValue (0, c)",
    ),
    "state": (
        WITH_STATE,
        "b keeps running statistics (BatchNormalization), which a recurrence cannot",
        "BatchNormalizationLayer{} (x + PastValue (0, a))",
    ),
    "two axes": (
        TWO_AXES,
        "a recurrence leaves its dynamic axis: b is [3 x *], a is [3 x y.dynamicAxis]",
        "PastValue (0, ReconcileDynamicAxis (b, y))",
    ),
    "its own last frame": (
        "b = Tanh (x + BS.Sequences.BroadcastSequenceAs (x, BS.Sequences.Last (PastValue (3, b))))",
        "a recurrence leaves its dynamic axis: b is [3 x *], BS.Sequences.Last (PastValue (3, b)) is [3 x first(*)]",
        "BS.Sequences.Last (PastValue (3, b))",
    ),
}
SOUND = {
    "no recurrence": "b = Tanh (x)",
    "delays that no loop closes": "b = x + PastValue (0, x) + FutureValue (0, x)",
    "both ways, one after the other": "a = Tanh (x + PastValue (0, a)) ; b = Tanh (a + FutureValue (0, b))",
    "both ways, side by side": "l = x + PastValue (0, l) ; r = x + FutureValue (0, r) ; b = Splice ((l : r))",
    "two delays of one direction": "b = Tanh (x + PastValue (0, b) + PastValue (0, b, timeStep=3))",
    "statistics before and behind the loop": (
        "n = BatchNormalizationLayer{} (x) ; a = Tanh (n + PastValue (0, a)) ; b = BatchNormalizationLayer{} (a)"
    ),
    "another axis for the initial state": (
        "y = Input{3, dynamicAxis=DynamicAxis()} ; b = Tanh (x + PastValue (0, b, initialState=y))"
    ),
    "layers": "b = RecurrentLSTMLayer {3} (RecurrentLSTMLayer {3, goBackwards=true} (x))",
}


def section(*bodies: str) -> str:
    return f"{{ x = Input{{3}} ; {' ; '.join(bodies)} ; outputNodes = (b) }}"


@pytest.mark.parametrize("name", FAULTS)
def test_what_no_loop_computes(build: Any, name: str) -> None:
    body, message, place = FAULTS[name]
    (found,) = faults(build(section(body)).roots)
    assert (found.code, found.message) == ("GC0408", message)
    assert found.span is not None and found.span.text == place
    assert found.hint


@pytest.mark.parametrize("name", SOUND)
def test_what_a_loop_computes(build: Any, name: str) -> None:
    assert faults(build(section(SOUND[name])).roots) == []


def test_every_recurrence_is_looked_at(build: Any) -> None:
    second = BOTH_WAYS.replace("a = ", "c = ").replace("b = ", "d = ").replace(", a)", ", c)").replace(", b)", ", d)")
    text = section(BOTH_WAYS, second).replace("(b)", "(b : d)")
    found = faults(build(text).roots)
    assert [d.message.split(":")[0] for d in found] == ["one recurrence looks both ways"] * 2


def test_what_the_roots_do_not_need_is_not_looked_at(build: Any) -> None:
    assert faults([build(section(BOTH_WAYS, "z = Tanh (x)"))["z"]]) == []


@pytest.mark.parametrize("body", [BOTH_WAYS, WITH_STATE, TWO_AXES], ids=["both ways", "state", "two axes"])
def test_check_tells_it_once(body: str, tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "net.bs"
    path.write_text(section(body))
    assert main(["check", "--json", str(path)]) == 2
    told = json.loads(capsys.readouterr().out)
    assert [(d["code"], d["line"]) for d in told["errors"]] == [("GC0408", 1)]


def test_looking_for_recurrences_costs_little(build: Any) -> None:
    started = time.process_time()
    network = build(section("b = LayerStack {40, i => RecurrentLSTMLayer {3}} (x)"))
    building = time.process_time() - started
    assert sum(map(is_loop, components(network.roots))) == 40
    started = time.process_time()
    assert faults(network.roots) == []
    assert time.process_time() - started < building / 4


def test_one_loop_of_many_nodes(build: Any) -> None:
    links = [f"a{i} = a{i - 1} + PastValue (0, a{i})" for i in range(1, 400)]
    network = build(section("a0 = x + PastValue (0, a399)", *links, "b = Pass (a399)"))
    assert max(map(len, components(network.roots))) == 800
    assert faults(network.roots) == []
