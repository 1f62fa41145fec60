"""Text in the notation of graphs to statements and values. It loads lark, so it is imported where text is read."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from graphc.diagnostics import Diagnostic, DiagnosticError, SourceFile, Span
from graphc.ir.attributes import Record, Symbol
from graphc.ir.notation import Annotation, Attribute, Call, Definition, Directive, Reference, Statement, Update
from graphc.ir.types import DynamicAxis, ElementType, Storage, TensorType


def parse_statements(file: SourceFile) -> list[Statement]:
    """The statements of a text; raises `DiagnosticError` with the first place that breaks the notation."""
    return _parse(file, "start")


def parse_value_text(text: str) -> Any:
    """See `graphc.ir.attributes.parse_value`."""
    return _parse(SourceFile("<value>", text), "value")


def _parse(file: SourceFile, start: str) -> Any:
    try:
        return _parser().parse(file.text, start=start)
    except UnexpectedInput as error:
        raise DiagnosticError(_syntax_error(file, error)) from None
    except _Unreadable as error:
        span = file.span(*_place(error.token))
        raise DiagnosticError(Diagnostic("GC0901", error.message, span)) from None


class _Unreadable(Exception):
    """A token stands where the grammar lets it, but means nothing there."""

    def __init__(self, message: str, token: Token) -> None:
        super().__init__(message)
        self.message = message
        self.token = token


@cache
def _parser() -> Lark:
    grammar = resources.files("graphc.grammar").joinpath("graph.lark").read_text("utf-8")
    options: dict[str, Any] = {"parser": "lalr", "start": ["start", "value"], "maybe_placeholders": False}
    return Lark(grammar, transformer=_Builder(visit_tokens=False), **options)


# characters: they fit 64 bits
_LONGEST_INTEGER = 18

_WORDS: dict[str, Any] = {"true": True, "false": False, "none": None}


class _Builder(Transformer[Any, Any]):
    """One method a rule of the grammar; children are what the rules below returned, and kept tokens."""

    def start(self, children: list[Any]) -> list[Statement]:
        return children

    def value(self, children: list[Any]) -> Any:
        return _plain(children[0])

    def definition(self, children: list[Any]) -> Definition:
        return Definition(children[0], children[1], children[2] if len(children) > 2 else None)

    def directive(self, children: list[Any]) -> Directive:
        word, *names = children
        return Directive(str(word), tuple(names), word.start_pos, names[-1].end if names else word.end_pos)

    def update(self, children: list[Any]) -> Update:
        word, target, expression = children
        return Update(str(word), target, expression, word.start_pos, expression.end)

    def name(self, children: list[Token]) -> Reference:
        token = children[0]
        return Reference(_text(token), token.type == "NUMBERED", *_place(token))

    def call(self, children: list[Any]) -> Call:
        word, *arguments, end = children
        operands = tuple(a for a in arguments if not isinstance(a, Attribute))
        attributes = tuple(a for a in arguments if isinstance(a, Attribute))
        return Call(str(word), operands, attributes, word.start_pos, end.end_pos)

    def attribute(self, children: list[Any]) -> Attribute:
        word, value = children
        return Attribute(str(word), _plain(value), *_place(word))

    def type(self, children: list[Token]) -> Annotation:
        element, *rest = children
        storage = Storage(str(rest.pop())) if rest and rest[-1].type == "STORAGE" else Storage.DENSE
        named = rest and rest[-1].type in ("WORD", "STRING", "ASTERISK")
        axis = DynamicAxis(_text(rest.pop())) if named else None
        shape = tuple(map(_dimension, rest))
        return Annotation(TensorType(shape, ElementType(str(element)), axis, storage), *_place(element))

    def string(self, children: list[Token]) -> str:
        return _text(children[0])

    def symbol(self, children: list[Token]) -> Any:
        word = str(children[0])
        return _WORDS[word] if word in _WORDS else Symbol(word)

    def unknown(self, children: list[Token]) -> None:
        return None

    def tuple(self, children: list[Any]) -> Any:
        return tuple(map(_plain, children))

    def record(self, children: list[Any]) -> Record:
        return Record(str(children[0]), dict(children[1:]))

    def field(self, children: list[Any]) -> Any:
        return str(children[0]), _plain(children[1])


def _place(token: Token) -> tuple[int, int]:
    assert token.start_pos is not None and token.end_pos is not None
    return token.start_pos, token.end_pos


def _text(token: Token) -> str:
    if token.type != "STRING":
        return str(token)
    try:
        text: str = json.loads(token)
        text.encode()
    except ValueError:  # an unknown escape, or half a character
        raise _Unreadable(f"{token} is no string", token) from None
    return text


def _dimension(token: Token) -> int | None:
    if token.type == "UNKNOWN":
        return None
    if token.type != "INT" or len(token) > _LONGEST_INTEGER or int(token) < 1:
        raise _Unreadable(f"{str(token)!r} is no dimension", token)
    return int(token)


def _plain(value: Any) -> Any:
    match getattr(value, "type", None):
        case "INT":
            # what no attribute can be is told by whoever wants the attribute
            return int(value) if len(value) <= _LONGEST_INTEGER else float(value)
        case "NUMBER":
            return float(value)
        case _:
            return value


# terminals as the author knows them; others are left out of hints
_SHOWN = {
    "EQUAL": "'='",
    "LPAR": "'('",
    "RPAR": "')'",
    "COMMA": "','",
    "COLON": "':'",
    "LSQB": "'['",
    "RSQB": "']'",
    "_TIMES": "'x'",
    "ELEMENT": "float32 or float64",
    "WORD": "a name",
    "_NEWLINE": "the end of the line",
}


def _syntax_error(file: SourceFile, error: UnexpectedInput) -> Diagnostic:
    found, span = _culprit(file, error)
    accepted = error.accepts if isinstance(error, UnexpectedToken) else getattr(error, "allowed", None)
    wanted = sorted({_SHOWN[name] for name in accepted or () if name in _SHOWN})
    hint = f"expected {' or '.join(wanted)}" if 0 < len(wanted) <= 4 else None
    return Diagnostic("GC0901", f"{found} is out of place", span, hint=hint)


def _culprit(file: SourceFile, error: UnexpectedInput) -> tuple[str, Span]:
    if isinstance(error, UnexpectedCharacters):
        return repr(file.text[error.pos_in_stream]), file.span(error.pos_in_stream, error.pos_in_stream + 1)
    token = getattr(error, "token", None)
    if token is None or token.type == "$END":
        end = len(file.text.rstrip())
        return "the end of the text", file.span(end, end)
    start, end = _place(token)
    if token.type == "_NEWLINE":
        return "the end of the line", file.span(start, start)
    return repr(str(token)), file.span(start, end)
