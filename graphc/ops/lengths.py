"""What compiled code cannot raise: lengths of sequences that must agree, and selections that must not be empty."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from graphc.ir import DynamicAxis, Frames, Graph, Node
from graphc.ops.delays import Delay, PastValue
from graphc.ops.legacy_reshape import Restack
from graphc.ops.recurrence import Scan
from graphc.ops.recurrent_stack import OptimizedRNNStack
from graphc.ops.rules import is_one_frame
from graphc.ops.sequences import PackedIndex, ReconcileDynamicAxis, ScatterPacked, Where
from graphc.ops.sources import InputValue
from graphc.ops.transcription import EditDistanceError, ForwardBackward
from graphc.ops.windows import BorderFrames

# families of operators that look across sequences
ALONG_SEQUENCES = ("sequences", "transcription")
# operators that take sequences of other axes as they are; what does not fit only the run can know
_OF_ANY_LENGTHS = PackedIndex | ReconcileDynamicAxis | ScatterPacked
# what goes through sequences step by step, for as many steps as the longest has
_STEPPING = Scan | OptimizedRNNStack | ForwardBackward | EditDistanceError | Where


@dataclass(frozen=True)
class LengthCheck:
    """Of the sequences of ``axis`` that ``node`` reads or makes, each has as many frames as that of ``wanted``.

    With ``or_one`` a single frame will do as well; without ``wanted`` there must be at ``least`` so many frames, and
    where ``node`` puts several into one, a ``multiple`` of these. With ``chosen`` it is the last of the chosen frames
    that must be among those of ``wanted``, with ``last`` the last frame of all. With ``bounded`` there may be no more
    frames than loops have steps, which the host has planned without knowing the selection.
    """

    node: Node
    axis: str
    wanted: str | None = None
    or_one: bool = False
    multiple: int = 1
    least: int = 1
    chosen: bool = False
    last: bool = False
    bounded: bool = False

    @property
    def condition(self) -> Hashable:
        kind = self.chosen, self.last, self.bounded
        return self.axis, self.wanted, self.or_one, self.multiple, self.least, *kind


def has_sequences(graph: Graph) -> bool:
    """Whether it matters which frames form a sequence."""
    axes = {node.op.axis for node in graph.nodes if isinstance(node.op, InputValue)}
    return len(axes) > 1 or any(node.op.family in ALONG_SEQUENCES for node in graph.nodes)


def length_checks(graph: Graph) -> tuple[LengthCheck, ...]:
    """What a run must find of the axes of a graph; each condition once."""
    found: dict[Hashable, LengthCheck] = {}
    made = (node.type.axis for node in graph.nodes if isinstance(node.op, Where | Restack))
    selected = {axis.name for axis in made if axis is not None}
    for node in graph.nodes:
        for check in (*_of(node), *_steps_along(node, selected)):
            found.setdefault(check.condition, check)
    return tuple(found.values())


def axis_of_single_frames(check: LengthCheck) -> str | None:
    """The axis that must have one frame a sequence because its values meet one frame of each sequence of another."""
    axes = [axis for axis in (check.axis, check.wanted) if axis is not None]
    others = [axis for axis in axes if not is_one_frame(DynamicAxis(axis))]
    if len(others) != 1 or len(axes) != 2 or isinstance(check.node.op, _OF_ANY_LENGTHS):
        return None
    return others[0]


def _steps_along(node: Node, selected: Set[str]) -> Iterator[LengthCheck]:
    """A selection that repeats frames can have longer sequences than the one that it was made from."""
    if isinstance(node.op, _STEPPING):
        axes = dict.fromkeys(source.type.axis for source in node.inputs)
        for axis in axes:
            if axis is not None and axis.name in selected and not is_one_frame(axis):
                yield LengthCheck(node, axis.name, bounded=True)


def _of(node: Node) -> Iterator[LengthCheck]:
    axes = [source.type.axis for source in node.inputs]
    match node.op:
        case Where():
            axis = node.type.axis
            if axis is not None and not is_one_frame(axis):
                yield LengthCheck(node, axis.name)
        case Restack(stacked=stacked):
            (axis,) = axes
            if axis is not None and stacked > 1:
                yield LengthCheck(node, axis.name, multiple=stacked)
        case ReconcileDynamicAxis(exact=exact):
            x, layout = axes
            if x is not None and layout is not None and x != layout and (exact or not is_one_frame(x)):
                yield LengthCheck(node, x.name, layout.name, or_one=not exact)
        case ScatterPacked():
            _, index, y = axes
            if y is not None and index is not None and y != index:
                yield LengthCheck(node, y.name, index.name)
        case PackedIndex():
            target, index = node.inputs
            if isinstance(index.op, Where) and index.inputs[0].type.axis != target.type.axis:
                yield from _chosen_elsewhere(node, target.type.axis, index)
        case Delay(time_step=step):
            yield from _initial_state(node, node.inputs[1:], step)
        case Scan(region=region):
            for carry in region.carries:
                if carry.initial is not None:
                    yield from _initial_state(node, [node.inputs[carry.initial]], carry.time_step)
        case _ if node.op.family != "sequences":
            first, *others = dict.fromkeys(axis for axis in axes if axis is not None) or [None]
            for other in others:
                if first is not None and other is not None and not (is_one_frame(first) and is_one_frame(other)):
                    yield LengthCheck(node, other.name, first.name)
        case _:
            return


def _chosen_elsewhere(node: Node, target: DynamicAxis | None, index: Node) -> Iterator[LengthCheck]:
    axis, (cond,) = index.type.axis, index.inputs
    assert target is not None and axis is not None and cond.type.axis is not None
    if not is_one_frame(axis):
        yield LengthCheck(node, axis.name, target.name, chosen=True)
    elif not is_one_frame(cond.type.axis) and not _is_in_every_sequence(cond):
        yield LengthCheck(node, cond.type.axis.name, target.name, last=True)


def _is_in_every_sequence(cond: Node) -> bool:
    """Whether it is the first frame that a condition on positions chooses, not the last."""
    return isinstance(cond.op, PastValue) or (isinstance(cond.op, BorderFrames) and cond.op.offset < 0)


def _initial_state(node: Node, states: Sequence[Node], step: int) -> Iterator[LengthCheck]:
    """An initial state has as many frames as a delay looks out of its sequence, or one that is repeated."""
    for axis in (state.type.axis for state in states):
        if axis is not None and step > 1 and not is_one_frame(axis):
            yield LengthCheck(node, axis.name, or_one=True, least=step)


def first_failures(xp: Any, checks: tuple[LengthCheck, ...], axes: Mapping[str, Frames], never: int) -> Any:
    """For each check the first sequence that fails it, its length and the wanted one; ``never`` where none does."""
    rows = [_first_failure(xp, check, axes, never) for check in checks]
    return xp.stack(rows) if rows else xp.zeros((0, 3), "int32")


def _first_failure(xp: Any, check: LengthCheck, axes: Mapping[str, Frames], never: int) -> Any:
    found = _reach(axes[check.axis]) if check.chosen else _lengths(xp, axes[check.axis])
    if check.wanted is None:
        wanted = xp.full_like(found, _steps(axes[check.axis]) if check.bounded else check.least)
    else:
        wanted = _lengths(xp, axes[check.wanted])
    slots = min(found.shape[0], wanted.shape[0])
    found, wanted = found[:slots], wanted[:slots]
    if check.chosen or check.last or check.bounded:
        is_wrong = found > wanted
    elif check.wanted is not None:
        is_wrong = found != wanted
    else:
        is_wrong = (found < wanted) | (found % check.multiple != 0)
    if check.or_one:
        is_wrong = is_wrong & (found != 1)
    if isinstance(check.node.op, Where) and not check.bounded:
        is_wrong = is_wrong | _is_cut(axes[check.axis])
    is_wrong = is_wrong & (xp.arange(slots) < _count(axes[check.axis]))
    at = xp.argmax(is_wrong)
    return xp.stack([xp.where(is_wrong.any(), at, never), found[at], wanted[at]]).astype("int32")


def _is_cut(frames: Frames) -> Any:
    """Of each sequence slot whether the minibatch has no room for its last frame: a selection may repeat frames."""
    assert frames.sequences is not None and frames.mask is not None, "a selection tells both"
    return frames.sequences.starts + frames.sequences.lengths > frames.mask.shape[0]


def _steps(frames: Frames) -> int:
    return 1 if frames.sequences is None else frames.sequences.longest


def _reach(frames: Frames) -> Any:
    assert frames.sequences is not None and frames.sequences.reach is not None, "a selection tells it"
    return frames.sequences.reach


def _lengths(xp: Any, frames: Frames) -> Any:
    """Of each sequence slot; where every frame is a sequence, slots are what is said of frames."""
    if frames.sequences is not None:
        return frames.sequences.lengths
    assert frames.mask is not None or isinstance(frames.count, int), "an axis of unknown size"
    return xp.ones(frames.count, "int32") if frames.mask is None else frames.mask.astype("int32")


def _count(frames: Frames) -> Any:
    return frames.count if frames.sequences is None else frames.sequences.count
