"""Criteria on whole sequences of labels: connectionist temporal classification and edit distance.

They need sequences, so none of them has an `evaluate` yet: a backend names them.
"""

from __future__ import annotations

from typing import ClassVar

from graphc.ir import Op, ShapeError, TensorType, op
from graphc.ops.criteria import Criterion
from graphc.ops.rules import require_frames

# blankTokenId of this value is the last class
LAST_TOKEN = (1 << 31) - 1


@op
class LabelsToGraph(Op):
    """Labels as `ForwardBackward` takes them: the operand itself.

    Each frame is a vector whose largest element is 2 on the first frame of a token and 1 on the following ones.

    Example: ``LabelsToGraph ([4 x *]) = [4 x *]``
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


@op
class ForwardBackward(Criterion):
    """Minus the log probability of the token sequences under all alignments with blanks in between (CTC).

    ``features`` are scores before the softmax. A ``delayConstraint`` from 0 on forbids a token later than that many
    frames after the labels begin the next one.

    Example: ``ForwardBackward ([4 x *], [4 x *], blankTokenId=3) = [1]``
    """

    names: ClassVar = ("ForwardBackward",)
    family: ClassVar = "transcription"
    operands: ClassVar = ("graph", "features")
    no_gradient: ClassVar = frozenset({0})

    blank_token_id: int = LAST_TOKEN
    delay_constraint: int = -1

    def check(self, *types: TensorType) -> None:
        super().check(*types)
        blank, size = self.blank_token_id, types[1].size
        if blank < 0 or size <= blank != LAST_TOKEN:
            raise ShapeError(f"blankTokenId is {blank}, but there are only the tokens 0 to {size - 1}", 1)


@op
class EditDistanceError(Criterion):
    """The number of insertions, deletions and substitutions between two sequences of tokens; no gradient.

    Tokens are the largest elements of the frames. ``squashInputs`` makes runs of one token one token; then those of
    ``tokensToIgnore`` are left out. The count is scaled so that the average over frames is edits a token.

    Example: ``EditDistanceError ([4 x *], [4 x *]) = [1]``
    """

    names: ClassVar = ("EditDistanceError",)
    family: ClassVar = "transcription"
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
