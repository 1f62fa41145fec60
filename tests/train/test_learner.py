"""Update rules against vectors recorded from CNTK 2.7."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphc.train.learner import Learner, Rates

VECTORS = Path(__file__).parents[1] / "vectors" / "learner_vectors.json"
CASES = [c for c in json.loads(VECTORS.read_text("utf-8"))["cases"] if "v1_config" in c]
RULES: dict[str, Any] = {"adagrad": "AdaGrad", "fsadagrad": "FSAdaGrad", "rmsprop": "RmsProp"}


def learner(case: dict[str, Any]) -> Learner:
    options = case["options"]
    variance = case.get("variance_momentum")
    return Learner(
        rule=RULES.get(case["learner"], "None"),
        nesterov=case["learner"] == "nesterov",
        l1=options.get("l1", 0.0),
        l2=options.get("l2", 0.0),
        clipping_threshold=options.get("clipping_threshold_per_sample", math.inf),
        clip_by_truncation=options.get("clipping_with_truncation", True),
        norm_with_average_multiplier=case.get("normalize", True),
        variance_time_constant=-1 / math.log(variance["value"]) if variance else 720000.0,
    )


def run(case: dict[str, Any], xp: Any, dtype: str) -> list[list[float]]:
    rule = learner(case)
    rate = case["learning_rate"]["value"] / case["learning_rate"]["ref_mb"]
    momentum = case.get("momentum")
    per_sample = momentum["value"] ** (1 / momentum["ref_mb"]) if momentum else 0.0
    table = rule.rates(np.array(case["sample_counts"]), rate, per_sample, dtype)
    w = xp.asarray(np.array(case["initial"], dtype))
    state = rule.initial_state(np.asarray(w))
    seen = []
    for rates, gradient in zip(table, case["gradients"], strict=True):
        g = xp.asarray(np.array(gradient, dtype))
        w, state = rule.update(xp, w, g, state, Rates(*rates), 1.0, 1.0)
        seen.append(np.asarray(w).tolist())
    return seen


@pytest.mark.parametrize("case", CASES, ids=[c["name"] for c in CASES])
def test_double_updates_are_cntks(case: dict[str, Any]) -> None:
    np.testing.assert_allclose(run(case, np, "float64"), case["expected"]["float64"], rtol=1e-6)


@pytest.mark.parametrize("case", CASES, ids=[c["name"] for c in CASES])
def test_float_updates_are_cntks(case: dict[str, Any]) -> None:
    np.testing.assert_allclose(run(case, jnp, "float32"), case["expected"]["float32"], rtol=1e-5, atol=5e-5)


def test_double_updates_run_traced() -> None:
    case = next(c for c in CASES if c["name"] == "clip_then_l2_then_l1")
    with jax.enable_x64(True):
        np.testing.assert_allclose(run(case, jnp, "float64"), case["expected"]["float64"], rtol=1e-6)


def test_multipliers_scale_rate_and_regularisation() -> None:
    rates = Rates(*Learner().rates(np.array([2]), 0.1, 0.0, "float64")[0])
    w, g = np.array([1.0, -1.0]), np.array([0.5, 0.5])
    state = Learner().initial_state(w)
    halved, _ = Learner().update(np, w, g, state, rates, 0.5, 1.0)
    exempt, _ = Learner(l1=1.0, l2=1.0).update(np, w, g, state, rates, 1.0, 0.0)
    np.testing.assert_allclose(halved, w - 0.05 * g)
    np.testing.assert_allclose(exempt, w - 0.1 * g)


def test_norm_clipping_of_a_zero_gradient_gives_zero() -> None:
    rule = Learner(clipping_threshold=0.3, clip_by_truncation=False)
    w = np.ones(2)
    updated, _ = rule.update(np, w, np.zeros(2), rule.initial_state(w), Rates(4.0, 0.1, 0.0, 1.0), 1.0, 1.0)
    np.testing.assert_array_equal(updated, w)
