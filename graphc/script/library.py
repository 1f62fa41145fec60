"""The standard library: every file of graphc/script/library as one record."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from graphc.diagnostics import SourceFile
from graphc.syntax import ast
from graphc.syntax.brainscript import parse_members
from graphc.syntax.cache import cached_parse

LIBRARY = Path(__file__).parent / "library"


@cache
def load_library() -> ast.Record:
    """All members of the library, in the order of the files' names; their trees are built as they are needed."""
    members: list[ast.Member] = []
    for path in sorted(LIBRARY.glob("*.bs")):
        file = SourceFile(f"library/{path.name}", path.read_text(encoding="utf-8"))
        members += cached_parse(file, parse_members).members
    return ast.Record(members[0].name_span, tuple(members))
