"""The data of a command: opened for the inputs of its network, and cut into the minibatches of an epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, islice

import numpy as np
import numpy.typing as npt

from graphc.actions.context import RunContext
from graphc.actions.data_check import check_numbers
from graphc.actions.networks import inputs_below, wanted_inputs
from graphc.config.reader import ReaderSettings
from graphc.data.batches import Batches, Shape
from graphc.data.columns import Column, SparseColumn, Stream
from graphc.data.minibatches import Minibatch, minibatches_of
from graphc.data.reader import Reader, open_reader
from graphc.data.rows import RowBatches
from graphc.diagnostics import Diagnostic, DiagnosticError, Label, RunError, placing
from graphc.ir import Graph, Node, Storage
from graphc.network import explain
from graphc.network.network import Network
from graphc.ops.lengths import axis_of_single_frames, has_sequences, length_checks
from graphc.ops.sources import InputValue
from graphc.train.feeds import Minibatches
from graphc.train.totals import FailedCheck

# enough to know which shapes epochs have: others are compiled when they come
_MINIBATCHES_LOOKED_AT = 2000
_EPOCHS_LOOKED_AT = 5


@dataclass(frozen=True, eq=False)
class Data:
    """A reader with the columns of a network's inputs, how each is stored, and a stream for each dynamic axis."""

    reader: Reader
    columns: dict[str, Column]
    storages: dict[str, Storage]

    axes: dict[str, Stream]
    _shapes: dict[tuple[int, int], tuple[Shape, ...]] = field(default_factory=dict)

    @property
    def is_truncated(self) -> bool:
        """Whether minibatches have pieces of sequences."""
        return self.reader.truncation_length > 0

    @property
    def stored_sparsely(self) -> frozenset[str]:
        """Inputs whose stream has ``format = "sparse"``; in CNTK cut sequences are dense."""
        if self.is_truncated:
            return frozenset()
        return frozenset(name for name, column in self.columns.items() if isinstance(column, SparseColumn))

    def plan(
        self, graph: Graph, epoch: int, minibatch_size: int, epoch_size: int = 0
    ) -> tuple[Minibatches, list[Minibatch]]:
        """The minibatches of an epoch (from 0) for a graph, as samples for the device and as sequences for the log."""
        if self.is_truncated:
            return self._rows(epoch, minibatch_size, epoch_size)
        found = list(self.reader.minibatches(epoch, minibatch_size, epoch_size))
        if has_sequences(graph):
            return self._planned(graph, found, self._best_shapes(minibatch_size, epoch_size)), found
        taken = Minibatches.of((self._samples(m) for m in found), min(minibatch_size, self.reader.samples))
        lengths = [m.lengths for m in found]
        return replace(taken, columns=np.array([m.columns for m in found], np.int64), lengths=lengths), found

    def _rows(self, epoch: int, minibatch_size: int, epoch_size: int) -> tuple[Minibatches, list[Minibatch]]:
        found = list(self.reader.row_minibatches(epoch, minibatch_size, epoch_size))
        return Minibatches.of_sequences(RowBatches(found, self.axes)), [*found]

    def plan_some(
        self, graph: Graph, sequences: Sequence[int], minibatch_size: int
    ) -> tuple[Minibatches, list[Minibatch]]:
        """Some sequences by number in minibatches of that size, for a graph that looks along them."""
        chosen = np.asarray(sequences)
        found = minibatches_of(chosen, self.reader.dataset.lengths[chosen], minibatch_size)
        return self._planned(graph, found, Batches(found, self.axes).best_shapes), found

    def _planned(self, graph: Graph, found: list[Minibatch], shapes: tuple[Shape, ...]) -> Minibatches:
        self._require_single_frames(graph)
        return Minibatches.of_sequences(Batches(found, self.axes, shapes))

    def with_stream(self, name: str, axis: str, stream: Stream) -> Data:
        """The same with other sequences for an input, on a dynamic axis that no other input is on."""
        return replace(
            self,
            columns={**self.columns, name: stream.column},
            storages={**self.storages, name: _storage(stream.column)},
            axes={**self.axes, axis: stream},
            _shapes={},
        )

    def _require_single_frames(self, graph: Graph) -> None:
        """What meets one frame of each sequence of another axis has one frame a sequence."""
        for check in length_checks(graph):
            other = axis_of_single_frames(check)
            if other is None:
                continue
            what = f"{check.node.op.names[0]} joins axes '{check.axis}' and '{check.wanted}'"
            stream = self.axes.get(other)
            if stream is None:
                message = f"{what}, and how many frames '{other}' has only the run can know"
                hint = "ReconcileDynamicAxis gives a value the axis of another"
                raise RunError(Diagnostic("GC0613", message, check.node.span, hint=hint))
            longer = np.flatnonzero(stream.lengths != 1)
            if len(longer):
                number = int(longer[0])
                key, length = self.reader.dataset.keys[number], stream.lengths[number]
                found = f"sequence {key} has {length} frames on '{other}'"
                message = f"{what}, of one frame a sequence, but {found}"
                raise RunError(Diagnostic("GC0613", message, check.node.span))

    def _best_shapes(self, minibatch_size: int, epoch_size: int) -> tuple[Shape, ...]:
        """Of the first epochs, whichever comes first in this run: so a resumed run has the same."""
        key = minibatch_size, epoch_size
        if key not in self._shapes:
            epochs = (self.reader.minibatches(epoch, *key) for epoch in range(_EPOCHS_LOOKED_AT))
            first = islice(chain.from_iterable(epochs), _MINIBATCHES_LOOKED_AT)
            self._shapes[key] = Batches(list(first), self.axes).best_shapes
        return self._shapes[key]

    @cached_property
    def _is_frames(self) -> bool:
        return self.reader.is_frames

    def _samples(self, minibatch: Minibatch) -> npt.NDArray[np.integer]:
        if self._is_frames:
            return minibatch.sequences
        # All streams have the same lengths (`open_data`): a network without recurrence treats each frame alone.
        starts = next(iter(self.reader.streams.values())).sequence_offsets[minibatch.sequences]
        ends = np.cumsum(minibatch.lengths)
        return np.arange(ends[-1]) + np.repeat(starts - ends + minibatch.lengths, minibatch.lengths)


def open_data(settings: ReaderSettings, network: Network, roots: Sequence[str], context: RunContext) -> Data:
    """The data for the inputs below the named nodes; raises `DiagnosticError`."""
    with placing(settings.spans.get("file", settings.span)):
        reader = open_reader(settings, wanted_inputs(inputs_below(network, roots)), seed=context.seed)
    if context.options.check_data:
        check_numbers(reader, network, roots, settings)
    axes = _by_axis(reader, network)
    for streams in axes.values():
        _require_equal_lengths(streams, reader, network, settings)
    columns = {name: stream.column for name, stream in reader.streams.items()}
    storages = {name: _storage(column) for name, column in columns.items()}
    return Data(reader, columns, storages, {axis: next(iter(streams.values())) for axis, streams in axes.items()})


def _by_axis(reader: Reader, network: Network) -> dict[str, dict[str, Stream]]:
    """The streams that share a dynamic axis, by name of the axis."""
    found: dict[str, dict[str, Stream]] = {}
    for name, stream in reader.streams.items():
        op = network[name].op
        assert isinstance(op, InputValue), name
        found.setdefault(op.axis, {})[name] = stream
    return found


def _storage(column: Column) -> Storage:
    if column.is_onehot:
        return Storage.ONEHOT
    return Storage.SPARSE if isinstance(column, SparseColumn) else Storage.DENSE


def _require_equal_lengths(
    streams: Mapping[str, Stream], reader: Reader, network: Network, settings: ReaderSettings
) -> None:
    (first, one), *others = streams.items()
    for name, other in others:
        differs = np.flatnonzero(one.lengths != other.lengths)
        if len(differs):
            at = int(differs[0])
            message = (
                f"sequence {reader.dataset.keys[at]} of '{settings.file}' has {one.lengths[at]} samples of '{first}' "
                f"and {other.lengths[at]} of '{name}'"
            )
            hint = f"give '{name}' a dynamic axis of its own: dynamicAxis = DynamicAxis()"
            labels = (Label(f"{first} is on the same axis", network[first].span),)
            raise DiagnosticError(Diagnostic("GC0612", message, network[name].span, labels, hint))


def require_lengths(failed: Sequence[FailedCheck], minibatches: Minibatches, data: Data, network: Network) -> None:
    """Lengths that only the run knows agree, and no selection is empty; raises `RunError` with the sequence."""
    if not failed:
        return
    first = min(failed, key=lambda each: each.minibatch)
    check, key = first.check, ""
    if minibatches.batches is not None:
        sequence = minibatches.batches.minibatches[first.minibatch].sequences[first.sequence]
        key = f" {data.reader.dataset.keys[sequence]}"
    span = check.node.span
    what = _title(check.node, network)
    where = f"in sequence{key}, of minibatch {first.minibatch + 1}"
    if check.multiple > 1:
        message = f"{what} puts {check.multiple} frames into one, but there are {first.found} {where}"
        raise RunError(Diagnostic("GC0613", message, span, hint="their number must be a multiple"))
    if check.least > 1:
        message = (
            f"{what} looks {check.least} frames out of its sequence, but its initial state has {first.found} {where}"
        )
        hint = "an initial state has one frame a sequence, or at least as many as timeStep"
        raise RunError(Diagnostic("GC0613", message, span, hint=hint))
    if check.bounded:
        message = (
            f"{what} goes through {first.found} frames of a selection, but loops have {first.wanted} steps {where}"
        )
        hint = "a condition above 1 repeats frames: a loop needs a selection no longer than the longest sequence"
        raise RunError(Diagnostic("GC0613", message, span, hint=hint))
    if check.chosen or check.last:
        there = f"a sequence of {first.wanted} frames on axis '{check.wanted}'"
        message = f"{what} chooses frame {first.found - 1} of {there}, {where}"
        hint = "frames are counted from 0; the condition is on another axis, whose sequences are longer"
        raise RunError(Diagnostic("GC0613", message, span, hint=hint))
    if check.wanted is None and first.found:
        message = f"{what} selects more frames than the minibatch has: there is no room for {first.found} {where}"
        hint = "a condition above 1 repeats frames, in all at most as many as it leaves out"
        raise RunError(Diagnostic("GC0613", message, span, hint=hint))
    if check.wanted is None:
        message = f"{what} selects no frame {where}"
        raise RunError(Diagnostic("GC0613", message, span, hint="every sequence must keep at least one frame"))
    frames = f"{first.found} frames on axis '{check.axis}' and {first.wanted} on '{check.wanted}'"
    message = f"{what} joins sequences of different lengths: {frames} {where}"
    raise RunError(Diagnostic("GC0613", message, span))


def _title(node: Node, network: Network) -> str:
    """What an author calls a node that was found in a program."""
    made = [each for each in network if node.span is not None and each.span == node.span]
    # what a function of the library makes stands where it is called: the text says more than names of its inner parts
    titles = [explain.title(each) for each in made]
    plain = [each for each in titles if each.isidentifier()]
    return (plain or titles or [node.op.names[0]])[-1]
