"""The Lark parser of BrainScript; whoever imports this module pays for lark."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any, NoReturn

import lark
from lark.exceptions import UnexpectedToken
from lark.lexer import Lexer

from graphc.diagnostics import DiagnosticError, Span
from graphc.syntax.lexer import Terminals, Token
from graphc.syntax.syntax_errors import explain
from graphc.syntax.tree_builder import TreeBuilder

GRAMMAR = "brainscript.lark"


def grammar_text() -> str:
    return files("graphc.grammar").joinpath(GRAMMAR).read_text("utf-8")


class _FedFromOutside(Lexer):
    """No lexer: the tokens come from `graphc.syntax.lexer`, built from the grammar's terminals."""

    def __init__(self, lexer_conf: Any) -> None:
        pass

    def lex(self, lexer_state: Any, parser_state: Any) -> NoReturn:
        raise NotImplementedError


@cache
def _lark() -> lark.Lark:
    return lark.Lark(
        grammar_text(),
        start=["file", "single"],
        parser="lalr",
        lexer=_FedFromOutside,
        transformer=TreeBuilder(),
        keep_all_tokens=True,
        maybe_placeholders=False,
    )


@cache
def terminals() -> Terminals:
    """The grammar's terminals, in the order in which Lark's own lexers try them."""
    parser = _lark()
    order = sorted(parser.terminals, key=lambda t: (-t.priority, -t.pattern.max_width, -len(t.pattern.value), t.name))
    return Terminals.of([(t.name, t.pattern.to_regexp()) for t in order], frozenset(parser.ignore_tokens))


def parse(tokens: Iterable[Token], start: str, nothing: Span) -> Any:
    """What the rule ``start`` builds from the tokens; ``nothing`` locates errors where there is no token."""
    parser = _lark().parse_interactive(start=start)
    feed = parser.feed_token
    fed: list[Token] = []
    try:
        for token in tokens:
            fed.append(token)
            feed(token)  # pyright: ignore[reportArgumentType]  # lark asks for nothing but `.type`
        end = fed[-1].span if fed else nothing
        fed.append(Token("$END", "", Span(end.file, end.end, end.end)))
        return feed(fed[-1])  # pyright: ignore[reportArgumentType]
    except UnexpectedToken:
        raise DiagnosticError(explain(fed, parser.accepts())) from None
