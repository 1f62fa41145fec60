"""What is wrong with the numbers of a data set: not finite, or labels that are no probabilities (``--check-data``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from graphc.config.reader import ReaderSettings
from graphc.data.columns import Column, DenseColumn, Stream
from graphc.data.reader import Reader
from graphc.diagnostics import Diagnostic, Diagnostics, Label
from graphc.network.network import Network, NetworkNode, needed
from graphc.ops.criteria import ClassificationError, CrossEntropy, CrossEntropyWithSoftmax, Logistic
from graphc.ops.shaping import Reshape
from graphc.ops.sources import InputValue
from graphc.ops.unary import Pass
from graphc.ops.word_criteria import ClassBasedCrossEntropyWithSoftmax

# what text with a few digits leaves of a sum of 1
_NEAR = 1e-3

# samples, by whether they are
Bad = npt.NDArray[Any]


def check_numbers(reader: Reader, network: Network, roots: Sequence[str], settings: ReaderSettings) -> None:
    """Raise `DiagnosticError` with the first bad sample of every input, and how many follow it."""
    found = Diagnostics()
    # of several criteria the first speaks
    labels = dict(reversed([*_labels(network, roots)]))
    for name, stream in reader.streams.items():
        bad = _not_finite(stream.column)
        if bad.any():
            problem = f"{name} has {_first_not_finite(stream.column, bad)}"
            found.add(_diagnostic("GC0614", problem, bad, stream, reader, settings, _of(name, network[name])))
        elif name in labels:
            node, rule = labels[name]
            wrong = rule(stream.column, node)
            bad = np.zeros(stream.column.samples, np.bool_) if wrong is None else wrong
            if bad.any():
                problem = f"{name}, the labels of {node.name} ({node.operation}), {_RULES[rule]}"
                found.add(_diagnostic("GC0615", problem, bad, stream, reader, settings, _of(name, network[name])))
    found.raise_errors()


def _labels(network: Network, roots: Sequence[str]) -> Iterator[tuple[str, tuple[NetworkNode, Rule]]]:
    """Inputs that are labels of a criterion: which, and what it asks of them."""
    for node in needed([network[name] for name in roots]):
        for kind, rule in _CRITERIA.items():
            if isinstance(node.op, kind):
                source = _source(node.inputs[0])
                if isinstance(source.op, InputValue):
                    yield source.name, (node, rule)


def _source(node: NetworkNode) -> NetworkNode:
    """What the value is before it is only called or arranged in another way."""
    while isinstance(node.op, Pass | Reshape):
        node = node.inputs[0]
    return node


def _not_finite(column: Column) -> Bad:
    if isinstance(column, DenseColumn):
        return np.asarray((~np.isfinite(column.values)).any(axis=1))
    bad = np.zeros(column.samples, np.bool_)
    bad[_owners(column.offsets)[~np.isfinite(column.values)]] = True
    return bad


def _first_not_finite(column: Column, bad: Bad) -> str:
    at = int(bad.argmax())
    own = at if isinstance(column, DenseColumn) else slice(*column.offsets[at : at + 2])
    values = column.values[own]
    return f"{values[~np.isfinite(values)][0]:g} among its values"


def _owners(offsets: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))


def _no_distribution(column: Column, node: NetworkNode) -> Bad | None:
    if column.is_onehot:
        return None
    if isinstance(column, DenseColumn):
        least, sums = column.values.min(axis=1), column.values.sum(axis=1, dtype=np.float64)
    else:
        owners = _owners(column.offsets)
        sums = np.bincount(owners, column.values, column.samples)
        least = np.zeros(column.samples)
        np.minimum.at(least, owners, column.values)
    return np.logical_or(least < 0, np.abs(sums - 1) > _NEAR)


def _no_probability(column: Column, node: NetworkNode) -> Bad:
    if isinstance(column, DenseColumn):
        return np.asarray(((column.values < 0) | (column.values > 1)).any(axis=1))
    bad = np.zeros(column.samples, np.bool_)
    bad[_owners(column.offsets)[(column.values < 0) | (column.values > 1)]] = True
    return bad


def _no_word(column: Column, node: NetworkNode) -> Bad | None:
    if not isinstance(column, DenseColumn):
        return None
    weights, scores = node.inputs[2].type, node.inputs[3].type
    assert weights is not None and scores is not None, node
    word, group, first, end = column.values.T
    in_class = (first >= 0) & (first <= word) & (word < end) & (end <= weights.dims[1])
    are_whole = (column.values == np.floor(column.values)).all(axis=1)
    return ~np.asarray(in_class & (group >= 0) & (group < scores.size) & are_whole)


Rule = Callable[[Column, NetworkNode], Bad | None]

_RULES: Mapping[Rule, str] = {
    _no_distribution: "are neither one-hot nor probabilities that add up to 1",
    _no_probability: "lie outside 0 to 1",
    _no_word: "are no word, its class, and the first word and the end of the class",
}
_CRITERIA: Mapping[type, Rule] = {
    CrossEntropyWithSoftmax: _no_distribution,
    CrossEntropy: _no_distribution,
    ClassificationError: _no_distribution,
    Logistic: _no_probability,
    ClassBasedCrossEntropyWithSoftmax: _no_word,
}


def _of(name: str, node: NetworkNode) -> Label:
    return Label(f"{name} is the input {node.type}", node.span)


def _diagnostic(
    code: str, problem: str, bad: Bad, stream: Stream, reader: Reader, settings: ReaderSettings, label: Label
) -> Diagnostic:
    at = int(bad.argmax())
    sequence = int(np.searchsorted(stream.sequence_offsets, at, side="right")) - 1
    where = f"sample {at - int(stream.sequence_offsets[sequence]) + 1} of sequence {reader.dataset.keys[sequence]}"
    more = int(bad.sum()) - 1
    others = f", and {more} more" if more else ""
    message = f"{problem}: {where} of '{settings.file}'{others}"
    return Diagnostic(code, message, settings.spans.get("file", settings.span), (label,))
