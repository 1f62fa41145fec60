"""From traceable functions to programs: jit with the right options, export, and the text of what XLA is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import jax
import jax.export
import numpy as np

from graphc.backend import Environment, Feeds, Function, Parameters, Results
from graphc.backends.xla.device import Device, resolve
from graphc.backends.xla.lowering import function, names_of_parameters, uses_float64
from graphc.backends.xla.options import compiler_options
from graphc.ir import Graph, Storage
from graphc.ir.layout import array_shape
from graphc.ops.sources import InputValue

# platforms that every shipped model can be exported for, in JAX's names
PLATFORMS = ("cpu", "cuda", "tpu")

# entries of a sparse sample where a program is lowered without data
_SPARSE_CAPACITY = 16


def compile(graph: Graph, *, training: bool = False, device: str = "auto") -> Function:
    """The graph as a program that takes and gives arrays; compiled anew for each number of frames."""
    target = resolve(device)
    program = jit(function(graph, training=training), graph, target)

    def run(parameters: Parameters, feeds: Feeds, environment: Environment | None = None) -> Results:
        with jax.default_device(target):
            return program(dict(parameters), dict(feeds), environment or Environment())

    return run


def jit(f: Callable[..., Any], graph: Graph, device: Device, *, donate: Sequence[int] = ()) -> Callable[..., Any]:
    """``f``, which evaluates ``graph``, staged for a device; the arguments ``donate`` may be overwritten."""
    options = dict(compiler_options(graph, device.platform)) or None
    staged = jax.jit(f, donate_argnums=tuple(donate), compiler_options=options)
    if not uses_float64(graph):
        return staged

    def with_float64(*arguments: Any) -> Any:
        with jax.enable_x64(True):
            return staged(*arguments)

    return with_float64


def precision(graph: Graph) -> AbstractContextManager[Any]:
    """The context in which arrays of the graph's element type are made."""
    return jax.enable_x64(True) if uses_float64(graph) else nullcontext()


def lowered_text(
    graph: Graph,
    *,
    stage: str = "stablehlo",
    platforms: Sequence[str] = ("cpu",),
    frames: int | None = None,
    training: bool = False,
) -> str:
    """The program as XLA is given it, in the dialect ``stablehlo`` or ``hlo``."""
    assert stage in ("stablehlo", "hlo"), stage
    with precision(graph):
        traced = jax.jit(function(graph, training=training)).trace(*_arguments(graph, frames or 1))
        lowered = traced.lower(lowering_platforms=tuple(platforms))
        return lowered.as_text(stage)


def export(
    graph: Graph, platforms: Sequence[str] = PLATFORMS, *, frames: int | None = None, training: bool = False
) -> jax.export.Exported:
    """The program for several platforms in JAX's portable form; the number of frames is symbolic unless given.

    Its arguments are the parameters and the inputs by name, its result is the outputs by name.
    """
    run = function(graph, training=training)

    def outputs(parameters: Parameters, feeds: Feeds) -> dict[str, Any]:
        return dict(run(parameters, feeds, Environment()).outputs)

    with precision(graph):
        size = jax.export.symbolic_shape("frames")[0] if frames is None else frames
        return jax.export.export(jax.jit(outputs), platforms=tuple(platforms))(*_arguments(graph, size))


def _arguments(graph: Graph, frames: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    parameters = {
        name: jax.ShapeDtypeStruct(array_shape(node.type), node.type.element.value)
        for name, node in names_of_parameters(graph).items()
    }
    feeds: dict[str, Any] = {}
    for node in graph.nodes:
        if not isinstance(node.op, InputValue):
            continue
        dtype = np.dtype(node.type.element.value)
        match node.type.storage:
            case Storage.DENSE:
                feeds[node.op.name] = jax.ShapeDtypeStruct(array_shape(node.type, frames), dtype)
            case Storage.ONEHOT:
                feeds[node.op.name] = jax.ShapeDtypeStruct((frames,), np.int32)
            case Storage.SPARSE:
                shape = (frames, _SPARSE_CAPACITY)
                feeds[node.op.name] = (jax.ShapeDtypeStruct(shape, np.int32), jax.ShapeDtypeStruct(shape, dtype))
    return parameters, feeds
