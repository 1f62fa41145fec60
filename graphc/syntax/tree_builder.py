"""What each rule of the BrainScript grammar builds; a method has the name of its alternative."""

from __future__ import annotations

from typing import Any, NamedTuple

from graphc.diagnostics import Diagnostic, DiagnosticError, Label, Span
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
from graphc.syntax.lexer import Token


class _Parenthesised(NamedTuple):
    """An operand in parentheses: the span with them counts for what contains it, its own for errors about it."""

    inner: Expr
    span: Span


class _Parameters(NamedTuple):
    items: tuple[Parameter, ...]
    span: Span


class _IndexSpec(NamedTuple):
    name: Token
    first: Expr
    last: Expr
    span: Span


def _bare(operand: Any) -> Expr:
    return operand.inner if operand.__class__ is _Parenthesised else operand


class TreeBuilder:
    """Callbacks of the parser: each gets the values of its symbols, tokens included."""

    # Sequences are lists that grow in place: a chain of any length is built in linear time and without recursion.

    def sequence_one(self, parts: list[Any]) -> list[Any]:
        return [parts[0]]

    def sequence_two(self, parts: list[Any]) -> list[Any]:
        return [parts[0], parts[2]]

    def sequence_more(self, parts: list[Any]) -> list[Any]:
        items: list[Any] = parts[0]
        items.append(parts[2])
        return items

    def single(self, parts: list[Any]) -> Expr:
        return _bare(parts[0])

    # Members

    def file(self, parts: list[Any]) -> tuple[Member, ...]:
        return _distinct(parts[0])

    def members(self, parts: list[Any]) -> list[Member]:
        return []

    def members_same(self, parts: list[Any]) -> list[Member]:
        return parts[0]

    def members_more(self, parts: list[Any]) -> list[Member]:
        members: list[Member] = parts[0]
        members.append(parts[1])
        return members

    def member(self, parts: list[Any]) -> Member:
        return _member(parts[0], _bare(parts[2]))

    def member_function(self, parts: list[Any]) -> Member:
        name, parameters, _, body = parts
        return _member(name, _lambda(parameters, body))

    def member_array(self, parts: list[Any]) -> Member:
        name, spec, _, body = parts
        return _member(name, _array(spec, _bare(body), body.span))

    def member_array_of_functions(self, parts: list[Any]) -> Member:
        name, spec, parameters, _, body = parts
        function = _lambda(parameters, body)
        return _member(name, _array(spec, function, function.span))

    def index_spec(self, parts: list[Any]) -> _IndexSpec:
        opening, name, _, first, _, last, closing = parts
        return _IndexSpec(name, _bare(first), _bare(last), opening.span.to(closing.span))

    def params(self, parts: list[Any]) -> _Parameters:
        opening, items, closing = parts
        _check_optional([(item.name, item.span) for item in items if item.default is not None])
        return _Parameters(tuple(items), opening.span.to(closing.span))

    def params_none(self, parts: list[Any]) -> _Parameters:
        return _Parameters((), parts[0].span.to(parts[1].span))

    def param(self, parts: list[Any]) -> Parameter:
        return Parameter(parts[0].text, None, parts[0].span)

    def param_optional(self, parts: list[Any]) -> Parameter:
        name, _, default = parts
        return Parameter(name.text, _bare(default), name.span.to(default.span))

    # Expressions

    def function(self, parts: list[Any]) -> Lambda:
        left, _, body = parts
        name = _bare(left)
        if not isinstance(name, Name):
            hint = "the parameter of '=>' is a bare name; a function inside a larger expression needs parentheses"
            raise DiagnosticError(Diagnostic("GC0151", "identifier expected before '=>'", left.span, hint=hint))
        return Lambda(left.span.to(body.span), (Parameter(name.name, None, name.span),), _bare(body))

    def list(self, parts: list[Any]) -> List:
        items: list[Any] = parts[0]
        first = _bare(items[0])
        # `(a : b) : c` is `a : b : c`; on the right a list in parentheses stays one.
        head = first.items if isinstance(first, List) else (first,)
        return List(items[0].span.to(items[-1].span), (*head, *map(_bare, items[1:])))

    def binary(self, parts: list[Any]) -> Binary:
        left, operator, right = parts
        return Binary(left.span.to(right.span), operator.text, _bare(left), _bare(right), operator.span)

    def unary(self, parts: list[Any]) -> Unary:
        operator, operand = parts
        return Unary(operator.span.to(operand.span), operator.text, _bare(operand))

    def dot(self, parts: list[Any]) -> Dot:
        base, _, name = parts
        return Dot(base.span.to(name.span), _bare(base), name.text, name.span)

    def index(self, parts: list[Any]) -> Index:
        base, _, index, closing = parts
        return Index(base.span.to(closing.span), _bare(base), _bare(index))

    def call(self, parts: list[Any]) -> Call:
        function, _, arguments, closing = parts
        _check_optional([(a.name, a.span) for a in arguments if a.name is not None])
        return Call(function.span.to(closing.span), _bare(function), tuple(arguments))

    def call_none(self, parts: list[Any]) -> Call:
        return Call(parts[0].span.to(parts[2].span), _bare(parts[0]), ())

    def argument(self, parts: list[Any]) -> Argument:
        return Argument(None, _bare(parts[0]), parts[0].span)

    def argument_named(self, parts: list[Any]) -> Argument:
        name, _, value = parts
        if not isinstance(name, Name):
            hint = "a named argument is written 'name=value', a comparison '=='"
            raise DiagnosticError(Diagnostic("GC0152", "argument identifier expected before '='", name.span, hint=hint))
        return Argument(name.name, _bare(value), name.span.to(value.span))

    def parenthesised(self, parts: list[Any]) -> _Parenthesised:
        opening, inner, closing = parts
        return _Parenthesised(_bare(inner), opening.span.to(closing.span))

    def number(self, parts: list[Any]) -> Number:
        return Number(parts[0].span, _number(parts[0].text))

    def string(self, parts: list[Any]) -> String:
        return String(parts[0].span, parts[0].text[1:-1])

    def true(self, parts: list[Any]) -> Bool:
        return Bool(parts[0].span, True)

    def false(self, parts: list[Any]) -> Bool:
        return Bool(parts[0].span, False)

    def name(self, parts: list[Any]) -> Name:
        return Name(parts[0].span, parts[0].text)

    def record(self, parts: list[Any]) -> Record:
        opening, members, closing = parts
        return Record(opening.span.to(closing.span), _distinct(members))

    def literal(self, parts: list[Any]) -> List:
        opening, items, closing = parts
        return List(opening.span.to(closing.span), tuple(map(_bare, items)))

    def literal_none(self, parts: list[Any]) -> List:
        return List(parts[0].span.to(parts[1].span), ())

    def array(self, parts: list[Any]) -> Array:
        word, _, first, _, last, _, _, function, closing = parts
        return Array(word.span.to(closing.span), _bare(first), _bare(last), _bare(function))

    def new(self, parts: list[Any]) -> New:
        word, type_name, argument = parts
        return New(word.span.to(argument.span), type_name.text, _bare(argument), type_name.span)

    def if_(self, parts: list[Any]) -> If:
        word, condition, _, then, _, otherwise = parts
        return If(word.span.to(otherwise.span), _bare(condition), _bare(then), _bare(otherwise))


def _member(name: Token, value: Expr) -> Member:
    return Member(name.text, value, name.span, _comment_above(name.span))


def _lambda(parameters: _Parameters, body: Any) -> Lambda:
    return Lambda(parameters.span.to(body.span), parameters.items, _bare(body))


def _array(spec: _IndexSpec, body: Expr, body_span: Span) -> Array:
    name = spec.name
    function = Lambda(body.span, (Parameter(name.text, None, name.span),), body)
    return Array(spec.span.to(body_span), spec.first, spec.last, function)


def _number(text: str) -> float:
    if text[:2] in ("0x", "0X"):
        try:
            return float(int(text, 16))
        except OverflowError:
            return float("inf")
    return float(text)


def _distinct(members: list[Member]) -> tuple[Member, ...]:
    seen: dict[str, Member] = {}
    for member in members:
        first = seen.setdefault(member.name, member)
        if first is not member:
            message = f"duplicate member definition '{member.name}'"
            label = Label("first defined here", first.name_span)
            raise DiagnosticError(Diagnostic("GC0160", message, member.name_span, (label,)))
    return tuple(members)


def _check_optional(named: list[tuple[str, Span]]) -> None:
    seen: dict[str, Span] = {}
    for name, span in named:
        if name in seen:
            label = Label("first given here", seen[name])
            raise DiagnosticError(Diagnostic("GC0159", f"duplicate optional parameter '{name}'", span, (label,)))
        seen[name] = span


def _comment_above(span: Span) -> str:
    """The comment lines directly above a member that begins its line, read from the file itself: the configuration
    layer removes some comments before they get here."""
    file, (number, column) = span.file, span.file.position(span.start)
    if number == 1 or not _is_comment(above := file.line(number - 1)) or file.line(number)[: column - 1].strip():
        return ""
    lines: list[str] = []
    while _is_comment(above):
        lines.append(above.strip().lstrip("#/").strip())
        number -= 1
        above = file.line(number - 1) if number > 1 else ""
    return "\n".join(reversed(lines)).strip("\n")


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith(("#", "//"))
