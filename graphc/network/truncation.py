"""What a network may not ask for where minibatches have pieces of sequences: frames that are not there yet, or all."""

from __future__ import annotations

from collections.abc import Iterable

from graphc.diagnostics import Diagnostic, DiagnosticError, Label, Span
from graphc.network import explain
from graphc.network.network import NetworkNode, needed
from graphc.ops.delays import Delay
from graphc.ops.legacy_reshape import LegacyReshape
from graphc.ops.lengths import ALONG_SEQUENCES
from graphc.ops.recurrent_stack import OptimizedRNNStack
from graphc.ops.sequences import GatherPacked, ReconcileDynamicAxis
from graphc.ops.transcription import LabelsToGraph

_WHOLE = "{} needs whole sequences, of which truncated mode has only a piece at a time"
# each frame that a delay remembers from minibatch to minibatch is an array of its own
_MOST_REMEMBERED = 1000
_MOST_LABELS = 4
_LONGEST_TEXT = 60
_HINT = "minibatches have pieces of sequences, and run forward; truncated = false leaves sequences whole"


def require_pieces(roots: Iterable[NetworkNode]) -> None:
    """Nothing below the roots needs more of a sequence than its past; raises `DiagnosticError`.

    Places that need it for the same reason are one error.
    """
    # what one call makes stands in one place: of that only the first node is told
    by_place: dict[Span | None, tuple[str, NetworkNode]] = {}
    for node in needed(roots):
        reason = _reason(node)
        if reason is not None:
            by_place.setdefault(node.span, (reason, node))
    by_reason: dict[str, list[NetworkNode]] = {}
    for reason, node in sorted(by_place.values(), key=lambda found: found[1].span.start if found[1].span else 0):
        by_reason.setdefault(reason, []).append(node)
    if by_reason:
        raise DiagnosticError(*(_diagnostic(reason, nodes) for reason, nodes in by_reason.items()))


def _reason(node: NetworkNode) -> str | None:
    """Why a node cannot have pieces, with a place for its title."""
    match node.op:
        case Delay(direction=1):
            return "future reference in truncated mode: {} looks at frames that the next minibatch has"
        case Delay(time_step=step) if step > _MOST_REMEMBERED:
            return f"{{}} looks {step} frames back, and truncated mode remembers at most {_MOST_REMEMBERED}"
        case Delay():
            axis = node.inputs[1].type.axis if len(node.inputs) > 1 and node.inputs[1].type else None
            return None if axis is None else "{} begins with another sequence, of which truncated mode has only a piece"
        case ReconcileDynamicAxis() | LabelsToGraph():
            return None
        case OptimizedRNNStack(axis=2):
            return None  # it runs within each frame
        case OptimizedRNNStack(bidirectional=False):
            return f"{_WHOLE}: layers made of PastValue, as RecurrentLSTMLayer, go on in the next"
        case LegacyReshape() as op if node.inputs[0].type is not None and op.changes_frames(node.inputs[0].type):
            return _WHOLE
        case GatherPacked() if (type := node.inputs[1].type) is not None and type.axis is None:
            return None  # a table, which every frame reads alone
        case op if op.family in ALONG_SEQUENCES:
            return _WHOLE
        case _:
            return None


def _diagnostic(reason: str, nodes: list[NetworkNode]) -> Diagnostic:
    first, *others = nodes
    labels = (Label(f"so does {_title(node)}", node.span) for node in others)
    return Diagnostic("GC0420", reason.format(_title(first)), first.span, tuple(labels)[:_MOST_LABELS], _HINT)


def _title(node: NetworkNode) -> str:
    """The text of the expression, with the operation where that is not in it."""
    text = " ".join(node.span.text.split()) if node.span is not None else ""
    text = text if 0 < len(text) <= _LONGEST_TEXT else explain.title(node)
    return text if node.operation in text else f"{text} ({node.operation})"
