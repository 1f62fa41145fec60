"""Runs a decoder over data: every sequence of a minibatch with all of its histories at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from graphc.actions.context import RunContext
from graphc.actions.decoder import ORIGINS, OUTPUTS, PATH_SCORES, WORDS, Hooks
from graphc.actions.feeding import Data, require_lengths
from graphc.actions.hypotheses import Hypothesis, best_hypotheses
from graphc.actions.loading import first_values
from graphc.actions.parameters import completed
from graphc.data.columns import Ints, SparseColumn, Stream
from graphc.data.minibatches import Minibatch
from graphc.diagnostics import placing
from graphc.ir import Graph
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
    """A decoder with what it reads, and how much of what it finds is wanted."""

    decoder: Network
    data: Data
    hypotheses: int
    end: int | None
    minibatch_size: int
    epoch_size: int

    def run(
        self, context: RunContext, watch: Callable[[int, Minibatch], None]
    ) -> Iterator[tuple[int, list[Hypothesis]]]:
        """For each sequence its number in the data and its hypotheses; ``watch`` hears of every minibatch."""
        graph = optimise(_counted(to_graph(self.decoder, OUTPUTS, storages=self.data.storages, updates=False)))
        # always in full precision: scores of long sequences must still tell words apart
        with placing(context.device_place):
            step = EvaluationStep(graph, tuple(graph.roots), device=context.device)
        vocabulary = graph.names[WORDS].type.dims[0]
        values = {**first_values(self.decoder, context), _COUNTED: np.arange(vocabulary, dtype=_dtype(graph))}
        parameters = step.place(completed(values, step.graph))
        columns = to_device(step.graph, self.data.columns, step.device)
        taken, minibatches = self.data.plan(step.graph, 0, self.minibatch_size, self.epoch_size)
        outputs = step.outputs(parameters, columns, step.table(taken))
        for number, (minibatch, found) in enumerate(zip(minibatches, outputs, strict=True)):
            require_lengths(found.failed, taken, self.data, self.decoder)
            yield from zip(minibatch.sequences.tolist(), self._hypotheses(found), strict=True)
            watch(number, minibatch)

    def _hypotheses(self, found: Outputs) -> Iterator[list[Hypothesis]]:
        """Of each sequence of a minibatch."""
        words = _flat(found[_NUMBERS]).round().astype(np.int64)
        origins = found[ORIGINS].argmax(axis=-1)
        scores = _flat(found[PATH_SCORES])
        ends = np.cumsum(found.lengths[_NUMBERS])
        for start, stop in zip((ends - found.lengths[_NUMBERS]).tolist(), ends.tolist(), strict=True):
            part = slice(start, stop)
            yield best_hypotheses(words[part], origins[part], scores[part], self.hypotheses, self.end)


def decoded_labels(data: Data, hooks: Hooks, starts: Ints, lengths: Ints) -> Data:
    """The data with labels that say only what they begin with, and how many words are looked for behind that."""
    offsets = np.concatenate([[0], np.cumsum(lengths + 1)])
    samples = int(offsets[-1])
    indices = np.repeat(starts, lengths + 1).astype(np.int32)
    column = SparseColumn(indices, np.ones(samples, np.float32), np.arange(samples + 1), hooks.vocabulary)
    return data.with_stream(hooks.labels, hooks.axis, Stream(column, offsets))


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


def _dtype(graph: Graph) -> str:
    return graph.roots[PATH_SCORES].type.element.value


def _flat(values: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """``(frames, beam)``."""
    return values.reshape(len(values), -1)
