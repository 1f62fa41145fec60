"""Criteria on whole sequences of labels: connectionist temporal classification and edit distance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from graphc.ir import Context, Cost, Op, ShapeError, TensorType, op
from graphc.ops.alignments import Alignments, alignments
from graphc.ops.criteria import Criterion
from graphc.ops.edits import Penalties, count_edits, tokens
from graphc.ops.frames import sequences_of
from graphc.ops.grids import Grid, Loop, unrolled
from graphc.ops.rules import flat, require_frames
from graphc.ops.softmax import log_softmax

# blankTokenId of this value is the last class
LAST_TOKEN = (1 << 31) - 1


@op
class LabelsToGraph(Op):
    """Labels as `ForwardBackward` takes them: the operand itself.

    Each frame is a vector whose largest element is 2 on the first frame of a token and 1 on the following ones.

    Example: ``LabelsToGraph ([2 x *] 0 2) = [2 x *] 0 2``
    """

    names: ClassVar = ("LabelsToGraph",)
    family: ClassVar = "transcription"
    arity: ClassVar = (1, 1)
    operands: ClassVar = ("labels",)
    no_gradient: ClassVar = frozenset({0})

    def infer(self, labels: TensorType) -> TensorType:
        return labels.dense()

    def check(self, labels: TensorType) -> None:
        require_frames("LabelsToGraph", labels)

    def evaluate(self, c: Context, labels: Any) -> Any:
        return labels


class _OfSequences(Criterion):
    family: ClassVar = "transcription"

    def check(self, *types: TensorType) -> None:
        for index, type in enumerate(types):
            if type.axis is None:
                what = f"{self.operands[index]} is {type}: only values that depend on an input have frames"
                raise ShapeError(what, index)


@op
class ForwardBackward(_OfSequences):
    """Minus the log probability of the token sequences under all alignments with blanks in between (CTC).

    ``features`` are scores before the softmax. A ``delayConstraint`` from 0 on forbids a token later than that many
    frames after the labels begin the next one. A sequence with more tokens than its frames have room for has
    probability 0: the value is infinite, and its own gradient 0. (``blankTokenId`` is by default the last class.)

    Example: ``ForwardBackward ([3 x *] 2 0 0, [3 x *] 0 0 0, blankTokenId=2) = [1] 1.09861229``
    """

    names: ClassVar = ("ForwardBackward",)
    operands: ClassVar = ("graph", "features")
    no_gradient: ClassVar = frozenset({0})

    blank_token_id: int = LAST_TOKEN
    delay_constraint: int = -1

    def check(self, *types: TensorType) -> None:
        super().check(*types)
        blank, size = self.blank_token_id, types[1].size
        if blank < 0 or size <= blank != LAST_TOKEN:
            raise ShapeError(f"blankTokenId is {blank}, but there are only the tokens 0 to {size - 1}", 1)

    def evaluate(self, c: Context, graph: Any, features: Any) -> Any:
        return self.value(c, graph, features, unrolled(c.xp))

    def pullback(self, c: Context, xs: Sequence[Any], y: Any, g: Any) -> Sequence[Any]:
        return self.gradients(c, xs, g, unrolled(c.xp))

    def value(self, c: Context, graph: Any, features: Any, loop: Loop) -> Any:
        ways, scores = self._alignments(c, graph, features)
        found = ways.log_probability(c.xp, ways.grid.laid(c.xp, scores), loop)
        return -c.xp.where(ways.grid.lengths > 0, found, c.xp.zeros_like(found)).sum().reshape((1,))

    def gradients(self, c: Context, xs: Sequence[Any], g: Any, loop: Loop) -> Sequence[Any]:
        ways, scores = self._alignments(c, *xs)
        occupied = ways.grid.back(c.xp, ways.occupancy(c.xp, ways.grid.laid(c.xp, scores), loop))
        # of occupancies that add up to 1 the gradient is softmax - occupancy
        found = c.xp.exp(scores) * occupied.sum(axis=-1, keepdims=True) - occupied
        found = c.xp.where(ways.grid.real[:, None], found, c.xp.zeros_like(found))
        return None, (g * found).reshape(xs[1].shape)

    def cost(self, result: TensorType, *types: TensorType) -> Cost:
        # softmax and its gradient; how many tokens there are, only the run knows
        return Cost(10.0 * types[1].size, super().cost(result, *types).bytes)

    def _alignments(self, c: Context, graph: Any, features: Any) -> tuple[Alignments, Any]:
        """The alignments of every sequence, and the log probability of each token in each frame."""
        given, grid = (
            Grid.of(c.xp, sequences_of(c, type.axis, x.shape[0]))
            for type, x in zip(c.operands, (graph, features), strict=True)
        )
        blank = min(self.blank_token_id, c.operands[1].size - 1)
        labels, scores = (flat(x, type) for type, x in zip(c.operands, (graph, features), strict=True))
        found = alignments(c.xp, labels, given, grid, blank, self.delay_constraint)
        return found, log_softmax(c.xp, scores, -1)


@op
class EditDistanceError(_OfSequences):
    """The number of insertions, deletions and substitutions between two sequences of tokens; no gradient.

    Tokens are the largest elements of the frames. ``squashInputs`` makes runs of one token one token; then those of
    ``tokensToIgnore`` are left out. The penalties decide which edits are chosen, not what they count. The count is
    scaled so that the average over frames is edits a token of ``a``.

    With ``squashInputs`` and the blank in ``tokensToIgnore`` it compares best paths, as `ForwardBackward` trains them.

    Example: ``EditDistanceError ([2 x *] 1 0, [2 x *] 0 1) = [1] 1``
    """

    names: ClassVar = ("EditDistanceError",)
    operands: ClassVar = ("a", "b")
    no_gradient: ClassVar = frozenset({0, 1})
    spelling: ClassVar = {
        "substitution_penalty": "subPen",
        "deletion_penalty": "delPen",
        "insertion_penalty": "insPen",
    }

    substitution_penalty: float = 1.0
    deletion_penalty: float = 1.0
    insertion_penalty: float = 1.0
    squash_inputs: bool = False
    tokens_to_ignore: tuple[int, ...] = ()

    def check(self, *types: TensorType) -> None:
        super().check(*types)
        for field, author in self.spelling.items():
            if not getattr(self, field) >= 0:
                raise ShapeError(f"{author} is {getattr(self, field):g}, expected 0 or more")

    def evaluate(self, c: Context, a: Any, b: Any) -> Any:
        return self.value(c, a, b, unrolled(c.xp))

    def value(self, c: Context, a: Any, b: Any, loop: Loop) -> Any:
        xp = c.xp
        grids = [Grid.of(xp, sequences_of(c, t.axis, x.shape[0])) for t, x in zip(c.operands, (a, b), strict=True)]
        found, counts = zip(
            *(
                tokens(xp, grid, flat(x, t), squashed=self.squash_inputs, ignored=self.tokens_to_ignore)
                for grid, x, t in zip(grids, (a, b), c.operands, strict=True)
            ),
            strict=True,
        )
        penalties = Penalties(self.substitution_penalty, self.deletion_penalty, self.insertion_penalty)
        edits = count_edits(xp, found[0], counts[0], found[1], counts[1], penalties, a.dtype, loop).sum()
        frames = grids[0].lengths.sum().astype(a.dtype)
        return (edits * frames / xp.maximum(counts[0].sum(), 1)).astype(a.dtype).reshape((1,))
