"""Attributes of operators as text and back: one codec for the texts of graphs and of networks.

Values are written ``3``, ``0.5``, ``inf``, ``true``, ``none``, ``"text"``, ``(3, 2)``, ``(3,)``; a member of an
enumeration as its bare value, ``onehot``; a record as ``Initializer(kind="heNormal", seed=3)``, defaults left out.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any

from graphc.diagnostics import did_you_mean
from graphc.ir.node import Op, camel, operator, registered_names
from graphc.ir.types import MAX_DIM, MAX_RANK

_COUNTS_AXES = re.compile("axis|rank")


class AttributeFault(Exception):
    """An operator cannot be made. It knows no position: ``attribute`` names the argument to blame, as it was given."""

    def __init__(self, message: str, attribute: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.attribute = attribute
        self.hint = hint


class Symbol(str):
    """A bare word read as a value; it becomes a member of an enumeration where one is wanted."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Record:
    """``Name(field=value, …)`` read as a value; it becomes a dataclass where one is wanted."""

    name: str
    fields: Mapping[str, Any]


def format_value(value: Any) -> str:
    """Text of an attribute; `parse_value` and the attribute's type give an equal one back."""
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case Enum():
            return str(value.value)
        case int():
            return repr(int(value))
        case float():
            return repr(float(value))
        case str():
            return json.dumps(value, ensure_ascii=False)
        case tuple():
            return f"({', '.join(map(format_value, value))}{',' if len(value) == 1 else ''})"
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            given = ((f.name, getattr(value, f.name)) for f in dataclasses.fields(value) if not _is_default(f, value))
            return f"{type(value).__name__}({', '.join(f'{camel(n)}={format_value(v)}' for n, v in given)})"
        case _:
            raise TypeError(f"an attribute cannot be a {type(value).__name__}: {value!r}")


def parse_value(text: str) -> Any:
    """The value a text stands for, before its type is known: number, bool, str, None, tuple, `Symbol`, `Record`.

    Raises `DiagnosticError`.
    """
    from graphc.ir.parser import parse_value_text  # lark costs start-up time, and most work reads no such text

    return parse_value_text(text)


def format_attributes(op: Op, *, omit: frozenset[str] = frozenset()) -> str:
    """``shape=(3, 2), axis=2``: every attribute that differs from its default, except the fields in ``omit``."""
    spelling = _spelling(type(op))
    given = op.attributes().items()
    return ", ".join(f"{spelling[field]}={format_value(value)}" for field, value in given if field not in omit)


def make_op(name: str, attributes: Mapping[str, Any]) -> Op:
    """The operator of that name (aliases and any case accepted) with attributes under the author's or field names.

    Values are converted to the annotated types, so what `parse_value` gave and whole floats for integers will do.
    Raises `AttributeFault`.
    """
    cls = operator(name)
    if cls is None:
        raise AttributeFault(f"there is no operation {name}", hint=did_you_mean(name, registered_names()))
    return cls(**convert_attributes(cls, attributes))


def convert_attributes(cls: type[Op], attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Constructor arguments by field name; raises `AttributeFault` for what is unknown, missing or of a wrong type."""
    hints = _hints(cls)
    fields = {author.lower(): field for field, author in _spelling(cls).items()} | {f: f for f in hints}
    given: dict[str, Any] = {}
    for key, value in attributes.items():
        field = fields.get(key) or fields.get(key.lower())
        if field is None:
            hint = did_you_mean(key, _spelling(cls).values())
            raise AttributeFault(f"{cls.names[0]} has no attribute {key}", key, hint)
        if field in given:
            raise AttributeFault(f"the attribute {key} is given twice", key)
        try:
            given[field] = _convert(hints[field], value)
        except ValueError as error:
            raise AttributeFault(f"the attribute {key} of {cls.names[0]} is {error}", key) from None
        _check_range(cls, field, given[field], key)
    missing = [_spelling(cls)[f] for f in _required(cls) if f not in given]
    if missing:
        raise AttributeFault(f"{cls.names[0]} needs the attribute {missing[0]}")
    return given


def _check_range(cls: type[Op], field: str, value: Any, key: str) -> None:
    author = _spelling(cls)[field]
    # an axis of a million would be a tuple of a million ones in many a shape rule
    if type(value) is int and _COUNTS_AXES.search(field) and abs(value) > MAX_RANK:
        shown = value if abs(value) <= MAX_DIM else f"{value:.3g}"
        raise AttributeFault(f"{author} of {cls.names[0]} is {shown}, values have at most {MAX_RANK} axes", key)
    if any(type(v) is int and abs(v) > MAX_DIM for v in (value if isinstance(value, tuple) else (value,))):
        raise AttributeFault(f"{author} of {cls.names[0]} is out of range", key)


def _is_default(field: dataclasses.Field[Any], owner: Any) -> bool:
    if field.default_factory is not dataclasses.MISSING:
        return bool(getattr(owner, field.name) == field.default_factory())
    return field.default is not dataclasses.MISSING and bool(getattr(owner, field.name) == field.default)


@cache
def _hints(cls: type[Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    return {f.name: hints[f.name] for f in dataclasses.fields(cls)}


@cache
def _spelling(cls: type[Op]) -> dict[str, str]:
    """Field name → name in a text, internal fields included."""
    return {field: cls.spelling.get(field, camel(field)) for field in _hints(cls)}


@cache
def _required(cls: type[Any]) -> tuple[str, ...]:
    none = dataclasses.MISSING
    return tuple(f.name for f in dataclasses.fields(cls) if f.default is none and f.default_factory is none)


def _convert(hint: Any, value: Any) -> Any:
    """``value`` as the annotated type; raises `ValueError` saying what was found and what is wanted."""
    if hint is Any:
        return value
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return _convert_union(typing.get_args(hint), value)
    if typing.get_origin(hint) is tuple:
        return _convert_tuple(typing.get_args(hint), value)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _convert_member(hint, value)
    if dataclasses.is_dataclass(hint):
        return _convert_record(hint, value)
    return _convert_scalar(hint, value)


def _convert_scalar(hint: Any, value: Any) -> Any:
    if hint is bool and isinstance(value, bool):
        return value
    if hint is str and isinstance(value, str):
        return str(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if hint is float:
            return math.nan if value != value else float(value)
        if hint is int and math.isfinite(value) and value == int(value):
            return int(value)
    wanted = {int: "a whole number", float: "a number", bool: "true or false", str: "a string"}.get(hint, str(hint))
    raise ValueError(f"{_show(value)}, not {wanted}")


def _convert_union(choices: tuple[Any, ...], value: Any) -> Any:
    if value is None and type(None) in choices:
        return None
    rest = [c for c in choices if c is not type(None)]
    for choice in rest[:-1]:
        try:
            return _convert(choice, value)
        except ValueError:
            continue
    return _convert(rest[-1], value)


def _convert_tuple(arguments: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    # `shape=(784)` and `shape=784` mean one dimension, as in BrainScript
    items = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    if arguments[1:] == (Ellipsis,):
        return tuple(_convert(arguments[0], item) for item in items)
    if len(items) != len(arguments):
        raise ValueError(f"{_show(items)}, not {len(arguments)} values")
    return tuple(_convert(hint, item) for hint, item in zip(arguments, items, strict=True))


def _convert_member(hint: type[Enum], value: Any) -> Enum:
    if isinstance(value, hint):
        return value
    for member in hint:
        if isinstance(value, str) and str(member.value).lower() == value.lower():
            return member
    raise ValueError(f"{_show(value)}, not one of {', '.join(str(m.value) for m in hint)}")


def _convert_record(hint: Any, value: Any) -> Any:
    if isinstance(value, hint):
        return value
    if isinstance(value, Mapping):
        value = Record(hint.__name__, value)
    if not isinstance(value, Record) or value.name != hint.__name__:
        raise ValueError(f"{_show(value)}, not {hint.__name__}(...)")
    hints = _hints(hint)
    fields = {camel(f): f for f in hints}
    for name in value.fields:
        if name not in fields:
            raise ValueError(f"{hint.__name__}(...) with the unknown field {name}")
    missing = [f for f in _required(hint) if camel(f) not in value.fields]
    if missing:
        raise ValueError(f"{hint.__name__}(...) without {camel(missing[0])}")
    return hint(**{fields[n]: _convert(hints[fields[n]], v) for n, v in value.fields.items()})


def _show(value: Any) -> str:
    match value:
        case Symbol():
            return str(value)
        case Record(name):
            return f"{name}(...)"
        case tuple():
            return f"({', '.join(map(_show, value))})"
        case float():
            return f"{value:g}"
    try:
        return format_value(value)
    except TypeError:
        return f"a {type(value).__name__}"
