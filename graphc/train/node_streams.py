"""Random numbers of stochastic nodes as CNTK draws them in training: on the host, a word of its engine an element."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import jax
import numpy as np
import numpy.typing as npt

from graphc.data.mersenne import MT19937_64
from graphc.train.uniform import uniform


@dataclass(eq=False)
class _Engine:
    """The engine of a node in an epoch, and what it drew last."""

    engine: MT19937_64
    frames: int = 0
    minibatch: int = -1
    drawn: npt.NDArray[Any] = field(default_factory=lambda: np.empty(0))


class NodeStreams:
    """The engines of a network's stochastic nodes, ``names`` in the order in which CNTK numbers them.

    Every epoch seeds them anew; within it each goes on from minibatch to minibatch, real frames only.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._lock = Lock()
        self._starts: dict[int, list[int]] = {}
        self._engines: dict[tuple[int, str], _Engine] = {}

    def plan(self, epoch: int, counts: npt.NDArray[np.integer]) -> None:
        """Frames of each minibatch of an epoch, from 1. Epochs before the last are not asked for again."""
        with self._lock:  # a step of the epoch before may be drawing
            self._starts[epoch] = [0, *np.cumsum(counts).tolist()]
            self._starts = {e: starts for e, starts in self._starts.items() if e >= epoch - 1}
            self._engines = {key: engine for key, engine in self._engines.items() if key[0] in self._starts}

    def uniform(
        self, name: str, epoch: int, minibatch: int, shape: tuple[int, ...], dtype: npt.DTypeLike
    ) -> npt.NDArray[Any]:
        """Numbers in [0, 1) for ``(frames, …)``; 1 for frames that are padding. The same when asked for again."""
        with self._lock:
            return self._uniform(name, epoch, minibatch, shape, dtype)

    def _uniform(
        self, name: str, epoch: int, minibatch: int, shape: tuple[int, ...], dtype: npt.DTypeLike
    ) -> npt.NDArray[Any]:
        start, end = self._starts[epoch][minibatch : minibatch + 2]
        size = int(np.prod(shape[1:], dtype=np.int64))
        state = self._engines.get((epoch, name))
        if state is None or (state.frames > start and state.minibatch != minibatch):
            # the nodes of all epochs so far have had seeds of their own
            state = _Engine(MT19937_64((epoch - 1) * len(self.names) + self.names.index(name)))
            self._engines[epoch, name] = state
        if state.minibatch != minibatch:
            for _ in state.engine.blocks((start - state.frames) * size):
                pass
            numbers = np.ones(shape, dtype)
            numbers[: end - start] = uniform(state.engine, (end - start) * size, 0, 1, dtype).reshape(-1, *shape[1:])
            state.drawn, state.minibatch, state.frames = numbers, minibatch, end
        return state.drawn


@dataclass(frozen=True)
class HostStream:
    """The numbers of one minibatch for a traced step: ``key`` is epoch and minibatch."""

    key: Any
    streams: NodeStreams
    dtype: str

    def uniform(self, name: str, shape: tuple[int, ...]) -> Any:
        def draw(key: Any) -> npt.NDArray[Any]:
            epoch, minibatch = np.asarray(key).tolist()
            return self.streams.uniform(name, epoch, minibatch, shape, self.dtype)

        return jax.pure_callback(draw, jax.ShapeDtypeStruct(shape, np.dtype(self.dtype)), self.key)


jax.tree_util.register_dataclass(HostStream, ["key"], ["streams", "dtype"])
