"""Running mean and deviation: the textbook's up to rounding, CNTK's in every digit."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.train.statistics import RunningStatistics


def running(values: np.ndarray, size: int) -> RunningStatistics:
    found = RunningStatistics()
    for start in range(0, len(values), size):
        found.add(values[start : start + size])
    return found


@pytest.mark.parametrize("size", [1, 7, 100, 1000])
@pytest.mark.parametrize("shape", [(3,), (2, 4), (1,)])
def test_mean_and_deviation_of_all_frames(size: int, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(1).normal(5, 3, (333, *shape))
    found = running(values, size)
    np.testing.assert_allclose(found.mean, values.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.inverse_deviation, 1 / values.std(axis=0), rtol=1e-12)
    assert found.frames == 333


def test_single_precision_stays_single() -> None:
    values = np.random.default_rng(2).normal(1000, 0.5, (5000, 2)).astype(np.float32)
    found = running(values, 64)
    assert found.mean.dtype == found.inverse_deviation.dtype == np.float32
    # far from 0 a sum of squares would have lost the deviation altogether
    np.testing.assert_allclose(found.inverse_deviation, 1 / values.astype(np.float64).std(axis=0), rtol=2e-3)


def test_weights_are_rounded_as_cntk_rounds_them() -> None:
    values = np.array([[1.0], [2.0], [4.0]], np.float32)
    third, rest = np.float32(1) / np.float32(3), np.float32(2) / np.float32(3)
    assert running(values, 2).mean.tolist() == [rest * np.float32(1.5) + third * np.float32(4)]


def test_a_constant_column_has_the_largest_factor() -> None:
    assert running(np.full((9, 1), 2.0), 4).inverse_deviation.tolist() == pytest.approx([1e5])


def test_empty_minibatches_change_nothing() -> None:
    found = running(np.ones((4, 2)), 4)
    found.add(np.zeros((0, 2)))
    assert found.mean.tolist() == [1, 1] and found.frames == 4


def test_what_is_not_finite_stays_so() -> None:
    assert np.isnan(running(np.array([[1.0], [np.nan], [2.0]]), 2).mean).all()
