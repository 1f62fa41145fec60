"""Every section of the recorded random numbers, bit for bit; a section that no test reads is told."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphc.data.mersenne import MT19937_64
from graphc.ir import ElementType, Graph
from graphc.ops.initializers import Initializer
from graphc.ops.sources import LearnableParameter
from graphc.train import polar, ziggurat
from graphc.train.initialise import CURRENT, CntkNumbers, initialise
from graphc.train.uniform import uniform
from graphc.train.xorwow import DeviceFills, XorwowStream

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "rng_vectors.json").read_text("utf-8"))

# which test reads a section that none below does
ELSEWHERE = {
    "_about": "prose",
    "mt19937_64": "tests/data/test_data_order.py",
    "mt19937_64_seed5489_10000th": "tests/data/test_data_order.py",
    "block_randomizer": "tests/data/test_data_order.py",
    "lt_tumbling_window": "none: the order of what a Python program deserializes itself; no reader here does",
    "dropout": "tests/train/test_node_streams.py",
    "bernoulli": "none: a distribution of nodes that only CNTK's Python API can make",
    "gumbel": "none: a distribution of nodes that only CNTK's Python API can make",
    "random_sample": "tests/train/test_classes.py",
    "acceptance": "tests/acceptance/test_recorded_losses.py",
}
READ = {
    *("uniform", "gaussian_boost_ziggurat", "gaussian_msvc_polar", "gaussian_libstdcxx_polar_unverified"),
    *("truncated_normal", "ziggurat_tables_normal_128", "xorwow_seeded", "parameter_fills"),
}


def test_no_section_is_left_out() -> None:
    assert set(VECTORS) == READ | set(ELSEWHERE)


def fill(
    initializer: Initializer,
    shape: tuple[int, ...],
    element: ElementType = ElementType.FLOAT32,
    numbers: CntkNumbers = CURRENT,
) -> Any:
    node = LearnableParameter(name="W", shape=shape, initializer=initializer, element=element)()
    return initialise(Graph({"W": node}), generator="cntk", numbers=numbers)["W"].reshape(-1)


def digest(values: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()


def singles(texts: list[str]) -> list[float]:
    return [float(np.float32(text)) for text in texts]


@pytest.mark.parametrize("seed", list(VECTORS["uniform"]))
def test_uniform(seed: str) -> None:
    vector = VECTORS["uniform"][seed]
    single = fill(Initializer("uniform", seed=int(seed)), (100000,))
    assert single[:8].tolist() == singles(vector["pm0.05f_as_f32"]["values"])
    assert [f"{bits:08x}" for bits in single[:8].view(np.uint32)] == [
        bits.removeprefix("0x").zfill(8) for bits in vector["pm0.05f_as_f32"]["bits"]
    ]
    assert digest(single) == vector["pm0.05f_as_f32"]["sha256_first_100000"]
    exact = uniform(MT19937_64(int(seed)), 100000, -0.05, 0.05)
    assert exact[:8].tolist() == [float(v) for v in vector["pm0.05_exact_double"]["values"]]
    assert digest(exact) == vector["pm0.05_exact_double"]["sha256_first_100000"]


@pytest.mark.parametrize("seed", [s for s in VECTORS["gaussian_boost_ziggurat"] if s.isdigit()])
def test_gaussian(seed: str) -> None:
    vector = VECTORS["gaussian_boost_ziggurat"][seed]
    assert ziggurat.normal(MT19937_64(int(seed)), 8).astype(np.float32).tolist() == singles(vector["unit_f32"])
    scaled = vector["sigma_0.2_over_sqrt50_f32"]
    single = fill(Initializer("gaussian", seed=int(seed)), (2000, 50))
    assert single[:8].tolist() == singles(scaled["values"])
    assert digest(single) == scaled["sha256_first_100000"]


@pytest.mark.parametrize("seed", list(VECTORS["gaussian_msvc_polar"]))
def test_gaussian_of_older_builds(seed: str) -> None:
    vector = VECTORS["gaussian_msvc_polar"][seed]
    drawn = polar.normal(MT19937_64(int(seed)), 8, "msvc")
    # the last digit of a logarithm is the C library's
    assert drawn.tolist() == pytest.approx([float(v) for v in vector["unit_f64"]], rel=4e-16, abs=0)
    scaled = fill(Initializer("gaussian", seed=int(seed)), (8, 50), numbers=CntkNumbers("msvc"))
    assert scaled[:8].tolist() == singles(vector["sigma_0.2_over_sqrt50_f32"])


@pytest.mark.parametrize("seed", list(VECTORS["truncated_normal"]))
def test_truncated_normal(seed: str) -> None:
    single = fill(Initializer("TruncNormal", scale=0.02, seed=int(seed)), (8,))
    assert single.tolist() == singles(VECTORS["truncated_normal"][seed]["values_f32"])


def test_numbers_of_a_gpu() -> None:
    vector = VECTORS["xorwow_seeded"]
    words = XorwowStream(1).words(12300)
    assert words[:8].tolist() == vector["seed1_words_0_7"]
    assert words[4094:4100].tolist() == vector["seed1_words_4094_4099"]
    assert digest(words) == vector["seed1_sha256_first_12300_uint32"]
    assert XorwowStream(12345).words(4).tolist() == vector["seed12345_words_0_3"]
    assert XorwowStream(1).uniform(8, np.float32).tolist() == singles(vector["seed1_uniform_f32"])
    assert XorwowStream(1).uniform(8, np.float64).tolist() == [float(v) for v in vector["seed1_uniform_f64"]]
    np.testing.assert_allclose(XorwowStream(5).normal(8), singles(vector["seed5_normal_f32_approx"]), rtol=3e-7)


def test_fills_of_a_gpu_are_one_stream() -> None:
    numbers = CntkNumbers(fills=DeviceFills())
    for seed, (name, shape) in enumerate({"W0": (50, 2), "W1": (50, 50), "W2": (2, 50)}.items(), 1):
        vector = VECTORS["parameter_fills"][f"Simple2d {name} GPU (one stream, seed 1)"]
        single = fill(Initializer("uniform", seed=seed, on_cpu_only=False), shape, numbers=numbers)
        assert single[:8].tolist() == singles(vector["first8_f32"])
        assert digest(single) == vector["sha256_all"]


def test_a_gpu_leaves_what_is_filled_on_the_cpu() -> None:
    numbers = CntkNumbers(fills=DeviceFills())
    assert digest(fill(Initializer("uniform", seed=3), (9,), numbers=numbers)) == digest(
        fill(Initializer("uniform", seed=3), (9,))
    )


FILLS = {
    "Simple2d W0 [50 x 2] CPU seed 1": (Initializer("uniform", seed=1), (50, 2)),
    "Simple2d W1 [50 x 50] CPU seed 2": (Initializer("uniform", seed=2), (50, 50)),
    "Simple2d W2 [2 x 50] CPU seed 3": (Initializer("uniform", seed=3), (2, 50)),
    "QuickE2E conv1 W [16 x 25] seed 1": (Initializer("uniform", scale=10, seed=1), (16, 25)),
    "QuickE2E conv2 W [32 x 400] seed 2": (Initializer("uniform", scale=10, seed=2), (32, 400)),
    "glorotUniform [200 x 28 x 28 x 1] seed 2": (Initializer("glorotUniform", seed=2), (200, 28, 28, 1)),
    "glorotUniform conv [5 x 5 x 1 x 16] filterRank 2 outputRank -1 seed 3": (
        Initializer("glorotUniform", seed=3, filter_rank=2, output_rank=-1),
        (5, 5, 1, 16),
    ),
}
OLDER = {
    f"SequenceClassification {name} [{rows} x {columns}] gaussian-{build} seed {seed}": (build, seed, (rows, columns))
    for name, rows, columns, seed in (("Dense W", 5, 25, 1), ("LSTM W", 100, 50, 2), ("LSTM H", 100, 25, 3))
    for build in ("msvc", "boost")
}


@pytest.mark.parametrize("name", [n for n in VECTORS["parameter_fills"] if "GPU" not in n])
def test_fills(name: str) -> None:
    vector = VECTORS["parameter_fills"][name]
    if name in FILLS:
        single = fill(*FILLS[name])
    else:
        build, seed, shape = OLDER[name]
        numbers = CntkNumbers("msvc") if build == "msvc" else CURRENT
        single = fill(Initializer("gaussian", seed=seed), shape, numbers=numbers)
    assert single[:8].tolist() == singles(vector["first8_f32"])
    assert digest(single) == vector["sha256_all"]


def test_one_seed_for_all() -> None:
    one = CntkNumbers(seed=1)
    assert digest(fill(Initializer("uniform", seed=7), (9,), numbers=one)) == digest(
        fill(Initializer("uniform", seed=1), (9,))
    )
