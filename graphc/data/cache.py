"""Keeps the parsed form of large text files, so that the next run reads arrays instead of text.

A cache entry is only ever a shortcut: one that is missing, stale or broken is made again, and no failure is told.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from graphc.caches import cache_folder
from graphc.data.columns import Column, Dataset, DenseColumn, SparseColumn, Stream, frozen
from graphc.data.text_format import TextOptions, parse_text_format, read_bytes
from graphc.data.text_rows import TextInput
from graphc.diagnostics import Span
from graphc.files import private_binary_writer

_FORMAT = 1  # raised when the parser or the layout changes meaning
_WORTHWHILE = 1 << 20  # bytes of text; less is parsed faster than a file is opened


def read_cached(path: Path, inputs: Sequence[TextInput], options: TextOptions, span: Span | None = None) -> Dataset:
    """The data of a text file, from the cache where its contents were parsed the same way before."""
    data = read_bytes(path, span)
    if len(data) < _WORTHWHILE:
        return parse_text_format(data, str(path), inputs, options)
    folder = cache_folder("text")
    if folder is None:
        return parse_text_format(data, str(path), inputs, options)
    entry = folder / f"{_key(data, inputs, options)}.safetensors"
    cached = _load(entry, inputs)
    if cached is not None:
        return cached
    dataset = parse_text_format(data, str(path), inputs, options)
    # A warning points into the text and must come again, so such a file is parsed again.
    if not dataset.warnings:
        _store(entry, dataset)
    return dataset


def _key(data: bytes, inputs: Sequence[TextInput], options: TextOptions) -> str:
    settings = [
        _FORMAT,
        [(i.name, i.dim, i.sparse, i.key.decode(), i.defines_mb_size) for i in inputs],
        options.skip_sequence_ids,
        options.max_errors,
        np.dtype(options.dtype).str,
    ]
    digest = hashlib.sha256(json.dumps(settings).encode())
    digest.update(data)
    return digest.hexdigest()


def _store(entry: Path, dataset: Dataset) -> None:
    from safetensors.numpy import save  # a run without large files does without

    with suppress(OSError), private_binary_writer(entry) as stream:
        stream.write(save(_arrays(dataset)))


def _arrays(dataset: Dataset) -> dict[str, np.ndarray]:
    arrays = {name: getattr(dataset, name) for name in ("keys", "lengths", "places", "byte_sizes")}
    for number, stream in enumerate(dataset.streams.values()):
        arrays[f"{number}.sequence_offsets"] = stream.sequence_offsets
        names = ("values",) if isinstance(stream.column, DenseColumn) else ("values", "indices", "offsets")
        arrays |= {f"{number}.{name}": getattr(stream.column, name) for name in names}
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def _load(entry: Path, inputs: Sequence[TextInput]) -> Dataset | None:
    if not entry.exists():
        return None
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        arrays = {name: frozen(array) for name, array in load_file(entry).items()}
        streams = {i.name: _stream(arrays, f"{number}.", i) for number, i in enumerate(inputs)}
        return Dataset(streams, arrays["keys"], arrays["lengths"], arrays["places"], arrays["byte_sizes"])
    except (OSError, SafetensorError, KeyError, IndexError, ValueError):
        return None


def _stream(arrays: dict[str, np.ndarray], prefix: str, input: TextInput) -> Stream:
    """The stream; raises ValueError where the parts do not fit together."""
    sequence_offsets, values = arrays[prefix + "sequence_offsets"], arrays[prefix + "values"]
    column: Column
    if input.sparse:
        column = SparseColumn(arrays[prefix + "indices"], values, arrays[prefix + "offsets"], input.dim)
        fits = len(column.indices) == len(values) == column.offsets[-1]
    else:
        column = DenseColumn(values)
        fits = values.ndim == 2 and column.dim == input.dim
    if not fits or sequence_offsets[-1] != column.samples:
        raise ValueError("inconsistent cache entry")
    return Stream(column, sequence_offsets)
