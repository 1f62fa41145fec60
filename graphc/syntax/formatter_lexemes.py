"""Configurations and BrainScript cut into lexemes that lose nothing but white space, for the formatter."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cache

from graphc.diagnostics import Diagnostic, DiagnosticError, SourceFile, SourceText
from graphc.syntax.configuration_text import SCRIPT_KEYS, custom_separator, group_end, strip_comments

_BLANKS = re.compile(r"[ \t\r\n\f\v\u00a0\ufeff]+")
# to the configuration layer all others are characters like letters
_CONFIGURATION_BLANKS = " \t\u00a0"
_TEXT = re.compile(r'[^,;\r\n\[\](){}"]+')
_KEY = re.compile(r'[^,;\r\n\[\](){}"=]+')
# what `$name$` expands to may continue the word beside it
_VARIABLE = r"[\w.]*(?:\$[A-Za-z_][^,/<>?;':\"\[\]{}\\|!@#%^&*()+=~`\s$]*\$[\w.]*)+"

_SCRIPT_BEFORE = re.compile(rf"(?<![\w.$-])(?:{'|'.join(SCRIPT_KEYS)})[ \t\u00a0]*(?:=[ \t\u00a0]*)?\Z", re.IGNORECASE)
# a key of those with a generous number of blanks
_LONGEST_SCRIPT_KEY = 100

_NEXT_ELEMENT = re.compile(r"[ \t]*:")

# of sections: every level is read once more to prove that nothing changed
_MAX_DEPTH = 50

_CLOSERS = {"(": ")", "[": "]", "{": "}", "[|": "|]"}
_OPERATORS = frozenset("+ - * / .* ** % == != <= >= < > && || >> << with =>".split())  # noqa: SIM905
# behind these an operand begins, so `+` and `-` are signs and brackets make records
_BEFORE_OPERANDS = _OPERATORS | set(_CLOSERS) | set(", ; = : .. ! if then else include".split())  # noqa: SIM905


class Kind(Enum):
    """What decides about the white space around a lexeme."""

    TEXT = "text"
    VARIABLE = "variable"
    OPEN = "open"
    CLOSE = "close"
    EQUAL = "equal"  # that of a definition
    PAIR = "pair"  # blanks on both sides or on none, as the author likes: `:`, `..`, `=` of an argument
    BINARY = "binary"
    UNARY = "unary"
    COMMA = "comma"
    SEMICOLON = "semicolon"
    COMMENT = "comment"  # up to the end of the line


@dataclass(slots=True)
class Lexeme:
    """Characters ``start`` to ``end - 1`` of the text."""

    kind: Kind
    text: str
    start: int
    is_script: bool
    # the first of a definition
    begins_member: bool = False
    # an opening bracket whose contents are definitions, or the entries of a section
    holds_members: bool = False
    # white space before it may be part of a value
    keeps_gap: bool = False

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def is_comment(self) -> bool:
        return self.kind is Kind.COMMENT or (self.is_script and self.text.startswith("/*"))


def lex_script(text: str, name: str = "<string>") -> list[Lexeme]:
    """Lexemes of BrainScript; raises `DiagnosticError` where there is none, or brackets do not match."""
    return _classified(list(_scan_script(text, 0, len(text), name)), name, text)


def lex_configuration(text: str, name: str = "<string>") -> list[Lexeme]:
    """Lexemes of a configuration and of the BrainScript in it; raises `DiagnosticError`."""
    return _ConfigurationLexer(text, name).run()


def lex_description(text: str, name: str = "<string>") -> list[Lexeme]:
    """Lexemes of the network description language: those of configurations, but parentheses hold arguments."""
    lexemes = lex_configuration(text, name)
    for lexeme in lexemes:
        lexeme.keeps_gap = False
    return lexemes


# --- BrainScript


@cache
def _pattern() -> re.Pattern[str]:
    # lark costs 80 ms, and only who formats BrainScript pays
    from graphc.syntax import lalr

    return re.compile(f"(?P<VARIABLE>{_VARIABLE})|{lalr.terminals().pattern.pattern}")


def _scan_script(text: str, start: int, stop: int, name: str) -> Iterator[Lexeme]:
    for match in _pattern().finditer(text, start, stop):
        kind, word = match.lastgroup, match[0]
        if kind == "VARIABLE":
            yield Lexeme(Kind.VARIABLE, word, match.start(), True)
        elif kind == "COMMENT" or word.startswith(("//", "/*")):
            is_line = not word.startswith("/*")
            yield Lexeme(
                Kind.COMMENT if is_line else Kind.TEXT, word.rstrip() if is_line else word, match.start(), True
            )
        elif kind in ("UNEXPECTED", "OPEN_COMMENT"):
            span = SourceFile(name, text).span(match.start(), match.end())
            raise DiagnosticError(Diagnostic("GC0156", f"unexpected character: {word[:1]}", span))
        elif kind == "COMMENT" or not _BLANKS.fullmatch(word):
            yield Lexeme(_script_kind(kind, word), word, match.start(), True)


def _script_kind(terminal: str | None, word: str) -> Kind:
    if terminal in ("NAME", "NUMBER", "STRING"):
        return Kind.TEXT
    if word in _CLOSERS:
        return Kind.OPEN
    if word in _CLOSERS.values():
        return Kind.CLOSE
    if word in _OPERATORS:
        return Kind.BINARY
    return {
        ",": Kind.COMMA,
        ";": Kind.SEMICOLON,
        ":": Kind.PAIR,
        "..": Kind.PAIR,
        "=": Kind.PAIR,
        "!": Kind.UNARY,
    }.get(word, Kind.TEXT)


def _classified(lexemes: list[Lexeme], name: str, text: str) -> list[Lexeme]:
    """With what only the surroundings tell: signs, records, definitions."""
    code = [x for x in lexemes if not x.is_comment]
    partner = _partners(code, name, text)
    is_list = bool(code) and code[0].kind is not Kind.OPEN
    inside: list[bool] = [is_list]  # whether the brackets around hold definitions
    for i, lexeme in enumerate(code):
        before = code[i - 1].text if i else None
        begins_operand = before is None or before in _BEFORE_OPERANDS
        if lexeme.text in ("+", "-") and begins_operand:
            lexeme.kind = Kind.UNARY
        elif lexeme.kind is Kind.OPEN:
            is_new = i > 1 and code[i - 2].text == "new"
            lexeme.holds_members = lexeme.text in ("{", "[") and (begins_operand or is_new)
            inside.append(lexeme.holds_members)
        elif lexeme.kind is Kind.CLOSE:
            inside.pop()
        elif inside[-1] and lexeme.text == "include":
            lexeme.begins_member = True
        elif inside[-1] and lexeme.kind in (Kind.TEXT, Kind.VARIABLE):
            equal = _definition(code, partner, i)
            if equal is not None:
                lexeme.begins_member, code[equal].kind = True, Kind.EQUAL
    return lexemes


def _definition(code: Sequence[Lexeme], partner: dict[int, int], name: int) -> int | None:
    """Where the ``=`` of ``name (…) =`` stands, or none."""
    at = name + 1
    while at < len(code) and code[at].kind is Kind.OPEN:
        at = partner[at] + 1
    return at if at < len(code) and code[at].text == "=" else None


def _partners(code: Sequence[Lexeme], name: str, text: str) -> dict[int, int]:
    found: dict[int, int] = {}
    opened: list[int] = []
    for i, lexeme in enumerate(code):
        if lexeme.kind is Kind.OPEN:
            opened.append(i)
        elif lexeme.kind is Kind.CLOSE:
            if not opened or _CLOSERS[code[opened[-1]].text] != lexeme.text:
                raise _unbalanced(lexeme, name, text)
            found[opened.pop()] = i
    if opened:
        raise _unbalanced(code[opened[-1]], name, text)
    return found


def _unbalanced(lexeme: Lexeme, name: str, text: str) -> DiagnosticError:
    span = SourceFile(name, text).span(lexeme.start, lexeme.end)
    return DiagnosticError(Diagnostic("GC0155", f"'{lexeme.text}' has no partner", span))


# --- configurations


@dataclass
class _ConfigurationLexer:
    text: str
    name: str
    lexemes: list[Lexeme] = field(default_factory=list)
    # brackets that are open, and whether the entry inside each has had its `=`
    opened: list[str] = field(default_factory=lambda: ["["])
    has_equal: list[bool] = field(default_factory=lambda: [False])
    begins: bool = True
    scripts: list[range] = field(default_factory=list)
    # the text with blanks in place of comments, of the same length
    shadow: str = ""

    def run(self) -> list[Lexeme]:
        comments = list(_comments(self.text, self.name))
        parts, at = [], 0
        for comment in comments:
            parts += [self.text[at : comment.start], " " * len(comment.text)]
            at = comment.end
        self.shadow = "".join([*parts, self.text[at:]])
        self.source = SourceText.of(SourceFile(self.name, self.shadow))
        at = 0
        while at < len(self.text):
            at = self._next(at)
        inside = [range(x.start, x.end) for x in self.lexemes if "\n" in x.text or "\r" in x.text]
        kept = [c for c in comments if not any(c.start in r for r in (*inside, *self.scripts))]
        return sorted([*self.lexemes, *kept], key=lambda x: x.start)

    def _next(self, at: int) -> int:
        character = self.shadow[at]
        if self.shadow.startswith("include=", at) and (at == 0 or self.shadow[at - 1] in "\r\n"):
            # the driver's own line, which must look exactly so
            end = re.compile(r"[^\r\n]*").match(self.shadow, at)
            assert end is not None
            self._add(Kind.TEXT, at, at + len(end[0].rstrip(_CONFIGURATION_BLANKS)))
            return end.end()
        if character in "\r\n":
            self._end_entry()
            return at + 1
        if character in _CONFIGURATION_BLANKS or (character == "\ufeff" and at == 0):
            return at + 1
        if character == '"':
            end = group_end(self.source, at)
            self._add(Kind.TEXT, at, end)
            if _NEXT_ELEMENT.match(self.shadow, end):
                self.has_equal[-1] = True  # the value goes on
            else:
                self._end_entry()
            return end
        if character in "[{(":
            return self._open(at)
        if character in "]})":
            return self._close(at)
        if character in ",;":
            self._add(Kind.COMMA if character == "," else Kind.SEMICOLON, at, at + 1)
            self._end_entry()
            return at + 1
        if character == "=" and not self.has_equal[-1]:
            self.has_equal[-1] = True
            self._add(Kind.EQUAL if self.opened[-1] != "(" else Kind.TEXT, at, at + 1)
            return at + 1
        match = (_TEXT if self.has_equal[-1] else _KEY).match(self.shadow, at)
        assert match is not None
        self._add(Kind.TEXT, at, at + len(match[0].rstrip(_CONFIGURATION_BLANKS)))
        return match.end()

    def _open(self, at: int) -> int:
        if _SCRIPT_BEFORE.search(self.shadow, max(at - _LONGEST_SCRIPT_KEY, 0), at):
            end = group_end(self.source, at, script=True)
            self.scripts.append(range(at, end))
            script = self._script(at, end)
            self.lexemes += script or [Lexeme(Kind.TEXT, self.text[at:end], at, False)]
            self._end_entry()
            return end
        if custom_separator(self.shadow, at + 1):
            end = group_end(self.source, at)
            self._add(Kind.TEXT, at, end)
            self._end_entry()
            return end
        self._add(Kind.OPEN, at, at + 1)
        if len(self.opened) > _MAX_DEPTH:
            raise DiagnosticError(Diagnostic("GC0108", "brackets are nested too deeply", self.source.span(at, at + 1)))
        self.lexemes[-1].holds_members = True
        self.opened.append(self.shadow[at])
        self.has_equal.append(False)
        self.begins = True
        return at + 1

    def _close(self, at: int) -> int:
        if len(self.opened) == 1 or _CLOSERS[self.opened[-1]] != self.shadow[at]:
            raise _unbalanced(Lexeme(Kind.CLOSE, self.shadow[at], at, False), self.name, self.text)
        self._add(Kind.CLOSE, at, at + 1)
        self.opened.pop()
        self.has_equal.pop()
        self._end_entry()
        return at + 1

    def _script(self, start: int, end: int) -> list[Lexeme] | None:
        """Lexemes of a BrainScript section; none where a comment of the configuration cuts a string."""
        lexemes = list(_scan_script(self.text, start, end, self.name))
        for lexeme in lexemes:
            if lexeme.kind is not Kind.COMMENT and self.shadow[lexeme.start : lexeme.end] != lexeme.text:
                return None
        return _classified(lexemes, self.name, self.text)

    def _add(self, kind: Kind, start: int, end: int) -> None:
        lexeme = Lexeme(kind, self.text[start:end], start, False, keeps_gap=self.opened[-1] == "(")
        if kind is Kind.TEXT and self.begins:
            lexeme.begins_member, self.begins = True, False
        self.lexemes.append(lexeme)

    def _end_entry(self) -> None:
        self.has_equal[-1] = False
        self.begins = True


def _comments(text: str, name: str) -> Iterator[Lexeme]:
    """What the configuration layer takes for comments."""
    at = 0
    file = SourceFile(name, text)
    for piece in [*strip_comments(SourceText.of(file)).pieces, None]:
        end = piece.offset if piece else len(text)
        removed = text[at:end]
        # several lines may go in one
        for match in re.finditer(r"[^\r\n]+", removed):
            line = match[0].strip(_CONFIGURATION_BLANKS)
            if line:
                yield Lexeme(Kind.COMMENT, line, at + match.start() + match[0].index(line[0]), False)
        at = piece.offset + piece.length if piece else end
