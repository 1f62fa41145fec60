"""Syntax trees to canonical text with as few parentheses as the grammar allows: ``parse(format(tree)) == tree``."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

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

# language.md 4.1
_ANY, _LIST, _UNARY, _POSTFIX, _ATOM = 0, 4, 90, 99, 100
_BINARY = {
    **dict.fromkeys((">>", "<<"), 5),
    "||": 6,
    "&&": 7,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), 8),
    **dict.fromkeys(("+", "-", "with"), 9),
    **dict.fromkeys(("*", "/", ".*", "**", "%"), 10),
}
_DEEPEST_INDENT = 20


class _Next(IntEnum):
    """What follows an operand, and might become part of it."""

    CLOSED = 0
    OPERATOR = 1
    POSTFIX = 2


class _Job(NamedTuple):
    """A node still to be printed where the grammar wants ``level``; ``indent`` counts where records get lines."""

    node: Expr
    level: int
    next: _Next
    indent: int | None


_Part = str | _Job


def format_expression(expr: Expr) -> str:
    """One line of text that parses to ``expr``."""
    return _print([_whole(expr, None)])


def format_record(record: Record) -> str:
    """The members as the text of a file: one a line, comments above them; `parse_members` reads it back."""
    return _print(list(_lines(record.members, 0)))


def _print(parts: list[_Part]) -> str:
    # A stack instead of recursion: a generated chain may be 10,000 operators deep.
    stack = parts[::-1]
    out: list[str] = []
    while stack:
        part = stack.pop()
        if isinstance(part, str):
            out.append(part)
        else:
            stack.extend(reversed(list(_grouped(part))))
    return "".join(out)


def _grouped(job: _Job) -> Iterator[_Part]:
    node = job.node
    if _level(node) >= job.level and not _swallows(node, job.next):
        yield from _node(node, job.next, job.indent)
        return
    yield "("
    yield from _node(node, _Next.CLOSED, job.indent)
    yield ")"


def _swallows(node: Expr, following: _Next) -> bool:
    """Whether what follows would become part of it: `if` goes on as far as it can, `5.x` reads as `5.` and `x`."""
    match node:
        case If():
            return following is not _Next.CLOSED
        case Number():
            return following is _Next.POSTFIX
        case _:
            return False


def _level(node: Expr) -> int:
    match node:
        case Lambda():
            return _ANY
        case List():
            return _LIST if _has_colons(node) else _ATOM
        case Binary(operator=operator):
            return _BINARY[operator]
        case Unary():
            return _UNARY
        case Number(value=value):
            return _UNARY if value < 0 else _ATOM
        case Call() | Index() | Dot():
            return _POSTFIX
        case _:
            return _ATOM


def _has_colons(node: List) -> bool:
    """A list on the left of `:` would be flattened, and `:` needs two operands: other lists are bracketed."""
    return len(node.items) > 1 and not isinstance(node.items[0], List)


def _node(node: Expr, following: _Next, indent: int | None) -> Iterator[_Part]:
    match node:
        case Number(value=value):
            yield _number(value)
        case String(value=value):
            yield _string(value)
        case Bool(value=value):
            yield "true" if value else "false"
        case Name(name=name):
            yield name
        case Unary(operator=operator, operand=operand):
            yield operator
            yield _Job(operand, _UNARY, following, indent)
        case Binary(operator=operator, left=left, right=right):
            yield _Job(left, _BINARY[operator], _Next.OPERATOR, indent)
            yield f" {operator} "
            yield _Job(right, _BINARY[operator] + 1, following, indent)
        case List(items=items):
            yield from _list(node, items, following, indent)
        case Call(function=function, arguments=arguments):
            yield _Job(function, _POSTFIX, _Next.POSTFIX, indent)
            yield from _enclosed("(", [_argument(a, indent) for a in arguments], ")")
        case Index(base=base, index=index):
            yield _Job(base, _POSTFIX, _Next.POSTFIX, indent)
            yield from ("[", _whole(index, indent), "]")
        case Dot(base=base, name=name):
            yield _Job(base, _POSTFIX, _Next.POSTFIX, indent)
            yield f".{name}"
        case Lambda(parameters=(Parameter(name=name, default=None),), body=body):
            yield f"{name} => "
            yield _whole(body, indent)
        case Lambda():
            raise ValueError("a function of several or optional parameters can only be the value of a member")
        case Record(members=members):
            yield from _record(members, indent)
        case Array(first=first, last=last, function=function):
            yield from ("array[", _whole(first, indent), "..", _whole(last, indent), "]")
            yield from ("(", _whole(function, indent), ")")
        case New(type_name=type_name, argument=argument):
            yield f"new {type_name} "
            bare_sign = isinstance(argument, Unary) and following is not _Next.POSTFIX
            yield _Job(argument, _UNARY if bare_sign else _ATOM, following, indent)
        case If(condition=condition, then=then, otherwise=otherwise):
            yield from ("if ", _whole(condition, indent), " then ", _whole(then, indent))
            yield from (" else ", _whole(otherwise, indent))
        case _:
            raise AssertionError(f"no text for {type(node).__name__}")


def _whole(node: Expr, indent: int | None) -> _Job:
    return _Job(node, _ANY, _Next.CLOSED, indent)


def _number(value: float) -> str:
    if value == float("inf"):
        return "1e999"
    assert value == value, "no text denotes NaN"
    return repr(int(value)) if value.is_integer() and abs(value) < 1e16 else repr(value)


def _string(value: str) -> str:
    if "'" not in value:
        return f"'{value}'"
    if '"' not in value:
        return f'"{value}"'
    raise ValueError("a string literal cannot hold both kinds of quotation marks")


def _list(node: List, items: tuple[Expr, ...], following: _Next, indent: int | None) -> Iterator[_Part]:
    if not _has_colons(node):
        yield from _enclosed("[|", [[_whole(item, indent)] for item in items], "|]", "; ")
        return
    for item in items[:-1]:
        yield _Job(item, _LIST + 1, _Next.OPERATOR, indent)
        yield " : "
    yield _Job(items[-1], _LIST + 1, following, indent)


def _enclosed(opening: str, items: list[list[_Part]], closing: str, separator: str = ", ") -> Iterator[_Part]:
    yield opening
    for index, item in enumerate(items):
        if index:
            yield separator
        yield from item
    yield closing


def _argument(argument: Argument, indent: int | None) -> list[_Part]:
    value = _whole(argument.value, indent)
    return [value] if argument.name is None else [f"{argument.name}=", value]


def _record(members: tuple[Member, ...], indent: int | None) -> Iterator[_Part]:
    if not members:
        yield "{}"
    elif indent is None or len(members) == 1:
        yield from _enclosed("{ ", [list(_member(member, indent)) for member in members], " }", "; ")
    else:
        yield "{\n"
        yield from _lines(members, indent + 1)
        yield _margin(indent) + "}"


def _lines(members: tuple[Member, ...], indent: int) -> Iterator[_Part]:
    for member in members:
        for line in member.doc.splitlines():
            yield f"{_margin(indent)}# {line}".rstrip() + "\n"
        yield _margin(indent)
        yield from _member(member, indent)
        yield "\n"


def _margin(indent: int) -> str:
    return "    " * min(indent, _DEEPEST_INDENT)


def _member(member: Member, indent: int | None) -> Iterator[_Part]:
    value = member.value
    yield member.name
    match value:
        case Array(
            first=first, last=last, function=Lambda(parameters=(Parameter(name=index, default=None),), body=body)
        ):
            yield from (f"[{index}:", _whole(first, indent), "..", _whole(last, indent), "]")
            value = body
    if isinstance(value, Lambda):
        yield from _enclosed("(", [_parameter(p, indent) for p in value.parameters], ")")
        value = value.body
    yield " = "
    yield _whole(value, indent)


def _parameter(parameter: Parameter, indent: int | None) -> list[_Part]:
    return [parameter.name] if parameter.default is None else [f"{parameter.name}=", _whole(parameter.default, indent)]
