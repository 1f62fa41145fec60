"""Columns on the device, and the minibatches that are taken from them by index."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import numpy.typing as npt

from graphc.data.batches import Batch, Batches
from graphc.data.columns import Column, SparseColumn
from graphc.data.rows import RowBatches
from graphc.ir import Graph, Node, Storage
from graphc.ir.layout import array_shape
from graphc.ops.sources import InputValue
from graphc.train.engine import engine

# capacities of sparse samples are rounded up to this, so that few programs are compiled
_CAPACITY_STEP = 8

# batches are arguments of staged functions
jax.tree_util.register_dataclass(Batch, ["samples", "frames"], [])

DeviceColumns = dict[str, Any]


def inputs(graph: Graph) -> dict[str, Node]:
    """Inputs that the graph reads, by name."""
    return {node.op.name: node for node in graph.nodes if isinstance(node.op, InputValue)}


def to_device(graph: Graph, columns: Mapping[str, Column], device: Any) -> DeviceColumns:
    """The columns that the graph's inputs read, whole, in the form that their storage asks for."""
    found = {name: _column(node, columns[name]) for name, node in inputs(graph).items()}
    with engine().precision(graph):
        return jax.device_put(found, device)


def _column(node: Node, column: Column) -> Any:
    dtype = np.dtype(node.type.element.value)
    match node.type.storage:
        case Storage.DENSE:
            return column.dense().astype(dtype, copy=False).reshape(array_shape(node.type, column.samples))
        case Storage.ONEHOT:
            assert column.is_onehot, f"the column of {node} is not onehot"
            return column.onehot_indices()
        case Storage.SPARSE:
            assert isinstance(column, SparseColumn), f"the column of {node} is not sparse"
            indices, values = padded(column)
            return indices, values.astype(dtype, copy=False)


def padded(column: SparseColumn) -> tuple[npt.NDArray[np.int32], npt.NDArray[Any]]:
    """Indices and values as ``(samples, capacity)``; places that are not used hold an index outside."""
    entries = np.diff(column.offsets)
    most = int(entries.max(initial=1))
    capacity = -(-most // _CAPACITY_STEP) * _CAPACITY_STEP
    rows = np.repeat(np.arange(column.samples), entries)
    places = np.arange(len(column.indices)) - np.repeat(column.offsets[:-1], entries)
    indices = np.full((column.samples, capacity), column.dim, np.int32)
    values = np.zeros((column.samples, capacity), column.values.dtype)
    indices[rows, places] = column.indices
    values[rows, places] = column.values
    return indices, values


def take_batch(graph: Graph, columns: DeviceColumns, samples: Mapping[str, Any]) -> DeviceColumns:
    """The samples of each input at the indices of its dynamic axis."""
    return {name: take(columns[name], samples[_axis(node)]) for name, node in inputs(graph).items()}


def _axis(node: Node) -> str:
    assert node.type.axis is not None, node
    return node.type.axis.name


def take(columns: DeviceColumns, indices: Any) -> DeviceColumns:
    """The samples at ``indices``, which must lie inside."""
    return jax.tree.map(lambda x: x.at[indices].get(mode="promise_in_bounds"), columns)


@dataclass(frozen=True, eq=False)
class Minibatches:
    """Which samples each minibatch of an epoch takes.

    Row i of ``indices`` holds minibatch i, its first ``counts[i]`` entries; the others are 0. ``columns[i]`` is the
    number of columns of CNTK's layout, which the update rule calls N; with frames it is the count. Where frames form
    sequences, ``batches`` has them and there are no ``indices``.
    """

    indices: npt.NDArray[np.int32]
    counts: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]
    batches: Batches | RowBatches | None = None
    # frames of each sequence of each minibatch, as the reader has them, where that is known
    lengths: Sequence[npt.NDArray[np.integer]] = ()

    @property
    def capacity(self) -> int:
        return self.indices.shape[1]

    @staticmethod
    def of_sequences(batches: Batches | RowBatches) -> Minibatches:
        counts = np.array([m.samples for m in batches.minibatches], np.int64)
        columns = np.array([m.columns for m in batches.minibatches], np.int64)
        return Minibatches(np.zeros((len(counts), 0), np.int32), counts, columns, batches)

    @property
    def rows(self) -> int:
        """Rows in which minibatches go on where the one before stopped; 0 where sequences are whole."""
        return self.batches.room.lanes if isinstance(self.batches, RowBatches) else 0

    def __len__(self) -> int:
        return len(self.counts)

    @staticmethod
    def of(samples: Iterable[npt.NDArray[np.integer]], capacity: int | None = None) -> Minibatches:
        """From the sample numbers of each minibatch; ``capacity`` is the size of a full one."""
        rows = [np.asarray(row) for row in samples]
        counts = np.array([len(row) for row in rows], np.int64)
        width = max(capacity or 0, int(counts.max(initial=1)))
        indices = np.zeros((len(rows), width), np.int32)
        for row, taken in zip(indices, rows, strict=True):
            row[: len(taken)] = taken
        return Minibatches(indices, counts, counts)
