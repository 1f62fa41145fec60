"""The generator and the order of a sweep, against recorded vectors."""

import hashlib
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphc.data.mersenne import MT19937_64
from graphc.data.randomize import BlockRandomizer, NoRandomizer

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "rng_vectors.json").read_text("utf-8"))


@pytest.mark.parametrize("seed", VECTORS["mt19937_64"])
def test_words_of_a_seed(seed: str) -> None:
    assert [str(w) for w in MT19937_64(int(seed)).next_u64(8)] == VECTORS["mt19937_64"][seed]


def test_word_10000() -> None:
    assert str(MT19937_64(5489).next_u64(10000)[-1]) == VECTORS["mt19937_64_seed5489_10000th"]


def test_pieces_of_any_size_continue_the_stream() -> None:
    generator = MT19937_64(7)
    pieces = np.concatenate([generator.next_u64(n) for n in (1, 311, 0, 313, 1000)])
    assert (pieces == MT19937_64(7).next_u64(1625)).all()


def test_seeds_count_modulo_two_to_the_64() -> None:
    assert (MT19937_64(-1).next_u64(4) == MT19937_64(2**64 - 1).next_u64(4)).all()


def spread(samples: int, sequences: int) -> list[int]:
    return [samples - (sequences - 1) * (samples // sequences)] + [samples // sequences] * (sequences - 1)


@pytest.mark.parametrize("case", VECTORS["block_randomizer"], ids=lambda c: f"{c['name']} {c['window']} {c['sweep']}")
def test_recorded_order(case: dict[str, Any]) -> None:
    chunks = np.concatenate(([0], np.cumsum(case["sequences_per_chunk"])))
    lengths = np.concatenate(list(map(spread, case["samples_per_chunk"], case["sequences_per_chunk"])))
    by_samples = case["window_unit"] == "samples"
    randomizer = BlockRandomizer(chunks, lengths, case["window"], by_samples, case["randomizationSeed"])
    order = randomizer.order(case["sweep"])
    assert order[:20].tolist() == case["first20"]
    assert hashlib.sha256(order.astype("<i8").tobytes()).hexdigest() == case["sha256_all_int64"]


@pytest.mark.parametrize("window", [0, 1, 2, 7, 100])
@pytest.mark.parametrize("by_samples", [False, True])
def test_an_order_is_a_permutation(window: int, by_samples: bool) -> None:
    lengths = np.arange(1, 30) % 4 + 1
    randomizer = BlockRandomizer(np.array([0, 3, 4, 11, 29]), lengths, window, by_samples)
    orders = [randomizer.order(sweep).tolist() for sweep in range(3)]
    assert all(sorted(order) == list(range(29)) for order in orders)
    assert all(a != b for a, b in pairwise(orders))


def test_without_randomization_the_file_decides() -> None:
    assert NoRandomizer(4).order(3).tolist() == [0, 1, 2, 3]
