"""``action = beamSearch``: the most probable words by a saved encoder and decoder (docs/decoding.md)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from graphc.actions.context import RunContext
from graphc.actions.decoder import CROSS_ENTROPY, Hooks, decoder_of, hooks_of, inputs_to_read, likelihood_of
from graphc.actions.evaluation import Evaluator
from graphc.actions.events import Criterion, FinalResults, MinibatchWritten, Written
from graphc.actions.feeding import Data, open_data
from graphc.actions.hypotheses import Hypothesis, edit_distance, until
from graphc.actions.loading import first_values, network_and_values
from graphc.actions.log import perplexity
from graphc.actions.search import Search, words_of
from graphc.actions.text_output import read_label_file
from graphc.config.commands import BeamSearchCommand, NetworkSource
from graphc.data.columns import Ints, Stream
from graphc.data.minibatches import Minibatch
from graphc.diagnostics import Diagnostic, DiagnosticError, RunError, did_you_mean
from graphc.files import atomic_writer, why
from graphc.network.network import Network

# how long a hypothesis may be by default: so many times the input, and some words
_TIMES_THE_INPUT, _AND_MORE = 2, 10

# how many words more than the input most hypotheses have at most; it changes no result
_A_FEW = 5

# what was found for each sequence, by its number in the data
_Found = Mapping[int, list[Hypothesis]]


def beam_search(command: BeamSearchCommand, context: RunContext) -> None:
    started = time.perf_counter()
    task = _Task.of(command, context)
    context.warn(command.name, task.data.reader.warnings)
    # first of all, because labels may be wrong and decoding takes long
    references = task.references() if task.has_labels else None
    found = task.search().run(context, task.watch)
    files = task.write(found)
    seconds = time.perf_counter() - started
    context.observer.handle(Written(command.name, command.output_path, files, len(found), seconds))
    if references is not None:
        minibatches, of_labels = task.perplexity()
        criteria = (*_errors(found, references), of_labels)
        seconds = time.perf_counter() - started
        context.observer.handle(FinalResults(command.name, "test", minibatches, criteria, seconds))


@dataclass(frozen=True)
class _Symbols:
    """Words by number and by name, as many as the model knows."""

    count: int
    names: Sequence[str]

    @staticmethod
    def of(command: BeamSearchCommand, count: int) -> _Symbols:
        if command.label_mapping_file is None:
            return _Symbols(count, ())
        place = command.spans.get("labelMappingFile")
        names = read_label_file(command.label_mapping_file, place)
        if len(names) < count:
            message = f"{command.label_mapping_file} has {len(names)} names, but the model knows {count} words"
            raise DiagnosticError(Diagnostic("GC0503", message, place))
        return _Symbols(count, names)

    def name(self, number: int) -> str:
        return self.names[number] if self.names else str(number)

    def number(self, text: str, key: str, command: BeamSearchCommand) -> int | None:
        """Of what a key says; none where it says nothing."""
        if not text:
            return None
        if text in self.names:
            return self.names.index(text)
        if text.isdecimal() and int(text) < self.count:
            return int(text)
        known = command.label_mapping_file or f"the {self.count} words, which are numbered from 0"
        message = f"{key} is {text}, which is not in {known}"
        hint = did_you_mean(text, self.names)
        raise DiagnosticError(Diagnostic("GC0503", message, command.spans.get(key), hint=hint))


@dataclass(frozen=True)
class _Task:
    """What is decoded, with which decoder."""

    command: BeamSearchCommand
    context: RunContext
    decoder: Network
    hooks: Hooks
    symbols: _Symbols
    start: int | None
    end: int | None
    data: Data

    @staticmethod
    def of(command: BeamSearchCommand, context: RunContext) -> _Task:
        network, _ = network_and_values(command, context)
        hooks = hooks_of(network, command.beam_depth, command.network.span)
        symbols = _Symbols.of(command, hooks.vocabulary)
        start = symbols.number(command.start_symbol, "startSymbol", command)
        end = symbols.number(command.end_symbol, "endSymbol", command)
        decoder = decoder_of(command, hooks, end, _builder(command, context))
        data = open_data(command.reader, decoder, inputs_to_read(command, decoder, hooks), context)
        return _Task(command, context, decoder, hooks, symbols, start, end, data)

    @property
    def has_labels(self) -> bool:
        return self.hooks.labels in self.data.columns

    def references(self) -> list[tuple[int, ...]]:
        """The words of each sequence's labels, without start and end."""
        return [until(words[1:].tolist(), self.end) for words in words_of(self._labels())]

    def search(self) -> Search:
        command = self.command
        lengths, sizes = self._lengths(), (command.minibatch_size.value(0), command.epoch_size)
        first = None if self.end is None else np.minimum(self._input_lengths() + _A_FEW, lengths)
        wanted, place = (max(command.n_best, 1), self.end), command.network.span
        return Search(self.decoder, self.hooks, self.data, self._starts(), lengths, first, *wanted, *sizes, place)

    def watch(self, number: int, minibatch: Minibatch) -> None:
        self.context.observer.handle(MinibatchWritten(self.command.name, number, minibatch.columns))

    def write(self, found: _Found) -> list[Path]:
        """The files written; raises `RunError`."""
        path = self.command.output_path
        lines = (line for each in found.items() for line in self._lines(*each))
        if path == "-":
            self.context.output.writelines(lines)
            return []
        try:
            with atomic_writer(Path(path)) as stream:
                stream.writelines(lines)
        except OSError as error:
            place = self.command.spans.get("outputPath")
            message = f"the output {path} cannot be written: {why(error)}"
            raise RunError(Diagnostic("GC0004", message, place)) from error
        return [Path(path)]

    def perplexity(self) -> tuple[int, Criterion]:
        """Of the labels by the model as it was trained; with the number of minibatches."""
        command, context = self.command, self.context
        network = likelihood_of(command, _builder(command, context))
        evaluator = Evaluator.of(network, [CROSS_ENTROPY], self.data, context)
        sizes = command.minibatch_size.value(0), command.epoch_size
        (entropy,), minibatches = evaluator.score(first_values(network, context), *sizes)
        return minibatches, Criterion("perplexity", "Exp", perplexity(entropy.value), entropy.samples)

    def _labels(self) -> Stream:
        stream = self.data.reader.streams[self.hooks.labels]
        if not stream.column.is_onehot:
            place = self.command.reader.spans.get("file", self.command.reader.span)
            message = f"the labels '{self.hooks.labels}' are not all one word a sample"
            raise DiagnosticError(Diagnostic("GC0615", message, place))
        return stream

    def _starts(self) -> Ints:
        """What the decoder reads first, of each sequence."""
        count = self.data.reader.dataset.sequences
        if self.start is not None:
            return np.full(count, self.start)
        return np.array([words[0] for words in words_of(self._labels())])

    def _lengths(self) -> Ints:
        """How many words are looked for, of each sequence."""
        if self.end is None:
            return self._labels().lengths - 1
        if self.command.max_length:
            return np.full(self.data.reader.dataset.sequences, self.command.max_length)
        return _TIMES_THE_INPUT * self._input_lengths() + _AND_MORE

    def _input_lengths(self) -> Ints:
        """Of each sequence, in the longest of its streams."""
        inputs = [stream.lengths for name, stream in self.data.reader.streams.items() if name != self.hooks.labels]
        return np.max(inputs, axis=0)

    def _lines(self, number: int, hypotheses: Sequence[Hypothesis]) -> Iterator[str]:
        texts = [" ".join(map(self.symbols.name, each.words)) for each in hypotheses]
        if not self.command.n_best:
            yield f"{texts[0] if texts else ''}\n"
            return
        key = self.data.reader.dataset.keys[number]
        for text, each in zip(texts, hypotheses, strict=True):
            yield f"{key} ||| {text} ||| {each.score:.6f}\n"


def _errors(found: _Found, references: Sequence[tuple[int, ...]]) -> Iterator[Criterion]:
    """How far the best hypotheses are from what they should be."""
    pairs = [(best[0].words if best else (), references[number]) for number, best in found.items()]
    wrong = sum(words != reference for words, reference in pairs)
    yield Criterion("sequenceErrors", "ClassificationError", wrong / max(len(pairs), 1), len(pairs))
    edits = sum(edit_distance(words, reference) for words, reference in pairs)
    tokens = sum(len(reference) for _, reference in pairs)
    yield Criterion("tokenErrors", "EditDistanceError", edits / max(tokens, 1), tokens)


def _builder(command: BeamSearchCommand, context: RunContext) -> Callable[[NetworkSource], Network]:
    return lambda source: context.build(command.name, source, command.trace_level)
