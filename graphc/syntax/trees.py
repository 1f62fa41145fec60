"""Syntax trees as flat arrays of numbers and strings, and back: the plain form in which they are cached.

A tree is written in postfix order, ``tag start end …`` for each node behind its children, so that neither direction
needs recursion or nesting. Spans must lie in one file, which the reader supplies.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from graphc.diagnostics import SourceFile, Span
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

_Node = Expr | Argument | Parameter | Member


class ForeignSpanError(ValueError):
    """A part of the tree was written in another file: text that was included or substituted."""


def encode(expr: Expr, file: SourceFile) -> list[Any]:
    """The array of ``expr``, all of whose text must lie in ``file``."""
    out: list[Any] = []
    stack: list[tuple[_Node, bool]] = [(expr, False)]
    while stack:
        node, children_done = stack.pop()
        children, span, more = _parts(node)
        if children and not children_done:
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(children))
        else:
            out += (_TAGS[type(node)], *_place(span, file))
            out += (x for item in more for x in (_place(item, file) if isinstance(item, Span) else (item,)))
    return out


def decode(array: list[Any], file: SourceFile) -> Expr:
    """The tree of which `encode` made ``array``; a malformed one raises an ordinary exception."""
    items = iter(array)
    stack: list[Any] = []
    for tag in items:
        stack.append(_READERS[tag](Span(file, next(items), next(items)), stack, items, file))
    (expr,) = stack
    return expr


class LazyMember(Member):
    """A member whose tree is decoded when its ``value`` is first asked for; otherwise like any other."""

    __slots__ = ("_file", "_payload")
    _file: SourceFile
    _payload: str

    @staticmethod
    def of(name: str, name_span: Span, doc: str, payload: str, file: SourceFile) -> LazyMember:
        member = object.__new__(LazyMember)
        for field, content in (("name", name), ("name_span", name_span), ("doc", doc)):
            object.__setattr__(member, field, content)
        object.__setattr__(member, "_payload", payload)
        object.__setattr__(member, "_file", file)
        return member

    def __getattr__(self, name: str) -> Any:
        # Only called while the slot is empty; afterwards `value` costs what it costs in any member.
        if name != "value":
            raise AttributeError(name)
        value = decode(json.loads(self._payload), self._file)
        object.__setattr__(self, "value", value)
        return value

    def __eq__(self, other: object) -> bool:
        return (self.name, self.value) == (other.name, other.value) if isinstance(other, Member) else NotImplemented

    __hash__ = Member.__hash__


def encode_expression(expr: Expr, file: SourceFile) -> str:
    """`encode`, as a line."""
    return _line(encode(expr, file))


def decode_expression(line: str, file: SourceFile) -> Expr:
    """The tree that `encode_expression` wrote."""
    return decode(json.loads(line), file)


def encode_record(record: Record, file: SourceFile) -> str:
    """One line for all names and places, then one for each member's tree."""
    head = [*_place(record.span, file), [[m.name, *_place(m.name_span, file), m.doc] for m in record.members]]
    trees = [encode(member.value, file) for member in record.members]
    return "\n".join(map(_line, [head, *trees]))


def decode_record(text: str, file: SourceFile) -> Record:
    """The record that `encode_record` wrote; the trees of its members wait until they are used."""
    head, *trees = text.split("\n")
    start, end, names = json.loads(head)
    members = (
        LazyMember.of(name, Span(file, first, last), doc, tree, file)
        for (name, first, last, doc), tree in zip(names, trees, strict=True)
    )
    return Record(Span(file, start, end), tuple(members))


def _line(items: list[Any]) -> str:
    return json.dumps(items, separators=(",", ":"))


def _place(span: Span, file: SourceFile) -> tuple[int, int]:
    if span.file is not file:
        raise ForeignSpanError(f"{span} is not in {file.name}")
    return span.start, span.end


def _parts(node: _Node) -> tuple[tuple[_Node, ...], Span, tuple[Any, ...]]:
    """Children, span, and what else the reader of this kind of node takes."""
    match node:
        case Number(span=span, value=value) | String(span=span, value=value) | Bool(span=span, value=value):
            return (), span, (value,)
        case Name(span=span, name=name):
            return (), span, (name,)
        case Unary(span=span, operator=operator, operand=operand):
            return (operand,), span, (operator,)
        case Binary(span=span, operator=operator, left=left, right=right, operator_span=place):
            return (left, right), span, (operator, place)
        case List(span=span, items=items):
            return items, span, (len(items),)
        case Argument(name=name, value=value, span=span):
            return (value,), span, (name,)
        case Call(span=span, function=function, arguments=arguments):
            return (function, *arguments), span, (len(arguments),)
        case Index(span=span, base=base, index=index):
            return (base, index), span, ()
        case Dot(span=span, base=base, name=name, name_span=place):
            return (base,), span, (name, place)
        case Parameter(name=name, default=default, span=span):
            return () if default is None else (default,), span, (name, default is not None)
        case Lambda(span=span, parameters=parameters, body=body):
            return (*parameters, body), span, (len(parameters),)
        case Member(name=name, value=value, name_span=span, doc=doc):
            return (value,), span, (name, doc)
        case Record(span=span, members=members):
            return members, span, (len(members),)
        case Array(span=span, first=first, last=last, function=function):
            return (first, last, function), span, ()
        case New(span=span, type_name=name, argument=argument, type_span=place):
            return (argument,), span, (name, place)
        case If(span=span, condition=condition, then=then, otherwise=otherwise):
            return (condition, then, otherwise), span, ()
        case _:
            raise AssertionError(f"no array for {type(node).__name__}")


_Reader = Callable[[Span, list[Any], Iterator[Any], SourceFile], _Node]


def _popped(stack: list[Any], count: int) -> tuple[Any, ...]:
    if count == 0:
        return ()
    children = tuple(stack[-count:])
    if len(children) != count:
        raise ValueError("an array with too few children")
    del stack[-count:]
    return children


def _span(items: Iterator[Any], file: SourceFile) -> Span:
    return Span(file, next(items), next(items))


def _binary(span: Span, stack: list[Any], items: Iterator[Any], file: SourceFile) -> Binary:
    left, right = _popped(stack, 2)
    return Binary(span, next(items), left, right, _span(items, file))


def _lambda(span: Span, stack: list[Any], items: Iterator[Any], file: SourceFile) -> Lambda:
    body = stack.pop()
    return Lambda(span, _popped(stack, next(items)), body)


def _call(span: Span, stack: list[Any], items: Iterator[Any], file: SourceFile) -> Call:
    arguments = _popped(stack, next(items))
    return Call(span, stack.pop(), arguments)


def _parameter(span: Span, stack: list[Any], items: Iterator[Any], file: SourceFile) -> Parameter:
    name, has_default = next(items), next(items)
    return Parameter(name, stack.pop() if has_default else None, span)


# The position of a kind is its tag.
_KINDS: tuple[tuple[type[_Node], _Reader], ...] = (
    (Number, lambda s, stack, items, f: Number(s, float(next(items)))),
    (String, lambda s, stack, items, f: String(s, next(items))),
    (Bool, lambda s, stack, items, f: Bool(s, next(items))),
    (Name, lambda s, stack, items, f: Name(s, next(items))),
    (Unary, lambda s, stack, items, f: Unary(s, next(items), stack.pop())),
    (Binary, _binary),
    (List, lambda s, stack, items, f: List(s, _popped(stack, next(items)))),
    (Argument, lambda s, stack, items, f: Argument(next(items), stack.pop(), s)),
    (Call, _call),
    (Index, lambda s, stack, items, f: Index(s, *_popped(stack, 2))),
    (Dot, lambda s, stack, items, f: Dot(s, stack.pop(), next(items), _span(items, f))),
    (Parameter, _parameter),
    (Lambda, _lambda),
    (Member, lambda s, stack, items, f: Member(next(items), stack.pop(), s, next(items))),
    (Record, lambda s, stack, items, f: Record(s, _popped(stack, next(items)))),
    (Array, lambda s, stack, items, f: Array(s, *_popped(stack, 3))),
    (New, lambda s, stack, items, f: New(s, next(items), stack.pop(), _span(items, f))),
    (If, lambda s, stack, items, f: If(s, *_popped(stack, 3))),
)
_TAGS: dict[type[_Node], int] = {kind: tag for tag, (kind, _) in enumerate(_KINDS)}
_TAGS[LazyMember] = _TAGS[Member]
_READERS = [reader for _, reader in _KINDS]
