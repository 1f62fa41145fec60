"""The dependency law of the architecture, read off the code's own imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Low to high: an import points to something lower, or stays in its own package.
ORDER = (
    *("version", "grammar", "files", "caches", "diagnostics", "syntax", "ir", "ops", "script", "network", "config"),
    *("passes", "backend", "data", "train", "actions", "interop"),
)
# The faces lie above all of these. They may use one another, but not in circles; they alone print.
FACES = ("api", "cli", "lsp", "testing", "ui", "__init__", "__main__")
BACKENDS_MAY_IMPORT = {"version", "files", "caches", "diagnostics", "ir", "ops", "backend", "backends"}
JAX_LIVES_IN = ("backends/xla/", "graphc/train/")
# `backend` lists the folder of the package, which needs the package but none of its backends
LISTS_BACKENDS = ("graphc/backend.py", "graphc.backends")
# what `graphc check` must not wait for
HEAVY = ("jax", "jaxlib", "rich", "hypothesis", "safetensors", "scipy", "sklearn")


@dataclass(frozen=True)
class Import:
    """One imported module, by its full dotted name; ``names`` are what a ``from`` import takes out of it."""

    path: str
    line: int
    module: str
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.path}:{self.line} imports {self.module}"


@cache
def sources() -> dict[str, ast.Module]:
    files = sorted([*(ROOT / "graphc").rglob("*.py"), *(ROOT / "backends").rglob("*.py")])
    # rglob follows no links, so nothing is seen twice
    paths = {file.relative_to(ROOT).as_posix(): file for file in files if not _linked(file)}
    return {path: ast.parse(file.read_text("utf-8"), path) for path, file in paths.items()}


def _linked(file: Path) -> bool:
    return any(parent.is_symlink() for parent in file.parents if ROOT in parent.parents)


def imports_in(path: str, tree: ast.Module) -> Iterator[Import]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(path, node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            yield Import(path, node.lineno, node.module or "", tuple(alias.name for alias in node.names))


def all_imports() -> list[Import]:
    return [each for path, tree in sources().items() for each in imports_in(path, tree)]


def part_of_path(path: str) -> str:
    """Which entry of the order a file belongs to: ``graphc/ir/node.py`` → ``ir``."""
    first, *rest = path.removesuffix(".py").split("/")
    return "backends" if first == "backends" else rest[0]


def parts_of_import(each: Import) -> set[str]:
    """The entries of the order that an import reaches; empty where it leaves the project."""
    root, *rest = each.module.split(".")
    if root != "graphc":
        return set()
    if rest:
        return {rest[0]}
    named = {name for name in each.names if (ROOT / "graphc" / name).exists() or f"graphc/{name}.py" in sources()}
    return named or {"__init__"}


def arrows() -> Iterator[tuple[str, str, Import]]:
    for each in all_imports():
        source = part_of_path(each.path)
        for target in sorted(parts_of_import(each) - {source}):
            yield source, target, each


def test_every_module_has_its_place() -> None:
    known = {*ORDER, *FACES, "backends"}
    assert not sorted({part_of_path(path) for path in sources()} - known)


def test_imports_point_down() -> None:
    height = {part: index for index, part in enumerate(ORDER)} | dict.fromkeys(FACES, len(ORDER))
    wrong = [
        str(each)
        for source, target, each in arrows()
        if source != "backends"
        and not (source in FACES and target in FACES)
        and (each.path, each.module) != LISTS_BACKENDS
        and (target not in height or height[target] >= height[source])
    ]
    assert not wrong, "\n".join(wrong)


def test_no_circles_between_packages() -> None:
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for source, target, each in arrows():
        if (each.path, each.module) != LISTS_BACKENDS:
            sorter.add(source, target)
    try:
        sorter.prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_backends_see_the_graph_only() -> None:
    wrong = [
        str(each) for source, target, each in arrows() if source == "backends" and target not in BACKENDS_MAY_IMPORT
    ]
    assert not wrong, "\n".join(wrong)


def test_backends_do_not_see_one_another() -> None:
    wrong = [
        str(each)
        for each in all_imports()
        if each.path.startswith("backends/") and each.module.startswith("graphc.backends.")
        if each.path.split("/")[1] != each.module.split(".")[2]
    ]
    assert not wrong, "\n".join(wrong)


def test_jax_stays_where_it_belongs() -> None:
    wrong = [
        str(each)
        for each in all_imports()
        if each.module.split(".")[0] in ("jax", "jaxlib") and not each.path.startswith(JAX_LIVES_IN)
    ]
    assert not wrong, "\n".join(wrong)


def test_only_faces_print() -> None:
    wrong = [
        f"{path}:{node.lineno}"
        for path, tree in sources().items()
        if part_of_path(path) not in FACES
        for node in ast.walk(tree)
        if isinstance(node, ast.expr) and _prints(node)
    ]
    assert not wrong, "\n".join(wrong)


def _prints(node: ast.expr) -> bool:
    match node:
        case ast.Call(func=ast.Name("print")):
            return True
        case ast.Attribute(ast.Name("sys"), "stdout" | "stderr"):
            return True
        case _:
            return False


def test_checking_loads_nothing_heavy() -> None:
    program = (
        "import sys, graphc.network, graphc.config, graphc.passes, graphc.ops\n"
        f"found = sorted(m for m in {HEAVY!r} if m in sys.modules)\n"
        "sys.exit(', '.join(found) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
