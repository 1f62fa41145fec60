"""The digits networks written by hand in JAX, as a careful author would: the yardstick of benchmarks/digits.py.

Images are (frames, height, width, channels), kernels (height, width, in, out), the two gradients of a convolution are
plain convolutions, pooling is reshape and maximum, state is donated, data lie on the device, one dispatch a minibatch,
no metrics. Dropout compares random bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

_NUMBERS = ("NHWC", "HWIO", "NHWC")
_HIGHEST = lax.Precision.HIGHEST

Arrays = dict[str, Any]


def dot(x: Any, w: Any) -> Any:
    return jnp.dot(x, w, precision=_HIGHEST)


def _convolve(x: Any, k: Any, pad: int) -> Any:
    return lax.conv_general_dilated(x, k, (1, 1), [(pad, pad)] * 2, dimension_numbers=_NUMBERS, precision=_HIGHEST)


@jax.custom_vjp
def convolve(x: Any, k: Any) -> Any:
    return _convolve(x, k, k.shape[0] // 2)


def _backward(saved: Any, g: Any) -> tuple[Any, Any]:
    x, k = saved
    dx = _convolve(g, jnp.flip(k, (0, 1)).swapaxes(2, 3), k.shape[0] // 2)
    dk = _convolve(x.transpose(3, 1, 2, 0), g.transpose(1, 2, 0, 3), k.shape[0] // 2)
    return dx, dk.transpose(1, 2, 0, 3)


convolve.defvjp(lambda x, k: (convolve(x, k), (x, k)), _backward)


def pool(x: Any) -> Any:
    n, h, w, c = x.shape
    return x.reshape(n, h // 2, 2, w // 2, 2, c).max((2, 4))


def drop(key: Any, x: Any, rate: Any) -> Any:
    kept = jax.random.bits(key, x.shape, jnp.uint8) >= (rate * 256).astype(jnp.uint8)
    return jnp.where(kept, x / (1 - rate), 0)


def logistic(p: Arrays, x: Any, key: Any, rate: Any) -> Any:
    return dot(x.reshape(len(x), -1) / 16, p["W"]) + p["b"]


def mlp(p: Arrays, x: Any, key: Any, rate: Any) -> Any:
    first, second = jax.random.split(key)
    h = x.reshape(len(x), -1) / 16
    h = drop(first, jax.nn.relu(dot(h, p["W1"]) + p["b1"]), rate)
    h = drop(second, jax.nn.relu(dot(h, p["W2"]) + p["b2"]), rate)
    return dot(h, p["W3"]) + p["b3"]


def convnet(p: Arrays, x: Any, key: Any, rate: Any) -> Any:
    first, second = jax.random.split(key)
    h = jax.nn.relu(convolve(x / 16, p["K1"]) + p["c1"])
    h = pool(jax.nn.relu(convolve(h, p["K2"]) + p["c2"]))
    h = drop(first, pool(jax.nn.relu(convolve(h, p["K3"]) + p["c3"])), rate)
    h = drop(second, jax.nn.relu(dot(h.reshape(len(h), -1), p["W1"]) + p["b1"]), rate)
    return dot(h, p["W2"]) + p["b2"]


SHAPES: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "logistic": {"W": (64, 10), "b": (10,)},
    "mlp": {"W1": (64, 200), "b1": (200,), "W2": (200, 100), "b2": (100,), "W3": (100, 10), "b3": (10,)},
    "convnet": {
        **{"K1": (3, 3, 1, 32), "c1": (32,), "K2": (3, 3, 32, 32), "c2": (32,), "K3": (3, 3, 32, 64), "c3": (64,)},
        **{"W1": (256, 128), "b1": (128,), "W2": (128, 10), "b2": (10,)},
    },
}
FORWARD: Mapping[str, Callable[..., Any]] = {"logistic": logistic, "mlp": mlp, "convnet": convnet}


def initial(name: str) -> tuple[Arrays, Arrays]:
    """Parameters and their momentum."""
    rng, shapes = np.random.default_rng(0), SHAPES[name].items()
    drawn = {n: rng.normal(0, 1 / np.sqrt(np.prod(s[:-1])), s) if len(s) > 1 else np.zeros(s) for n, s in shapes}
    return {n: jnp.asarray(v, jnp.float32) for n, v in drawn.items()}, {n: jnp.zeros(s) for n, s in shapes}


def step(name: str) -> Callable[..., tuple[Arrays, Arrays]]:
    """A minibatch of unit-gain momentum: the ``size`` images that ``order`` names from ``start`` on."""
    forward = FORWARD[name]

    def run(
        p: Arrays, m: Arrays, x: Any, y: Any, order: Any, start: Any, key: Any, rates: Any, size: int
    ) -> tuple[Arrays, Arrays]:
        rate, momentum, dropout = rates
        rows, key = lax.dynamic_slice(order, (start,), (size,)), jax.random.fold_in(key, start)

        def loss(p: Arrays) -> Any:
            z = forward(p, x[rows], key, dropout)
            return -(y[rows] * jax.nn.log_softmax(z)).sum()

        g = jax.grad(loss)(p)
        m = jax.tree.map(lambda m, g: momentum * m + (1 - momentum) * rate * g, m, g)
        return jax.tree.map(jnp.subtract, p, m), m

    return jax.jit(run, donate_argnums=(0, 1), static_argnames="size")
