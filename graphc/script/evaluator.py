"""Evaluates BrainScript: call by need, exact expression paths, any depth, all errors and not the first."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from graphc.diagnostics import Diagnostic, DiagnosticError, Diagnostics, Label, SourceFile, Span
from graphc.script import errors
from graphc.script.blame import Call, author_span, blamed, endless
from graphc.script.builtins import BUILTIN_TYPES, Parameters
from graphc.script.host import Host
from graphc.script.names import undefined_names, unfit_calls
from graphc.script.operators import (
    PRIMITIVE,
    SEGMENTS,
    apply_binary,
    apply_unary,
    checked_length,
    compose,
    force_defaults,
    node_choice,
)
from graphc.script.paths import Path, join_path, path_of
from graphc.script.stack import DeepStack
from graphc.script.values import (
    DONE,
    FAILED,
    LITERALS,
    PENDING,
    RUNNING,
    ArrayValue,
    Closure,
    Composition,
    Computed,
    FunctionValue,
    NativeFunction,
    PoisonError,
    RecordValue,
    RootScope,
    Site,
    Thunk,
    later,
    literal_of,
    origin_of,
    written_at,
)
from graphc.syntax import ast

T = TypeVar("T")
E = TypeVar("E", bound=ast.Expr)

# Nested evaluations on one thread before the next goes on (see stack.py).
_HOP = 4_000


@dataclass(frozen=True)
class Limits:
    """What a script may use before it is told that it does not end."""

    # the deepest real model, a 152-layer network, nests 11,600
    calls: int = 50_000
    depth: int = 500_000
    elements: int = 1_000_000
    # between one node and the next; real models need a few hundred
    idle_calls: int = 30_000
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class _Application(ast.Expr):
    """An element of ``array[…](f)``: not text, but evaluated like it."""

    function: FunctionValue
    index: float


class Evaluator:
    """One evaluation: a library in whose scope programs run, the host that makes nodes, and what was found wrong."""

    def __init__(
        self,
        library: ast.Record,
        host: Host,
        *,
        settings: Mapping[str, Any] | None = None,
        limits: Limits = Limits(),
        write: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.diagnostics = Diagnostics()
        self.host = host
        self.limits = limits
        self.write = write
        self._stack = DeepStack()
        self._depth = 0
        self._hop_at = _HOP
        self._current: Thunk | None = None
        # whose value the last expression passed on, if it made none of its own
        self._via: Thunk | None = None
        self._calls: list[Call] = []
        self._applied = 0
        self._applied_at_node = 0
        self._deadline = None if limits.seconds is None else time.monotonic() + limits.seconds
        self._root = RootScope({}, library.span, self)
        self._library_files: frozenset[SourceFile] = frozenset(m.name_span.file for m in library.members)
        for member in library.members:
            # without its tree, which is decoded only if the member is needed
            self._root.members[member.name] = Thunk(None, self._root, (None, "." + member.name), member)
        self._root.members.update(settings or {})

    # --- for the host and for those who start an evaluation

    def run(self, work: Callable[[], T]) -> T:
        """The result of ``work`` called on the deep stack."""
        return self._stack.run(work)

    def evaluate(self, expr: ast.Expr, path: str = "") -> Any:
        """Value of a program, nested in the library's scope; what is wrong is recorded and raised as `PoisonError`."""
        return self.force(Thunk(expr, self._root, path_of(path), expr))

    def force(self, value: Any) -> Any:
        """The value of a thunk, or of what is none already."""
        if type(value) is not Thunk:
            return value
        if value.state == DONE:
            return value.value
        if self._stack.is_current():
            return self._force(value)
        return self._stack.run(lambda: self._force(value))

    def apply(self, function: FunctionValue, arguments: Sequence[Any], path: str = "") -> Any:
        """Result of a call with positional arguments."""
        wanted = len(function.positional)
        if len(arguments) != wanted:
            message = f"function expects {wanted} positional parameters, {len(arguments)} were provided"
            raise DiagnosticError(Diagnostic("GC0302", message, function.span))
        return self.run(lambda: self._apply(function, list(arguments), {}, path_of(path), function.span))

    def check_names(self, expr: ast.Expr) -> list[Diagnostic]:
        """Warnings for identifiers that no scope holds, except those that were already found by evaluating."""
        told = {d.span for d in self.diagnostics.errors}
        found = [*undefined_names(expr, self._root.members), *unfit_calls(expr, self._root.members)]
        return [d for d in found if d.span not in told]

    # --- thunks

    def _force(self, thunk: Thunk, use: Span | None = None) -> Any:
        if thunk.state != PENDING:
            return self._settled(thunk, use or written_at(thunk.site))
        expr, scope = thunk.expr, thunk.scope
        assert scope is not None
        if expr is None:
            assert isinstance(thunk.site, ast.Member)
            expr = thunk.expr = thunk.site.value
        thunk.state = RUNNING
        thunk.caller = self._current
        self._current = thunk
        try:
            value = self._evaluate(expr, scope, thunk.path)
        except PoisonError:
            thunk.state = FAILED
            raise
        except (DiagnosticError, RecursionError) as error:
            thunk.state = FAILED
            self._record(error)
            raise PoisonError from None
        except BaseException:
            thunk.state = PENDING
            raise
        finally:
            self._current = thunk.caller
            thunk.caller = None
        thunk.value = value
        thunk.state = DONE
        via = self._via
        if via is not None and via.value is value:
            thunk.via = via.via or via
            if expr.span.file in self._library_files:
                # the library only passed it on: messages about the value go to where it was written
                thunk.site = via.site
        thunk.expr = thunk.scope = thunk.path = None
        return value

    def _settled(self, thunk: Thunk, use: Span) -> Any:
        if thunk.state == DONE:
            return thunk.value
        if thunk.state == FAILED:
            raise PoisonError
        chain = [thunk]
        step = self._current
        while step is not None and step is not thunk:
            chain.insert(1, step)
            step = step.caller
        # the library's own names on the way tell the author nothing
        own = [link for link in chain if written_at(link.site).file not in self._library_files]
        raise errors.circular(own or chain, use)

    def _record(self, error: DiagnosticError | RecursionError) -> None:
        told = error if isinstance(error, DiagnosticError) else self._endless()
        for found in told.diagnostics:
            diagnostic = blamed(found, self._current, self._calls, self._library_files)
            # what is wrong with a function is wrong in every call of it
            cause = diagnostic.cause or (diagnostic.code, diagnostic.message, diagnostic.span)
            self.diagnostics.add(replace(diagnostic, cause=cause))

    def _endless(self) -> DiagnosticError:
        return endless(self._calls, self._depth, self._library_files, self._root.span)

    # --- expressions

    def _evaluate(self, expr: ast.Expr, scope: RecordValue, path: Path) -> Any:
        # most expressions are names of what was evaluated before, or literals
        if type(expr) is ast.Name:
            value = scope.find(expr.name)
            if type(value) is Thunk and value.state == DONE:
                self._via = value
                return value.value
        elif type(expr) in LITERALS:
            self._via = None
            return expr.value  # pyright: ignore[reportAttributeAccessIssue]
        depth = self._depth + 1
        if depth > self._hop_at:
            return self._hop(expr, scope, path)
        self._depth = depth
        try:
            return _RULES[type(expr)](self, expr, scope, path)
        finally:
            self._depth = depth - 1

    def _hop(self, expr: ast.Expr, scope: RecordValue, path: Path) -> Any:
        if self._depth >= self.limits.depth:
            raise self._endless()
        self._hop_at += _HOP
        try:
            return self._stack.run_fresh(lambda: self._evaluate(expr, scope, path))
        finally:
            self._hop_at -= _HOP

    def _name(self, expr: ast.Name, scope: RecordValue, path: Path) -> Any:
        value = scope.find(expr.name)
        if type(value) is Thunk:
            return self._passed_on(value, expr.span)
        if value is None:
            raise DiagnosticError(errors.unknown_identifier(expr.name, expr.span, scope.visible_names()))
        return value

    def _passed_on(self, thunk: Thunk, use: Span) -> Any:
        value = thunk.value if thunk.state == DONE else self._force(thunk, use)
        self._via = thunk
        return value

    def _record_(self, expr: ast.Record, scope: RecordValue, path: Path) -> RecordValue:
        members: dict[str, Any] = {}
        record = RecordValue(members, scope, expr.span)
        for member in expr.members:
            members[member.name] = later(member.value, record, (path, "." + member.name), member)
        return record

    def _dot(self, expr: ast.Dot, scope: RecordValue, path: Path) -> Any:
        base = self._evaluate(expr.base, scope, path)
        name = expr.name
        if isinstance(base, RecordValue):
            value = base.find(name)
            if value is None:
                raise DiagnosticError(errors.unknown_member(name, expr.name_span, base))
            return self._passed_on(value, expr.name_span) if type(value) is Thunk else value
        member = getattr(base, "member", None)
        if member is None:
            raise errors.expected("record", base, self._written(expr.base, base))
        try:
            return _as_value(member(name), expr.span, self)
        except KeyError:
            names = getattr(base, "member_names", ())
            raise DiagnosticError(errors.unknown_identifier(name, expr.name_span, names)) from None

    def _list(self, expr: ast.List, scope: RecordValue, path: Path) -> ArrayValue:
        items = [later(item, scope, (path, f"[{i}]"), item) for i, item in enumerate(expr.items)]
        return ArrayValue(items, 0, expr.span, self)

    def _array(self, expr: ast.Array, scope: RecordValue, path: Path) -> ArrayValue:
        first = self._integer(expr.first, scope, (path, ".array_first"))
        last = self._integer(expr.last, scope, (path, ".array_last"))
        function = self._function(expr.function, scope, (path, "._initializer"))
        if len(function.positional) != 1:
            message = "'array' requires an initializer function with one argument, the index"
            raise DiagnosticError(Diagnostic("GC0302", message, expr.function.span))
        count = max(last - first + 1, 0)
        if count > self.limits.elements:
            what = f"array of {count:,} elements, at most {self.limits.elements:,} are possible"
            raise errors.too_large(what, expr.span)

        def element(at: int) -> Thunk:
            index = first + at
            code = _Application(expr.function.span, function, float(index))
            return Thunk(code, scope, None if path is None else (path, f"[{index}]"), expr.function)

        return ArrayValue(Computed(count, element), first, expr.span, self)

    def _application(self, expr: _Application, scope: RecordValue, path: Path) -> Any:
        return self._apply(expr.function, [expr.index], {}, path, expr.span)

    def _index(self, expr: ast.Index, scope: RecordValue, path: Path) -> Any:
        array = self._evaluate(expr.base, scope, (path, "._vector"))
        if type(array) is not ArrayValue:
            raise errors.expected("array", array, self._written(expr.base, array))
        index = self._integer(expr.index, scope, (path, "._index"))
        if not array.first <= index <= array.last:
            raise errors.out_of_bounds(index, array.first, array.last, expr.index.span, array.span)
        item = array.items[index - array.first]
        return self._passed_on(item, expr.span) if type(item) is Thunk else item

    def _integer(self, expr: ast.Expr, scope: RecordValue, path: Path) -> int:
        value = self._evaluate(expr, scope, path)
        if type(value) is not float:
            raise errors.expected("number", value, self._written(expr, value))
        if not value.is_integer():
            raise errors.expected("integer", value, self._written(expr, value))
        return int(value)

    def _function(self, expr: ast.Expr, scope: RecordValue, path: Path) -> FunctionValue:
        value = self._evaluate(expr, scope, path)
        if not isinstance(value, FunctionValue):
            raise errors.expected("function", value, self._written(expr, value))
        return value

    def _if(self, expr: ast.If, scope: RecordValue, path: Path) -> Any:
        condition = self._evaluate(expr.condition, scope, (path, ".if"))
        if condition is True:
            return self._evaluate(expr.then, scope, path)
        if condition is False:
            return self._evaluate(expr.otherwise, scope, path)
        if not self.host.is_node(condition):
            raise errors.expected("boolean", condition, self._written(expr.condition, condition))
        # the reference builds the else branch first, and the order of parameters depends on it
        otherwise = self._evaluate(expr.otherwise, scope, (path, ".else"))
        then = self._evaluate(expr.then, scope, (path, ".then"))
        return node_choice(self._at_author(expr, scope), (condition, then, otherwise), self.host, path)

    def _unary(self, expr: ast.Unary, scope: RecordValue, path: Path) -> Any:
        operand = self._evaluate(expr.operand, scope, _unary_path(expr.operator, path))
        self._via = None
        return apply_unary(self._at_author(expr, scope), operand, self.host, path)

    def _binary(self, expr: ast.Binary, scope: RecordValue, path: Path) -> Any:
        symbol = expr.operator
        left_segment, right_segment = SEGMENTS[symbol]
        left = self._evaluate(expr.left, scope, (path, left_segment))
        if (left is False and symbol == "&&") or (left is True and symbol == "||"):
            return left
        passed_left = self._via
        right = self._evaluate(expr.right, scope, (path, right_segment))
        passed_right = self._via
        self._via = None
        kind = type(left)
        if kind is type(right) and kind in PRIMITIVE and symbol in PRIMITIVE[kind]:
            result = PRIMITIVE[kind][symbol](left, right)
            return checked_length(result, expr) if type(result) is str else result
        if symbol == ">>" and isinstance(left, FunctionValue) and isinstance(right, FunctionValue):
            force_defaults(left, self.force)
            return compose(expr, left, right)
        try:
            return apply_binary(self._at_author(expr, scope), left, right, self.host, path)
        except DiagnosticError as error:
            passed_on = [via for via in (passed_left, passed_right) if via is not None]
            raise DiagnosticError(*(self._at_operand(d, expr, passed_on) for d in error.diagnostics)) from None

    def _at_operand(self, found: Diagnostic, expr: ast.Binary, passed_on: Sequence[Thunk]) -> Diagnostic:
        """The complaint about an operator at the operand that the author handed to the library, with its literals."""
        own = [via for via in passed_on if self.is_authors(via.site)]
        if expr.span.file in self._library_files:
            # where both come from the author, the library mostly wants numbers
            wrong = own if len(own) == 1 else [via for via in own if isinstance(via.value, (str, bool))]
            return replace(found, span=origin_of(wrong[0], self)) if len(wrong) == 1 else found
        places = [literal_of(via, self) for via in own]
        return replace(found, labels=(*found.labels, *(Label(f"{p.text} is written", p) for p in places if p)))

    # --- functions

    def _lambda(self, expr: ast.Lambda, scope: RecordValue, path: Path) -> Closure:
        current = self._current
        site = current.site if current is not None and current.expr is expr else None
        # `f(x) = e` is a member whose value is a lambda
        name, span = (site.name, site.name_span) if isinstance(site, ast.Member) else ("", expr.span)
        positional = tuple([p.name for p in expr.parameters if p.default is None])
        # one thunk per function value: every call that uses a default shares it
        optional = {
            p.name: later(p.default, scope, (path, "." + p.name), p) for p in expr.parameters if p.default is not None
        }
        return Closure(name, span, positional, optional, expr.body, scope)

    def _call(self, expr: ast.Call, scope: RecordValue, path: Path) -> Any:
        function = self._function(expr.function, scope, path)
        names = function.positional
        positional: list[Any] = []
        named: dict[str, Any] = {}
        given = 0
        for argument in expr.arguments:
            name = argument.name
            if name is None:
                if given < len(names):
                    positional.append(later(argument.value, scope, (path, "." + names[given]), argument))
                given += 1
            elif name in function.optional:
                named[name] = later(argument.value, scope, (path, "." + name), argument)
        if given != len(names) or given + len(named) != len(expr.arguments):
            raise errors.wrong_arguments(function, expr, given)
        return self._apply(function, positional, named, path, self._author_span(expr.span, scope))

    def _apply(
        self, function: FunctionValue, positional: list[Any], named: dict[str, Any], path: Path, span: Span
    ) -> Any:
        calls = self._calls
        if len(calls) >= self.limits.calls:
            raise self._endless()
        self._applied += 1
        if not self._applied & 1023:
            self._look_up_from_work(span)
        calls.append(Call(function, span, self._current))
        try:
            if type(function) is Closure:
                members = {**function.optional, **named}
                members.update(zip(function.positional, positional, strict=True))
                return self._evaluate(function.body, RecordValue(members, function.scope, span), path)
            if type(function) is Composition:
                inner = self._apply(function.first, positional, named, (path, ".arg"), span)
                return self._apply(function.second, [inner], {}, path, span)
            assert isinstance(function, NativeFunction)
            options = {**function.optional, **named}
            arguments = [self.force(value) for value in (*positional, *options.values())]
            return _as_value(function.call(arguments, join_path(path), span), span, self)
        except (DiagnosticError, RecursionError) as error:
            # recorded while the call is still known
            self._record(error)
            raise PoisonError from None
        finally:
            calls.pop()

    def _look_up_from_work(self, span: Span) -> None:
        if self._stack.cancelled:
            raise KeyboardInterrupt
        if self._deadline is not None and time.monotonic() > self._deadline:
            message = f"evaluation takes longer than {self.limits.seconds:g} seconds"
            raise DiagnosticError(Diagnostic("GC0314", message, span))
        # those that are still open are a matter of depth
        if self._applied - self._applied_at_node - len(self._calls) > self.limits.idle_calls:
            message = f"evaluation does not end: {self.limits.idle_calls:,} calls and no node was made"
            raise DiagnosticError(Diagnostic("GC0314", message, span))

    # --- the author's text

    def is_authors(self, site: Site) -> bool:
        return written_at(site).file not in self._library_files

    def _written(self, expr: ast.Expr, value: Any) -> Span:
        """The expression whose value was just found, or, of the library's, the author's that handed it in."""
        via = self._via
        if expr.span.file in self._library_files and via is not None and via.value is value:
            return origin_of(via, self) if self.is_authors(via.site) else expr.span
        return expr.span

    def _author_span(self, span: Span, scope: RecordValue) -> Span:
        return author_span(span, scope, self._library_files) if span.file in self._library_files else span

    def _at_author(self, expr: E, scope: RecordValue) -> E:
        span = self._author_span(expr.span, scope)
        return expr if span is expr.span else replace(expr, span=span)

    # --- new

    def _new(self, expr: ast.New, scope: RecordValue, path: Path) -> Any:
        name = expr.type_name
        host = self.host
        if name not in BUILTIN_TYPES and name not in host.types:
            raise errors.unknown_type(name, expr.type_span, (*BUILTIN_TYPES, *host.types))
        record = self._evaluate(expr.argument, scope, None if name in host.empty_path_types else path)
        if not isinstance(record, RecordValue):
            raise errors.expected("record", record, self._written(expr.argument, record))
        if name in host.types:
            self._applied_at_node = self._applied
            span = self._author_span(expr.span, scope)
            value = _as_value(host.create(name, record, join_path(path), span), span, self)
        else:
            value = BUILTIN_TYPES[name](Parameters(record, name, expr.span), self.write)
        self._via = None
        return value


def _unary_path(symbol: str, path: Path) -> Path:
    return path if symbol == "+" else (path, "._negate" if symbol == "-" else "._not")


def _as_value(value: Any, span: Span, owner: Evaluator) -> Any:
    """What a host returns as a value of the language: whole numbers become Numbers, sequences arrays."""
    if type(value) is int:
        return float(value)
    if isinstance(value, (list, tuple)):
        return ArrayValue([_as_value(item, span, owner) for item in value], 0, span, owner)
    return value


_RULES: dict[type, Callable[[Any, Any, RecordValue, Path], Any]] = {
    ast.Name: Evaluator._name,
    ast.Unary: Evaluator._unary,
    ast.Binary: Evaluator._binary,
    ast.List: Evaluator._list,
    ast.Call: Evaluator._call,
    ast.Index: Evaluator._index,
    ast.Dot: Evaluator._dot,
    ast.Lambda: Evaluator._lambda,
    ast.Record: Evaluator._record_,
    ast.Array: Evaluator._array,
    ast.New: Evaluator._new,
    ast.If: Evaluator._if,
    _Application: Evaluator._application,
}
