"""Sequences cut into pieces: values are those of whole sequences, gradients stop at the cuts, whatever the rows are.

Expected values come from the equations, unrolled in NumPy; there a cut is a value without parents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphc.backend import Environment, load
from graphc.backends.reference.gradients import gradients
from graphc.data.batches import Batch
from graphc.data.columns import Column, DenseColumn, Stream
from graphc.data.rows import RowBatches, row_minibatches
from graphc.diagnostics import Diagnostics, SourceText
from graphc.ir import Graph
from graphc.network.build import build_network
from graphc.network.lower import to_graph
from graphc.network.session import Session
from graphc.ops.recurrence import empty_history
from graphc.testing.choices import Seeded
from graphc.testing.equations import MAIN, Equation, past_model
from graphc.testing.runs import examples
from graphc.train.evaluation import EvaluationStep
from graphc.train.feeds import Minibatches, to_device
from graphc.train.step import TrainingStep
from graphc.train.totals import root_totals
from tests.recurrences.cases import Case, optimised
from tests.recurrences.unrolled import Number, Unrolled

# losses of frames, gradients of parameters and what is carried on, of feeds and environment
Run = Callable[[Any, Environment], tuple[Any, Mapping[str, Any], Any]]


class Cut(Unrolled):
    """Equations whose gradients stop at the first frames of pieces: ``begins`` has those of each sequence."""

    def __init__(self, *arguments: Any, begins: list[list[int]]) -> None:
        self.begins = begins
        super().__init__(*arguments)

    def delayed(self, e: Equation, s: int, t: int) -> Number:
        source = t - e.options["step"]
        piece = max(begin for begin in self.begins[s] if begin <= t)
        if 0 <= source < piece:
            return self.put(self.at(e.inputs[0], s, source).value)
        return super().delayed(e, s, t)


class TruncatedCase(Case):
    """A network that looks at the past, with data that is cut into rows."""

    def __init__(self, seed: int, lengths: list[int] | None = None, rows: int = 0, length: int = 0) -> None:
        super().__init__(seed)
        self.model = past_model(Seeded.of("truncated", seed))
        count = int(self.rng.integers(2, 6))
        self.lengths = {MAIN: np.array(lengths or self.rng.integers(1, 8, count))}
        self.rows, self.length = rows or int(self.rng.integers(1, 4)), length or int(self.rng.integers(1, 5))
        self.parameters = {e.name: self.rng.uniform(-1, 1, e.shape) for e in self.model.of("Parameter")}
        self.sequences = {e.name: [self.frames(e, n) for n in self.lengths[MAIN]] for e in self.model.of("Input")}

    @cached_property
    def unrolled(self) -> Unrolled:
        begins = [[0] for _ in self.lengths[MAIN]]
        for minibatch in self.batches.minibatches:
            for sequence, begin in zip(minibatch.sequences.tolist(), minibatch.begins.tolist(), strict=True):
                begins[sequence].append(begin)
        return Cut(self.model, self.parameters, self.sequences, begins=begins)

    @cached_property
    def batches(self) -> RowBatches:
        lengths = self.lengths[MAIN]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        stream = Stream(DenseColumn(np.zeros((offsets[-1], 1))), offsets)
        found = row_minibatches(np.arange(len(lengths)), lengths, self.rows, self.length)
        return RowBatches(list(found), {MAIN: stream})

    def graph(self, precision: str = "double") -> Graph:
        source = SourceText.from_string(self.model.text, "truncated.bs")
        network = build_network(source, precision=precision, session=Session(), diagnostics=Diagnostics())
        return to_graph(network, ["loss", self.terms], truncated=True)

    @property
    def terms(self) -> str:
        """The node of which the loss is the sum of all elements."""
        return self.model.equations[-1].inputs[0]

    @property
    def losses(self) -> np.ndarray:
        """Of every frame of the data, one sequence after the other."""
        return np.concatenate([[float(frame.value[0]) for frame in frames] for frames in self.unrolled.frames])

    def steps(self, graph: Graph) -> Iterator[tuple[Batch, dict[str, Any]]]:
        """Each minibatch with what its inputs are fed."""
        columns = self.feeds(graph)
        for number in range(len(self.batches)):
            batch = self.batches[number]
            yield batch, {name: column[batch.samples[MAIN]] for name, column in columns.items()}

    def check(self, run: Run, graph: Graph, tolerance: float, wrt: Sequence[str]) -> None:
        """Losses of all frames, and the sums of gradients over all minibatches."""
        total = {name: np.zeros_like(value) for name, value in self.arrays(graph).items() if name in wrt}
        history: Any = empty_history(np, graph, self.batches.room.lanes)
        for batch, feeds in self.steps(graph):
            count = int(batch.frames[MAIN].count)
            found, gradient, history = run(feeds, Environment(frames=batch.frames, carried=history))
            losses = np.asarray(found).reshape(len(feeds[next(iter(feeds))]), -1).sum(-1)[:count]
            expected = self.losses[batch.samples[MAIN][:count]]
            np.testing.assert_allclose(losses, expected, rtol=0, atol=tolerance, err_msg=self.model.text)
            total = {name: total[name] + gradient[name] for name in total}
        wanted = self.gradients(graph)
        for name, found in total.items():
            scale = max(1.0, float(np.abs(wanted[name]).max()))
            text = f"{name}, {self.rows} x {self.length}, {self.lengths}\n{self.model.text}"
            np.testing.assert_allclose(found, wanted[name], rtol=0, atol=tolerance * scale, err_msg=text)

    def check_reference(self, graph: Graph, wrt: Sequence[str] = ()) -> None:
        evaluate, parameters = load("reference").function(graph), self.arrays(graph)

        def run(feeds: Any, environment: Environment) -> Any:
            found = evaluate(parameters, feeds, environment)
            gradient = gradients(graph, "loss", wrt, parameters, feeds, environment) if wrt else {}
            return found.outputs[self.terms], gradient, found.carried

        self.check(run, graph, 1e-10, wrt)

    def check_xla(self, graph: Graph, tolerance: float) -> None:
        engine: Any = load("xla")
        evaluate = engine.function(graph, training=True)

        def total(parameters: Any, feeds: Any, environment: Environment) -> Any:
            found = evaluate(parameters, feeds, environment)
            return root_totals(graph, ["loss"], found)[0], (found.outputs[self.terms], found.carried)

        with engine.precision(graph):
            program = jax.jit(jax.value_and_grad(total, has_aux=True))

            def run(feeds: Any, environment: Environment) -> Any:
                (_, (losses, history)), gradient = program(self.arrays(graph), feeds, environment)
                return losses, gradient, history

            self.check(run, graph, tolerance, list(self.parameters))

    @property
    def minibatches(self) -> Minibatches:
        return Minibatches.of_sequences(self.batches)

    def columns(self, graph: Graph) -> dict[str, Column]:
        return {name: DenseColumn(value.reshape(len(value), -1)) for name, value in self.feeds(graph).items()}

    def trained(self, graph: Graph, *, epochs: int, rate: float) -> dict[str, np.ndarray]:
        """The parameters after plain descent, computed minibatch by minibatch with the reference."""
        evaluate, parameters = load("reference").function(graph), self.arrays(graph)
        for _ in range(epochs):
            history: Any = empty_history(np, graph, self.batches.room.lanes)
            for batch, feeds in self.steps(graph):
                environment = Environment(frames=batch.frames, carried=history)
                found = gradients(graph, "loss", list(parameters), parameters, feeds, environment)
                history = evaluate(parameters, feeds, environment).carried
                parameters = {name: value - rate * found[name] for name, value in parameters.items()}
        return parameters


@pytest.mark.parametrize("seed", range(24))
def test_values_are_those_of_whole_sequences(seed: int) -> None:
    case = TruncatedCase(seed)
    graph = case.graph()
    for each in (graph, optimised(graph)):
        case.check_reference(each)


@pytest.mark.parametrize("seed", (0, 1, 2, 3, 4, 5))
def test_gradients_stop_at_cuts(seed: int) -> None:
    case = TruncatedCase(seed)
    case.check_reference(case.graph(), list(case.parameters))


@pytest.mark.parametrize("seed", range(8))
def test_xla_agrees(seed: int) -> None:
    case = TruncatedCase(seed)
    case.check_xla(optimised(case.graph()), 1e-9)


@pytest.mark.parametrize("seed", (20, 21))
def test_xla_agrees_in_single_precision(seed: int) -> None:
    case = TruncatedCase(seed)
    case.check_xla(optimised(case.graph("float")), 2e-5)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 19), st.lists(st.integers(1, 7), min_size=1, max_size=6), st.integers(1, 4), st.integers(1, 8))
def test_rows_change_no_value(seed: int, lengths: list[int], rows: int, length: int) -> None:
    case = TruncatedCase(seed, lengths, rows, length)
    case.check_reference(case.graph())


def test_rows_that_cut_nothing_have_whole_gradients() -> None:
    case = TruncatedCase(4, [4, 4, 4, 4, 4], 2, 4)
    whole = Unrolled(case.model, case.parameters, case.sequences)
    for name in case.parameters:
        np.testing.assert_allclose(case.unrolled.gradient(name), whole.gradient(name), rtol=1e-12, atol=1e-12)
    case.check_xla(optimised(case.graph()), 1e-9)


@pytest.mark.parametrize("programs", (1, 2))
def test_training_goes_on_in_every_row(programs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Updates in between: the step is the gradient of each minibatch, with the history that the one before left."""
    if programs == 2:
        monkeypatch.setattr("graphc.train.step.MANY_PARAMETERS", 0)
    case = TruncatedCase(7, [9, 2, 5, 7, 3], 2, 3)
    graph = optimised(case.graph())
    step = TrainingStep(graph, "loss")
    minibatches, columns = case.minibatches, to_device(step.graph, case.columns(graph), step.device)
    state = step.state(case.arrays(graph))
    for number in range(2):
        epoch = step.epoch(minibatches, learning_rate=0.05, epoch=number)
        state = step.run(step.begin(state), columns, epoch, 0, 3)
        state = step.run(state, columns, epoch, 3, len(minibatches) - 3)
    expected = case.trained(graph, epochs=2, rate=0.05)
    for name, value in state.parameters().items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-9, atol=1e-11, err_msg=case.model.text)


def test_evaluation_goes_on_in_every_row() -> None:
    """Also where it is interrupted to report, and a second time over the same data."""
    case = TruncatedCase(7, [9, 2, 5, 7, 3], 2, 3)
    step = EvaluationStep(optimised(case.graph()), ["loss", case.terms])
    values, columns = step.place(case.arrays(step.graph)), to_device(step.graph, case.columns(step.graph), step.device)
    table = step.table(case.minibatches)
    cut = [range(0, 2), range(2, 3), range(3, len(case.batches))]
    for ranges in (cut, cut):
        total = sum(step.totals(values, columns, table, rows).sums["loss"] for rows in ranges)
        assert total == pytest.approx(case.losses.sum(), abs=1e-10)
    for number, outputs in enumerate(step.outputs(values, columns, table)):
        taken = case.batches[number].samples[MAIN][: case.batches.minibatches[number].samples]
        losses = outputs[case.terms].reshape(len(taken), -1).sum(-1)
        np.testing.assert_allclose(losses, case.losses[taken], rtol=0, atol=1e-10)


@pytest.mark.slow
def test_many_random_networks() -> None:
    for seed in range(1000, 1000 + examples(40)):
        case = TruncatedCase(seed)
        case.check_xla(optimised(case.graph()), 1e-9)
