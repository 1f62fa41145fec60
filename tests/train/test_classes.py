"""Random samples of classes: CNTK's recorded ones, what a run draws when, and the distribution of the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from graphc.backend import Environment, load
from graphc.backends.reference import PhiloxStream
from graphc.backends.xla.random import CounterStream
from graphc.data.mersenne import MT19937_64
from graphc.ir import ElementType, Graph
from graphc.ir.layout import array_shape
from graphc.ops.products import Times, TransposeTimes
from graphc.ops.sampling import RandomSample, RandomSampleInclusionFrequency
from graphc.ops.shaping import TransposeDimensions
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.train import classes
from graphc.train.node_streams import HostStream, NodeStreams

VECTOR: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "rng_vectors.json").read_text("utf-8"))[
    "random_sample"
]
WEIGHTS = np.array(VECTOR["weights"], np.float32)
SEED: int = VECTOR["seed"]


def test_recorded_samples() -> None:
    repeated = classes.repeated(MT19937_64(SEED), WEIGHTS, 10)
    assert repeated is not None
    assert repeated.tolist() == VECTOR["with_replacement_first10"]
    engine = MT19937_64(SEED)
    for expected in VECTOR["without_replacement_two_calls_of_5"]:
        found = classes.different(engine, WEIGHTS, 5)
        assert found is not None and found[0].tolist() == expected


@pytest.mark.parametrize("count", [1, 3, 9])
@pytest.mark.parametrize(
    "weights", [WEIGHTS, np.array([1, 1e-4, 1e-3, 5, 0, 2, 1, 1, 1, 1, 1])], ids=["even", "uneven"]
)
def test_blocks_of_words_are_as_one_try_after_the_other(weights: Any, count: int) -> None:
    engine, other = MT19937_64(3), MT19937_64(3)
    sums = np.cumsum(weights, dtype=np.float64)
    for _ in range(5):
        drawn: list[int] = []
        tries = 0
        while len(drawn) < count:
            number = float(other.next_u64(1)[0]) * 2.0**-64 * sums[-1]
            at = next(i for i, s in enumerate(sums) if s >= number)
            tries += 1
            drawn += [at] if at not in drawn else []
        found = classes.different(engine, weights, count)
        assert found is not None
        assert (found[0].tolist(), found[1]) == (drawn, tries)


def test_frequencies_are_of_ten_simulated_samples() -> None:
    engine = MT19937_64(SEED)
    runs = [classes.different(engine, WEIGHTS, 4) for _ in range(10)]
    tries = np.mean([run[1] for run in runs if run is not None])
    shares = VECTOR["weights"] / np.sum(VECTOR["weights"])
    found = classes.frequencies(MT19937_64(SEED), WEIGHTS, 4, repeats=False)
    assert found is not None
    np.testing.assert_allclose(found, 1 - (1 - shares) ** tries, rtol=1e-12)
    repeated = classes.frequencies(MT19937_64(SEED), WEIGHTS, 4, repeats=True)
    assert repeated is not None
    np.testing.assert_allclose(repeated, 4 * shares, rtol=1e-12)


UNUSABLE = {
    "a negative weight": ([1.0, -1.0, 1.0, 1.0], 2),
    "too few classes": ([1.0, 0.0, 0.0, 0.0], 2),
    "no weight": ([0.0, 0.0, 0.0, 0.0], 2),
    "not a number": ([1.0, np.nan, 1.0, 1.0], 2),
}


@pytest.mark.parametrize("case", UNUSABLE)
@pytest.mark.parametrize("cls", [RandomSample, RandomSampleInclusionFrequency])
def test_unusable_weights_give_no_number_and_no_endless_search(case: str, cls: Any) -> None:
    weights, count = UNUSABLE[case]
    parameter = LearnableParameter("w", (4,), element=ElementType.FLOAT32)()
    graph = Graph({"y": cls("s", count)(parameter)})
    values = {"w": np.array(weights, np.float32)}
    nodes = NodeStreams(("s",))
    for random in (PhiloxStream(1), CounterStream.of(1), host(nodes, 1, 0)):
        name = "reference" if isinstance(random, PhiloxStream) else "xla"
        y = load(name).function(graph)(values, {}, Environment(random=random)).outputs["y"]
        if cls is RandomSample or isinstance(random, HostStream):
            assert np.isnan(y).all()


def test_too_unequal_weights_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classes, "_MOST_TRIES", 1000)
    assert classes.different(MT19937_64(1), np.array([1, 1e-300]), 2) is None


def host(nodes: NodeStreams, epoch: int, minibatch: int) -> HostStream:
    return HostStream(jnp.array([epoch, minibatch], jnp.uint32), None, nodes, "float32")


@pytest.mark.parametrize("name", ["reference", "xla"])
@pytest.mark.parametrize("repeats", [False, True])
def test_classes_come_as_often_as_expected(name: str, repeats: bool) -> None:
    weights = np.array([1, 2, 0, 4, 1], np.float32)
    parameter = LearnableParameter("w", (5,))()
    graph = Graph(
        {
            "s": RandomSample("s", 3, repeats)(parameter),
            "f": RandomSampleInclusionFrequency("f", 3, repeats)(parameter),
        }
    )
    run, draws = load(name).compile(graph), 1500
    counts, frequencies = np.zeros(5), np.zeros(5)
    for minibatch in range(draws):
        random = PhiloxStream(7, minibatch) if name == "reference" else CounterStream.of(7, 0, minibatch)
        found = run({"w": weights}, {}, Environment(random=random)).outputs
        sample = np.asarray(found["s"])
        assert (sample.sum(axis=1) == 1).all()
        if not repeats:
            assert (sample.sum(axis=0) <= 1).all()
        counts += sample.sum(axis=0)
        frequencies = np.asarray(found["f"]).reshape(-1)
    # without replacement the formula of the frequencies is an approximation
    room = 0.06 if repeats else 0.12
    np.testing.assert_allclose(counts / draws, frequencies, atol=room)


def test_an_engine_goes_on_from_minibatch_to_minibatch() -> None:
    """The second of two stochastic nodes in the third epoch has the seed 2 * 2 + 1."""
    nodes, op = NodeStreams(("other", "s")), RandomSample("s", 5)
    drawn = [nodes.classes(op, 3, minibatch, WEIGHTS).tolist() for minibatch in range(3)]
    engine = MT19937_64(5)
    expected = [classes.different(engine, WEIGHTS, 5) for _ in range(3)]
    assert drawn == [found[0].tolist() for found in expected if found is not None]
    assert nodes.classes(op, 3, 1, WEIGHTS).tolist() == drawn[1]
    assert NodeStreams(("other", "s")).classes(op, 3, 2, WEIGHTS).tolist() == drawn[2]


def test_a_traced_step_draws_them() -> None:
    parameter = LearnableParameter("w", (10,))()
    graph = Graph({"y": RandomSample("s", 5)(parameter), "f": RandomSampleInclusionFrequency("f", 3)(parameter)})
    nodes = NodeStreams(("s", "f"))
    run = load("xla").compile(graph, training=True)
    for epoch, seeds in ((1, (0, 1)), (2, (2, 3))):
        engines = [MT19937_64(seed) for seed in seeds]
        for minibatch in range(2):
            found = run({"w": WEIGHTS}, {}, Environment(random=host(nodes, epoch, minibatch))).outputs
            sample = classes.different(engines[0], WEIGHTS, 5)
            frequencies = classes.frequencies(engines[1], WEIGHTS, 3, repeats=False)
            assert sample is not None and frequencies is not None
            assert np.asarray(found["y"]).argmax(axis=1).tolist() == sample[0].tolist()
            assert np.asarray(found["f"]).reshape(-1).tolist() == frequencies.astype(np.float32).tolist()


def of_sample(form: str) -> Graph:
    """A sample of 4 of 6 classes in what reads it."""
    element = ElementType.FLOAT64
    sample = RandomSample("s", 4, True)(LearnableParameter("w", (6,), element=element)())
    matrix, frames = LearnableParameter("E", (3, 6), element=element)(), InputValue("x", (6,), element=element)()
    forms = {
        "columns of a matrix": lambda: Times()(matrix, sample),
        "elements of frames": lambda: TransposeTimes()(sample, frames),
        "itself": lambda: sample,
        "transposed": lambda: Times()(TransposeDimensions(1, 2)(sample), frames),
        "as a table": lambda: Times(output_rank=1)(sample, LearnableParameter("v", (4, 2), element=element)()),
    }
    return Graph({"y": forms[form]()})


@pytest.mark.parametrize("usable", [True, False])
@pytest.mark.parametrize("form", ["columns of a matrix", "elements of frames", "itself", "transposed", "as a table"])
def test_a_sample_is_looked_up(form: str, usable: bool) -> None:
    numbers = np.random.default_rng(1)
    graph = of_sample(form)
    own = {n.op.name: n.type for n in graph.nodes if isinstance(n.op, LearnableParameter)}
    parameters = {name: numbers.uniform(1, 2, array_shape(type)) for name, type in own.items()}
    parameters["w"] = np.array([1.0, 2, 0, 4, 1, 3 if usable else -1])
    feeds = {"x": numbers.uniform(1, 2, (3, 6))}
    given = parameters, feeds, Environment()
    (wanted, expected), (found, gradients) = (
        load(name).value_and_gradients(graph)(*given, {"y": np.ones(1)}) for name in ("reference", "xla")
    )
    np.testing.assert_allclose(found.outputs["y"], wanted.outputs["y"], rtol=1e-12)
    assert np.isnan(wanted.outputs["y"]).any() != usable
    for name in {"E", "v", "x"} & expected.keys() if usable else ():
        np.testing.assert_allclose(gradients[name], expected[name], rtol=1e-9, atol=1e-9)
