"""The numbers, words and lists among the arguments of one call of the network description language."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from graphc.diagnostics import Diagnostic, DiagnosticError, SourceText, Span, did_you_mean
from graphc.ir import ElementType
from graphc.ir.types import MAX_RANK
from graphc.network.ndl.scopes import Failed, PoisonedError, Scalar, Scope, node_of
from graphc.network.reading import MAX_DIM
from graphc.ops.sources import LearnableParameter
from graphc.syntax.configuration_text import tokens, unquoted
from graphc.syntax.ndl import Array, Call, Expression, Literal

T = TypeVar("T")
Shape = tuple[int | None, ...]

# whole numbers stay exact below, and fit 64 bits
_LARGEST = 1 << 53

_WHOLE = re.compile(r"[+-]?\d{1,18}")
_TRUE, _FALSE = ("true", "t", "1"), ("false", "f", "0", "")


@dataclass(frozen=True, eq=False)
class CallArguments:
    """Arguments of a call that makes the node ``name``; ``read_matrix`` gives a file's matrix and the shape with it."""

    call: Call
    scope: Scope
    name: str
    element: ElementType
    read_matrix: Callable[[str, Shape, Span], tuple[str, Shape]]

    @property
    def count(self) -> int:
        return len(self.call.arguments)

    def is_number(self, index: int) -> bool:
        """Whether it is, or stands for, what is no node."""
        try:
            return isinstance(self.scope.value_of(self.call.arguments[index]), Scalar)
        except DiagnosticError:  # what will be a node further down
            return False

    def number(self, index: int) -> float:
        expression = self.call.arguments[index]
        return _number(self._scalar(expression), expression.span)

    def integer(self, index: int) -> int:
        expression = self.call.arguments[index]
        return _dimension(_integer(self._scalar(expression), expression.span), expression.span)

    def integers(self, index: int) -> tuple[int, ...]:
        expression = self.call.arguments[index]
        items = expression.items if isinstance(expression, Array) else (expression,)
        return tuple(_integer(self._scalar(item), item.span) for item in items)

    def word(self, index: int) -> str:
        """A word that is a name, or the value of a variable."""
        expression = self.call.arguments[index]
        if isinstance(expression, Literal) or self.scope.find(expression.text.text) is not None:
            return self._scalar(expression)
        return expression.text.text

    def text(self, option: str, default: str) -> str:
        return self._option(option, default, lambda text, span: text)

    def choice(self, option: str, default: str, options: Mapping[str, str]) -> str:
        def read(text: str, span: Span) -> str:
            found = options.get(text.lower())
            if found is None:
                names = list(dict.fromkeys(options.values()))
                message = f"{option} is '{text}', not one of {', '.join(names)}"
                raise DiagnosticError(Diagnostic("GC0406", message, span, hint=did_you_mean(text, names)))
            return found

        return self._option(option, default, read)

    def real(self, option: str, default: float) -> float:
        return self._option(option, default, _number)

    def whole(self, option: str, default: int) -> int:
        return self._option(option, default, _integer)

    def dimension(self, option: str, default: int) -> int:
        def read(text: str, span: Span) -> int:
            value = _dimension(_integer(text, span), span)
            if value == 0:
                raise DiagnosticError(Diagnostic("GC0406", f"{option} is 0", span))
            return value

        return self._option(option, default, read)

    def wholes(self, option: str, default: int) -> tuple[int, ...]:
        return self._list(option, default, _integer)

    def flag(self, option: str, default: bool) -> bool:
        return self._option(option, default, _boolean)

    def flags(self, option: str, default: bool) -> tuple[bool, ...]:
        return self._list(option, default, _boolean)

    def matrix(self, option: str, shape: Shape) -> tuple[str, Shape]:
        value = self._find(option)
        if value is None:
            message = f"init=fromFile needs {option}"
            raise DiagnosticError(Diagnostic("GC0411", message, self.call.span))
        return self.read_matrix(self._dereferenced(value), shape, value.span())

    def _find(self, option: str) -> SourceText | None:
        found = [o.value for o in self.call.options if o.name.text.lower() == option.lower()]
        return found[-1] if found else None

    def _option(self, option: str, default: T, read: Callable[[str, Span], T]) -> T:
        value = self._find(option)
        return default if value is None else read(self._dereferenced(value), _place(value, self.call))

    def _list(self, option: str, default: T, read: Callable[[str, Span], T]) -> tuple[T, ...]:
        value = self._find(option)
        if value is None:
            return (default,)
        items = tokens(value, ":") if value.text[:1] in ("{", "(", "[") else (value,)
        return tuple(read(self._dereferenced(unquoted(item)), item.span()) for item in items)

    def _dereferenced(self, value: SourceText) -> str:
        """The text of an option; a variable that holds a constant stands for it."""
        found = self.scope.find(value.text)
        return found.text if isinstance(found, Scalar) else value.text

    def _scalar(self, expression: Expression) -> str:
        value = self.scope.value_of(expression)
        if isinstance(value, Scalar):
            return value.text
        if isinstance(value, Failed):
            raise PoisonedError
        node = node_of(value, expression)
        if isinstance(node.op, LearnableParameter) and node.op.constant is not None:
            return repr(node.op.constant)
        message = f"{expression.text} is the node {node.name}, a number is needed"
        raise DiagnosticError(Diagnostic("GC0305", message, expression.span))


def _place(value: SourceText, call: Call) -> Span:
    return value.span() if value.text else call.span


def _number(text: str, span: Span) -> float:
    try:
        return float(text)
    except ValueError:
        raise DiagnosticError(Diagnostic("GC0305", f"'{text}' is not a number", span)) from None


def _integer(text: str, span: Span) -> int:
    value = _number(text, span)
    if _WHOLE.fullmatch(text) is None and not value.is_integer():
        raise DiagnosticError(Diagnostic("GC0305", f"{text} is not a whole number", span))
    if abs(value) >= _LARGEST:
        raise DiagnosticError(Diagnostic("GC0406", f"{text} is out of range", span))
    return int(value)


def _dimension(value: int, span: Span) -> int:
    if not 0 <= value <= MAX_DIM:
        raise DiagnosticError(Diagnostic("GC0406", f"{value} is not in 0 to {MAX_DIM}", span))
    return value


def _boolean(text: str, span: Span) -> bool:
    if text.lower() not in _TRUE + _FALSE:
        raise DiagnosticError(Diagnostic("GC0305", f"'{text}' is not true or false", span))
    return text.lower() in _TRUE


def require_rank(count: int, span: Span) -> None:
    """A shape has as many axes as values may have; raises `DiagnosticError`."""
    if count > MAX_RANK:
        raise DiagnosticError(Diagnostic("GC0406", f"a shape has {count} dimensions, not 1 to {MAX_RANK}", span))
