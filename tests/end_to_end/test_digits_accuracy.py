"""The shipped recognisers are as good as their README says, over five seeds: a slow test, by its nature."""

from __future__ import annotations

from pathlib import Path
from statistics import mean

import pytest

import graphc

DIGITS = Path(__file__).parents[2] / "models" / "digits"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "most_on_average", "most"), [("logistic", 0.08, 0.08), ("mlp", 0.04, 0.04), ("convnet", 0.02, 0.03)]
)
def test_errors_on_images_never_seen(model: str, most_on_average: float, most: float, tmp_path: Path) -> None:
    errors = []
    for seed in range(1, 6):
        overrides = [f"RunDir={tmp_path / str(seed)}", f"randomSeed={seed}", "command=Train:Test"]
        errors.append(graphc.run(DIGITS / f"{model}.cntk", *overrides)["Test"].metrics["errs"])
    assert mean(errors) <= most_on_average, errors
    assert max(errors) <= most, errors
