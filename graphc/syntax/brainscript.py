"""BrainScript text to syntax trees."""

from __future__ import annotations

from typing import Any

from graphc.diagnostics import SourceText
from graphc.syntax.ast import Expr, Record
from graphc.syntax.includes import IncludePath

__all__ = ["IncludePath", "parse_expression", "parse_members"]


def parse_expression(text: SourceText, *, includes: IncludePath | None = None) -> Expr:
    """Tree of one expression; raises `DiagnosticError` where the text is not one.

    >>> parse_expression(SourceText.from_string("W * x + b")).operator
    '+'
    """
    return _parse(text, "single", includes)


def parse_members(text: SourceText, *, includes: IncludePath | None = None) -> Record:
    """Record of the member list that makes up a file or a section; raises `DiagnosticError`.

    >>> [member.name for member in parse_members(SourceText.from_string("a = 13 b = 42")).members]
    ['a', 'b']
    """
    return Record(text.span(), _parse(text, "file", includes))


def _parse(text: SourceText, start: str, includes: IncludePath | None) -> Any:
    # lark costs 80 ms with its tables, and a tree from the cache does without
    from graphc.syntax import lalr
    from graphc.syntax.lexer import tokenize

    tokens = tokenize(text, lalr.terminals(), includes or IncludePath())
    return lalr.parse(tokens, start, text.span(0, 0))
