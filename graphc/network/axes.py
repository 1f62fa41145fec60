"""Names for the dynamic axes that conditions make: those that select the same frames make one axis.

Conditions that are one node select the same frames. So do those that only look at positions, as `BS.Loop.IsFirstN` and
`BS.Sequences.Slice` write them: a delay of zeroes, the negation of one, products. All selections of just the first, or
just the last, frame of sequences of an axis ``a`` are ``first(a)``: sequences of one frame, as many as ``a`` has. Any
other axis is called as what its author calls the value that the first `Where` node belongs to, if no other is.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator, Sequence

from graphc.network.network import NetworkNode
from graphc.ops.delays import Delay
from graphc.ops.elementwise import ElementTimes, Minus
from graphc.ops.legacy_reshape import LegacyReshape
from graphc.ops.reductions import SumColumnElements
from graphc.ops.rules import one_frame_of
from graphc.ops.sources import InputValue, LearnableParameter

# what the library calls its values within a selection
_INSIDE = ("indexSequence", "out")
# the library's own conditions are three or four operations deep
_DEEPEST = 12


class Selections:
    """The axes of a network that were made so far."""

    def __init__(self, nodes: Sequence[NetworkNode]) -> None:
        self._names: dict[Hashable, str] = {}
        self._authors = {node.name for node in nodes if node.is_called_by_name or node.name.isidentifier()}
        # a reshape that changes frames calls its axis as itself
        self._taken = {node.op.axis for node in nodes if isinstance(node.op, InputValue)}
        self._taken |= {node.name for node in nodes if isinstance(node.op, LegacyReshape)}

    def axis(self, where: NetworkNode) -> str:
        """Name of the axis of a `Where` node; empty while that of its condition is not known."""
        (cond,) = where.inputs
        if cond.type is None or cond.type.axis is None:
            return ""
        base = cond.type.axis
        flags = _positions(cond, _DEEPEST)
        if flags is not None and _is_one_frame(flags):
            return one_frame_of(base).name
        key = cond if flags is None else (flags, base)
        if key not in self._names:
            self._names[key] = next(name for name in self._candidates(where.name) if name not in self._taken)
            self._taken.add(self._names[key])
        return self._names[key]

    def _candidates(self, name: str) -> Iterator[str]:
        """Names for the axis of a node of that name, which is often one of the library within an author's value."""
        parts = name.split(".")
        prefixes = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
        yield from (prefix for prefix in prefixes if prefix in self._authors)
        yield next(prefix for prefix in prefixes if prefix.rpartition(".")[2] not in _INSIDE)
        yield name
        yield from (f"{name}.{number}" for number in itertools.count(2))


def _positions(node: NetworkNode, depth: int) -> tuple[Hashable, ...] | None:
    """What selects frames by nothing but their place in the sequence; none if anything else counts."""
    if depth == 0:
        return None
    if isinstance(node.op, Delay):
        if len(node.inputs) != 1 or not _is_zero(node.inputs[0], depth - 1):
            return None
        return node.op.names[0], node.op.time_step, node.op.default_hidden_activation
    if isinstance(node.op, Minus) and _constant(node.inputs[0]) is not None:
        inner = _positions(node.inputs[1], depth - 1)
        return None if inner is None else ("minus", _constant(node.inputs[0]), inner)
    if isinstance(node.op, ElementTimes):
        factors = [_positions(source, depth - 1) for source in node.inputs]
        return None if None in factors else ("times", *factors)
    return None


def _is_one_frame(flags: tuple[Hashable, ...]) -> bool:
    return flags in (("PastValue", 1, 1.0), ("FutureValue", 1, 1.0))


def _is_zero(node: NetworkNode, depth: int) -> bool:
    """Whether the value is 0 whatever the data, as that of ``BS.Constants.ZeroesLike``."""
    if depth == 0:
        return False
    if _constant(node) == 0:
        return True
    if isinstance(node.op, SumColumnElements):
        return _is_zero(node.inputs[0], depth - 1)
    return isinstance(node.op, ElementTimes) and any(_is_zero(source, depth - 1) for source in node.inputs)


def _constant(node: NetworkNode) -> float | None:
    return node.op.constant if isinstance(node.op, LearnableParameter) else None
