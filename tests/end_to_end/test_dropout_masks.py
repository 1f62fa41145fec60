"""With CNTK's generator the masks of a run are CNTK's: an engine a node and epoch, a word an element, in data order."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from graphc.data.mersenne import MT19937_64
from graphc.data.randomize import BlockRandomizer
from graphc.train.checkpoint import load_model
from graphc.train.uniform import uniform

RATE = 0.3
# as good as no training
STILL = "Train=[SGD=[learningRatesPerSample=1e-8]]"
DROPPED = ("z = W * features + b", "z = W * Dropout (Dropout (features)) + b")
SETTING = ("minibatchSize = 4", f"minibatchSize = 5 ; dropoutRate = {RATE}")


@pytest.fixture
def dropping(project):
    return project.edit(DROPPED, SETTING)


def losses(path):
    entries = [json.loads(line) for line in Path(path).read_text().splitlines()]
    return [e["metrics"]["ce"] for e in entries if e["event"] == "epoch"]


def numbers(points, name):
    return np.array([re.findall(rf"{name} (\S+) (\S+)", line)[0] for line in points.splitlines()], np.float32)


def expected_loss(points, w, epoch):
    """Of an epoch, from 0, without training: the inner node of two has the lower number."""
    order = BlockRandomizer(np.array([0, 12]), np.ones(12, np.int64), 128).order(epoch)
    x, labels = numbers(points, "features")[order], numbers(points, "labels")[order]
    for seed in (2 * epoch, 2 * epoch + 1):
        x = x * (uniform(MT19937_64(seed), 24, 0, 1, np.float32).reshape(12, 2) > RATE) / (1 - RATE)
    z = x @ w
    return (np.log(np.exp(z).sum(axis=1)) - (z * labels).sum(axis=1)).mean()


def test_masks_are_cntks(dropping):
    arguments = ("run", "m.cntk", "command=Train", "--rng", "cntk", "--metrics", "m.jsonl", STILL)
    outcome = dropping.run(*arguments)
    assert outcome.status == 0, outcome.err
    w = load_model(Path("out/model")).values["W"]
    expected = [expected_loss(dropping.points, w, epoch) for epoch in (0, 1)]
    assert losses("m.jsonl") == pytest.approx(expected, rel=2e-6)


def test_a_resumed_run_draws_the_same(dropping):
    train = ("run", "m.cntk", "command=Train", "--rng", "cntk", "Train=[SGD=[keepCheckPointFiles=true]]")
    assert dropping.run(*train).status == 0
    whole = load_model(Path("out/model")).values
    Path("out/model").unlink()
    assert dropping.run(*train).status == 0
    assert {n: v.tolist() for n, v in load_model(Path("out/model")).values.items()} == {
        n: v.tolist() for n, v in whole.items()
    }


def test_other_generators_draw_otherwise(dropping):
    found = {}
    for generator in ("jax", "cntk"):
        arguments = (
            "command=Train",
            f"modelPath=out/{generator}",
            "--rng",
            generator,
            "--metrics",
            f"{generator}.jsonl",
        )
        assert dropping.run("run", "m.cntk", STILL, *arguments, "randomSeed=3").status == 0
        found[generator] = losses(f"{generator}.jsonl")
    assert found["jax"] != found["cntk"]
