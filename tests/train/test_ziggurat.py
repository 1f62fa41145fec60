"""Normal numbers by the block against the algorithm one number at a time, on words that make its rare cases common."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphc.data.mersenne import MT19937_64
from graphc.train import ziggurat


class Dealt(MT19937_64):
    """An engine that deals given words first."""

    def __init__(self, words: list[int]) -> None:
        super().__init__(1)
        self.give_back(np.array(words, np.uint64))


def one_at_a_time(words: list[int]) -> tuple[list[float], int]:
    """The numbers, and how many words they took; the last number may want more."""
    xs, ys = (t.tolist() for t in ziggurat._tables())
    found: list[float] = []
    at = done = 0

    def word() -> int:
        nonlocal at
        at += 1
        return words[at - 1]

    def unit() -> float:
        while (u := float(np.float64(np.uint64(word()))) * 2.0**-64) >= 1:
            pass
        return u

    try:
        while True:
            w = word()
            sign, layer = (1 if w & 1 else -1), (w & 255) >> 1
            x = float(np.float64(np.uint64((w & ~(1 << 11)) >> 8))) * 2.0**-56 * xs[layer]
            if x >= xs[layer + 1]:
                if layer == 0:
                    while True:
                        a = -math.log(1 - unit()) / xs[1]
                        if 2 * -math.log(1 - unit()) > a * a:
                            break
                    x = a + xs[1]
                elif not ys[layer] + unit() * (ys[layer + 1] - ys[layer]) < math.exp(-(x * x / 2)):
                    continue
            found.append(sign * x)
            done = at
    except IndexError:
        return found, done


# any word; one far out in its layer; one in the tail's layer; one that rounds up to 1
WORDS = st.one_of(
    st.integers(0, 2**64 - 1),
    st.integers(2**64 - 2**58, 2**64 - 1),
    st.integers(2**63, 2**64 - 1).map(lambda w: w & ~254),
    st.integers(2**64 - 1024, 2**64 - 1),
)


@given(st.lists(WORDS, min_size=1, max_size=60), st.integers(1, 9))
def test_rare_cases(words: list[int], piece: int) -> None:
    expected, used = one_at_a_time(words)
    whole = Dealt(words)
    assert ziggurat.normal(whole, len(expected)).tolist() == expected
    # and where the engine stands: the tests below go on from there
    following = np.concatenate([np.array(words[used:], np.uint64), MT19937_64(1).next_u64(3)])[:3]
    assert whole.next_u64(3).tolist() == following.tolist()
    pieces = Dealt(words)
    drawn = [ziggurat.normal(pieces, min(piece, len(expected) - n)) for n in range(0, len(expected), piece)]
    assert np.concatenate([[], *drawn]).tolist() == expected


@pytest.mark.parametrize("seed", [1, 7])
def test_many_numbers(seed: int) -> None:
    words = MT19937_64(seed).next_u64(60000).tolist()
    expected, _ = one_at_a_time(words)
    assert ziggurat.normal(MT19937_64(seed), len(expected)).tolist() == expected
