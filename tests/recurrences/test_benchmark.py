"""The opponents of benchmarks/recurrence run, and compute what they are compared for; nothing is timed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest

from benchmarks import recurrence as benchmark
from graphc.backends.xla import recurrence as loops

TINY = replace(
    benchmark.SMALL,
    vocabulary=11,
    embedding=4,
    cells=6,
    labels=3,
    lengths=(3, 3),
    layer=benchmark.SEPARATE.replace("EMBEDDING", "4"),
)
RUNS: dict[str, Callable[[], Any]] = {
    "graphc": lambda: benchmark.of_graphc(TINY),
    "as written": lambda: benchmark.of_graphc(TINY, is_optimised=False),
    "ragged": lambda: benchmark.of_graphc(replace(TINY, lengths=(2, 5, 3))),
    "products": lambda: benchmark.products_of(TINY),
    "one a lane": lambda: benchmark.with_one_sequence_a_lane(
        benchmark.of_graphc(replace(TINY, layer=benchmark.STACK.layer, lengths=(2, 5, 3)))
    ),
    "by hand": lambda: benchmark.by_hand(TINY, benchmark.lstm_by_hand),
    "by hand, automatic": lambda: benchmark.by_hand(TINY, benchmark.lstm_automatic),
}


@pytest.mark.parametrize("name", RUNS)
def test_it_runs(name: str) -> None:
    RUNS[name]()(2)


def test_automatic_gradients_are_those_of_jax(monkeypatch: pytest.MonkeyPatch) -> None:
    used = []
    monkeypatch.setattr(loops, "scan", lambda *given, **named: used.append(given))
    benchmark.with_automatic_gradients(benchmark.of_graphc(TINY, is_optimised=False))(1)
    assert not used


def test_both_forms_by_hand_compute_the_same() -> None:
    rng = np.random.default_rng(0)
    shapes = {"W0": (4, 24), "H0": (6, 24), "B0": (24,)}
    parameters = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    words = rng.normal(size=(5, 3, 4))

    def results(layer: Any) -> Any:
        with jax.enable_x64(True):
            return jax.value_and_grad(lambda p, e: (layer(p, e, 0) ** 2).sum(), (0, 1))(parameters, words)

    found, expected = (results(layer) for layer in (benchmark.lstm_by_hand, benchmark.lstm_automatic))
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-12), found, expected)
