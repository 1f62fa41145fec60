"""Opens the data a reader section describes for the inputs of a network, and says in which order to take it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from graphc.config.reader import ReaderSettings, StreamSettings
from graphc.config.schedule import rows_of
from graphc.data.cache import read_cached
from graphc.data.columns import Dataset, Ints, Stream
from graphc.data.minibatches import Minibatch, Timeline
from graphc.data.randomize import BlockRandomizer, NoRandomizer, Randomizer
from graphc.data.rows import RowMinibatch, row_minibatches
from graphc.data.streams import WantedInput, match_streams
from graphc.data.text_format import TextOptions
from graphc.data.text_rows import TextInput
from graphc.diagnostics import Diagnostic, DiagnosticError, suggest
from graphc.files import data_path

_DEFAULT_WINDOW = 4 << 30  # bytes on disk that shuffling mixes


@dataclass(frozen=True, eq=False)
class Reader:
    """Data by network input, and the order to take it in.

    With a ``truncation_length`` minibatches are rows of pieces of sequences (graphc.data.rows).
    """

    dataset: Dataset
    streams: Mapping[str, Stream]
    timeline: Timeline
    truncation_length: int = 0

    @property
    def samples(self) -> int:
        """Length of a sweep."""
        return self.dataset.samples

    @property
    def is_frames(self) -> bool:
        """Whether sequence numbers index the samples of every column."""
        return all(bool((s.lengths == 1).all()) for s in self.streams.values())

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        return self.dataset.warnings

    def minibatches(self, epoch: int, minibatch_size: int, epoch_size: int = 0, first: int = 0) -> Iterator[Minibatch]:
        """The minibatches of an epoch (both counted from 0) from number ``first`` on."""
        if self.truncation_length == 0:
            return self.timeline.minibatches(epoch, minibatch_size, epoch_size, first)
        return islice(self.row_minibatches(epoch, minibatch_size, epoch_size), first, None)

    def row_minibatches(self, epoch: int, minibatch_size: int, epoch_size: int = 0) -> Iterator[RowMinibatch]:
        """The minibatches of an epoch of truncated sequences: one after the other, from one sweep to the next too."""
        segments = [segment.sequences for segment in self.timeline.segments(epoch, minibatch_size, epoch_size)]
        sequences = np.concatenate(segments) if segments else np.zeros(0, np.int64)
        rows = rows_of(minibatch_size, self.truncation_length)
        return row_minibatches(sequences, self.timeline.lengths[sequences], rows, self.truncation_length)


def open_reader(settings: ReaderSettings, wanted: Sequence[WantedInput], *, seed: int = 0) -> Reader:
    """The reader of a section for the inputs of a network; every disagreement between the two is told.

    ``seed`` orders the data where the section has no ``randomizationSeed``.
    """
    settings.require_supported()
    matched = match_streams(settings, wanted)
    path = _existing(settings)
    inputs = [_text_input(s) for s in settings.inputs]
    dtype = np.float64 if settings.precision == "double" else np.float32
    options = TextOptions(settings.skip_sequence_ids, settings.max_errors, dtype)
    dataset = read_cached(path, inputs, options, settings.spans.get("file"))
    if settings.frame_mode:
        _require_frames(dataset, settings)
    streams = {name: dataset.streams[stream.name] for name, stream in matched.items()}
    timeline = Timeline(_randomizer(dataset, settings, seed), dataset.lengths, _distinct_lengths(streams))
    if settings.truncated:
        _require_equal_lengths(dataset, settings)
    return Reader(dataset, streams, timeline, settings.truncation_length if settings.truncated else 0)


def _existing(settings: ReaderSettings) -> Path:
    """The data file, with a helpful complaint where there is none."""
    path = data_path(settings.file)
    if path.exists():
        return path
    folder = path.parent
    hint = None
    if not folder.is_dir():
        hint = f"the folder '{folder}' does not exist either"
    else:
        close = suggest(path.name, (entry.name for entry in folder.iterdir()))
        hint = f"did you mean '{folder / close}'?" if close else None
    message = f"data file '{path}' does not exist"
    raise DiagnosticError(Diagnostic("GC0001", message, settings.spans.get("file", settings.span), hint=hint))


def _text_input(stream: StreamSettings) -> TextInput:
    span = stream.spans.get("dim", stream.span)
    return TextInput(stream.name, stream.dim, stream.is_sparse, stream.alias, stream.defines_mb_size, span)


def _require_frames(dataset: Dataset, settings: ReaderSettings) -> None:
    for name, stream in dataset.streams.items():
        longer = np.flatnonzero(stream.lengths != 1)
        if len(longer):
            number = int(longer[0])
            found = f"{stream.lengths[number]} samples of '{name}'"
            message = f"sequence {dataset.keys[number]} of '{settings.file}' has {found}, but frameMode takes one each"
            span = settings.spans.get("frameMode", settings.span)
            raise DiagnosticError(Diagnostic("GC0611", message, span, hint="set frameMode = false"))


def _require_equal_lengths(dataset: Dataset, settings: ReaderSettings) -> None:
    """Every stream is cut at the same frames, also one that the network does not read."""
    (first, one), *others = dataset.streams.items()
    for name, other in others:
        differs = np.flatnonzero(one.lengths != other.lengths)
        if len(differs):
            number = int(differs[0])
            found = f"{one.lengths[number]} samples of '{first}' and {other.lengths[number]} of '{name}'"
            message = f"sequence {dataset.keys[number]} of '{settings.file}' has {found}, so it cannot be truncated"
            span = settings.spans.get("truncated", settings.span)
            raise DiagnosticError(Diagnostic("GC0612", message, span, hint="set truncated = false"))


def _randomizer(dataset: Dataset, settings: ReaderSettings, seed: int) -> Randomizer:
    if not settings.randomize:
        return NoRandomizer(dataset.sequences)
    chunk_size, window = settings.chunk_size_in_bytes, settings.randomization_window
    sample_based = settings.sample_based_randomization_window
    if window is None:
        # Half a window lies on either side, so twice the data reaches all of them from anywhere.
        window = 2 * dataset.samples + 2 if sample_based else _DEFAULT_WINDOW // chunk_size
    chunks = dataset.chunk_starts(chunk_size)
    first_seed = seed if settings.randomization_seed is None else settings.randomization_seed
    return BlockRandomizer(chunks, dataset.lengths, window, sample_based, first_seed)


def _distinct_lengths(streams: Mapping[str, Stream]) -> list[Ints]:
    distinct: list[Ints] = []
    for stream in streams.values():
        if not any(np.array_equal(stream.lengths, known) for known in distinct):
            distinct.append(stream.lengths)
    return distinct
