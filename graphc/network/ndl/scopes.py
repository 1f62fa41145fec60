"""Variables of the network description language: what they can hold, and how dotted names find it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from graphc.diagnostics import Diagnostic, DiagnosticError, Label, SourceText, did_you_mean
from graphc.network.network import NetworkNode
from graphc.syntax.ndl import Array, Call, Expression, Literal, Malformed, Name

# names that lead to names; nothing but text made by a program has more
_LONGEST_TRAIL = 60


@dataclass(frozen=True, eq=False, slots=True)
class Scalar:
    """A number or a word, as text."""

    text: str


@dataclass(frozen=True, eq=False, slots=True)
class Reference:
    """An expression that is looked at when its value is needed, in the scope where it stands."""

    expression: Expression
    scope: Scope


class Failed:
    """Stands for a value that could not be made, which has been reported."""


FAILED = Failed()
# A scope is the value of a macro call.
Value: TypeAlias = "NetworkNode | Scalar | Reference | Scope | Failed"


class PoisonedError(Exception):
    """A value was needed that could not be made. Whoever catches it stays silent."""


class _UnresolvedError(Exception):
    """A name that leads nowhere by now."""

    def __init__(self, name: SourceText, scope: Scope) -> None:
        super().__init__(name.text)
        self.name = name
        self.scope = scope

    def diagnostic(self) -> Diagnostic:
        message = f"symbol {self.name} could not be resolved"
        later = self.scope.later.get(self.name.text.lower())
        if later is not None and self.scope.definition(later.text) is None:
            labels = (Label(f"{later} is assigned", later.span()),)
            hint = "what is no node must be assigned above its use"
            return Diagnostic("GC0301", message, self.name.span(), labels, hint)
        return Diagnostic("GC0301", message, self.name.span(), hint=did_you_mean(self.name.text, self.scope.names))


@dataclass(eq=False)
class Scope:
    """The variables of the script or of one call of a macro; names fold case.

    ``prefix`` stands before the names of nodes made here, ``macro`` is the macro's name. ``made`` are all nodes of the
    network by their folded names, where names that are no variables are looked up; it fills when all nodes are made.
    ``later`` are the variables that the statements assign, made or not.
    """

    prefix: str = ""
    macro: str = ""
    depth: int = 0
    made: dict[str, NetworkNode] = field(default_factory=dict)
    later: Mapping[str, SourceText] = field(default_factory=dict)
    # what calls gave that stand in this scope
    results: dict[Call, Value] = field(default_factory=dict)
    last: Value = FAILED
    _variables: dict[str, Value] = field(default_factory=dict)
    _written: dict[str, SourceText] = field(default_factory=dict)

    def define(self, name: SourceText, value: Value) -> None:
        self._variables[name.text.lower()] = value
        self._written[name.text.lower()] = name

    def definition(self, name: str) -> SourceText | None:
        """The variable of that name where it was assigned."""
        return self._written.get(name.lower())

    @property
    def names(self) -> Iterable[str]:
        return [written.text for written in self._written.values()]

    @property
    def result(self) -> Value:
        """The variable with the macro's own name, else what the last statement gave."""
        return self._variables.get(self.macro.lower(), self.last)

    def find(self, name: str) -> Value | None:
        """Value of a name: as much of it as one variable is called, then inside of that; none where there is none."""
        try:
            return _lookup(self, name.lower(), ())
        except _UnresolvedError:
            return None

    def value_of(self, expression: Expression) -> Value:
        """What an expression in this scope is; raises `DiagnosticError` where it leads nowhere."""
        try:
            return _value(expression, self, ())
        except _UnresolvedError as error:
            raise DiagnosticError(error.diagnostic()) from None

    def known(self, expression: Expression) -> Value | None:
        """What an expression is by now; none where that may still come."""
        try:
            return _value(expression, self, ())
        except (_UnresolvedError, DiagnosticError):
            return None

    def assigned(self, folded: str) -> Value | None:
        return self._variables.get(folded)

    def settle(self, folded: str, value: Value) -> None:
        """Remember where a variable leads, so that nobody follows the names again."""
        self._variables[folded] = value


_Trail: TypeAlias = tuple[tuple[Scope, str], ...]


def node_of(value: Value, expression: Expression) -> NetworkNode:
    """The node that a value is or, of a macro call, gives; raises `DiagnosticError` and `PoisonedError`."""
    for _ in range(_LONGEST_TRAIL):
        if isinstance(value, Scope):
            value = value.result
        elif isinstance(value, Reference):
            value = value.scope.value_of(value.expression)
        else:
            break
    match value:
        case NetworkNode():
            return value
        case Scalar(text):
            hint = f"write Constant ({text})"
            raise DiagnosticError(Diagnostic("GC0404", f"{text} is not a node", expression.span, hint=hint))
        case _:
            raise PoisonedError


def _value(expression: Expression, scope: Scope, trail: _Trail) -> Value:
    match expression:
        case Literal():
            return Scalar(expression.value)
        case Call():
            return scope.results.get(expression, FAILED)
        case Name():
            found = _lookup(scope, expression.text.text.lower(), trail)
            if found is None:
                raise _UnresolvedError(expression.text, scope)
            return found
        case Array():
            raise DiagnosticError(Diagnostic("GC0305", "a list where one value is needed", expression.span))
        case Malformed():
            return FAILED
        case _:
            raise AssertionError(expression)


def _lookup(scope: Scope, name: str, trail: _Trail) -> Value | None:
    found = _find(scope, name, trail)
    return scope.made.get(name) if found is None else found


def _find(scope: Scope, name: str, trail: _Trail) -> Value | None:
    if (scope, name) in trail:
        raise DiagnosticError(_circular(scope, name))
    if len(trail) > _LONGEST_TRAIL:
        written = scope.definition(name)
        place = written.span() if written else None
        raise DiagnosticError(Diagnostic("GC0311", f"{name} stands for a name that stands for a name, and on", place))
    trail = (*trail, (scope, name))
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        folded, rest = ".".join(parts[:count]), ".".join(parts[count:])
        value = scope.assigned(folded)
        if value is None:
            continue
        value = _settled(scope, folded, value, trail)
        if not rest or isinstance(value, Failed):
            return value
        found = _inside(value, rest, trail)
        if found is not None:
            return found
    return None


def _settled(scope: Scope, folded: str, value: Value, trail: _Trail) -> Value:
    if isinstance(value, Reference):
        value = _value(value.expression, value.scope, trail)
        scope.settle(folded, value)
    return value


def _inside(value: Value, name: str, trail: _Trail) -> Value | None:
    """A name inside a macro call, or inside the call that is its result."""
    for _ in range(_LONGEST_TRAIL):
        if not isinstance(value, Scope):
            break
        found = _find(value, name, trail)
        if found is not None:
            return found
        value = value.result
        if isinstance(value, Reference):
            value = _value(value.expression, value.scope, trail)
    return None


def _circular(scope: Scope, name: str) -> Diagnostic:
    written = scope.definition(name) or scope.definition(name.partition(".")[0])
    shown = written.text if written is not None and written.text.lower() == name else name
    return Diagnostic("GC0304", f"{shown} is defined by itself", written.span() if written else None)
