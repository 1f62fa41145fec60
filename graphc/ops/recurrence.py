"""The loop over the frames of sequences that a recurrence becomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from graphc.ir import Cost, Graph, Op, Region, ShapeError, TensorType, op
from graphc.ir.layout import array_shape


@op
class Scan(Op):
    """One result of a loop: ``output`` of its body, at every frame.

    Nodes with the same region and operands are results of the same loop, which backends run once. Authors do not
    write it: recurrences through PastValue and FutureValue become it.
    """

    names: ClassVar = ("Scan",)
    family: ClassVar = "sequences"
    arity: ClassVar = (1, None)
    operands: ClassVar = ("x",)
    internal: ClassVar = frozenset({"region", "output"})

    region: Region
    output: str

    def infer(self, *types: TensorType) -> TensorType:
        region = self.region
        if len(types) != region.operands:
            raise ShapeError(f"the loop takes {region.operands} operands, {len(types)} were given")
        lost = next((c for c in region.carries if c.initial is not None and not 0 <= c.initial < len(types)), None)
        if lost is not None:
            raise ShapeError(f"the initial state of {lost.name} is operand {lost.initial}, of {len(types)}")
        sources = [*region.steps, *region.constants]
        expected = {name: node.type for name, node in region.body.names.items()}
        for index, (name, type) in enumerate(zip(sources, types, strict=False)):
            if name in expected and expected[name] != type.dense():
                raise ShapeError(f"operand {index + 1} is {type}, but the loop reads {expected[name]}", index)
        if self.output not in region.body.roots:
            raise ShapeError(f"the loop has no result {self.output}, it has {', '.join(region.body.roots) or 'none'}")
        return region.type_of(self.output)

    def cost(self, result: TensorType, *types: TensorType) -> Cost:
        """One step of the body."""
        costs = [n.op.cost(n.type, *(s.type for s in n.inputs)) for n in self.region.body.nodes if n.inputs]
        return Cost(sum(each.flops for each in costs), sum(each.bytes for each in costs))


# What delays inside loops give in the first steps, by name: ``timeStep`` arrays, one value a row.
History = Mapping[str, tuple[Any, ...]]


def empty_history(xp: Any, graph: Graph, rows: int) -> dict[str, tuple[Any, ...]]:
    """What the loops of a graph bring into the first minibatch of rows: 0, which nobody looks at.

    There all sequences begin, and delays give their initial states.
    """
    found: dict[str, tuple[Any, ...]] = {}
    for region in dict.fromkeys(node.op.region for node in graph.nodes if isinstance(node.op, Scan)):
        for carry in region.carries:
            assert carry.name not in found, f"two loops have a delay {carry.name}"
            type = region.body.roots[carry.name].type
            found[carry.name] = (xp.zeros(array_shape(type, rows), type.element.value),) * carry.time_step
    return found


def history_of(region: Region, carried: History) -> History | None:
    """The part that a loop has of what a minibatch brings along; none where sequences are whole."""
    return {carry.name: carried[carry.name] for carry in region.carries} if carried else None
