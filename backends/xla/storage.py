"""In which order of axes a training step keeps its parameters: the one in which its program multiplies with them.

An image is channels last in a program, so kernels are wanted as (height, width, in, out) and the weights of a dense
layer on an image as (height, width, in, out) too. Kept in the author's order they would be permuted in each step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from graphc.ir import Graph, Node, users
from graphc.ops.convolution import Convolution
from graphc.ops.normalization import BatchNormalization
from graphc.ops.pooling import AveragePooling, MaxPooling, Pooling
from graphc.ops.products import Times
from graphc.ops.sources import LearnableParameter

Axes = tuple[int, ...]


def kept_axes(graph: Graph) -> Mapping[str, Axes]:
    """Parameters that all readers want in the same other order of axes, and this order, as for `numpy.transpose`."""
    readers = users(graph.nodes)
    top = {*graph.roots.values(), *(node for pair in graph.updates for node in pair)}
    found: dict[str, Axes] = {}
    for node in graph.nodes:
        if isinstance(node.op, LearnableParameter) and node not in top:
            wanted = {_wanted(reader, node) for reader in readers[node]}
            if len(wanted) == 1 and (axes := wanted.pop()) is not None:
                found[node.op.name] = axes
    return found


def _wanted(reader: Node, parameter: Node) -> Axes | None:
    """The order of axes in which a node reads its left operand best; none if that is the author's."""
    rule = _RULES.get(type(reader.op))
    return rule(reader, parameter) if rule and parameter not in reader.inputs[1:] else None


def _as_kernels(reader: Node, parameter: Node) -> Axes | None:
    op, rank = reader.op, parameter.type.rank
    assert isinstance(op, Convolution)
    # a matrix that is read as kernels must keep its memory
    if op.transpose or not op.is_shared or parameter.type.dims != op.kernel_shape(reader.inputs[1].type) or rank < 3:
        return None
    return (*range(2, rank), 1, 0)


def _as_weights_of_images(reader: Node, parameter: Node) -> Axes | None:
    op, image = reader.op, reader.inputs[1]
    assert isinstance(op, Times)
    inner = parameter.type.rank - op.output_rank
    is_tensor = parameter.type.dims == op.left_shape(parameter.type, image.type)
    if not is_tensor or inner != image.type.rank or inner < 2 or not _is_channels_last(image):
        return None
    return (*range(1, inner), 0, *range(inner, parameter.type.rank))


def _is_channels_last(node: Node) -> bool:
    """Whether the program has the value channels last; an answer that is wrong costs time only."""
    while node.op.aligned and node.inputs:
        node = max(node.inputs, key=lambda n: n.type.rank)
    if isinstance(node.op, BatchNormalization):
        return node.op.spatial
    return isinstance(node.op, (Convolution, Pooling, MaxPooling, AveragePooling))


_RULES: Mapping[type, Callable[[Node, Node], Axes | None]] = {Convolution: _as_kernels, Times: _as_weights_of_images}
