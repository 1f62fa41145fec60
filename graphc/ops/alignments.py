"""The alignments of a sequence of tokens with frames, blanks in between, and how probable they are together.

The states of a sequence of U tokens are blank, token, blank, …, token, blank: 2 U + 1. From frame to frame an
alignment stays in its state, goes to the next one, or leaves out a blank between two tokens that differ. All numbers
are logarithms, so that float32 holds them for sequences of any length.

Arrays are ``(lanes, states)``, one sequence a lane.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from graphc.ops.grids import Grid, Loop, first_chosen


@dataclass(frozen=True)
class Alignments:
    """``tokens`` of the states; ``may_leap``: the state can follow the one before the last.

    ``last`` is the final blank of each lane. ``until`` is the last time that each state is allowed at, none where they
    always are; at time 0 all are.
    """

    grid: Grid
    tokens: Any
    may_leap: Any
    last: Any
    until: Any | None = None

    def log_probability(self, xp: Any, scores: Any, loop: Loop) -> Any:
        """Of the tokens of each lane; ``scores`` are logarithms of probabilities, ``(time, lanes, tokens)``."""
        alpha, _ = self._forward(xp, scores, loop)
        last = xp.take_along_axis(alpha, self.last[:, None], axis=1)
        before = xp.take_along_axis(alpha, xp.maximum(self.last - 1, 0)[:, None], axis=1)
        nothing = xp.full_like(before, -xp.inf)
        return xp.logaddexp(last, xp.where(self.last[:, None] > 0, before, nothing))[:, 0]

    def occupancy(self, xp: Any, scores: Any, loop: Loop) -> Any:
        """How probable each token is at each time, given the tokens of the lane: ``(time, lanes, tokens)``.

        It adds up to 1, and to 0 in lanes whose tokens no alignment reaches.
        """
        _, alphas = self._forward(xp, scores, loop)
        numbers = xp.arange(self.tokens.shape[1], dtype="int32")
        zero = xp.zeros((), scores.dtype)
        is_end = (numbers <= self.last[:, None]) & (numbers >= self.last[:, None] - 1)
        ends = xp.where(is_end, zero, -xp.inf)
        lanes = xp.arange(self.grid.lanes, dtype="int32")[:, None]

        def step(ahead: Any, row: Any) -> tuple[Any, Any]:
            time, score, alpha = row
            leaping = _earlier(xp, xp.where(self.may_leap, ahead, -xp.inf), 2)
            onward = xp.logaddexp(xp.logaddexp(ahead, _earlier(xp, ahead, 1)), leaping)
            beta = xp.where((time < self.grid.lengths - 1)[:, None], onward, ends)
            share = _normalised(xp, alpha + beta)
            return beta + self._emitted(xp, time, score), _added(xp, xp.zeros_like(score), lanes, self.tokens, share)

        return loop(step, ends, (self.grid.steps(xp), scores, alphas), reverse=True)[1]

    def _forward(self, xp: Any, scores: Any, loop: Loop) -> tuple[Any, Any]:
        """Log probability of all ways into each state, up to each time and at the end of each lane."""
        # as if the first blank had been there before the first frame
        shape = self.tokens.shape
        start = xp.where(xp.arange(shape[1]) == 0, xp.zeros(shape, scores.dtype), -xp.inf)

        def step(alpha: Any, row: Any) -> tuple[Any, Any]:
            time, score = row
            leaping = xp.where(self.may_leap, _later(xp, alpha, 2), -xp.inf)
            found = xp.logaddexp(xp.logaddexp(alpha, _later(xp, alpha, 1)), leaping) + self._emitted(xp, time, score)
            found = xp.where((time < self.grid.lengths)[:, None], found, alpha)
            return found, found

        return loop(step, start, (self.grid.steps(xp), scores))

    def _emitted(self, xp: Any, time: Any, score: Any) -> Any:
        """Score of the token of each state at a time."""
        found = xp.take_along_axis(score, self.tokens, axis=1)
        return found if self.until is None else xp.where((time == 0) | (time <= self.until), found, -xp.inf)


def alignments(xp: Any, labels: Any, given: Grid, grid: Grid, blank: int, delay: int) -> Alignments:
    """Those of the tokens that begin in ``labels``, ``(frames, tokens)`` laid out by ``given``, with the frames of
    ``grid``.

    A token begins where the largest element is 2. From a ``delay`` of 0 on, no token stands later than that many
    frames after the next one begins, or after the end of the labels; the blank before it one frame less.
    """
    begins = given.laid(xp, labels.max(axis=-1) == 2) & given.inside(xp)
    tokens = first_chosen(xp, given.laid(xp, labels.argmax(axis=-1)), begins).T.astype("int32")
    count = begins.sum(axis=0).astype("int32")
    numbers = xp.arange(2 * given.time + 1, dtype="int32")
    # tokens of the states, with blanks from the end of the lane's tokens on
    is_token = (numbers % 2 == 1) & (numbers < 2 * count[:, None])
    own = xp.take(tokens, xp.minimum(numbers // 2, given.time - 1), axis=1)
    own = xp.where(is_token, own, xp.full_like(own, blank))
    differs = xp.concatenate([own[:, :2] != own[:, :2], own[:, 2:] != own[:, :-2]], axis=1)
    found = Alignments(grid, own, differs & (own != blank), 2 * count)
    if delay < 0:
        return found
    steps = xp.broadcast_to(given.steps(xp)[:, None], begins.shape)
    starts = first_chosen(xp, steps, begins).T
    ends = xp.where(given.steps(xp) < count[:, None], starts, given.lengths[:, None])
    # of token u and the blank before it, when token u + 1 begins
    ends = xp.concatenate([ends[:, 1:], given.lengths[:, None]], axis=1)
    until = xp.take(ends, xp.minimum(numbers // 2, given.time - 1), axis=1) + delay - (numbers % 2 == 0)
    until = xp.where(numbers < 2 * count[:, None], until, xp.full_like(until, grid.time))
    return Alignments(grid, own, found.may_leap, found.last, until)


def _later(xp: Any, x: Any, states: int) -> Any:
    return xp.concatenate([xp.full_like(x[:, :states], -xp.inf), x[:, :-states]], axis=1)


def _earlier(xp: Any, x: Any, states: int) -> Any:
    return xp.concatenate([x[:, states:], xp.full_like(x[:, :states], -xp.inf)], axis=1)


def _normalised(xp: Any, x: Any) -> Any:
    """Shares of the states from logarithms; 0 where none is possible."""
    largest = x.max(axis=1, keepdims=True)
    weights = xp.exp(x - xp.where(largest > -xp.inf, largest, xp.zeros_like(largest)))
    total = weights.sum(axis=1, keepdims=True)
    return weights / xp.where(total > 0, total, xp.ones_like(total))


def _added(xp: Any, to: Any, rows: Any, columns: Any, x: Any) -> Any:
    """``to`` with the elements of ``x`` added at their places; an array of zeros that nobody else reads."""
    if hasattr(to, "at"):
        return to.at[rows, columns].add(x)
    xp.add.at(to, (rows, columns), x)
    return to
