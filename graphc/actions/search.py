"""Runs a decoder over data: every sequence of a minibatch with all of its histories at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from graphc.actions.context import RunContext
from graphc.actions.decoder import ORIGINS, OUTPUTS, PATH_SCORES, WORDS, Hooks
from graphc.actions.feeding import Data, require_lengths
from graphc.actions.hypotheses import Hypothesis, Paths
from graphc.actions.loading import first_values
from graphc.actions.parameters import completed
from graphc.data.columns import Ints, SparseColumn, Stream
from graphc.data.minibatches import Minibatch
from graphc.diagnostics import Diagnostic, RunError, Span, placing
from graphc.ir import Graph, Storage
from graphc.network.lower import to_graph
from graphc.network.network import Network
from graphc.ops.elementwise import ElementTimes
from graphc.ops.reductions import ReduceElements
from graphc.ops.sources import LearnableParameter
from graphc.passes.pipeline import optimise
from graphc.train.evaluation import EvaluationStep, Outputs
from graphc.train.feeds import to_device

# root: numbers of the words, which `WORDS` holds as zeros and a 1; and the parameter that it is made with
_NUMBERS, _COUNTED = "numbers", "counted words"


@dataclass(frozen=True)
class Search:
    """A decoder with what it reads, and how much of what it finds is wanted.

    Of each sequence ``starts`` is the word that the decoder reads first, ``lengths`` how many words it writes at most.
    In a first round these are only ``first_lengths``, where there are any: most have ended by then.
    """

    decoder: Network
    hooks: Hooks
    data: Data
    starts: Ints
    lengths: Ints
    first_lengths: Ints | None
    hypotheses: int
    end: int | None
    minibatch_size: int
    epoch_size: int
    # of the model's name
    place: Span | None

    def run(self, context: RunContext, watch: Callable[[int, Minibatch], None]) -> dict[int, list[Hypothesis]]:
        """The hypotheses of each sequence by its number in the data; ``watch`` hears of every minibatch."""
        run = _Run(self, *self._program(context), watch)
        found: dict[int, list[Hypothesis]] = {}
        left: list[int] | None = None
        for lengths in (self.lengths,) if self.first_lengths is None else (self.first_lengths, self.lengths):
            pending = []
            for number, paths in run.round(lengths, left):
                # further words change nothing where the best have ended: those behind them only lose
                is_final = lengths[number] >= self.lengths[number] or paths.have_ended(self.hypotheses, self.end)
                found[number] = paths.hypotheses(self.hypotheses, self.end) if is_final else []
                pending += [] if is_final else [number]
            left = pending
            if not left:
                break
        return found

    def _program(self, context: RunContext) -> tuple[EvaluationStep, dict[str, Any]]:
        """The decoder, compiled when it is needed, and its parameters on the device."""
        storages = {**self.data.storages, self.hooks.labels: Storage.ONEHOT}
        graph = optimise(_counted(to_graph(self.decoder, OUTPUTS, storages=storages, updates=False)))
        # always in full precision: scores of long sequences must still tell words apart
        with placing(context.device_place):
            step = EvaluationStep(graph, tuple(graph.roots), device=context.device)
        counted = np.arange(self.hooks.vocabulary, dtype=graph.roots[PATH_SCORES].type.element.value)
        return step, step.place(completed({**first_values(self.decoder, context), _COUNTED: counted}, step.graph))

    def with_labels(self, lengths: Ints) -> Data:
        """The data with labels that say only what they begin with, and how many words are looked for behind that."""
        offsets = np.concatenate([[0], np.cumsum(lengths + 1)])
        samples = int(offsets[-1])
        indices = np.repeat(self.starts, lengths + 1).astype(np.int32)
        column = SparseColumn(indices, np.ones(samples, np.float32), np.arange(samples + 1), self.hooks.vocabulary)
        return self.data.with_stream(self.hooks.labels, self.hooks.axis, Stream(column, offsets))


@dataclass
class _Run:
    search: Search
    step: EvaluationStep
    parameters: dict[str, Any]
    watch: Callable[[int, Minibatch], None]
    _minibatches: int = 0

    def round(self, lengths: Ints, only: Sequence[int] | None) -> Iterator[tuple[int, Paths]]:
        """What is found with hypotheses of up to these lengths; ``only`` in some of the sequences."""
        search, data, graph = self.search, self.search.with_labels(lengths), self.step.graph
        size = search.minibatch_size
        planned = data.plan(graph, 0, size, search.epoch_size) if only is None else data.plan_some(graph, only, size)
        columns = to_device(graph, data.columns, self.step.device)
        outputs = self.step.outputs(self.parameters, columns, self.step.table(planned[0]))
        for minibatch, found in zip(planned[1], outputs, strict=True):
            require_lengths(found.failed, planned[0], data, search.decoder)
            for number, paths in zip(minibatch.sequences.tolist(), _paths(found), strict=True):
                self._require_numbers(number, paths)
                yield number, paths
            self.watch(self._minibatches, minibatch)
            self._minibatches += 1

    def _require_numbers(self, number: int, paths: Paths) -> None:
        if not np.isfinite(paths.scores).all():
            message = (
                f"the words of sequence {self.search.data.reader.dataset.keys[number]} have scores that are no numbers"
            )
            hint = "the model itself may hold such values: did its training diverge?"
            raise RunError(Diagnostic("GC0705", message, self.search.place, hint=hint))


def _paths(found: Outputs) -> Iterator[Paths]:
    """Of each sequence of a minibatch."""
    words = _flat(found[_NUMBERS]).round().astype(np.int64)
    origins = found[ORIGINS].argmax(axis=-1)
    scores = _flat(found[PATH_SCORES])
    ends = np.cumsum(found.lengths[_NUMBERS])
    for start, stop in zip((ends - found.lengths[_NUMBERS]).tolist(), ends.tolist(), strict=True):
        yield Paths(words[start:stop], origins[start:stop], scores[start:stop])


def words_of(stream: Stream) -> Sequence[npt.NDArray[np.integer]]:
    """The words of each sequence of a onehot stream."""
    return np.split(stream.column.onehot_indices(), stream.sequence_offsets[1:-1])


def _counted(graph: Graph) -> Graph:
    """With words by their numbers, so that the host is not sent a zero for every other word."""
    words = graph.roots[WORDS]
    numbers = LearnableParameter(_COUNTED, words.type.dims[:1], 0.0, element=words.type.element, is_state=True)()
    # not as a product, which accelerators round
    found = ReduceElements("Sum", 1)(ElementTimes()(numbers, words))
    return replace(graph, roots={_NUMBERS: found, ORIGINS: graph.roots[ORIGINS], PATH_SCORES: graph.roots[PATH_SCORES]})


def _flat(values: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """``(frames, beam)``."""
    return values.reshape(len(values), -1)
