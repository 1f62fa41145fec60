"""Infix and prefix operators: on numbers, strings and booleans here, on nodes through the host."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from graphc.diagnostics import Diagnostic, DiagnosticError, Span
from graphc.script.errors import expected, not_applicable, too_large, unary_not_applicable
from graphc.script.host import Host
from graphc.script.paths import Path, join_path
from graphc.script.values import ArrayValue, Composition, FunctionValue, RecordValue, RootScope, Tail, Thunk, describe
from graphc.syntax import ast

_SEGMENT_NAMES = {
    "*": "Times",
    "/": "Div",
    ".*": "ElementTimes",
    "**": "Pow",
    "%": "Mod",
    "+": "Plus",
    "-": "Minus",
    "<": "LT",
    "<=": "LE",
    ">": "GT",
    ">=": "GT",
    "==": "Equal",
    "!=": "NotEqual",
    "&&": "And",
    "||": "Or",
    ">>": "Before",
    "<<": "Shift",
    "with": "With",
}
# Path segments of the two operands: named by the symbol, not by the resulting operation.
SEGMENTS = {symbol: (f".{name}Args[0]", f".{name}Args[1]") for symbol, name in _SEGMENT_NAMES.items()}

_NODE_OPERATIONS = {
    "+": "Plus",
    "-": "Minus",
    ".*": "ElementTimes",
    "<": "Less",
    "<=": "LessEqual",
    ">": "Greater",
    ">=": "GreaterEqual",
    "==": "Equal",
    "!=": "NotEqual",
}

# A script that doubles a string forty times must get a message, not all memory.
_LONGEST_STRING = 1 << 24


def _divide(x: float, y: float) -> float:
    if y == 0:
        return math.nan if x == 0 or math.isnan(x) else math.copysign(math.inf, x) * math.copysign(1.0, y)
    return x / y


def _modulo(x: float, y: float) -> float:
    return math.nan if y == 0 or math.isinf(x) else math.fmod(x, y)


def _power(x: float, y: float) -> float:
    try:
        return math.pow(x, y)
    except OverflowError:
        return -math.inf if x < 0 and math.fmod(y, 2) else math.inf
    except ValueError:
        # C: a pole is infinite, a root of a negative number is not a number
        if x != 0:
            return math.nan
        return math.copysign(math.inf, x) if math.fmod(y, 2) else math.inf


_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_BOOLEAN: dict[str, Callable[[Any, Any], Any]] = {"&&": operator.and_, "||": operator.or_}

# Operand type (the same on both sides) and symbol to meaning.
PRIMITIVE: dict[type, Mapping[str, Callable[[Any, Any], Any]]] = {
    float: _COMPARISONS
    | {
        "+": operator.add,
        "-": operator.sub,
        "*": operator.mul,
        "/": _divide,
        "%": _modulo,
        "**": _power,
    },
    str: {**_COMPARISONS, "+": operator.add},
    bool: _COMPARISONS | _BOOLEAN,
}


def checked_length(text: str, expr: ast.Expr) -> str:
    if len(text) > _LONGEST_STRING:
        raise too_large(f"string of {len(text):,} characters, at most {_LONGEST_STRING:,} are possible", expr.span)
    return text


def apply_binary(expr: ast.Binary, left: Any, right: Any, host: Host, path: Path) -> Any:
    """Operators that are not between two numbers, strings or booleans, except ``>>``, which needs the evaluator."""
    if host.is_node(left) or host.is_node(right):
        return _node_binary(expr, left, right, host, join_path(path))
    match expr.operator, left, right:
        case "<<", ArrayValue(), float():
            return _shift(expr, left, right)
        case "with", RecordValue(), RecordValue():
            return _override(expr, left, right)
        case _:
            raise not_applicable(expr, left, right)


def compose(expr: ast.Binary, first: FunctionValue, second: FunctionValue) -> Composition:
    if len(second.positional) != 1:
        why = f"{second.signature()} must take one positional parameter"
        raise not_applicable(expr, first, second, why)
    return Composition(first, second, expr.span)


def _shift(expr: ast.Binary, array: ArrayValue, count: float) -> ArrayValue:
    if not count.is_integer() or count < 0:
        raise expected("integer", count, expr.right.span)
    return ArrayValue(Tail(array.zero_based(), int(count)), 0, expr.span, array.owner)


def _override(expr: ast.Binary, left: RecordValue, right: RecordValue) -> RecordValue:
    if isinstance(left, RootScope):
        raise not_applicable(expr, left, right)
    return RecordValue({**left.members, **right.members}, left.parent, expr.span)


def _node_binary(expr: ast.Binary, left: Any, right: Any, host: Host, path: str) -> Any:
    symbol, span = expr.operator, expr.span
    kinds = (type(left), type(right))
    if symbol in ("&&", "||"):
        # by identity: a number equals a boolean in Python
        if any(value is (symbol == "||") for value in (left, right)):
            return left
        if symbol == "||" or not _only_nodes_and(bool, left, right, host):
            raise not_applicable(expr, left, right, _INSTEAD.get(symbol))
        return host.operation("ElementTimes", _inputs((left, right), expr, host, path), {}, path, span)
    if not _only_nodes_and(float, left, right, host):
        raise not_applicable(expr, left, right)
    if symbol == "/":
        return _node_division(expr, left, right, host, path)
    if symbol == "*":
        name, attributes = ("ElementTimes", {}) if float in kinds else ("Times", _TIMES_ATTRIBUTES)
    elif symbol in _NODE_OPERATIONS:
        name, attributes = _NODE_OPERATIONS[symbol], {}
    else:
        raise not_applicable(expr, left, right, _INSTEAD.get(symbol))
    return host.operation(name, _inputs((left, right), expr, host, path), attributes, path, span)


# what to write instead of the operators that nodes do not have
_INSTEAD = {
    "||": "nodes are combined by BS.Boolean.Or (x, y)",
    "**": "the square of a node is x .* x, other powers Exp (y .* Log (x)) where x is positive",
}

_TIMES_ATTRIBUTES: Mapping[str, Any] = {"outputRank": 1.0, "inferInputRankToMap": -1.0}


def _only_nodes_and(kind: type, left: Any, right: Any, host: Host) -> bool:
    return all(type(value) is kind or host.is_node(value) for value in (left, right))


def _node_division(expr: ast.Binary, left: Any, right: Any, host: Host, path: str) -> Any:
    if type(right) is float:
        inputs = _inputs((left, _divide(1.0, right)), expr, host, path)
        return host.operation("ElementTimes", inputs, {}, path, expr.span)
    if left == 1.0 and type(left) is float:
        return host.operation("Reciprocal", [right], {}, path, expr.span)
    why = "a node can be divided by a number, and only 1 by a node: x .* (1 / y)"
    raise not_applicable(expr, left, right, why)


def _inputs(values: tuple[Any, ...], expr: ast.Binary, host: Host, path: str) -> list[Any]:
    spans = (expr.left.span, expr.right.span)
    return [as_node(value, host, path, span) for value, span in zip(values, spans, strict=True)]


def as_node(value: Any, host: Host, path: str, span: Span) -> Any:
    """The operand of a node operator: a number or boolean becomes a constant at the operator's own path."""
    return host.constant(float(value), path, span) if type(value) in (float, bool) else value


def apply_unary(expr: ast.Unary, operand: Any, host: Host, path: Path) -> Any:
    symbol = expr.operator
    number = type(operand) is float
    if symbol == "!" and type(operand) is bool:
        return not operand
    if not number and not host.is_node(operand):
        raise unary_not_applicable(expr, operand)
    if symbol == "+":
        return operand
    if symbol == "-" and number:
        return -operand
    name = join_path(path)
    if symbol == "!":
        # 1 - x, even for a number
        inputs = [host.constant(1.0, name, expr.span), as_node(operand, host, name, expr.operand.span)]
        return host.operation("Minus", inputs, {}, name, expr.span)
    return host.operation("Negate", [operand], {}, name, expr.span)


def node_choice(expr: ast.If, values: tuple[Any, Any, Any], host: Host, path: Path) -> Any:
    """``if`` with a node for condition: both branches are operands."""
    name = join_path(path)
    spans = (expr.condition.span, expr.then.span, expr.otherwise.span)
    for value, span in zip(values[1:], spans[1:], strict=True):
        if type(value) is not float and not host.is_node(value):
            message = f"a branch of an 'if' on a node must be a node or a number, found {describe(value)}"
            raise DiagnosticError(Diagnostic("GC0306", message, span))
    inputs = [as_node(value, host, name, span) for value, span in zip(values, spans, strict=True)]
    return host.operation("If", inputs, {}, name, expr.span)


def force_defaults(function: FunctionValue, force: Callable[[Thunk], Any]) -> None:
    """Composition evaluates the defaults of its first function at once."""
    for default in function.optional.values():
        if type(default) is Thunk:
            force(default)
