"""The standard library as a whole: every name is defined once, and every name it uses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from graphc.diagnostics import Span
from graphc.script.evaluator import Evaluator
from graphc.script.host import HostRecord
from graphc.script.library import load_library
from graphc.script.names import undefined_names
from graphc.syntax import ast


def test_no_name_is_defined_twice() -> None:
    counts = Counter(member.name for member in load_library().members)
    assert [name for name, count in counts.items() if count > 1] == []


def test_every_name_that_is_used_is_defined() -> None:
    assert [str(d.span) for d in undefined_names(load_library(), ())] == []


def test_everything_public_is_documented() -> None:
    members = library_members(load_library())
    assert [name for name, member in members.items() if not is_private(name) and not member.doc] == []


def is_private(name: str) -> bool:
    return any(part.startswith("_") for part in name.split("."))


def library_members(record: ast.Record, prefix: str = "") -> dict[str, ast.Member]:
    """Members of the library and of the records in it, by dotted name."""
    found: dict[str, ast.Member] = {}
    for member in record.members:
        found[prefix + member.name] = member
        if isinstance(member.value, ast.Record):
            found |= library_members(member.value, f"{prefix}{member.name}.")
    return found


def test_a_definition_is_decoded_when_it_is_needed(script: Any) -> None:
    evaluator = Evaluator(load_library(), NoHost())
    assert evaluator.evaluate(script.program("do = Fac (5) + Length (_ConcatArrays (1, 2:3))")).lookup("do") == 123.0


class NoHost:
    """A host that knows no types and no nodes."""

    types: frozenset[str] = frozenset()
    empty_path_types: frozenset[str] = frozenset()

    def is_node(self, value: Any) -> bool:
        return False

    def constant(self, value: float, path: str, span: Span) -> Any:
        raise NotImplementedError

    def operation(self, name: str, inputs: Sequence[Any], attributes: Mapping[str, Any], path: str, span: Span) -> Any:
        raise NotImplementedError

    def create(self, type_name: str, record: HostRecord, path: str, span: Span) -> Any:
        raise NotImplementedError
