"""The loop over the frames of sequences that a recurrence becomes."""

from __future__ import annotations

from typing import ClassVar

from graphc.ir import Cost, Op, Region, ShapeError, TensorType, op


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
