"""First values of parameters: reproducible from a seed, whatever the order in which they are asked for."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from graphc.data.mersenne import MT19937_64
from graphc.diagnostics import Diagnostic, DiagnosticError
from graphc.ir import Graph, TensorType
from graphc.ir.layout import array_shape
from graphc.ops.initializers import NORMAL_KINDS, Initializer
from graphc.ops.sources import LearnableParameter
from graphc.train import polar, ziggurat
from graphc.train.uniform import uniform
from graphc.train.xorwow import DeviceFills

Generator = Literal["jax", "cntk"]
# whose normal numbers the cntk generator draws: those of CNTK since 2017, or of the C++ library of a build before
Gaussian = Literal["ziggurat", "msvc", "libstdcxx"]
Array = npt.NDArray[Any]

# truncated normal numbers lie within so many standard deviations
_TRUNCATION = 2.0


@dataclass(frozen=True)
class CntkNumbers:
    """Which of CNTK's numbers the generator ``cntk`` draws.

    ``gaussian``: as which build. ``fills``: as on a GPU, for parameters that CNTK would fill there; none: as on a CPU.
    ``seed``: one for all parameters (`forceConstantRandomSeed`), instead of that which each got at its construction.
    """

    gaussian: Gaussian = "ziggurat"
    fills: DeviceFills | None = None
    seed: int | None = None


# the numbers of a CPU since 2017
CURRENT = CntkNumbers()


def initialise(
    graph: Graph, seed: int = 0, generator: Generator = "jax", numbers: CntkNumbers = CURRENT
) -> dict[str, Array]:
    """Values of every parameter of the graph by name.

    ``jax``: keyed by ``seed`` and the parameter's name. ``cntk``: CNTK's numbers from the seed that each parameter
    got at its construction; ``seed`` plays no part then.
    """
    found: dict[str, Array] = {}
    for node in graph.nodes:
        if isinstance(node.op, LearnableParameter):
            try:
                found[node.op.name] = initial_value(node.op, node.type, seed, generator, numbers)
            except ValueError as error:
                name = node.op.name
                problem = Diagnostic("GC0701", f"the parameter {name} cannot be initialised: {error}", node.span)
                raise DiagnosticError(problem) from error
    return found


def initial_value(
    parameter: LearnableParameter,
    type: TensorType,
    seed: int,
    generator: Generator,
    numbers: CntkNumbers = CURRENT,
) -> Array:
    """Value of one parameter in the layout of `graphc.ir.layout`; raises `ValueError`."""
    initializer, dtype = parameter.initializer, np.dtype(type.element.value)
    flat = _fixed(initializer, type.dims)
    if flat is None:
        draw = _draw_cntk(numbers) if generator == "cntk" else _draw_jax(parameter.name, seed)
        flat = draw(initializer, type.dims, dtype)
    return flat.astype(dtype, copy=False).reshape(array_shape(type))


def _fixed(initializer: Initializer, dims: tuple[int, ...]) -> Array | None:
    """The values, first axis fastest, where nothing is random."""
    initializer.require_fitting(dims)
    match initializer.kind:
        case "zero":
            return np.zeros(math.prod(dims))
        case "fixedValue":
            return np.full(math.prod(dims), initializer.value)
        case "bilinear":
            return _bilinear(dims)
        case "fromFile" | "fromLiteral":
            return _literal(initializer.literal, dims)
        case kind if initializer.is_random:
            return None
        case kind:
            raise ValueError(f"there is no initialisation {kind!r}")


def _bilinear(dims: tuple[int, ...]) -> Array:
    k, channels = dims[0], dims[2]
    profile = 1 - np.abs(np.arange(k) - (k - 1) / 2) / ((k + 1) // 2)
    kernel = profile[:, None] * profile[None, :]
    return (np.eye(channels)[:, :, None, None] * kernel).reshape(-1)


def _literal(text: str, dims: tuple[int, ...]) -> Array:
    rows = [line.split() for line in text.splitlines() if line.split()]
    if len({len(row) for row in rows}) > 1:
        raise ValueError("the rows of its matrix are not equally long")
    matrix = np.array([[float(word) for word in row] for row in rows])
    if matrix.shape != (dims[0], math.prod(dims[1:])):
        found = " x ".join(map(str, matrix.shape))
        raise ValueError(f"its matrix is [{found}], wanted is [{dims[0]} x {math.prod(dims[1:])}]")
    return matrix.T.reshape(-1)


def _draw_jax(name: str, seed: int) -> Any:
    def draw(initializer: Initializer, dims: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        word = int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:8], "little")
        size, width = math.prod(dims), initializer.width(dims)
        # float32 numbers widened afterwards: a float64 model starts where its float32 twin does
        key = jax.random.wrap_key_data(jnp.array([word >> 32, word & 0xFFFFFFFF], np.uint32))
        if initializer.kind == "TruncNormal":
            drawn = jax.random.truncated_normal(key, -_TRUNCATION, _TRUNCATION, (size,), np.float32)
        elif initializer.kind in NORMAL_KINDS:
            drawn = jax.random.normal(key, (size,), np.float32)
        else:
            drawn = jax.random.uniform(key, (size,), np.float32, -1.0, 1.0)
        return np.asarray(drawn).astype(dtype) * dtype.type(width)

    return draw


def _draw_cntk(numbers: CntkNumbers) -> Any:
    def draw(initializer: Initializer, dims: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        width = _cntk_width(initializer, dims, dtype)
        size, is_normal = math.prod(dims), initializer.kind in NORMAL_KINDS
        seed = initializer.seed if numbers.seed is None else numbers.seed
        if initializer.kind == "TruncNormal":
            return _truncated(seed, size, width, dtype, numbers.gaussian)
        if numbers.fills is not None and not initializer.on_cpu_only:
            return (numbers.fills.normal if is_normal else numbers.fills.uniform)(seed, size, width)
        if is_normal:
            drawn = _normal(seed, size, numbers.gaussian)
            drawn *= float(width)
            return drawn.astype(dtype, copy=False)
        return uniform(MT19937_64(seed), size, -float(width), float(width), dtype)

    return draw


def _normal(seed: int, size: int, gaussian: Gaussian) -> npt.NDArray[np.float64]:
    engine = MT19937_64(seed)
    return ziggurat.normal(engine, size) if gaussian == "ziggurat" else polar.normal(engine, size, gaussian)


def _cntk_width(initializer: Initializer, dims: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    scale = dtype.type(np.float32(initializer.scale))
    if initializer.kind == "uniform":
        return dtype.type(np.float32(0.05)) * scale
    unscaled = Initializer(
        initializer.kind, filter_rank=initializer.filter_rank, output_rank=initializer.output_rank
    ).width(dims)
    return dtype.type(unscaled) * scale


def _truncated(seed: int, size: int, sigma: Any, dtype: np.dtype[Any], gaussian: Gaussian) -> Array:
    bound, kept, count = dtype.type(_TRUNCATION) * sigma, np.empty(0, dtype), size
    while len(kept) < size:
        count += count // 16 + 64  # one in 22 is passed over
        drawn = (_normal(seed, count, gaussian) * float(sigma)).astype(dtype)
        kept = drawn[np.abs(drawn) <= bound]
    return kept[:size]
