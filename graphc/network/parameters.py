"""Learnable parameters as an author describes them: which first values, from which seed, of which dimensions."""

from __future__ import annotations

import math

from graphc.diagnostics import Diagnostic, DiagnosticError, Diagnostics, Severity, Span, suggest
from graphc.ir import ElementType, Shape
from graphc.network import explain, reading
from graphc.network.session import Session
from graphc.ops.initializers import FIXED_KINDS, RANDOM_KINDS, Initializer
from graphc.ops.sources import LearnableParameter
from graphc.script.host import HostRecord
from graphc.script.values import ArrayValue, describe


def constant(name: str, value: float, element: ElementType) -> LearnableParameter:
    """The frozen ``[1]`` parameter that a number between nodes stands for."""
    return LearnableParameter(name, (1,), 0.0, Initializer("fixedValue", value=value), element)


def parameter(
    name: str, record: HostRecord, span: Span, element: ElementType, session: Session, diagnostics: Diagnostics
) -> LearnableParameter:
    """The parameter that the record of ``operation = 'LearnableParameter'`` describes."""
    shape = reading.shape(record, "shape")
    kind, value = _kind(record, diagnostics)
    literal = ""
    if kind == "fromLiteral":
        literal = reading.scalar(record, "initFromLiteral", str, "")
        shape = filled(shape, literal, "initFromLiteral", record.own_span("initFromLiteral"))
    elif kind == "fromFile":
        literal = _read(record, session, diagnostics, span)
        if literal:
            shape = filled(shape, literal, "the file", record.own_span("initFromFilePath"))
    initializer = Initializer(
        kind=kind,
        scale=reading.scalar(record, "initValueScale", float, 1.0),
        value=value,
        filter_rank=reading.integer(record, "initFilterRank", 0),
        output_rank=reading.integer(record, "initOutputRank", 1),
        seed=_seed(kind, record, session, element),
        on_cpu_only=reading.scalar(record, "initOnCPUOnly", bool, True),
        literal=literal,
    )
    rate = reading.scalar(record, "learningRateMultiplier", float, 1.0)
    return LearnableParameter(name, shape, rate, initializer, element)


def _kind(record: HostRecord, diagnostics: Diagnostics) -> tuple[str, float]:
    """Initialisation and, for ``fixedValue``, the value (operations.md 4.2)."""
    kind = reading.scalar(record, "init", str, "")
    if kind:
        if kind not in RANDOM_KINDS + FIXED_KINDS:
            guess = suggest(kind, RANDOM_KINDS + FIXED_KINDS)
            hint = f"did you mean '{guess}'?" if guess else f"there are {', '.join(RANDOM_KINDS + FIXED_KINDS)}"
            message = f"unknown initialisation '{kind}'"
            raise DiagnosticError(Diagnostic("GC0411", message, record.own_span("init"), hint=hint))
        return kind, reading.scalar(record, "value", float, 0.0)
    if reading.scalar(record, "initFromFilePath", str, ""):
        return "fromFile", 0.0
    initial = _initial_value(record)
    if initial is not None:
        return "fixedValue", initial
    if reading.scalar(record, "initFromLiteral", str, ""):
        return "fromLiteral", 0.0
    _warn_about_value(record, diagnostics)
    return "uniform", 0.0


def _initial_value(record: HostRecord) -> float | None:
    try:
        value = record.lookup("initValue")
    except KeyError:
        return None
    if value == "":
        return None
    if type(value) is not float:
        hint = (
            "an array of values is written as init='fromLiteral', initFromLiteral='…'"
            if isinstance(value, ArrayValue)
            else None
        )
        message = f"initValue is {describe(value)}, not a number"
        raise DiagnosticError(Diagnostic("GC0411", message, record.own_span("initValue"), hint=hint))
    return value


def _warn_about_value(record: HostRecord, diagnostics: Diagnostics) -> None:
    """``value=0`` is what ``init='fixedValue'`` reads: alone it changes nothing, and random values surprise."""
    try:
        value = record.lookup("value")
    except KeyError:
        return
    span = record.own_span("value")
    # the default of the library's parameter lies in the library, like the record itself
    if value != 0.0 or span.file is not record.span.file:
        message = "value is ignored without init='fixedValue': the parameter starts with random values"
        diagnostics.add(Diagnostic("GC0410", message, span, (), "did you mean initValue?", Severity.WARNING))


def _seed(kind: str, record: HostRecord, session: Session, element: ElementType) -> int:
    if kind not in RANDOM_KINDS:
        return -1
    seed = reading.integer(record, "randomSeed", -1)
    return seed if seed >= 0 else session.next_seed(element)


def _read(record: HostRecord, session: Session, diagnostics: Diagnostics, span: Span) -> str:
    path = reading.scalar(record, "initFromFilePath", str, "")
    blamed = record.own_span("initFromFilePath") if path else span
    try:
        return session.read(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a text file"
        message = f"parameter file '{path}' cannot be read: {reason}"
        if session.files_required:
            raise DiagnosticError(Diagnostic("GC0411", message, blamed)) from None
        diagnostics.add(explain.warning("GC0411", message, blamed))
        return ""


def filled(shape: Shape, literal: str, what: str, span: Span) -> Shape:
    """The shape with what the text of a matrix says about it (operations.md 4.4)."""
    rows = [line.split() for line in literal.splitlines() if line.strip()]
    widths = {len(row) for row in rows}
    if len(widths) != 1:
        message = f"{what} holds no matrix: {_uneven(rows) if rows else 'it is empty'}"
        raise DiagnosticError(Diagnostic("GC0411", message, span))
    _check_numbers(rows, what, span)
    height, width = len(rows), widths.pop()
    if shape == (None,):
        return (height, width) if width > 1 else (height,)
    first, rest = shape[0], list(shape[1:])
    known = math.prod(d for d in rest if d is not None)
    if rest.count(None) == 1 and known and width % known == 0:
        rest[rest.index(None)] = width // known
    if first not in (None, height) or None in rest or math.prod(d for d in rest if d is not None) != width:
        dims = " x ".join(str(d or "?") for d in shape)
        message = f"{what} holds a matrix of {height} rows and {width} columns, which does not fit [{dims}]"
        raise DiagnosticError(Diagnostic("GC0411", message, span))
    return (height, *rest)


def _uneven(rows: list[list[str]]) -> str:
    first = len(rows[0])
    at, row = next((number, row) for number, row in enumerate(rows, 1) if len(row) != first)
    return f"its rows differ in length, row 1 has {first} and row {at} has {len(row)}"


def _check_numbers(rows: list[list[str]], what: str, span: Span) -> None:
    for number, row in enumerate(rows, 1):
        for column, word in enumerate(row, 1):
            if not _is_number(word):
                message = f"{what} holds '{word[:40]}' in row {number}, column {column}, not a number"
                raise DiagnosticError(Diagnostic("GC0411", message, span))


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return "_" not in word  # Python's own way of grouping digits
