"""Random numbers of stochastic nodes as CNTK draws them in training: on the host, a word of its engine an element."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import jax
import numpy as np
import numpy.typing as npt

from graphc.data.mersenne import MT19937_64
from graphc.ops.sampling import RandomSample, RandomSampleInclusionFrequency
from graphc.train.classes import different, frequencies, repeated
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

    def classes(self, op: RandomSample, epoch: int, minibatch: int, weights: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
        """Numbers of the classes drawn; -1 for each where the weights do not allow so many."""

        def draw(engine: MT19937_64) -> npt.NDArray[Any]:
            if op.allow_duplicates:
                found = repeated(engine, weights, op.sample_size)
            else:
                found, _ = different(engine, weights, op.sample_size) or (None, 0)
            return np.full(op.sample_size, -1) if found is None else found

        return self._drawn(op.name, epoch, minibatch, draw).astype(np.int32)

    def frequencies(
        self, op: RandomSampleInclusionFrequency, epoch: int, minibatch: int, weights: npt.NDArray[Any]
    ) -> npt.NDArray[Any]:
        """How often each class is expected; no numbers where the weights do not allow so many."""

        def draw(engine: MT19937_64) -> npt.NDArray[Any]:
            found = frequencies(engine, weights, op.sample_size, repeats=op.allow_duplicates)
            return np.full(len(weights), np.nan) if found is None else found

        return self._drawn(op.name, epoch, minibatch, draw).astype(weights.dtype)

    def _uniform(
        self, name: str, epoch: int, minibatch: int, shape: tuple[int, ...], dtype: npt.DTypeLike
    ) -> npt.NDArray[Any]:
        start, end = self._starts[epoch][minibatch : minibatch + 2]
        size = int(np.prod(shape[1:], dtype=np.int64))
        state = self._engines.get((epoch, name))
        if state is None or (state.frames > start and state.minibatch != minibatch):
            state = self._engines[epoch, name] = self._new(epoch, name)
        if state.minibatch != minibatch:
            for _ in state.engine.blocks((start - state.frames) * size):
                pass
            numbers = np.ones(shape, dtype)
            numbers[: end - start] = uniform(state.engine, (end - start) * size, 0, 1, dtype).reshape(-1, *shape[1:])
            state.drawn, state.minibatch, state.frames = numbers, minibatch, end
        return state.drawn

    def _drawn(
        self, name: str, epoch: int, minibatch: int, draw: Callable[[MT19937_64], npt.NDArray[Any]]
    ) -> npt.NDArray[Any]:
        """What a node draws in a minibatch, after what it drew in those before."""
        with self._lock:
            state = self._engines.get((epoch, name))
            if state is None or state.minibatch > minibatch:
                state = self._engines[epoch, name] = self._new(epoch, name)
            while state.minibatch < minibatch:
                state.drawn, state.minibatch = draw(state.engine), state.minibatch + 1
            return state.drawn

    def _new(self, epoch: int, name: str) -> _Engine:
        # the nodes of all epochs so far have had seeds of their own
        return _Engine(MT19937_64((epoch - 1) * len(self.names) + self.names.index(name)))


@dataclass(frozen=True)
class HostStream:
    """The numbers of one minibatch for a traced step: ``key`` is epoch and minibatch.

    Inside loops ``in_loops`` draws: CNTK's order there follows from how it laid out its minibatches.
    """

    key: Any
    in_loops: Any
    streams: NodeStreams
    dtype: str

    def uniform(self, name: str, shape: tuple[int, ...]) -> Any:
        def draw(key: Any) -> npt.NDArray[Any]:
            epoch, minibatch = np.asarray(key).tolist()
            return self.streams.uniform(name, epoch, minibatch, shape, self.dtype)

        return jax.pure_callback(draw, jax.ShapeDtypeStruct(shape, np.dtype(self.dtype)), self.key)

    def step(self, time: Any) -> Any:
        """The stream of one step of a loop."""
        return self.in_loops.step(time)

    def classes(self, op: RandomSample, weights: Any) -> Any:
        def draw(key: Any, weights: Any) -> npt.NDArray[Any]:
            epoch, minibatch = np.asarray(key).tolist()
            return self.streams.classes(op, epoch, minibatch, np.asarray(weights))

        return jax.pure_callback(draw, jax.ShapeDtypeStruct((op.sample_size,), np.int32), self.key, weights)

    def frequencies(self, op: RandomSampleInclusionFrequency, weights: Any) -> Any:
        def draw(key: Any, weights: Any) -> npt.NDArray[Any]:
            epoch, minibatch = np.asarray(key).tolist()
            return self.streams.frequencies(op, epoch, minibatch, np.asarray(weights))

        return jax.pure_callback(draw, jax.ShapeDtypeStruct(weights.shape, weights.dtype), self.key, weights)


jax.tree_util.register_dataclass(HostStream, ["key", "in_loops"], ["streams", "dtype"])
