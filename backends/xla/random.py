"""Random numbers of one step, from counters: no state, any name and shape, the same on every device."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


@dataclass(frozen=True)
class CounterStream:
    """Random numbers keyed by ``key`` (two 32-bit words: run seed and epoch, and minibatch) and a node's name."""

    key: Any

    @staticmethod
    def of(seed: int, epoch: int = 0, minibatch: Any = 0) -> CounterStream:
        """The stream of one minibatch; ``minibatch`` may be traced, the others are numbers of the host."""
        return CounterStream(jnp.stack([jnp.uint32(epoch_word(seed, epoch)), jnp.asarray(minibatch, jnp.uint32)]))

    def step(self, time: Any) -> CounterStream:
        """The stream of one step of a loop, whose number may be traced."""
        return CounterStream(jnp.stack([self.key[0], _mix(self.key[1] ^ _mix(jnp.asarray(time, jnp.uint32) + 1))]))

    def words(self, name: str, count: int) -> Any:
        """``count`` random 32-bit words."""
        salt = jnp.uint32(zlib.crc32(name.encode()))
        first = _mix(_mix(self.key[0] ^ salt) + self.key[1])
        second = _mix(first ^ jnp.uint32(_GOLDEN))
        counter = jax.lax.iota(jnp.uint32, count)
        return _mix(_mix(counter * jnp.uint32(_GOLDEN) + first) ^ second)

    def bytes(self, name: str, shape: tuple[int, ...]) -> Any:
        """Random integers 0 … 255: four of a word, because making words is what random masks cost."""
        size = int(np.prod(shape))
        words = self.words(name, -(-size // 4))
        shifts = jnp.arange(0, 32, 8, dtype=jnp.uint32)
        return ((words[:, None] >> shifts) & jnp.uint32(255)).reshape(-1)[:size].reshape(shape)

    def uniform(self, name: str, shape: tuple[int, ...]) -> Any:
        """Numbers in [0, 1), multiples of 2^-24, which every float32 there holds exactly."""
        words = self.words(name, int(np.prod(shape))) >> jnp.uint32(8)
        return (words.astype(jnp.float32) * jnp.float32(2.0**-24)).reshape(shape)


jax.tree_util.register_dataclass(CounterStream, ["key"], [])

_GOLDEN = 0x9E3779B9


def epoch_word(seed: int, epoch: int) -> int:
    """32 bits that stand for run seed and epoch."""
    return zlib.crc32(f"{seed}:{epoch}".encode())


def _mix(x: Any) -> Any:
    # A bijection of 32-bit words after which every output bit depends on every input bit; two rounds of
    # multiply and shift with constants of low avalanche bias (found by C. Wellons' search, public domain).
    x = (x ^ (x >> 16)) * jnp.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * jnp.uint32(0x846CA68B)
    return x ^ (x >> 16)
