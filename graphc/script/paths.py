"""Expression paths, which name nodes, kept as shared chains and joined only where a name is needed."""

from __future__ import annotations

from typing import TypeAlias

# Innermost segment last: ((None, ".z"), ".PlusArgs[0]"). Nested evaluations are thousands deep, and each written out
# would cost memory quadratic in the depth. Segments start with "." or are "[n]"; None is the empty path.
Path: TypeAlias = "tuple[Path, str] | None"


def join_path(path: Path) -> str:
    """The path as nodes are named by it: ``z.x[1].W``."""
    segments: list[str] = []
    while path is not None:
        path, segment = path
        segments.append(segment)
    return "".join(reversed(segments)).removeprefix(".")


def path_of(text: str) -> Path:
    return (None, text if text.startswith("[") else "." + text) if text else None
