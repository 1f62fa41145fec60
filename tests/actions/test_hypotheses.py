"""Following a search back by hand, and the distance between strings."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.actions.hypotheses import Hypothesis, Paths, edit_distance, until

# Three steps of two histories: 7 and 8, then 5 behind 8 and 5 behind 7, then the end and 6, both behind the latter.
WORDS = np.array([[7, 8], [5, 5], [1, 6]])
ORIGINS = np.array([[0, 0], [1, 0], [1, 1]])
SCORES = np.array([[-1.0, -2.0], [-2.5, -3.0], [-3.5, -4.0]])
PATHS = Paths(WORDS, ORIGINS, SCORES)


def test_histories_are_followed_back() -> None:
    wanted = [Hypothesis((7, 5), -3.5), Hypothesis((7, 5, 6), -4.0)]
    assert PATHS.hypotheses(2, end=1) == wanted
    assert PATHS.hypotheses(1, end=1) == wanted[:1]
    assert PATHS.hypotheses(1, end=None) == [Hypothesis((7, 5, 1), -3.5)]


def test_what_cannot_be_is_no_hypothesis() -> None:
    scores = np.where(SCORES == -4.0, -1e20, SCORES)
    assert len(Paths(WORDS, ORIGINS, scores).hypotheses(5, end=1)) == 1


def test_the_best_have_ended() -> None:
    assert PATHS.have_ended(1, end=1)
    assert not PATHS.have_ended(2, end=1)
    assert not PATHS.have_ended(1, end=None)
    # what cannot be does not end
    assert not Paths(WORDS, ORIGINS, np.full_like(SCORES, -1e20)).have_ended(1, end=1)


@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [
        ("", "", 0),
        ("abc", "", 3),
        ("", "ab", 2),
        ("kitten", "sitting", 3),
        ("abc", "abc", 0),
        ("abcd", "acbd", 2),
        ("ab", "bab", 1),
    ],
)
def test_edit_distance(a: str, b: str, distance: int) -> None:
    assert edit_distance([*map(ord, a)], [*map(ord, b)]) == distance


def test_words_before_the_end() -> None:
    assert until([3, 1, 4, 1], 1) == (3,)
    assert until([3, 4], 1) == (3, 4)
    assert until([3, 1, 4], None) == (3, 1, 4)
