"""First values of parameters: CNTK's own numbers where asked for, else reproducible by name."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphc.data.mersenne import MT19937_64
from graphc.diagnostics import DiagnosticError
from graphc.ir import ElementType, Graph
from graphc.ops.initializers import Initializer
from graphc.ops.sources import LearnableParameter
from graphc.train import polar, ziggurat
from graphc.train.initialise import Generator, initialise
from graphc.train.uniform import uniform

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "rng_vectors.json").read_text("utf-8"))

POLAR_UNVERIFIED = "gaussian_libstdcxx_polar_unverified"


def values(initializer: Initializer, shape: tuple[int, ...], generator: Generator = "cntk", **more: Any) -> Any:
    node = LearnableParameter(name="W", shape=shape, initializer=initializer, **more)()
    return initialise(Graph({"W": node}), generator=generator)["W"]


def test_ziggurat_tables_are_boosts() -> None:
    x, y = ziggurat._tables()
    assert x.tolist() == [float.fromhex(v) for v in VECTORS["ziggurat_tables_normal_128"]["x"]]
    assert y.tolist() == [float.fromhex(v) for v in VECTORS["ziggurat_tables_normal_128"]["y"]]


@pytest.mark.parametrize("seed", [s for s in VECTORS["gaussian_boost_ziggurat"] if s.isdigit()])
def test_normal_numbers_are_cntks(seed: str) -> None:
    vector = VECTORS["gaussian_boost_ziggurat"][seed]
    drawn = ziggurat.normal(MT19937_64(int(seed)), 100000)
    assert drawn[:8].tolist() == [float(v) for v in vector["unit_f64"]]
    assert hashlib.sha256(drawn.tobytes()).hexdigest() == vector["sha256_first_100000_f64"]


@pytest.mark.parametrize("library,vector", [("msvc", "gaussian_msvc_polar"), ("libstdcxx", POLAR_UNVERIFIED)])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_normal_numbers_of_older_builds(library: polar.Library, vector: str, seed: int) -> None:
    drawn = polar.normal(MT19937_64(seed), 8, library)
    assert drawn.tolist() == pytest.approx([float(v) for v in VECTORS[vector][str(seed)]["unit_f64"]], rel=1e-15, abs=0)


def test_tail_numbers_are_cntks() -> None:
    cases = VECTORS["gaussian_boost_ziggurat"]["tail_cases_seed7"]
    drawn = ziggurat.normal(MT19937_64(7), max(c["index"] for c in cases) + 1)
    assert [drawn[c["index"]] for c in cases] == [float(c["value"]) for c in cases]


@pytest.mark.parametrize("seed", list(VECTORS["uniform"]))
def test_uniform_values_are_cntks(seed: str) -> None:
    vector = VECTORS["uniform"][seed]
    assert uniform(MT19937_64(int(seed)), 8, 0, 1).tolist() == [float(v) for v in vector["unit_f64"]]
    single = values(Initializer("uniform", seed=int(seed)), (8,))
    assert single.tolist() == [np.float32(v) for v in vector["pm0.05f_as_f32"]["values"]]
    double = values(Initializer("uniform", seed=int(seed)), (8,), element=ElementType.FLOAT64)
    assert double.tolist() == [float(v) for v in vector["pm0.05f_as_f64"]["values"]]


def test_fixed_values() -> None:
    assert values(Initializer("fixedValue", value=0.5), (2,)).tolist() == [0.5, 0.5]
    assert values(Initializer("zero"), (1, 2)).tolist() == [[0.0], [0.0]]
    # the text looks like the matrix [2 x 3]; the array is (3, 2)
    assert values(Initializer("fromLiteral", literal="1 2 3\n4 5 6\n"), (2, 3)).tolist() == [[1, 4], [2, 5], [3, 6]]
    bilinear = values(Initializer("bilinear"), (4, 4, 2, 2))
    assert bilinear[0, 0, 0].tolist() == [0.0625, 0.1875, 0.1875, 0.0625]
    assert not bilinear[0, 1].any()


@pytest.mark.parametrize(
    ("initializer", "shape", "low", "high"),
    [
        (Initializer("uniform"), (30, 40), 0.049, 0.05),
        (Initializer("glorotUniform"), (30, 70), 0.24, 0.245),
        (Initializer("heNormal"), (100, 200), 0.36, 0.5),
        (Initializer("TruncNormal"), (100, 200), 1.99, 2.0),
    ],
)
def test_jax_values_have_their_width(initializer: Initializer, shape: tuple[int, ...], low: float, high: float) -> None:
    assert low < np.abs(values(initializer, shape, "jax")).max() <= high


def test_values_depend_on_seed_and_name_alone() -> None:
    a, b = (LearnableParameter(name=n, shape=(3,))() for n in "ab")
    both, reverse = initialise(Graph({"a": a, "b": b}), 1), initialise(Graph({"b": b, "a": a}), 1)
    assert both["a"].tolist() == reverse["a"].tolist() != both["b"].tolist()
    assert both["a"].tolist() != initialise(Graph({"a": a}), 2)["a"].tolist()


@pytest.mark.parametrize(
    ("initializer", "shape"),
    [
        (Initializer("bilinear"), (3, 2)),
        (Initializer("fromLiteral", literal="1 2\n3"), (2, 2)),
        (Initializer("fromLiteral", literal="1 2"), (3,)),
        (Initializer("fromLiteral", literal="1 x"), (1, 2)),
        (Initializer("nonsense"), (3,)),
        (Initializer("glorotUniform", filter_rank=3), (3,)),
    ],
)
def test_impossible_values_are_diagnosed(initializer: Initializer, shape: tuple[int, ...]) -> None:
    with pytest.raises(DiagnosticError, match="GC0701"):
        values(initializer, shape)


KINDS = ("uniform", "gaussian", "glorotUniform", "TruncNormal")


def drawn(names: str, seed: int = 1, kind: str = "uniform") -> dict[str, list[float]]:
    """First values of parameters of these one-letter names, in a graph that has them in this order."""
    nodes = {n: LearnableParameter(name=n, shape=(4, 3), initializer=Initializer(kind, seed=9))() for n in names}
    return {n: v.reshape(-1).tolist() for n, v in initialise(Graph(nodes), seed).items()}


@pytest.mark.parametrize("kind", KINDS)
def test_other_parameters_change_nothing(kind: str) -> None:
    alone = drawn("w", kind=kind)["w"]
    assert drawn("wab", kind=kind)["w"] == drawn("baw", kind=kind)["w"] == drawn("xwy", kind=kind)["w"] == alone


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_and_a_name_are_one_draw(kind: str) -> None:
    assert drawn("ab", kind=kind) == drawn("ab", kind=kind)
    # another name or another seed is another draw, and neither gives the other's
    draws = [tuple(drawn(name, seed, kind)[name]) for name in "abc" for seed in range(3)]
    assert len(set(draws)) == len(draws)


def test_draws_of_different_names_are_independent() -> None:
    size = 20000
    a, b = (
        initialise(Graph({n: LearnableParameter(name=n, shape=(size,), initializer=Initializer("normal"))()}))[n]
        for n in ("W0", "W1")
    )
    assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(size)
    assert abs(a.mean()) < 4 / np.sqrt(size) and abs(a.std() - 1) < 4 / np.sqrt(2 * size)


def test_widths_follow_from_fans() -> None:
    # [fanOut x fanIn] as CNTK's log prints them: 400 x 25 for a convolution of 5 x 5 x 1 x 16
    assert Initializer("uniform", filter_rank=2, output_rank=-1).fans((5, 5, 1, 16)) == (25, 400)
    assert Initializer("uniform").fans((200, 28, 28, 1)) == (784, 200)
    assert Initializer("uniform", output_rank=2).fans((3, 4, 5)) == (5, 12)
    assert Initializer("uniform", filter_rank=1, output_rank=-1).fans((3, 4, 5)) == (12, 15)
