"""Hypothesis strategies of BrainScript syntax trees: exactly those that some text parses to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

# Whoever imports this module wants hypothesis, which the extra `test` installs.
from hypothesis import strategies as st

from graphc.diagnostics import SourceFile
from graphc.syntax.ast import (
    Argument,
    Array,
    Binary,
    Bool,
    Call,
    Dot,
    Expr,
    If,
    Index,
    Lambda,
    List,
    Member,
    Name,
    New,
    Number,
    Parameter,
    Record,
    String,
    Unary,
)

T = TypeVar("T", Argument, Parameter, Member)

_KEYWORDS = frozenset(["include", "new", "with", "true", "false", "if", "then", "else", "array"])
_BINARY = ["**", ".*", "*", "/", "%", "+", "-", "with", "==", "!=", "<=", ">=", "<", ">", "&&", "||", ">>", "<<"]
_SPAN = SourceFile("<generated>", "").span()


def names() -> st.SearchStrategy[str]:
    """Identifiers, with keywords as prefixes and letters beyond ASCII among them."""
    common = st.sampled_from(["a", "b", "x", "i", "_", "W1", "ifx", "newer", "größe", "Z_9"])
    return common | st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,5}", fullmatch=True).filter(lambda n: n not in _KEYWORDS)


def expressions(max_leaves: int = 20) -> st.SearchStrategy[Expr]:
    """Expressions of every kind."""
    return st.recursive(_leaves(), _compound, max_leaves=max_leaves)


def records(max_leaves: int = 20) -> st.SearchStrategy[Record]:
    """Records, as `parse_members` gives them."""
    return _record(expressions(max_leaves))


def _leaves() -> st.SearchStrategy[Expr]:
    numbers = st.integers(0, 20).map(float) | st.floats(0, allow_nan=False).map(abs)
    text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="'"), max_size=6)
    return st.one_of(
        names().map(lambda name: Name(_SPAN, name)),
        numbers.map(lambda value: Number(_SPAN, value)),
        st.booleans().map(lambda value: Bool(_SPAN, value)),
        (text | st.just("it's")).map(lambda value: String(_SPAN, value)),
    )


def _compound(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    span = st.just(_SPAN)
    function = st.builds(lambda name, body: Lambda(_SPAN, (Parameter(name, None, _SPAN),), body), names(), inner)
    return st.one_of(
        st.builds(Unary, span, st.sampled_from("+-!"), inner),
        st.builds(Binary, span, st.sampled_from(_BINARY), inner, inner, span),
        st.builds(List, span, st.lists(inner, max_size=4).map(tuple)),
        st.builds(Call, span, inner, _arguments(inner)),
        st.builds(Index, span, inner, inner),
        st.builds(Dot, span, inner, names(), span),
        st.builds(Array, span, inner, inner, inner),
        st.builds(New, span, names(), inner, span),
        st.builds(If, span, inner, inner, inner),
        function,
        _record(inner),
    )


def _record(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Record]:
    function = st.builds(Lambda, st.just(_SPAN), _parameters(inner), inner)
    array_body = st.builds(
        lambda index, body: Lambda(_SPAN, (Parameter(index, None, _SPAN),), body), names(), inner | function
    )
    value = st.one_of(inner, function, st.builds(Array, st.just(_SPAN), inner, inner, array_body))
    member = st.builds(Member, names(), value, st.just(_SPAN))
    return st.lists(member, max_size=4).map(lambda members: Record(_SPAN, _distinct(members)))


def _arguments(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[tuple[Argument, ...]]:
    return st.lists(st.builds(Argument, st.none() | names(), inner, st.just(_SPAN)), max_size=3).map(_distinct)


def _parameters(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[tuple[Parameter, ...]]:
    return st.lists(st.builds(Parameter, names(), st.none() | inner, st.just(_SPAN)), max_size=3).map(_distinct)


def _distinct(items: Iterable[T]) -> tuple[T, ...]:
    """Without the later ones of a name; positional arguments have none."""
    seen: set[str] = set()
    kept: list[T] = []
    for item in items:
        if item.name is None or item.name not in seen:
            kept.append(item)
            seen.add(item.name or "")
    return tuple(kept)
