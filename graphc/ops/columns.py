"""Parameters that are read column by column: their gradient is not zero in few columns only, and never made whole."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from graphc.ir import Graph, Node, Storage, topological, users
from graphc.ops.products import QuantizedTimes, Times
from graphc.ops.sources import InputValue, LearnableParameter


def column_sparse(graph: Graph, inputs: Collection[str]) -> frozenset[str]:
    """Names of the parameters into which every gradient path is a product with a onehot or sparse operand.

    ``inputs`` are those that the data store sparsely: a dense one whose samples happen to be one-hot is multiplied
    as fast, but makes no parameter column-sparse, because updates differ (`graphc.train.learner`).
    """
    found = products_by_column(graph)
    return frozenset(n for n, products in found.items() if all(_comes_from(p.inputs[1], inputs) for p in products))


def products_by_column(graph: Graph) -> Mapping[str, tuple[Node, ...]]:
    """Parameters that nothing in the graph reads but products with onehot or sparse operands, and these products."""
    readers = users(graph.nodes)
    updated = {parameter for parameter, _ in graph.updates}
    return {
        node.op.name: tuple(readers[node])
        for node in graph.nodes
        if isinstance(node.op, LearnableParameter) and node in readers and node not in updated
        if all(_chooses_columns(reader, node) for reader in readers[node])
    }


def _chooses_columns(reader: Node, parameter: Node) -> bool:
    op = reader.op
    if not isinstance(op, (Times, QuantizedTimes)) or reader.inputs[0] is not parameter:
        return False
    a, b = (source.type for source in reader.inputs)
    rows = math.prod(d or 1 for d in op.left_shape(a, b)[: op.output_rank])
    return b.storage is not Storage.DENSE and a.size == rows * b.size


def _comes_from(operand: Node, inputs: Collection[str]) -> bool:
    """Whether the symbols of a onehot or sparse value are those of inputs named in ``inputs``."""
    stored = [node for node in topological([operand]) if node.type.storage is not Storage.DENSE]
    return all(node.op.name in inputs for node in stored if isinstance(node.op, InputValue))
