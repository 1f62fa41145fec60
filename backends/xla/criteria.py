"""Criteria over classes: softmax fused with cross entropy, onehot labels as gathers, ranks by comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from graphc.backends.xla.argmax import first_largest
from graphc.backends.xla.lowering import lowers, with_pullback
from graphc.backends.xla.values import densify
from graphc.ir import Context, Storage, TensorType
from graphc.ir.layout import static_axes
from graphc.ops.criteria import ClassificationError, CrossEntropyWithSoftmax
from graphc.ops.rules import flat
from graphc.ops.softmax import LogSoftmax, Softmax


@lowers(CrossEntropyWithSoftmax)
def cross_entropy_with_softmax(op: CrossEntropyWithSoftmax, c: Context, labels: Any, z: Any) -> Any:
    match c.operands[0].storage:
        case Storage.ONEHOT:
            return with_pullback(_onehot_value, _onehot_gradient, c, labels, z)
        case Storage.SPARSE:
            # JAX would look for a gradient of the pair; labels that are stored sparsely are inputs and have none
            dense = jax.lax.stop_gradient(densify(labels, c.operands[0]))
            return with_pullback(op.evaluate, op.pullback, c, dense, z)
        case Storage.DENSE:
            return with_pullback(_dense_value, op.pullback, c, labels, z)


def _onehot_value(c: Context, labels: Any, z: Any) -> Any:
    scores = flat(z, c.operands[1])
    return _total(c, jnp.where(_is_class(labels, scores), _logsumexp(scores) - _at(scores, labels), 0))


def _onehot_gradient(c: Context, xs: Sequence[Any], y: Any, g: Any) -> Sequence[Any]:
    labels, z = xs
    scores = flat(z, c.operands[1])
    hot = labels[:, None] == jnp.arange(scores.shape[-1])
    dz = c.masked(g * (_softmax(scores) - hot))
    # a parameter in place of z is the same for all frames
    return None, (dz if c.operands[1].axis is not None else dz.sum(axis=0)).reshape(z.shape)


def _dense_value(c: Context, labels: Any, z: Any) -> Any:
    labels, scores = (flat(x, t) for x, t in zip((labels, z), c.operands, strict=True))
    return _total(c, (labels * (_logsumexp(scores) - scores)).sum(axis=-1, keepdims=True))


@lowers(ClassificationError)
def classification_error(op: ClassificationError, c: Context, labels: Any, z: Any, top: Any = None) -> Any:
    scores = flat(z, c.operands[1])
    label = _label(labels, c.operands[0])
    classes = jnp.arange(scores.shape[-1])
    score = _at(scores, label)
    # of equal scores the first ranks higher; a comparison with NaN is false, so a NaN ranks before the label
    before = ~(scores <= score) | ((scores == score) & (classes < label[:, None]))
    most = 1 if top is None else top.reshape(())
    wrong = before.sum(axis=-1, keepdims=True) >= most
    return _total(c, wrong.astype(scores.dtype))


def _label(labels: Any, type: TensorType) -> Any:
    """Index of the first largest element of each frame's labels."""
    if type.storage is Storage.ONEHOT:
        return jnp.where(_is_class(labels, type.size)[:, 0], labels, 0)
    if type.storage is Storage.SPARSE:
        labels = densify(labels, type)
    return first_largest(jnp.atleast_2d(flat(labels, type)))


def _is_class(labels: Any, scores: Any) -> Any:
    size = scores if isinstance(scores, int) else scores.shape[-1]
    return ((labels >= 0) & (labels < size))[:, None]


def _at(scores: Any, labels: Any) -> Any:
    return jnp.take_along_axis(jnp.atleast_2d(scores), labels[:, None], axis=-1, mode="clip")


def _total(c: Context, terms: Any) -> Any:
    return c.masked(terms).sum().reshape((1,))


def _logsumexp(z: Any) -> Any:
    largest = z.max(axis=-1, keepdims=True)
    return jnp.log(jnp.exp(z - largest).sum(axis=-1, keepdims=True)) + largest


def _softmax(z: Any) -> Any:
    exponential = jnp.exp(z - z.max(axis=-1, keepdims=True))
    return exponential / exponential.sum(axis=-1, keepdims=True)


@lowers(Softmax)
def softmax(op: Softmax, c: Context, z: Any) -> Any:
    return jax.nn.softmax(z, axis=static_axes(c.result.rank))  # its gradient reads the result, not the shift


@lowers(LogSoftmax)
def log_softmax(op: LogSoftmax, c: Context, z: Any) -> Any:
    return jax.nn.log_softmax(z, axis=static_axes(c.result.rank))
