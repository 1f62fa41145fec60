"""Ranking of documents for queries: frames with one ``queryId`` behind each other, in ideal order, are one query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from graphc.ir import Context, Cost, Op, ShapeError, TensorType, op
from graphc.ops.rules import real_frames, require_frames, result_type


class _Ranking(Op):
    family: ClassVar = "ranking"
    arity: ClassVar = (3, 3)
    operands: ClassVar = ("gain", "score", "queryId")

    def infer(self, *types: TensorType) -> TensorType:
        return result_type((1,), *types).with_axis(None)

    def check(self, *types: TensorType) -> None:
        require_frames(self.names[0], *types)
        for index, type in enumerate(types):
            if type.size != 1 or type.axis is None:
                raise ShapeError(f"{self.operands[index]} is {type}, expected one number a frame", index)

    def cost(self, result: TensorType, *types: TensorType) -> Cost:
        # pairs of frames are compared, but how many a query has is not known
        return Cost(10.0, super().cost(result, *types).bytes)


@dataclass(frozen=True)
class _Queries:
    """Pairwise facts of the frames of a minibatch: ``(frames, frames)`` masks and ``(frames,)`` vectors."""

    xp: Any
    same: Any  # both frames belong to one query, and neither is padding
    first: Any  # the frame is the first of its query
    place: Any  # place within the query in input order, from 0
    rank: Any  # place within the query by falling score, from 0

    @staticmethod
    def of(c: Context, gain: Any, score: Any, query: Any) -> _Queries:
        xp = c.xp
        index = xp.arange(query.shape[0])
        is_real = index < real_frames(c, query)
        first = xp.concatenate([index[:1] == 0, query[1:] != query[:-1]]) & is_real
        number = xp.cumsum(first.astype("int32"))
        same = (number[:, None] == number[None, :]) & is_real[:, None] & is_real[None, :]
        earlier = same & (index[None, :] < index[:, None])
        tie = score[None, :] == score[:, None]
        # of equal scores the lower gain counts as ranked higher
        ahead = gain[None, :] < gain[:, None]
        ahead = tie & (ahead | ((gain[None, :] == gain[:, None]) & (index[None, :] < index[:, None])))
        before = same & ((score[None, :] > score[:, None]) | ahead)
        return _Queries(xp, same, first, earlier.sum(axis=1), before.sum(axis=1))

    def total(self, x: Any) -> Any:
        """Sum over the query of each frame."""
        return self.xp.where(self.same, x[None, :], 0).sum(axis=1)

    def mean(self, x: Any) -> Any:
        """Mean over the queries of a value that all frames of a query share."""
        return self.xp.where(self.first, x, 0).sum() / self.first.sum()

    def discount(self, place: Any, like: Any) -> Any:
        return self.xp.log(2 + place.astype(like.dtype))

    def ideal(self, gain: Any) -> Any:
        """Discounted gain of each frame's query in input order."""
        return self.total(gain / self.discount(self.place, gain))


@op
class LambdaRank(_Ranking):
    """100 times the mean over queries of 1 - NDCG, times the number of frames; the gradient is that of LambdaRank.

    The discount of rank r, from 0, is ln (2 + r). Only the scores have a gradient: for each pair in ideal order the
    change of NDCG by exchanging it, weighed by how wrongly the scores order it.

    Example: ``LambdaRank ([1 x *] 3 0, [1 x *] 0 1, [1 x *] 7 7) = [1] 73.81404929``
    """

    names: ClassVar = ("LambdaRank",)
    no_gradient: ClassVar = frozenset({0, 2})
    gradient_differs: ClassVar = {1: "a ranking has no derivative"}

    def evaluate(self, c: Context, *xs: Any) -> Any:
        gain, score, query = (x.reshape((-1,)) for x in xs)
        queries = _Queries.of(c, gain, score, query)
        ideal = queries.ideal(gain)
        found = queries.total(gain / queries.discount(queries.rank, gain))
        ratio = c.xp.where(ideal != 0, found / c.xp.where(ideal != 0, ideal, 1), 0)
        value = (1 - queries.mean(ratio)) * 100 * real_frames(c, score)
        return value.astype(score.dtype).reshape((1,))

    def pullback(self, c: Context, xs: Sequence[Any], y: Any, g: Any) -> Sequence[Any]:
        gain, score, query = (x.reshape((-1,)) for x in xs)
        queries, xp = _Queries.of(c, gain, score, query), c.xp
        ideal = queries.ideal(gain)
        discount = queries.discount(queries.rank, gain)
        # the gain of a query's last frame, which a pair must exceed
        size = queries.same.sum(axis=1)
        last = queries.total(xp.where(queries.place == size - 1, gain, 0))
        pair = queries.same & (queries.place[:, None] < queries.place[None, :]) & (gain > last)[:, None]
        change = (gain[:, None] - gain[None, :]) * (discount[:, None] - discount[None, :])
        change = xp.abs(change / (discount[:, None] * discount[None, :]) / xp.where(ideal != 0, ideal, 1)[:, None])
        wrong = 1 / (1 + xp.exp(score[:, None] - score[None, :]))
        force = xp.where(pair & (ideal != 0)[:, None], -wrong * change, 0)
        return None, (force.sum(axis=1) - force.sum(axis=0)).reshape(xs[1].shape).astype(score.dtype), None


@op
class NDCG1Eval(_Ranking):
    """100 times the mean over queries of the best scored gain divided by the first, times the number of frames.

    Example: ``NDCG1Eval ([1 x *] 4 1, [1 x *] 0 1, [1 x *] 7 7) = [1] 50``
    """

    names: ClassVar = ("NDCG1Eval",)
    no_gradient: ClassVar = frozenset({0, 1, 2})

    def evaluate(self, c: Context, *xs: Any) -> Any:
        gain, score, query = (x.reshape((-1,)) for x in xs)
        queries = _Queries.of(c, gain, score, query)
        best = queries.total(c.xp.where(queries.rank == 0, gain, 0))
        first = queries.total(c.xp.where(queries.place == 0, gain, 0))
        ratio = c.xp.where(first != 0, best / c.xp.where(first != 0, first, 1), 0)
        return (queries.mean(ratio) * 100 * real_frames(c, score)).astype(score.dtype).reshape((1,))
