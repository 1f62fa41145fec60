"""Which numbers an operand holds: maps of evenly spread numbers in [0, 1) to labels, probabilities, positions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from graphc.ir import Node
from graphc.ops.regions import ROIPooling

# (numbers in [0, 1) of the operand's array shape, the operand, the node that reads it) → the operand's values
Domain = Callable[[np.ndarray, Node, Node], np.ndarray]


def between(low: float, high: float) -> Domain:
    """Numbers of a range."""
    return lambda u, operand, reader: low + (high - low) * u


POSITIVE = between(0.25, 2.25)
PROBABILITY = between(0.1, 0.9)
INSIDE_ONE = between(-0.9, 0.9)
BELOW, ABOVE = between(-1.5, -0.5), between(0.5, 1.5)


def whole(count: int) -> Domain:
    """Whole numbers from 0 to ``count`` - 1."""
    return lambda u, operand, reader: np.floor(u * count)


def rank(u: np.ndarray, operand: Node, reader: Node) -> np.ndarray:
    """How many of the largest elements count: 1 to 3."""
    return 1 + np.floor(u * 3)


def distribution(u: np.ndarray, operand: Node, reader: Node) -> np.ndarray:
    """Probabilities of classes, a vector a frame; every other frame is one-hot."""
    axes = tuple(range(-operand.type.rank, 0))
    positive = u + 0.125
    share = positive / positive.sum(axis=axes, keepdims=True)
    if u.ndim == len(axes):
        return share
    flat = u.reshape((len(u), -1))
    hot = (np.arange(flat.shape[1]) == flat.argmax(axis=1)[:, None]).reshape(u.shape)
    is_even = (np.arange(len(u)) % 2 == 0).reshape((-1, *(1,) * len(axes)))
    return np.where(is_even, hot, share)


def tokens(u: np.ndarray, operand: Node, reader: Node) -> np.ndarray:
    """Labels of `ForwardBackward`: 2 at a token that begins in the frame, 1 at one that goes on."""
    flat = u.reshape((len(u), -1))
    hot = (np.arange(flat.shape[1]) == flat.argmax(axis=1)[:, None]).reshape(u.shape)
    is_third = (np.arange(len(u)) % 3 == 2).reshape((-1, *(1,) * (u.ndim - 1)))
    return np.where(is_third, hot, 2.0 * hot)


def weights(u: np.ndarray, operand: Node, reader: Node) -> np.ndarray:
    """Weights of classes of which no quantile falls between two: rounding would decide on the class."""
    return 0.25 + 2 * u + np.sqrt(2.0 + np.arange(u.size).reshape(u.shape)) / 10


def neutral_weights(u: np.ndarray, operand: Node, reader: Node) -> np.ndarray:
    """Weights whose total over the elements of the reader's first operand is the number of frames."""
    positive = u + 0.125
    return positive / positive.mean() / reader.inputs[0].type.size


def queries(u: np.ndarray, operand: Node, reader: Node) -> np.ndarray:
    """A number for each frame, such that frames of one query stand behind each other."""
    return np.floor(3 * np.sort(u, axis=0))


def gains(u: np.ndarray, operand: Node, reader: Node) -> np.ndarray:
    """Gains of documents in falling order."""
    return np.floor(5 * np.sort(u, axis=0)[::-1])


def words(u: np.ndarray, operand: Node, reader: Node) -> np.ndarray:
    """Labels of `ClassBasedCrossEntropyWithSoftmax`: word, class, the class's first word and its end."""
    count, classes = reader.inputs[2].type.dims[1], reader.inputs[3].type.size
    word = np.floor(u.reshape((-1, 4))[:, 0] * count)
    group = np.floor(word * classes / count)
    first, end = (np.ceil(g * count / classes) for g in (group, group + 1))
    return np.stack([word, group, first, end], axis=-1).reshape(u.shape)


def regions(u: np.ndarray, operand: Node, reader: Node) -> np.ndarray:
    """Columns (x1, y1, x2, y2) of whole pixels of the picture that the image was computed from."""
    assert isinstance(reader.op, ROIPooling), reader
    width, height, _ = reader.inputs[0].type.dims
    low, high = np.sort(np.stack([u[..., :2], u[..., 2:]]), axis=0)
    size = np.array([width, height], float)
    corners = [np.floor(part * size) / reader.op.spatial_scale for part in (low, high)]
    return np.concatenate(corners, axis=-1)


def chosen(u: np.ndarray, operand: Node, reader: Node) -> np.ndarray:
    """Conditions of `Where`: what they add up to says which frames are taken."""
    return np.floor(3 * u) / 2


def one_in_each(flags: np.ndarray, lengths: Sequence[int]) -> np.ndarray:
    """Conditions of which one is 1 in each sequence: one that chooses nothing is an error of the run."""
    found = flags.copy()
    for end, length in zip(np.cumsum(lengths), lengths, strict=True):
        found[end - 1 - int(2 * flags[end - 1].item()) % length] = 1
    return found


def entry(u: np.ndarray, operand: Node, reader: Node) -> np.ndarray:
    """Where in a table the reader looks."""
    return np.floor(u * reader.inputs[1].type.dims[-1])
