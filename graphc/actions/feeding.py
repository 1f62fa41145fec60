"""The data of a command: opened for the inputs of its network, and cut into the minibatches of an epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from graphc.actions.networks import inputs_below, wanted_inputs
from graphc.config.reader import ReaderSettings
from graphc.data.columns import Column, SparseColumn
from graphc.data.minibatches import Minibatch
from graphc.data.reader import Reader, open_reader
from graphc.diagnostics import Diagnostic, DiagnosticError, placing
from graphc.ir import Storage
from graphc.network.network import Network
from graphc.train.feeds import Minibatches


@dataclass(frozen=True, eq=False)
class Data:
    """A reader with the columns of a network's inputs, and how each is stored."""

    reader: Reader
    columns: dict[str, Column]
    storages: dict[str, Storage]

    def plan(self, epoch: int, minibatch_size: int, epoch_size: int = 0) -> tuple[Minibatches, list[Minibatch]]:
        """The minibatches of an epoch (from 0), as sample numbers for the device and as sequences for the log."""
        found = list(self.reader.minibatches(epoch, minibatch_size, epoch_size))
        taken = Minibatches.of((self._samples(m) for m in found), min(minibatch_size, self.reader.samples))
        return replace(taken, columns=np.array([m.columns for m in found], np.int64)), found

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


def open_data(settings: ReaderSettings, network: Network, roots: Sequence[str], seed: int) -> Data:
    """The data for the inputs below the named nodes; raises `DiagnosticError`."""
    with placing(settings.spans.get("file", settings.span)):
        reader = open_reader(settings, wanted_inputs(inputs_below(network, roots)), seed=seed)
    _require_equal_lengths(reader, settings)
    columns = {name: stream.column for name, stream in reader.streams.items()}
    return Data(reader, columns, {name: _storage(column) for name, column in columns.items()})


def _storage(column: Column) -> Storage:
    if column.is_onehot:
        return Storage.ONEHOT
    return Storage.SPARSE if isinstance(column, SparseColumn) else Storage.DENSE


def _require_equal_lengths(reader: Reader, settings: ReaderSettings) -> None:
    (first, one), *others = reader.streams.items()
    for name, other in others:
        differs = np.flatnonzero(one.lengths != other.lengths)
        if len(differs):
            at = int(differs[0])
            message = (
                f"sequence {reader.dataset.keys[at]} of '{settings.file}' has {one.lengths[at]} samples of '{first}' "
                f"and {other.lengths[at]} of '{name}'"
            )
            hint = "streams of different lengths need dynamic axes of their own, which are not implemented yet"
            raise DiagnosticError(Diagnostic("GC0612", message, settings.spans.get("file", settings.span), hint=hint))
