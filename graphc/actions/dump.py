"""``action = dumpNode``: nodes of a saved model as text, token by token as CNTK writes it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from graphc.actions.context import RunContext
from graphc.actions.events import Dumped, Noted
from graphc.actions.loading import network_and_values
from graphc.actions.networks import unknown_node
from graphc.actions.parameters import Values
from graphc.config.commands import DumpCommand
from graphc.diagnostics import Diagnostic, RunError, Severity
from graphc.files import atomic_writer, why
from graphc.ir import TensorType
from graphc.network.network import Network, NetworkNode
from graphc.ops.convolution import Convolution
from graphc.ops.pooling import Pooling
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.ops.statistics import Precomputed

_ALL_NODES = "__AllNodes__"
_RULE = "#" * 68


def dump(command: DumpCommand, context: RunContext) -> None:
    network, values = network_and_values(command, context)
    nodes = _chosen(command, network, context)
    path = Path(command.output_file or f"{command.model_path}.{command.node_name or _ALL_NODES}.txt")
    tokens = (
        token
        for node in nodes
        for token in node_tokens(node, values, with_values=command.print_values, with_metadata=command.print_metadata)
    )
    try:
        with atomic_writer(path) as stream:
            stream.writelines(f" {token}" for token in tokens)
    except OSError as error:
        place = command.spans.get("outputFile", command.span)
        raise RunError(Diagnostic("GC0004", f"the output {path} cannot be written: {why(error)}", place)) from error
    context.observer.handle(Dumped(command.name, path, len(nodes), command.print_values))


def _chosen(command: DumpCommand, network: Network, context: RunContext) -> list[NetworkNode]:
    """The nodes to print, by name in any case."""
    ordered = sorted(network, key=lambda node: node.name.lower())
    if command.node_name_regex:
        pattern = re.compile(command.node_name_regex)
        found = [node for node in ordered if pattern.fullmatch(node.name)]
        names = "".join(f"\n\t{node.name}" for node in found)
        text = f"DumpNodeInfo: {len(found)} nodes matching RegEx({command.node_name_regex}): {names}"
        context.observer.handle(Noted(command.name, text))
        return found
    if not command.node_name or command.node_name == _ALL_NODES:
        return ordered
    node = network.get(command.node_name)
    if node is None:
        place = command.spans.get("nodeName", command.span)
        warning = unknown_node(network, command.node_name, place, Severity.WARNING)
        instead = f"no node named '{command.node_name}', so all nodes are printed"
        context.warn(command.name, [replace(warning, message=instead)])
        return ordered
    return [node]


def node_tokens(
    node: NetworkNode, values: Values, *, with_values: bool = True, with_metadata: bool = True
) -> Iterator[str]:
    """The text of one node; a blank stands before each token, newlines included."""
    holds_values = isinstance(node.op, LearnableParameter) or node.is_statistic
    if with_metadata:
        yield f"\n{node.name}={node.operation}"
        if node.inputs:
            yield "("
            for index, source in enumerate(node.inputs):
                yield from (",", source.name) if index else (source.name,)
            yield ")"
        yield from _attributes(node, values)
    if with_values and holds_values:
        if with_metadata:
            yield "\n"
        if node.name in values:
            yield from _rows(as_matrix(values[node.name]))
        if with_metadata:
            yield _RULE


def as_matrix(value: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A parameter as CNTK's matrix: its first axis times all others."""
    # arrays have the axes reversed, so the author's first is the last
    return value.reshape(-1, value.shape[-1]).T if value.ndim else value.reshape(1, 1)


def _rows(matrix: npt.NDArray[Any]) -> Iterator[str]:
    digits = 17 if matrix.dtype == np.float64 else 9
    for row in matrix:
        for number in row:
            yield f"{number:.{digits}g}"
        yield "\n"


def _attributes(node: NetworkNode, values: Values) -> Iterator[str]:
    assert node.type is not None, node
    match node.op:
        case Precomputed():
            yield f"[{_product(node.type.dims)}]  "
            yield f"HasComputed={'true' if node.name in values else 'false'}"
        case LearnableParameter(learning_rate_multiplier=rate, is_trained=trained):
            rows, columns = node.type.dims[0], node.type.size // node.type.dims[0]
            yield f"[{rows},{columns}]  "
            yield f"learningRateMultiplier={rate:f}  NeedsGradient={'true' if trained else 'false'}"
        case InputValue():
            yield from ("[", _product(node.type.dims), "]")
        case Convolution() as op:
            yield from _geometry(node, op.kernel_dims, op.map_dims, op, pool_kind=0)
        case Pooling() as op:
            kind = 1 if op.pool_kind.lower() == "max" else 2
            yield from _geometry(node, op.kernel_dims, (1,), op, pool_kind=kind)
        case _:
            return


def _geometry(
    node: NetworkNode, kernel: Sequence[int], maps: Sequence[int], op: Convolution | Pooling, *, pool_kind: int
) -> Iterator[str]:
    image: TensorType | None = node.inputs[-1].type
    assert image is not None and node.type is not None
    yield "Geometry: "
    yield ", ".join(
        [
            f"Input: {_product(image.dims)}",
            f"Output: {_product(node.type.dims)}",
            f"Kernel: {_product(kernel)}",
            f"Map: {_product(maps)}",
            f"Stride: {_product(op.stride)}",
            "Sharing: (1)",
            f"AutoPad: ({', '.join(str(int(pad)) for pad in op.auto_padding)})",
            f"LowerPad: {_product(op.lower_pad)}",
            f"UpperPad: {_product(op.upper_pad)}",
        ]
    )
    yield "\n"
    yield "PoolKind: "
    yield str(pool_kind)
    yield "\n"


def _product(dims: Iterable[int]) -> str:
    return " x ".join(map(str, dims))
