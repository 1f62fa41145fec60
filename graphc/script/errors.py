"""What can be wrong in an evaluation, each as one diagnostic with its place and help."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from graphc.diagnostics import Diagnostic, DiagnosticError, Label, Severity, Span, suggest
from graphc.script.values import FunctionValue, RecordValue, Thunk, describe, written_at
from graphc.syntax import ast

# Names that documents on CNTK give without the record that they are in
_RNNS = (
    *("GRU", "RecurrentGRU", "RecurrentGRUStack", "RecurrentBidirectionalGRUStack"),
    *("LSTMP", "RecurrentLSTMP", "RecurrentLSTMPStack", "RecurrentBidirectionalLSTMPStack"),
)
_RECORDS = {
    "BS.RNNs": _RNNS,
    "BS.Boolean": ("If", "And", "Or", "Xor", "Not", "Toggle"),
    "BS.Loop": ("IsFirst", "IsLast", "IsFirstN", "IsLastN", "Previous", "Next", "PreviousOrDefault", "NextOrDefault"),
    "BS.Sequences": ("Gather", "Scatter", "First", "Last", "BroadcastSequenceAs", "PastValueWindow", "FoldL", "FoldR"),
    "BS.Constants": ("OnesTensor", "ZeroesLike", "OnesLike"),
    "BS.Network": ("Load", "CloneFunction", "Edit"),
}
_INNER = {
    **{name: f"{record}.{name}" for record, names in _RECORDS.items() for name in names},
    "CreateAugmentWithFixedWindowAttentionHook": "BS.Seq2Seq.CreateAugmentWithFixedWindowAttentionHook",
    "Seq2Seq": "BS.Seq2Seq",
}


def unknown_identifier(
    name: str, span: Span, visible: Iterable[str], severity: Severity = Severity.ERROR
) -> Diagnostic:
    hint = f"did you mean '{_INNER[name]}'?" if name in _INNER else _meant(name, visible)
    return Diagnostic("GC0301", f"unknown identifier '{name}'", span, hint=hint, severity=severity)


def unknown_member(name: str, span: Span, record: RecordValue) -> Diagnostic:
    """A name behind the dot of a record: its own members come to mind before what is visible in it."""
    own = suggest(name, record.own_names())
    if own is None:
        return unknown_identifier(name, span, record.visible_names())
    labels = (Label(f"'{own}' is defined here", record.name_span(own)),)
    return Diagnostic("GC0301", f"unknown identifier '{name}'", span, labels, f"did you mean '{own}'?")


def _meant(name: str, visible: Iterable[str]) -> str | None:
    if name.lower() in ("true", "false"):
        return f"booleans are written in lower case: {name.lower()}"
    close = suggest(name, visible)
    return f"did you mean '{close}'?" if close else None


def expected(type_name: str, found: Any, span: Span) -> DiagnosticError:
    message = f"expected expression of type '{type_name}', found {describe(found)}"
    return DiagnosticError(Diagnostic("GC0305", message, span))


def wrong_arguments(function: FunctionValue, call: ast.Call, given: int) -> DiagnosticError:
    """What is wrong with a call: a name that the function does not know, before a number that does not fit."""
    unknown = [a for a in call.arguments if a.name is not None and a.name not in function.optional]
    strange = [a for a in unknown if a.name not in function.positional]
    if strange or given == len(function.positional):
        return unknown_option(function, (strange or unknown)[0])
    return wrong_count(function, call, given)


def wrong_count(function: FunctionValue, call: ast.Call, given: int) -> DiagnosticError:
    wanted = len(function.positional)
    message = f"function expects {wanted} positional parameters, {given} were provided"
    hint = None
    if given > wanted and function.optional:
        hint = "optional parameters are passed by name: " + ", ".join(f"{name}=…" for name in function.optional)
    elif given < wanted and (named := [a.name for a in call.arguments if a.name in function.positional]):
        hint = f"'{named[0]}' is positional: pass it without its name"
    return DiagnosticError(Diagnostic("GC0302", message, call.span, (_defined(function),), hint))


def unknown_option(function: FunctionValue, argument: ast.Argument) -> DiagnosticError:
    name = argument.name or ""
    if name in function.positional:
        hint = f"'{name}' is positional: pass it without its name"
    else:
        close = suggest(name, function.optional)
        hint = f"did you mean '{close}'?" if close else None
    message = f"function does not have an optional argument '{name}'"
    return DiagnosticError(Diagnostic("GC0303", message, argument.span, (_defined(function),), hint))


def _defined(function: FunctionValue) -> Label:
    return Label(f"{function.signature()} is defined here", function.span)


def circular(chain: Sequence[Thunk], span: Span) -> DiagnosticError:
    """``chain`` is the thunks from the one that is needed again to the one that needs it."""
    named = [thunk for thunk in chain if thunk.name] or list(chain[:1])
    cycle = [*named, named[0]]
    if len(named) <= 6:
        way = ", which needs ".join(f"'{_title(thunk)}'" for thunk in cycle)
    else:
        way = f"'{_title(named[0])}', which needs '{_title(named[1])}', and so on round {len(named)} names"
    labels = tuple(Label(f"'{_title(thunk)}' is defined here", _name_span(thunk)) for thunk in named[:6])
    hint = "only what PastValue, FutureValue or Shift delay may depend on its own result"
    return DiagnosticError(Diagnostic("GC0304", f"circular reference: {way}", span, labels, hint))


def _title(thunk: Thunk) -> str:
    text = thunk.name or written_at(thunk.site).text
    return text if len(text) <= 40 else text[:37] + "…"


def _name_span(thunk: Thunk) -> Span:
    return thunk.site.name_span if isinstance(thunk.site, ast.Member) else written_at(thunk.site)


def not_applicable(expr: ast.Binary, left: Any, right: Any, why: str | None = None) -> DiagnosticError:
    found = f"{describe(left)} and {describe(right)}"
    message = f"operator {expr.operator} cannot be applied to these operands: {found}"
    return DiagnosticError(Diagnostic("GC0306", message, expr.span, hint=why))


def unary_not_applicable(expr: ast.Unary, operand: Any) -> DiagnosticError:
    message = f"operator {expr.operator} cannot be applied to this operand: {describe(operand)}"
    return DiagnosticError(Diagnostic("GC0306", message, expr.span))


def out_of_bounds(index: int, first: int, last: int, span: Span, array: Span) -> DiagnosticError:
    # with its full stop, because the reference's message is what people search for
    message = f"Index {index} out of bounds [{first}..{last}]."
    return DiagnosticError(Diagnostic("GC0307", message, span, (Label("the array is made here", array),)))


def missing_parameter(name: str, type_name: str, span: Span) -> DiagnosticError:
    message = f"required parameter '{name}' not found for {type_name}"
    return DiagnosticError(Diagnostic("GC0308", message, span))


def unknown_type(name: str, span: Span, known: Iterable[str]) -> DiagnosticError:
    close = suggest(name, known)
    hint = f"did you mean '{close}'?" if close else None
    return DiagnosticError(Diagnostic("GC0309", f"unknown runtime type {name}", span, hint=hint))


def endless(name: str, calls: int, span: Span, defined: Span | None) -> DiagnosticError:
    what = f"of '{name}'" if name else "of this function"
    labels = (Label(f"'{name or 'function'}' is defined here", defined),) if defined else ()
    message = f"recursion {what} does not end: {calls:,} calls are nested"
    return DiagnosticError(Diagnostic("GC0311", message, span, labels))


def too_large(what: str, span: Span, hint: str | None = None) -> DiagnosticError:
    return DiagnosticError(Diagnostic("GC0312", what, span, hint=hint))


def unsuitable(message: str, span: Span) -> DiagnosticError:
    """An argument of a built-in function has the right type but no meaning."""
    return DiagnosticError(Diagnostic("GC0313", message, span))
