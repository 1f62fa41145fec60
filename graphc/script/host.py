"""What the evaluator needs from the network that it builds: the language knows values, its host knows nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from graphc.diagnostics import Span


@runtime_checkable
class ScriptNode(Protocol):
    """A node as the language sees it: members for ``.`` and a name that assembly may change."""

    name: str
    span: Span | None

    def member(self, name: str) -> Any:
        """Value of ``node.name``, ``.operation``, ``.dim``, ``.inputs``, ``.dims``; raises `KeyError` for others."""
        ...


class HostRecord(Protocol):
    """The record behind ``new T rec`` as its host reads it (language.md 5.3: with the same outward search as ``.``)."""

    span: Span

    def lookup(self, name: str) -> Any:
        """Forced value of a member or of the enclosing scopes' variable; raises `KeyError` where there is none."""
        ...

    def defer(self, name: str) -> Any:
        """A callable without arguments that forces the member when called: what delay nodes keep of ``inputs``."""
        ...

    def own_names(self) -> Sequence[str]:
        """Names of the record's own members, as written, in order of text."""
        ...

    def own_span(self, name: str) -> Span:
        """Where the member's value is written: the literal, if the member is but a name for one."""
        ...

    def use_span(self, name: str) -> Span:
        """Where the member is defined, whatever it names."""
        ...

    def name_span(self, name: str) -> Span:
        """Where the member's name is written."""
        ...


class Host(Protocol):
    """Builds nodes for infix operators and for ``new``; ``path`` is the expression path (language.md 6.1)."""

    # type names that `create` accepts besides the evaluator's own; of them, those whose record starts at the empty path
    types: frozenset[str]
    empty_path_types: frozenset[str]

    def is_node(self, value: Any) -> bool: ...

    def constant(self, value: float, path: str, span: Span) -> Any:
        """Scalar ``[1]`` constant, learning-rate multiplier 0, for a Number operand of an infix operator."""
        ...

    def operation(self, name: str, inputs: Sequence[Any], attributes: Mapping[str, Any], path: str, span: Span) -> Any:
        """Node of CNTK operation ``name`` for an infix operator; attributes under CNTK's names."""
        ...

    def create(self, type_name: str, record: HostRecord, path: str, span: Span) -> Any:
        """Value of ``new type_name record``, for the types in `types`."""
        ...
