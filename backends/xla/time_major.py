"""Which nodes are computed with the frames in the order of time, so that what loops read and write is not transposed.

A minibatch has its frames sequence after sequence, a loop takes them step by step. Where all sequences have one length
the same frames can stand in either order, and what an operator computes for each frame alone it may compute in any: so
the order changes where values are narrow, as in front of the product that makes the gates, and not where loops meet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from graphc.ir import DynamicAxis, Frames, Graph, Node, Storage, readers
from graphc.ops.criteria import ClassificationError, CrossEntropy, CrossEntropyWithSoftmax, Logistic, SquareError
from graphc.ops.elementwise import DiagTimes, Elementwise
from graphc.ops.products import Times, TransposeTimes
from graphc.ops.recurrence import Scan
from graphc.ops.shaping import Reshape, RowStack, Slice
from graphc.ops.softmax import LogSoftmax, Softmax
from graphc.ops.unary import Unary

# what computes each frame alone, and sums over frames
_FRAME_BY_FRAME = (Unary, Elementwise, DiagTimes, Times, TransposeTimes, RowStack, Slice, Reshape, Softmax, LogSoftmax)
_SUMS = (CrossEntropyWithSoftmax, CrossEntropy, ClassificationError, SquareError, Logistic)

# node → what reads it; none stands for the graph's own results
_Readers = Mapping[Node, Sequence[Node | None]]

# moving entries of sparse symbols costs about as much as moving so many numbers
_ENTRIES = 16


def lanes_in_step(frames: Frames | None) -> int | None:
    """The number of sequences, if all have one length and no frame is padding; else none."""
    sequences = None if frames is None or frames.mask is not None else frames.sequences
    lanes = None if sequences is None else sequences.lanes
    return lanes.frames.shape[1] if lanes is not None and lanes.is_regular else None


def axis_of(node: Node) -> DynamicAxis | None:
    """The axis of the value or, of a sum over frames, that of what is summed."""
    return node.type.axis or next((source.type.axis for source in node.inputs if source.type.axis is not None), None)


def time_major_nodes(graph: Graph, axes: Collection[str]) -> frozenset[Node]:
    """The nodes on these axes that are best computed in the order of time; loops are none of them."""
    of_loops = {_axis(node) for node in graph.nodes if isinstance(node.op, Scan)}
    axes_of_loops = {name for name in axes if name in of_loops}
    return _Border.around_loops(graph, axes_of_loops).with_least_cost() if axes_of_loops else frozenset()


@dataclass(frozen=True)
class _Border:
    """The nodes inside, loops apart; a value is moved where it is made inside and read outside, or the reverse."""

    inside: set[Node]
    loops: frozenset[Node]
    readers: _Readers = field(repr=False)

    @staticmethod
    def around_loops(graph: Graph, axes: Collection[str]) -> _Border:
        """With everything inside that can be and hangs together with a loop."""
        read = readers(graph)
        loops = frozenset(node for node in graph.nodes if isinstance(node.op, Scan) and _axis(node) in axes)
        inside: set[Node] = set()
        waiting = [neighbour for loop in loops for neighbour in _neighbours(loop, read)]
        while waiting:
            node = waiting.pop()
            if node not in inside and node not in loops and _axis(node) in axes and _is_movable(node):
                inside.add(node)
                waiting.extend(_neighbours(node, read))
        return _Border(inside, loops, read)

    def with_least_cost(self) -> frozenset[Node]:
        """What is inside when no node at the border makes it cheaper, or not dearer, to leave."""
        waiting = sorted(self.inside, key=lambda node: node.op.names[0])
        while waiting:
            node = waiting.pop()
            if node in self.inside and self._gain_without(node) >= 0:
                self.inside.remove(node)
                waiting.extend(n for n in _neighbours(node, self.readers) if n in self.inside)
        return frozenset(self.inside)

    def _gain_without(self, node: Node) -> int:
        values = (node, *dict.fromkeys(node.inputs))
        before = sum(map(self._cost, values))
        self.inside.remove(node)
        after = sum(map(self._cost, values))
        self.inside.add(node)
        return before - after

    def _cost(self, node: Node) -> int:
        if node.type.axis is None:
            return 0
        sides = {self._is_inside(reader, node) for reader in self.readers.get(node, ())}
        return 0 if sides <= {node in self.inside or node in self.loops} else _width(node)

    def _is_inside(self, reader: Node | None, source: Node) -> bool:
        if reader is not None and reader in self.loops:
            assert isinstance(reader.op, Scan)
            return source in reader.inputs[: len(reader.op.region.steps)]
        return reader in self.inside


def _neighbours(node: Node, readers: _Readers) -> Iterator[Node]:
    yield from (source for source in node.inputs if source.inputs)
    yield from (reader for reader in readers.get(node, ()) if reader is not None)


def _is_movable(node: Node) -> bool:
    axes = {source.type.axis for source in node.inputs} - {None}
    if isinstance(node.op, _SUMS):
        return len(axes) == 1
    return isinstance(node.op, _FRAME_BY_FRAME) and node.op.family != "random" and axes == {node.type.axis}


def _axis(node: Node) -> str | None:
    found = axis_of(node)
    return None if found is None else found.name


def _width(node: Node) -> int:
    match node.type.storage:
        case Storage.DENSE:
            return node.type.size
        case Storage.ONEHOT:
            return 1
        case Storage.SPARSE:
            return _ENTRIES
