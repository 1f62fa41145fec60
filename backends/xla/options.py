"""What XLA is told beside the program: compiler options by platform, and where compiled programs are kept."""

from __future__ import annotations

import math
import os
import platform
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import jax

from graphc.caches import cache_folder
from graphc.ir import Graph, Node

# jaxlib 0.10 turns CPU convolutions into fusions that are up to twice as slow on images of this many positions and
# more, but not on smaller ones (benchmarks/convolution.py).
LARGE_IMAGE = 256
_LARGE_CONVOLUTION = {"xla_cpu_experimental_ynn_fusion_type": ""}

# programs that run once: compiled in a quarter of the time, for slower code
_RUN_ONCE = {"xla_backend_optimization_level": "0", "xla_cpu_use_fusion_emitters": "false"}


def compiler_options(graph: Graph, target: str) -> Mapping[str, str]:
    """Options that measured better for this kind of graph, as far as the installed compiler knows them."""
    if target != "cpu" or not any(_is_large_convolution(node) for node in graph.nodes):
        return {}
    return for_large_convolutions()


def for_large_convolutions() -> Mapping[str, str]:
    """Options for convolutions of images of `LARGE_IMAGE` positions and more on CPUs."""
    return {name: value for name, value in _LARGE_CONVOLUTION.items() if _is_known(name, value)}


def options_to_run_once(target: str) -> Mapping[str, str]:
    """Options for programs whose compilation takes longer than their work."""
    return {name: value for name, value in _RUN_ONCE.items() if _is_known(name, value)} if target == "cpu" else {}


def _is_large_convolution(node: Node) -> bool:
    return node.op.family == "convolution" and math.prod(node.type.dims[:-1]) >= LARGE_IMAGE


@cache
def _is_known(name: str, value: str) -> bool:
    program = jax.jit(lambda: 0.0, compiler_options={name: value}).lower()
    try:
        program.compile()
    except Exception:  # the compiler's own error type differs between versions; all of them mean "no"
        return False
    return True


def keep_compiled_programs() -> None:
    """Switch JAX's persistent compilation cache on, in the user's cache folder, unless the user has decided."""
    if getattr(jax.config, "jax_compilation_cache_dir", None) is not None:
        return
    folder = cache_folder(f"xla-{_processor():08x}")
    if folder is None:
        return  # costs time, nothing else
    jax.config.update("jax_compilation_cache_dir", str(folder))
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def _processor() -> int:
    """A number for the kind of processor: programs compiled for one may not run on another that shares the home."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    features = next((line for line in lines if line.startswith(("flags", "Features"))), platform.processor())
    return zlib.crc32(f"{platform.machine()} {features}".encode())
