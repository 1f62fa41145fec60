"""Text to tokens with spans; ``include`` is replaced by the tokens of the file it names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from graphc.diagnostics import Diagnostic, DiagnosticError, SourceFile, SourceText, Span
from graphc.syntax.includes import IncludePath, read_included


class Token:
    """A terminal of the grammar; ``type`` is its name there."""

    __slots__ = ("span", "text", "type")

    def __init__(self, type: str, text: str, span: Span) -> None:
        self.type = type
        self.text = text
        self.span = span


@dataclass(frozen=True)
class Terminals:
    """The terminals of the grammar as one regular expression whose groups bear their names."""

    pattern: re.Pattern[str]
    ignored: frozenset[str]

    @staticmethod
    def of(patterns: list[tuple[str, str]], ignored: frozenset[str]) -> Terminals:
        """From ``(name, regular expression)`` in the order in which they are tried."""
        groups = [*_BEFORE, *patterns, *_AFTER]
        return Terminals(re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in groups)), ignored)


# What the grammar does not know: a comment that never ends, which would read as `/` `*`; `include`; the rest.
_BEFORE = [("OPEN_COMMENT", r"/\*(?![\s\S]*?\*/)")]
_AFTER = [("INCLUDE", r"include"), ("UNEXPECTED", r"[\s\S]")]

_HINTS = {
    "^": "a power is written '**'",
    "&": "'and' is written '&&'",
    "|": "'or' is written '||', and arrays close with '|]'",
    "~": "'not' is written '!'",
    "?": "a conditional is written 'if c then a else b'",
    "$": "'$name$' is replaced only inside the configuration file, not in an included file",
    "\\": "an expression goes on over the end of a line by itself",
    # by name, for many look like plain ones in an editor
    **dict.fromkeys(
        "\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}\N{LEFT SINGLE QUOTATION MARK}"
        "\N{RIGHT SINGLE QUOTATION MARK}`",
        "strings stand between straight quotation marks, \" or '",
    ),
    **dict.fromkeys("\N{EN DASH}\N{EM DASH}\N{MINUS SIGN}", "minus is written '-'"),
    "\N{MULTIPLICATION SIGN}": "times is written '*'",
}


def tokenize(text: SourceText, terminals: Terminals, includes: IncludePath) -> Iterator[Token]:
    """Tokens of ``text`` and of the files it includes, without comments; raises `DiagnosticError`."""
    # The files being read, outermost first; iterators on a stack, because includes nest to any depth.
    open_texts: list[tuple[SourceFile, Iterator[Token]]] = [(_main_file(text), _scan(text, terminals))]
    while open_texts:
        _, tokens = open_texts[-1]
        token = next(tokens, None)
        if token is None:
            open_texts.pop()
        elif token.type == "INCLUDE":
            file = _included(token, next(tokens, None), [file for file, _ in open_texts], includes)
            open_texts.append((file, _scan(SourceText.of(file), terminals)))
        else:
            yield token


def _included(include: Token, name: Token | None, open_files: list[SourceFile], includes: IncludePath) -> SourceFile:
    if name is None or name.type != "STRING":
        span = include.span if name is None else name.span
        hint = "the name of the file stands between quotation marks: include 'file.bs'"
        raise DiagnosticError(Diagnostic("GC0153", "file name expected after 'include'", span, hint=hint))
    # A section may come from several files: the one that holds the word `include` counts as the innermost.
    including = tuple(dict.fromkeys([name.span.file, *reversed(open_files)]))
    return read_included(name.text[1:-1], name.span, including, includes)


def _main_file(text: SourceText) -> SourceFile:
    return text.origin(0)[0]


def _scan(text: SourceText, terminals: Terminals) -> Iterator[Token]:
    ignored = terminals.ignored
    locate = _locator(text)
    for match in terminals.pattern.finditer(text.text):
        kind = match.lastgroup
        if kind in ignored:
            continue
        assert kind is not None
        token = Token(kind, match[0], locate(match.start(), match.end()))
        if kind == "NAME" and not token.text.isascii():
            _check_letters(token, text, match.start())
        elif kind in ("UNEXPECTED", "OPEN_COMMENT"):
            raise DiagnosticError(_lexical_error(token, text, match.start()))
        yield token


def _locator(text: SourceText) -> Callable[[int, int], Span]:
    """`SourceText.span`, without its search where the text is one piece."""
    if len(text.pieces) != 1:
        return text.span
    file, offset = text.pieces[0].file, text.pieces[0].offset
    return lambda start, end: Span(file, offset + start, offset + end)


def _check_letters(token: Token, text: SourceText, start: int) -> None:
    # `\w` also takes digits like superscripts and fractions.
    for index, character in enumerate(token.text):
        if not ("a" + character).isidentifier():
            span = text.span(start + index, start + index + 1)
            raise DiagnosticError(Diagnostic("GC0156", f"unexpected character: {character}", span))


def _lexical_error(token: Token, text: SourceText, start: int) -> Diagnostic:
    if token.type == "OPEN_COMMENT":
        return Diagnostic("GC0158", "comment without end", token.span, hint="it ends with '*/'")
    if token.text in "\"'":
        end = text.text.find("\n", start)
        span = text.span(start, len(text) if end < 0 else max(end, start + 1))
        return Diagnostic("GC0157", "string without closing quotation mark", span)
    shown = token.text if token.text.isprintable() else f"U+{ord(token.text):04X}"
    return Diagnostic("GC0156", f"unexpected character: {shown}", token.span, hint=_HINTS.get(token.text))
