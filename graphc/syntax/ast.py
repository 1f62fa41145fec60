"""Syntax trees of BrainScript: frozen, compared without their positions."""

from __future__ import annotations

from dataclasses import dataclass, field

from graphc.diagnostics import Span


@dataclass(frozen=True, slots=True)
class Expr:
    """Any expression; ``span`` covers exactly its text."""

    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Number(Expr):
    value: float


@dataclass(frozen=True, slots=True)
class String(Expr):
    value: str


@dataclass(frozen=True, slots=True)
class Bool(Expr):
    value: bool


@dataclass(frozen=True, slots=True)
class Name(Expr):
    name: str


@dataclass(frozen=True, slots=True)
class Unary(Expr):
    """``+ - !`` in front of an operand; ``operator`` is the symbol."""

    operator: str
    operand: Expr


@dataclass(frozen=True, slots=True)
class Binary(Expr):
    """An infix operator; ``operator`` is the symbol as written, ``operator_span`` its place."""

    operator: str
    left: Expr
    right: Expr
    operator_span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class List(Expr):
    """``a : b : c``, flattened on the left, or ``[| a ; b |]``."""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a call; positional when ``name`` is none."""

    name: str | None
    value: Expr
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Call(Expr):
    """``f(…)`` or ``f{…}``, which mean the same."""

    function: Expr
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Index(Expr):
    base: Expr
    index: Expr


@dataclass(frozen=True, slots=True)
class Dot(Expr):
    base: Expr
    name: str
    name_span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a lambda; optional when it has a default."""

    name: str
    default: Expr | None
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Lambda(Expr):
    """``x => e``, and what ``f(x, y=2) = e`` defines."""

    parameters: tuple[Parameter, ...]
    body: Expr


@dataclass(frozen=True, slots=True)
class Member:
    """``name = value`` of a record; ``f(x) = e`` and ``X[i:lo..hi] = e`` are rewritten to lambdas and arrays."""

    name: str
    value: Expr
    name_span: Span = field(compare=False, repr=False)
    # the comment lines directly above it, without their markers: `graphc help` shows them
    doc: str = field(compare=False, repr=False, default="")


@dataclass(frozen=True, slots=True)
class Record(Expr):
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Array(Expr):
    """``array[first..last](function)``."""

    first: Expr
    last: Expr
    function: Expr


@dataclass(frozen=True, slots=True)
class New(Expr):
    type_name: str
    argument: Expr
    type_span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class If(Expr):
    condition: Expr
    then: Expr
    otherwise: Expr
