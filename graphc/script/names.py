"""Name check of code that may never be evaluated: identifiers that are in no scope."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from graphc.diagnostics import Diagnostic, Severity
from graphc.script.errors import unknown_identifier
from graphc.script.values import Thunk
from graphc.syntax import ast

# Names of one scope and the scope around it.
_Scope = tuple[frozenset[str], "_Scope | None"]


def undefined_names(expr: ast.Expr, outermost: Collection[str]) -> list[Diagnostic]:
    """A warning for each identifier of ``expr`` that is neither bound around it nor in ``outermost``."""
    found: list[Diagnostic] = []
    pending: list[tuple[ast.Expr, _Scope]] = [(expr, (frozenset(outermost), None))]
    while pending:
        item, scope = pending.pop()
        if type(item) is ast.Name and not _holds(scope, item.name):
            found.append(unknown_identifier(item.name, item.span, _visible(scope), Severity.WARNING))
        pending.extend(_children(item, scope))
    return sorted(found, key=lambda d: (d.span.file.name, d.span.start) if d.span else ("", 0))


def unfit_calls(expr: ast.Expr, outermost: Mapping[str, object]) -> list[Diagnostic]:
    """A warning for each call of a function of ``outermost``, perhaps never made, with a wrong number of arguments."""
    found: list[Diagnostic] = []
    pending: list[tuple[ast.Expr, _Scope]] = [(expr, (frozenset(), None))]
    while pending:
        item, scope = pending.pop()
        if isinstance(item, ast.Call) and isinstance(item.function, ast.Name) and not _holds(scope, item.function.name):
            wanted = _positional(outermost.get(item.function.name))
            given = sum(argument.name is None for argument in item.arguments)
            if wanted is not None and given != wanted:
                message = f"function expects {wanted} positional parameters, {given} were provided"
                found.append(Diagnostic("GC0302", message, item.span, severity=Severity.WARNING))
        pending.extend(_children(item, scope))
    return found


def _positional(member: object) -> int | None:
    """Number of the positional parameters of a member that is written as a function."""
    written = member.site.value if isinstance(member, Thunk) and isinstance(member.site, ast.Member) else None
    return sum(p.default is None for p in written.parameters) if isinstance(written, ast.Lambda) else None


def _holds(scope: _Scope | None, name: str) -> bool:
    while scope is not None:
        names, scope = scope
        if name in names:
            return True
    return False


def _visible(scope: _Scope | None) -> Iterator[str]:
    while scope is not None:
        names, scope = scope
        yield from names


def _children(expr: ast.Expr, scope: _Scope) -> Iterator[tuple[ast.Expr, _Scope]]:
    match expr:
        case ast.Record(members=members):
            inner = (frozenset(m.name for m in members), scope)
            yield from ((m.value, inner) for m in members)
        case ast.Lambda(parameters=parameters, body=body):
            # defaults are evaluated where the function is defined and do not see the parameters
            yield from ((p.default, scope) for p in parameters if p.default is not None)
            yield body, (frozenset(p.name for p in parameters), scope)
        case ast.Call(function=function, arguments=arguments):
            yield function, scope
            yield from ((a.value, scope) for a in arguments)
        case ast.List(items=items):
            yield from ((item, scope) for item in items)
        case ast.Unary(operand=operand):
            yield operand, scope
        case ast.Binary(left=first, right=second) | ast.Index(base=first, index=second):
            yield from ((first, scope), (second, scope))
        case ast.Dot(base=base):
            yield base, scope
        case ast.New(argument=argument):
            yield argument, scope
        case ast.Array(first=first, last=last, function=function):
            yield from ((first, scope), (last, scope), (function, scope))
        case ast.If(condition=condition, then=then, otherwise=otherwise):
            yield from ((condition, scope), (then, scope), (otherwise, scope))
        case _:
            pass
