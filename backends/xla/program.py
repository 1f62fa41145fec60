"""From traceable functions to programs: jit with the right options, export, and the text of what XLA is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np

from graphc.backend import Environment, Feeds, Function, Parameters, Results
from graphc.backends.xla.device import Device, resolve
from graphc.backends.xla.lowering import function, names_of_parameters, uses_float64
from graphc.backends.xla.options import compiler_options
from graphc.ir import Frames, Graph, Lanes, Sequences, Storage
from graphc.ir.arithmetic import Arithmetic
from graphc.ir.layout import array_shape
from graphc.ops.lengths import axis_of_single_frames, has_sequences, length_checks
from graphc.ops.sources import InputValue

# platforms that every shipped model can be exported for, in JAX's names
PLATFORMS = ("cpu", "cuda", "tpu")

# entries of a sparse sample where a program is lowered without data
_SPARSE_CAPACITY = 16


def compile(graph: Graph, *, training: bool = False, device: str = "auto", arithmetic: Arithmetic = "full") -> Function:
    """The graph as a program that takes and gives arrays; compiled anew for each number of frames."""
    target = resolve(device)
    program = jit(function(graph, training=training, arithmetic=arithmetic), graph, target)

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
    arithmetic: Arithmetic = "full",
) -> str:
    """The program as XLA is given it, in the dialect ``stablehlo`` or ``hlo``.

    Where frames form sequences, it is for a minibatch of a few short ones.
    """
    assert stage in ("stablehlo", "hlo"), stage
    shown = _SHOWN if frames is None and has_sequences(graph) else _Sizes(frames or 1, 1, frames or 1, 1)
    sizes = dict.fromkeys(_axes(graph), shown)
    with precision(graph):
        traced = jax.jit(_program(graph, training, arithmetic)).trace(*_arguments(graph, sizes))
        lowered = traced.lower(lowering_platforms=tuple(platforms))
        return lowered.as_text(stage)


def export(
    graph: Graph,
    platforms: Sequence[str] = PLATFORMS,
    *,
    frames: int | None = None,
    longest: int = 64,
    training: bool = False,
    arithmetic: Arithmetic = "full",
) -> jax.export.Exported:
    """The program for several platforms in JAX's portable form; the number of frames is symbolic unless given.

    Its arguments are the parameters and the inputs by name, its result is the outputs by name. Where frames form
    sequences, none of which has more than ``longest``, a third argument has the dynamic axes by name: of each the
    arrays of `graphc.ir.Sequences` and `graphc.ir.Lanes`. The numbers of sequences and lanes are symbolic too; all axes
    have as many sequences.
    """
    run = _program(graph, training, arithmetic)

    def outputs(*arguments: Any) -> dict[str, Any]:
        return dict(run(*arguments).outputs)

    with precision(graph):
        sizes = _Sizes(frames, 1, longest, 1)
        sizes = _symbolic(graph, longest) if frames is None else dict.fromkeys(_axes(graph), sizes)
        return jax.export.export(jax.jit(outputs), platforms=tuple(platforms))(*_arguments(graph, sizes))


@dataclass(frozen=True)
class _Sizes:
    """Sizes of arrays, numbers or symbols; all but the first are those of axes whose frames form sequences."""

    frames: Any
    sequences: Any
    time: int
    lanes: Any


# what is shown of recurrences: enough that nothing is folded away
_SHOWN = _Sizes(12, 3, 8, 2)


def _symbolic(graph: Graph, longest: int) -> dict[str, _Sizes]:
    """Sizes of each axis: ``frames`` and ``lanes``, and of further axes ``frames2``, …

    All have as many sequences, and one whose values meet one frame of each sequence has no other frames.
    """
    scope = jax.export.SymbolicScope()
    (sequences,) = jax.export.symbolic_shape("sequences", scope=scope)
    single = {axis_of_single_frames(check) for check in length_checks(graph)}
    found = {}
    for number, axis in enumerate(_axes(graph), 1):
        names = (f"{stem}{number if number > 1 else ''}" for stem in ("frames", "lanes"))
        frames, lanes = jax.export.symbolic_shape(", ".join(names), scope=scope)
        found[axis] = _Sizes(sequences if axis in single else frames, sequences, longest, lanes)
    return found


def _axes(graph: Graph) -> list[str]:
    """Names of the dynamic axes of inputs."""
    found = (n.type.axis for n in graph.nodes if isinstance(n.op, InputValue))
    return sorted({axis.name for axis in found if axis is not None})


def _program(graph: Graph, training: bool, arithmetic: Arithmetic) -> Callable[..., Results]:
    """The graph as a function of parameters, inputs and, where there are sequences, the dynamic axes."""
    run = function(graph, training=training, arithmetic=arithmetic)

    def program(parameters: Parameters, feeds: Feeds, axes: Mapping[str, Mapping[str, Any]] | None = None) -> Results:
        return run(parameters, feeds, Environment(frames={name: _frames(axis) for name, axis in (axes or {}).items()}))

    return program


def _frames(axis: Mapping[str, Any]) -> Frames:
    time, _ = axis["frames"].shape
    known = {name: axis[name] for name in ("ids", "positions", "starts", "lengths", "count")}
    sequences = Sequences(**known, longest=time, lanes=Lanes(axis["frames"], axis["places"]))
    count = sequences.lengths.sum()
    return Frames(count, (jnp.arange(sequences.ids.shape[0]) < count).astype(jnp.float32), sequences)


def _axis(sizes: _Sizes) -> dict[str, Any]:
    shapes = {
        **dict.fromkeys(("ids", "positions", "places"), (sizes.frames,)),
        **dict.fromkeys(("starts", "lengths"), (sizes.sequences,)),
        "count": (),
        "frames": (sizes.time, sizes.lanes),
    }
    return {name: jax.ShapeDtypeStruct(shape, np.int32) for name, shape in shapes.items()}


def _arguments(graph: Graph, sizes: Mapping[str, _Sizes]) -> tuple[dict[str, Any], ...]:
    parameters = {
        name: jax.ShapeDtypeStruct(array_shape(node.type), node.type.element.value)
        for name, node in names_of_parameters(graph).items()
    }
    feeds: dict[str, Any] = {}
    for node in graph.nodes:
        if not isinstance(node.op, InputValue):
            continue
        assert node.type.axis is not None, node
        frames = sizes[node.type.axis.name].frames
        dtype = np.dtype(node.type.element.value)
        match node.type.storage:
            case Storage.DENSE:
                feeds[node.op.name] = jax.ShapeDtypeStruct(array_shape(node.type, frames), dtype)
            case Storage.ONEHOT:
                feeds[node.op.name] = jax.ShapeDtypeStruct((frames,), np.int32)
            case Storage.SPARSE:
                shape = (frames, _SPARSE_CAPACITY)
                feeds[node.op.name] = (jax.ShapeDtypeStruct(shape, np.int32), jax.ShapeDtypeStruct(shape, dtype))
    if not has_sequences(graph):
        return parameters, feeds
    return parameters, feeds, {name: _axis(each) for name, each in sizes.items()}
