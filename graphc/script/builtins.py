"""The types that ``new`` makes without a host: shapes, vectors and the few functions that the library rests on."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

from graphc.diagnostics import Diagnostic, DiagnosticError, Span
from graphc.script.errors import expected, missing_parameter, unsuitable
from graphc.script.formatting import format_value
from graphc.script.values import (
    Action,
    ArrayValue,
    BoolVector,
    IntVector,
    RecordValue,
    SizeVector,
    TensorShape,
    flatten,
    leaf_spans,
)

V = TypeVar("V")


class Parameters:
    """The record behind ``new`` read with types: what is missing or of the wrong kind is told at its place."""

    def __init__(self, record: RecordValue, type_name: str, span: Span) -> None:
        self._record = record
        self._type_name = type_name
        self._span = span

    def any(self, name: str) -> Any:
        if self._record.find(name) is None:
            raise missing_parameter(name, self._type_name, self._span)
        return self._record.lookup(name)

    def span(self, name: str) -> Span:
        return self._record.own_span(name)

    def _typed(self, name: str, kind: type[V], kind_name: str) -> V:
        value = self.any(name)
        if type(value) is not kind:
            raise expected(kind_name, value, self.span(name))
        return value

    def number(self, name: str) -> float:
        return self._typed(name, float, "number")

    def string(self, name: str) -> str:
        return self._typed(name, str, "string")

    def boolean(self, name: str) -> bool:
        return self._typed(name, bool, "boolean")

    def integer(self, name: str) -> int:
        value = self.number(name)
        if not value.is_integer():
            raise expected("integer", value, self.span(name))
        return int(value)

    def pair(self, name: str) -> tuple[Any, Any]:
        value = self.any(name)
        if type(value) is not ArrayValue or len(value) != 2:
            raise unsuitable(f"{self.any('what')} takes two arguments", self.span(name))
        first, second = (value.owner.force(item) for item in value.items)
        return first, second

    def leaves(self, name: str, kind: type, kind_name: str) -> list[Any]:
        found = flatten(self.any(name))
        for index, value in enumerate(found):
            if type(value) is not kind:
                raise expected(kind_name, value, self.leaf_span(name, index))
        return found

    def leaf_span(self, name: str, index: int) -> Span:
        return leaf_spans(self.any(name), self.span(name))[index]

    def integers(self, name: str, lowest: int | None) -> tuple[int, ...]:
        items = self.leaves(name, float, "number")
        for index, value in enumerate(items):
            if not value.is_integer():
                raise expected("integer", value, self.leaf_span(name, index))
            if lowest is not None and value < lowest:
                raise unsuitable(f"{self._type_name} cannot hold {value:g}", self.leaf_span(name, index))
        return tuple(int(value) for value in items)

    def unknown_what(self) -> DiagnosticError:
        return unsuitable(f"unknown 'what' value to {self._type_name}: {self.any('what')}", self.span("what"))


def _tensor_shape(p: Parameters, _: Callable[[str], None]) -> TensorShape:
    return TensorShape(p.integers("dims", 0))


def _int_vector(p: Parameters, _: Callable[[str], None]) -> IntVector:
    return IntVector(p.integers("items", None))


def _size_vector(p: Parameters, _: Callable[[str], None]) -> SizeVector:
    return SizeVector(p.integers("items", 0))


def _bool_vector(p: Parameters, _: Callable[[str], None]) -> BoolVector:
    return BoolVector(tuple(p.leaves("items", bool, "boolean")))


def _string_function(p: Parameters, _: Callable[[str], None]) -> str:
    match p.string("what"):
        case "Format":
            return format_value(p.any("arg"), p.string("how"), p.span("how"))
        case "Chr":
            return _character(p.integer("arg"), p.span("arg"))
        case "Substr":
            return _substring(p.string("arg"), p.integer("pos"), p.integer("chars"))
        case "Replace":
            before, after = p.string("replacewhat"), p.string("withwhat")
            return p.string("arg").replace(before, after) if before else p.string("arg")
        case _:
            raise p.unknown_what()


def _character(code: int, span: Span) -> str:
    if not 0 <= code <= 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise unsuitable(f"{code} is not the code of a character", span)
    return chr(code)


def _substring(text: str, begin: int, count: int) -> str:
    start = min(max(begin + len(text), 0) if begin < 0 else begin, len(text))
    return text[start:] if count < 0 else text[start : start + count]


def _numeric_function(p: Parameters, _: Callable[[str], None]) -> float:
    match p.string("what"):
        case "Length":
            return _length(p)
        case "Floor":
            value = p.number("arg")
            return float(math.floor(value)) if math.isfinite(value) else value
        case "Mod":
            x, y = _integer_pair(p)
            return float(int(math.fmod(x, y)))
        case "IntDiv":
            x, y = _integer_pair(p)
            return float(abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1))
        case _:
            raise p.unknown_what()


def _length(p: Parameters) -> float:
    value = p.any("arg")
    if type(value) is str:
        return float(len(value))
    if type(value) is not ArrayValue:
        raise expected("array", value, p.span("arg"))
    try:
        return float(len(value.zero_based()))
    except DiagnosticError as error:
        # told where the length is taken; the array itself may come from far away
        raise unsuitable(error.diagnostics[0].message, p.span("arg")) from None


def _integer_pair(p: Parameters) -> tuple[int, int]:
    pair = p.pair("args")
    for value in pair:
        if type(value) is not float:
            raise expected("number", value, p.span("args"))
        if not math.isfinite(value):
            raise expected("integer", value, p.span("args"))
    x, y = (int(value) for value in pair)
    if y == 0:
        raise unsuitable(f"{p.any('what')} divides {x:g} by zero", p.span("args"))
    return x, y


def _compare_function(p: Parameters, _: Callable[[str], None]) -> bool:
    what = p.string("what")
    if what == "IsSameObject":
        first, second = p.pair("args")
        return first is second
    if what == "IsAllNodes":
        return _is_all_nodes(p.any("args"))
    kinds: dict[str, type] = {"IsArray": ArrayValue, "IsDouble": float, "IsBool": bool}
    if what not in kinds:
        raise p.unknown_what()
    return type(p.any("args")) is kinds[what]


def _is_all_nodes(operands: Any) -> bool:
    """Whether none of an operation's operands is a number, which would have to become a constant."""
    values = operands.elements() if type(operands) is ArrayValue else (operands,)
    return not any(type(value) in (float, bool) for value in values)


def _print(p: Parameters, write: Callable[[str], None]) -> Action:
    text = format_value(p.any("what"), "", p.span("what"))
    write(text)
    return Action(text)


def _fail(p: Parameters, _: Callable[[str], None]) -> Any:
    raise DiagnosticError(Diagnostic("GC0310", p.string("what"), p.span("what")))


def _debug(p: Parameters, write: Callable[[str], None]) -> Any:
    value = p.any("value")
    if p.boolean("enabled"):
        if say := p.string("say"):
            write(say)
        write(format_value(value, "", p.span("value")))
    return value


# Type name to constructor: the record's parameters and the place where text is printed in, value out.
BUILTIN_TYPES: dict[str, Callable[[Parameters, Callable[[str], None]], Any]] = {
    "TensorShape": _tensor_shape,
    "IntVector": _int_vector,
    "SizeVector": _size_vector,
    "BoolVector": _bool_vector,
    "StringFunction": _string_function,
    "NumericFunction": _numeric_function,
    "CompareFunction": _compare_function,
    "PrintAction": _print,
    "FailAction": _fail,
    "Debug": _debug,
}
