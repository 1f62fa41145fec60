"""Reads the record behind ``new ComputationNode``: inputs, tag, and attributes as the types that operators want."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from graphc.diagnostics import Diagnostic, DiagnosticError, Span, did_you_mean, suggest
from graphc.ir import GROUPS, Op
from graphc.ir.attributes import AttributeFault, convert_attributes
from graphc.ir.types import MAX_DIM, MAX_RANK
from graphc.network.network import NetworkNode
from graphc.script.host import HostRecord
from graphc.script.values import (
    ArrayValue,
    BoolVector,
    FunctionValue,
    IntVector,
    RecordValue,
    SizeVector,
    TensorShape,
    authors_span,
    describe,
    flatten,
    leaf_spans,
)

V = TypeVar("V", float, str, bool)

_LEGACY_TAGS = {"criteria": "criterion", "eval": "evaluation"}


def attributes(cls: type[Op], record: HostRecord) -> dict[str, Any]:
    """Attributes of an operator that the record or the scopes around it give, under the author's names."""
    found: dict[str, Any] = {}
    for author in cls.attribute_names().values():
        try:
            value = record.lookup(author)
        except KeyError:
            continue
        found[author] = plain(value, f"the attribute {author} of {cls.names[0]}", record.own_span(author))
    return found


def converted(cls: type[Op], given: Mapping[str, Any], name: str, record: HostRecord | None, span: Span) -> Op:
    """The operator with its attributes; ``name`` identifies it where operators of its class are never merged."""
    try:
        return _with_known_words(make(cls, given, name))
    except AttributeFault as fault:
        blamed = span
        if record is not None and fault.attribute is not None and fault.attribute in given:
            blamed = record.own_span(fault.attribute)
        raise DiagnosticError(Diagnostic("GC0406", fault.message, blamed, hint=fault.hint)) from None


def make(cls: type[Op], given: Mapping[str, Any], name: str) -> Op:
    """The operator with its attributes; raises `AttributeFault`."""
    return cls(**convert_attributes(cls, {"name": name, **given} if cls.identified else given))


def _with_known_words(op: Op) -> Op:
    for field, options in op.choices.items():
        author, value = op.attribute_names()[field], getattr(op, field)
        if value.lower() not in (option.lower() for option in options):
            hint = did_you_mean(value, options)
            raise AttributeFault(f"{author} is '{value}', expected {' or '.join(options)}", author, hint)
    return op


def plain(value: Any, what: str, span: Span) -> Any:
    """Numbers, strings and booleans as they are, arrays and shapes as flat tuples of them, records by name."""
    match value:
        case bool() | float() | str():
            return value
        case RecordValue():
            names = value.own_names()
            return {n: plain(value.lookup(n), f"{n} in {what}", value.own_span(n)) for n in names}
        case ArrayValue():
            return tuple(plain(item, f"an element of {what}", span) for item in flatten(value))
        case TensorShape():
            return value.dims
        case IntVector() | SizeVector() | BoolVector():
            return value.items
        case _:
            raise DiagnosticError(Diagnostic("GC0406", f"{what} is {describe(value)}, not a plain value", span))


def scalar(record: HostRecord, name: str, kind: type[V], default: V) -> V:
    """A number, string or boolean of the record; an integer is read as a number."""
    try:
        value = record.lookup(name)
    except KeyError:
        return default
    if type(value) is not kind:
        wanted = {float: "a number", str: "a string", bool: "true or false"}[kind]
        raise DiagnosticError(Diagnostic("GC0406", f"{name} is {describe(value)}, not {wanted}", record.own_span(name)))
    return value


def integer(record: HostRecord, name: str, default: int) -> int:
    value = scalar(record, name, float, float(default))
    if not value.is_integer():
        raise DiagnosticError(Diagnostic("GC0406", f"{name} is {value:g}, not a whole number", record.own_span(name)))
    return int(value)


def shape(record: HostRecord, name: str) -> tuple[int | None, ...]:
    """Dimensions, flattened; 0 is unknown."""
    try:
        value = record.lookup(name)
    except KeyError:
        raise DiagnosticError(Diagnostic("GC0406", f"the attribute {name} is missing", record.span)) from None
    span = record.own_span(name)
    dims = _leaves(value)
    for index, dim in enumerate(dims):
        if type(dim) is not float or not dim.is_integer() or dim < 0:
            shown = f"{dim:g}" if type(dim) is float else describe(dim)
            raise _wrong_dimension(f"a dimension is {shown}, not a whole number from 0 on", value, index, span)
        if dim > MAX_DIM:
            raise _wrong_dimension(f"a dimension is {dim:g}, at most {MAX_DIM} is possible", value, index, span)
    if not 0 < len(dims) <= MAX_RANK:
        message = f"a shape has {len(dims)} dimensions, not 1 to {MAX_RANK}"
        raise DiagnosticError(Diagnostic("GC0406", message, span))
    return tuple(int(d) or None for d in dims)


def _leaves(value: Any) -> Sequence[Any]:
    return [float(d) for d in value.dims] if isinstance(value, TensorShape) else flatten(value)


def _wrong_dimension(message: str, value: Any, index: int, span: Span) -> DiagnosticError:
    place = span if isinstance(value, TensorShape) else leaf_spans(value, span)[index]
    # a number with a name is wrong in one place, wherever the name is used
    return DiagnosticError(Diagnostic("GC0406", message, place, cause=("GC0406", place)))


def tags(record: HostRecord) -> tuple[str, ...]:
    """The groups a node asks for itself: at most one."""
    tag = scalar(record, "tag", str, "")
    group = _LEGACY_TAGS.get(tag, tag)
    if group and group not in GROUPS:
        guess = suggest(tag, GROUPS)
        hint = f"did you mean '{guess}'?" if guess else f"the groups are {', '.join(GROUPS)}"
        # capitalised like the reference's message, which people search for
        raise DiagnosticError(Diagnostic("GC0403", f"Invalid group tag '{tag}'", record.own_span("tag"), hint=hint))
    return (group,) if group else ()


def operands(value: Any, operation: str, record: HostRecord, span: Span) -> list[NetworkNode]:
    """The nodes in the record's ``inputs``: one, or an array of them, forced from left to right."""
    if not isinstance(value, ArrayValue):
        return operands_of([value], operation, span, [record.own_span("inputs")])
    found = value.elements()
    return operands_of(found, operation, span, [authors_span(item, value.owner, span) for item in value.items])


def operands_of(found: Sequence[Any], operation: str, span: Span, places: Sequence[Span] = ()) -> list[NetworkNode]:
    """The values as nodes, which all of them must be; ``places`` are where they are written."""
    for index, item in enumerate(found):
        if not isinstance(item, NetworkNode):
            message = f"input {index + 1} of {operation} is {describe(item)}, not a node"
            place = places[index] if places else span
            is_layer = isinstance(item, FunctionValue)
            hint = "a layer is applied to a value, as in DenseLayer {10} (x)" if is_layer else None
            raise DiagnosticError(Diagnostic("GC0404", message, place, hint=hint))
    return list(found)
