"""Which of CNTK's numbers a run starts from, as its configuration says."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from graphc.data.mersenne import MT19937_64
from graphc.train.checkpoint import load_model
from graphc.train.uniform import uniform
from graphc.train.xorwow import XorwowStream

SIMPLE = """SimpleNetworkBuilder = [
        layerSizes = 2:3:2 ; layerTypes = Sigmoid
        trainingCriterion = CrossEntropyWithSoftmax ; evalCriterion = ErrorPrediction
    ]"""
WIDTH = np.float32(0.05)


@pytest.fixture
def simple(project):
    script = r"BrainScriptNetworkBuilder = \{.*?\n    \}"
    project.configuration = re.sub(script, SIMPLE, project.configuration, flags=re.DOTALL)
    return project


def first_values(project, *arguments):
    outcome = project.run("run", "m.cntk", "command=Train", "--rng", "cntk", *arguments)
    assert outcome.status == 0, outcome.err
    values = load_model(Path("out/model.0")).values
    return [values[name].reshape(-1).tolist() for name in ("W0", "W1")]


def of_cpu(seed, size):
    return uniform(MT19937_64(seed), size, -float(WIDTH), float(WIDTH), np.float32).tolist()


def test_each_parameter_has_its_seed(simple):
    assert first_values(simple) == [of_cpu(1, 6), of_cpu(2, 6)]


def test_one_seed_for_all(simple):
    assert first_values(simple, "forceConstantRandomSeed=true") == [of_cpu(1, 6), of_cpu(1, 6)]


def test_one_stream_of_a_gpu_for_all(simple):
    numbers = XorwowStream(1).uniform(12, np.float32) * (WIDTH + WIDTH) - WIDTH
    assert first_values(simple, "initDevice=gpu") == [numbers[:6].tolist(), numbers[6:].tolist()]


@pytest.mark.parametrize("option", ["", ", initOnCPUOnly = false"])
def test_brainscript_fills_on_the_cpu_unless_it_says_otherwise(project, option):
    project.edit(("ParameterTensor {(2:2)}", f"ParameterTensor {{(2:2){option}}}"))
    run = project.run("run", "m.cntk", "command=Train", "--rng", "cntk", "initDevice=gpu")
    assert run.status == 0, run.err
    found = load_model(Path("out/model.0")).values["W"].reshape(-1).tolist()
    of_gpu = (XorwowStream(1).uniform(4, np.float32) * (WIDTH + WIDTH) - WIDTH).tolist()
    assert found == (of_gpu if option else of_cpu(1, 4))
