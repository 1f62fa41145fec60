"""The network description language: text cut into statements, macro definitions and expressions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from graphc.diagnostics import Diagnostic, DiagnosticError, Diagnostics, SourceText, Span
from graphc.syntax.configuration_text import group_end, tokens, unquoted

_OPENERS = "([{"
_SKIP = re.compile(r"[\s,;\u00a0]*")
_SPACE = re.compile(r"[\s\u00a0]*")
_BLANKS = re.compile(r"[ \t\u00a0]*")
_HEAD = re.compile(r'[^=\[\](){}",;\r\n]*')
_PLAIN = re.compile(r'[^\[\](){}",;\r\n]*')
_NAME = re.compile(r"[A-Za-z_][\w.]*")
_OPTION = re.compile(r"[ \t\u00a0]*([A-Za-z_]\w*)[ \t\u00a0]*=")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_REPEATED = re.compile(r"([^*]+)\*[ \t]*(\d{1,6})")

# calls inside the arguments of calls, and repetitions in a list; more than anybody writes
_MAX_DEPTH = 50
_MAX_REPETITION = 10_000


@dataclass(frozen=True, eq=False, slots=True)
class Expression:
    """What stands behind ``=`` or in an argument list; ``text`` is all of it."""

    text: SourceText

    @property
    def span(self) -> Span:
        return self.text.span()


@dataclass(frozen=True, eq=False, slots=True)
class Literal(Expression):
    """A number, or a quoted text without its quotes."""

    value: str


@dataclass(frozen=True, eq=False, slots=True)
class Name(Expression):
    """``x`` or ``L1.FF.P``."""


@dataclass(frozen=True, eq=False, slots=True)
class Array(Expression):
    """``{2, 2}`` or ``(a : b)``."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Option:
    """``name = text`` in an argument list; quotes are stripped."""

    name: SourceText
    value: SourceText


@dataclass(frozen=True, eq=False, slots=True)
class Call(Expression):
    """A function or a macro with its arguments."""

    function: SourceText
    arguments: tuple[Expression, ...]
    options: tuple[Option, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Malformed(Expression):
    """Stands for an expression that was not understood, which has been reported."""


@dataclass(frozen=True, eq=False, slots=True)
class Statement:
    """``name = expression``; only the statements of one-line macros may lack the name."""

    name: SourceText | None
    expression: Expression


@dataclass(frozen=True, eq=False, slots=True)
class Macro:
    """``name (parameters) { body }``."""

    name: SourceText
    parameters: tuple[SourceText, ...]
    body: tuple[Statement, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Item:
    """One entry of a script before it is understood: ``head = value``, ``head group`` or ``head group value``."""

    head: SourceText
    group: SourceText | None
    value: SourceText | None
    # whether a `=` stands before the value
    has_equal: bool = False


def split_items(source: SourceText) -> Iterator[Item]:
    """Entries of a script, or of a file whose sections hold scripts; raises `DiagnosticError`."""
    text, at = source.text, 0
    while True:
        at = _end(_SKIP, text, at)
        if at == len(text):
            return
        start, at = at, _end(_HEAD, text, at)
        head = source[start:at].strip()
        found = text[at : at + 1]
        if found and found in ')]}"':
            message = f"'{found}' closes nothing" if found != '"' else "a text that no name is given to"
            raise _error("GC0155", message, source, at)
        if not head.text:
            raise _error("GC0151", f"a name expected before '{found}'", source, at)
        group = None
        if found and found in _OPENERS:
            stop = group_end(source, at)
            group, at = source[at:stop], stop
        value, has_equal, at = _value(source, at, has_group=group is not None)
        yield Item(head, group, value, has_equal)


def parse_script(source: SourceText, found: Diagnostics) -> tuple[Statement | Macro, ...]:
    """Statements and macro definitions in order of text; what is wrong goes to ``found``."""
    parts: list[Statement | Macro] = []
    try:
        for item in split_items(source):
            part = found.keep(lambda item=item: _understood(item, found))
            if part is not None:
                parts.append(part)
    except DiagnosticError as error:
        found.extend(error.diagnostics)
    return tuple(parts)


def section_text(group: SourceText) -> SourceText:
    """The text between the brackets of a section; a text without brackets is one already."""
    text = group.text
    return group[1:-1] if text[:1] and text[0] in _OPENERS and group_end(group, 0) == len(text) else group


def parse_expression(text: SourceText, depth: int = 0) -> Expression:
    """A call, name, number, quoted text or array; raises `DiagnosticError`."""
    text = text.strip()
    if depth > _MAX_DEPTH:
        raise DiagnosticError(Diagnostic("GC0108", "calls are nested too deeply", text.span(0, 1)))
    plain = unquoted(text)
    if _NUMBER.fullmatch(plain.text) or plain is not text:
        return Literal(text, plain.text)
    if text.text[:1] and text.text[0] in _OPENERS:
        return Array(text, _list(text, depth))
    name = _NAME.match(text.text)
    at = _end(_BLANKS, text.text, name.end()) if name else 0
    if name is None:
        raise DiagnosticError(_unexpected(text, 0))
    if at == len(text):
        return Name(text)
    if text.text[at] not in _OPENERS or group_end(text, at) != len(text):
        raise DiagnosticError(_unexpected(text, at))
    return _call(text, name.end(), at, depth)


def calls_in(expression: Expression) -> Iterator[Call]:
    """Every call that an expression holds, arguments before the call that they belong to."""
    match expression:
        case Call(arguments=items):
            for item in dict.fromkeys(items):
                yield from calls_in(item)
            yield expression
        case Array(items=items):
            for item in dict.fromkeys(items):
                yield from calls_in(item)
        case _:
            pass


def _understood(item: Item, found: Diagnostics) -> Statement | Macro:
    if item.group is None:
        if item.value is None:
            message = f"'{item.head}' is no statement"
            raise DiagnosticError(Diagnostic("GC0153", message, item.head.span(), hint="write name = expression"))
        value = item.value
        expression = found.keep(lambda: parse_expression(value))
        return Statement(item.head, Malformed(value) if expression is None else expression)
    if item.value is None:
        call = parse_expression(SourceText.join([item.head, item.group]))
        message = f"'{item.head} {_short(item.group)}' has neither a name nor a body"
        hint = f"write name = {item.head} (…) for a call, {item.head} (…) {{ … }} for a macro"
        raise DiagnosticError(Diagnostic("GC0153", message, call.span, hint=hint))
    return _macro(item, item.group, item.value, found)


def _macro(item: Item, group: SourceText, value: SourceText, found: Diagnostics) -> Macro:
    parameters = tuple(tokens(group, ":"))
    for parameter in parameters:
        if not _NAME.fullmatch(parameter.text):
            message = f"parameter '{parameter}' of macro {item.head} is no name"
            raise DiagnosticError(Diagnostic("GC0151", message, parameter.span()))
    text = section_text(value)
    if item.has_equal:
        return Macro(item.head, parameters, tuple(_short_statement(part, found) for part in split_items(text)))
    body = parse_script(text, found)
    for part in body:
        if isinstance(part, Macro):
            found.add(_definition_inside(part.name))
    return Macro(item.head, parameters, tuple(part for part in body if isinstance(part, Statement)))


def _short_statement(item: Item, found: Diagnostics) -> Statement:
    """A statement of a macro that is defined with ``=``, where calls need no names."""
    if item.group is None and item.value is not None:
        value, name = item.value, item.head
    elif item.value is None:
        value, name = SourceText.join([item.head, item.group] if item.group else [item.head]), None
    else:
        raise DiagnosticError(_definition_inside(item.head))
    expression = found.keep(lambda: parse_expression(value))
    return Statement(name, Malformed(value) if expression is None else expression)


def _definition_inside(name: SourceText) -> Diagnostic:
    message = f"macro {name} is defined inside of another macro"
    return Diagnostic("GC0153", message, name.span(), hint="put the one behind the other")


def _value(source: SourceText, at: int, *, has_group: bool) -> tuple[SourceText | None, bool, int]:
    """What stands behind ``=``, or the body behind the parameters of a macro, which may be on the next line."""
    text = source.text
    behind = _end(_SPACE if has_group else _BLANKS, text, at)
    if text[behind : behind + 1] == "=":
        start = _end(_SPACE if has_group else _BLANKS, text, behind + 1)
        value, stop = _expression(source, start)
        return value, True, stop
    if has_group and text[behind : behind + 1] in ("{", "["):
        stop = group_end(source, behind)
        return source[behind:stop], False, stop
    return None, False, at


def _expression(source: SourceText, start: int) -> tuple[SourceText, int]:
    text = source.text
    stop = _end(_PLAIN, text, start)
    if text[stop : stop + 1] in ("(", "[", "{", '"'):
        stop = group_end(source, stop)
    value = source[start:stop].strip()
    if not value.text:
        raise _error("GC0150", "a value expected behind '='", source, max(start - 1, 0))
    return value, stop


def _call(text: SourceText, name_end: int, at: int, depth: int) -> Call:
    arguments: list[Expression] = []
    options: list[Option] = []
    for token, count in _repeated(text[at:]):
        option = _OPTION.match(token.text)
        if option is not None:
            value = unquoted(token[option.end() :].strip())
            options.append(Option(token[option.start(1) : option.end(1)], value))
        else:
            arguments += [parse_expression(token, depth + 1)] * count
    return Call(text, text[:name_end], tuple(arguments), tuple(options))


def _list(group: SourceText, depth: int) -> tuple[Expression, ...]:
    items: list[Expression] = []
    for token, count in _repeated(group):
        items += [parse_expression(token, depth + 1)] * count
    return tuple(items)


def _repeated(group: SourceText) -> Iterator[tuple[SourceText, int]]:
    """Items of a list in brackets, and how often each stands there: ``value*count`` repeats."""
    for token in tokens(group, ":"):
        repeated = _REPEATED.fullmatch(token.text)
        if repeated is None or token.text[0] == '"':
            yield token, 1
            continue
        count = int(repeated[2])
        if count > _MAX_REPETITION:
            message = f"{count} repetitions are too many, at most {_MAX_REPETITION} are possible"
            raise DiagnosticError(Diagnostic("GC0312", message, token.span()))
        yield token[: repeated.end(1)].strip(), count


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at


def _unexpected(text: SourceText, at: int) -> Diagnostic:
    operator = re.search(r"[-+*/]", text.text)
    hint = "there are no infix operators: write Plus (a, b), Times (a, b)" if operator else None
    if not text.text:
        return Diagnostic("GC0150", "an expression expected", text.span(), hint=hint)
    return Diagnostic("GC0154", f"'{text.text[at]}' is not expected here", text.span(at, at + 1), hint=hint)


def _error(code: str, message: str, source: SourceText, at: int) -> DiagnosticError:
    return DiagnosticError(Diagnostic(code, message, source.span(at, min(at + 1, len(source)))))


def _short(text: SourceText) -> str:
    return text.text if len(text) <= 20 else "(…)"
