"""The canonical form of configurations, BrainScript, NDL and MEL: the author's lines and lexemes, other white space.

Lines are never broken nor joined and nothing but white space changes. What is aligned stays aligned: `=` and comments
of neighbouring lines, and lines that begin below what follows an opening bracket or a `=`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from graphc.diagnostics import Diagnostic, DiagnosticError, Diagnostics, SourceFile, SourceText
from graphc.syntax.brainscript import parse_expression, parse_members
from graphc.syntax.configuration_text import SCRIPT_KEYS, Entry, read_entries, strip_comments, tokens
from graphc.syntax.formatter_lexemes import Kind, Lexeme, lex_configuration, lex_description, lex_script
from graphc.syntax.mel import Command, Line, Snippet, Statement, read_script
from graphc.syntax.ndl import split_items

_INDENT = 4
# columns of the author's tabs
_TAB = 4
# two or three settle every text that was seen
_MOST_PASSES = 10
_LINE_END = re.compile(r"\r\n?|\n")
# an included file may be out of reach: the text can be formatted all the same
_ABOUT_INCLUDES = {"GC0002", "GC0161", "GC0162"}


def format_script(text: str, name: str = "<string>") -> str:
    """Canonical form of BrainScript, which parses to an equal tree; raises `DiagnosticError` where it does not parse.

    >>> format_script("f(x)={\\ny=x*2 // twice\\n}.y")
    'f(x) = {\\n    y = x * 2  // twice\\n}.y\\n'
    """
    tree = _tree(text, name)
    lexemes = lex_script(text, name)
    result = _settled(text, lambda t: lex_script(t, name))
    again = lex_script(result, name)
    if not (_same_lexemes(lexemes, again) and _same_tree(_tree(result, name), tree)):
        raise _unsafe(name, text)
    return result


def format_configuration(text: str, name: str = "<string>") -> str:
    """Canonical form of a configuration, whose entries are equal; raises `DiagnosticError` where it is malformed.

    >>> format_configuration("Train=[\\naction=train;SGD=[ maxEpochs=2 ]\\n]\\n")
    'Train = [\\n    action = train; SGD = [ maxEpochs = 2 ]\\n]\\n'
    """
    entries = _entries(text, name)
    lexemes = lex_configuration(text, name)
    result = _settled(text, lambda t: lex_configuration(t, name))
    if not _same_lexemes(lexemes, lex_configuration(result, name)):
        raise _unsafe(name, text)
    try:
        is_equal = _equal(entries, _entries(result, name))
    except RecursionError:
        message = "brackets are nested too deeply"
        raise DiagnosticError(Diagnostic("GC0108", message, SourceFile(name, text).span(0, 1))) from None
    if not is_equal:
        raise _unsafe(name, text)
    return result


def format_description(text: str, name: str = "<string>") -> str:
    """Canonical form of the network description language, with equal statements; raises `DiagnosticError`.

    >>> format_description("FF(X,W)\\n{\\nT=Times(W,X) # z\\n}\\n")
    'FF(X, W)\\n{\\n    T = Times(W, X)  # z\\n}\\n'
    """
    items = _items(text, name)
    lexemes = lex_description(text, name)
    result = _settled(text, lambda t: lex_description(t, name))
    if not (_same_lexemes(lexemes, lex_description(result, name)) and _items(result, name) == items):
        raise _unsafe(name, text)
    return result


def format_edits(text: str, name: str = "<string>") -> str:
    """Canonical form of a script of edits (MEL), with equal statements; raises `DiagnosticError`.

    >>> format_edits("m=LoadModel(x.dnn,format = cntk)\\nRename(L1.* ,L2.*)\\n")
    'm = LoadModel(x.dnn, format = cntk)\\nRename(L1.*, L2.*)\\n'
    """
    statements = _edits(text, name)
    lexemes = lex_description(text, name)
    result = _settled(text, lambda t: lex_description(t, name))
    if not (_same_lexemes(lexemes, lex_description(result, name)) and _edits(result, name) == statements):
        raise _unsafe(name, text)
    return result


# --- the proof that nothing changed


def _edits(text: str, name: str) -> list[list[str]]:
    """Commands with their arguments, and lines of network description without the blanks that nothing reads."""
    found = Diagnostics()
    script = read_script(strip_comments(SourceText.of(SourceFile(name, text))), found)
    found.raise_errors()
    bodies = [_bare_lines(macro.text) for macro in script.macros]
    return [*bodies, *(_edit(statement) for statement in script.statements)]


def _edit(statement: Statement) -> list[str]:
    match statement:
        case Command(name=name, arguments=arguments, target=target):
            return [name.text, *(a.text for a in arguments), *([target.text] if target else [])]
        case Snippet(target=target, body=body):
            return [target.text, *_bare_lines(body.text)]
        case Line(text=text):
            return _bare_lines(text.text)


def _items(text: str, name: str) -> list[list[str]]:
    """The lines of each statement, macro and section, without the blanks that nothing reads."""
    source = strip_comments(SourceText.of(SourceFile(name, text)))
    parts = (part for item in split_items(source) for part in (item.head, item.group, item.value))
    return [_bare_lines(part.text) if part else [] for part in parts]


def _bare_lines(text: str) -> list[str]:
    lines = (re.sub(r"[ \t\u00a0]+", "", line) for line in _LINE_END.split(text))
    return [line for line in lines if line]


def _tree(text: str, name: str) -> object:
    source = SourceText.of(SourceFile(name, text))
    is_expression = text.lstrip("\ufeff \t\r\n")[:1] in ("{", "[", "(")
    try:
        return parse_expression(source) if is_expression else parse_members(source)
    except DiagnosticError as error:
        if all(d.code in _ABOUT_INCLUDES for d in error.diagnostics):
            return None
        raise


def _same_tree(one: object, other: object) -> bool:
    try:
        return one == other
    except RecursionError:
        return True  # of equal lexemes the parser makes equal trees, so this is the second proof of one thing


def _entries(text: str, name: str) -> dict[str, Entry]:
    return read_entries(strip_comments(SourceText.of(SourceFile(name, text))))


def _same_lexemes(before: Sequence[Lexeme], after: Sequence[Lexeme]) -> bool:
    return [(x.kind, x.text) for x in before] == [(x.kind, x.text) for x in after]


def _equal(before: dict[str, Entry], after: dict[str, Entry]) -> bool:
    return list(before) == list(after) and all(
        one.key.text == other.key.text and _equal_values(one, other)
        for one, other in zip(before.values(), after.values(), strict=True)
    )


def _equal_values(before: Entry, after: Entry) -> bool:
    if before.key.text.lower() in SCRIPT_KEYS:
        return _words(before.value.text) == _words(after.value.text)
    return _equal_texts(before.value, after.value)


def _words(script: str) -> list[str]:
    return [x.text for x in lex_script(script) if x.kind is not Kind.COMMENT]


def _equal_texts(before: SourceText, after: SourceText) -> bool:
    """Whether two values are the same text but for white space that no reader of sections and lists sees."""
    if before.text == after.text:
        return True
    starts = [m.start() if m else None for m in (re.search(r"[\[{(]", t.text) for t in (before, after))]
    if starts[0] is None or starts[0] != starts[1]:
        return False
    group, other = before[starts[0] :], after[starts[0] :]
    return before.text[: starts[0]] == after.text[: starts[0]] and _equal_groups(group, other)


def _equal_groups(before: SourceText, after: SourceText) -> bool:
    if any("=" in t.text for t in tokens(before) if t.text[0] not in "[{("):
        return _equal(read_entries(before), read_entries(after))
    items, others = (list(tokens(t)) for t in (before, after))
    if len(items) == 1:
        items, others = (list(tokens(t, ":")) for t in (before, after))
    return len(items) == len(others) and all(map(_equal_texts, items, others))


def _unsafe(name: str, text: str) -> DiagnosticError:
    message = f"{name} is left as it is: formatting would change its meaning"
    hint = "this should not happen; please report it with the file"
    return DiagnosticError(Diagnostic("GC0006", message, SourceFile(name, text).span(0, 1), hint=hint))


# --- layout


@dataclass
class _Line:
    """Lexemes of one line, the white space before each, and whether a blank line stands above."""

    lexemes: list[Lexeme]
    gaps: list[str]
    below_blank: bool
    # brackets open at its beginning
    depth: int
    indent: int = 0

    def width(self, count: int | None = None) -> int:
        """Columns up to the end of a lexeme, without the indentation."""
        return len(self.text(count))

    def text(self, count: int | None = None) -> str:
        return "".join(gap + x.text for gap, x in list(zip(self.gaps, self.lexemes, strict=True))[:count])

    @property
    def comment(self) -> Lexeme | None:
        return self.lexemes[-1] if self.lexemes[-1].kind is Kind.COMMENT else None

    @property
    def is_comment(self) -> bool:
        return all(x.is_comment for x in self.lexemes)


@dataclass
class _Anchor:
    """A column that lines below may be aligned to, as it was and as it is."""

    before: int
    after: int


@dataclass
class _Scope:
    """An open bracket: how the lines inside it are indented, and that which closes it."""

    holds_members: bool
    is_script: bool
    indent: int
    closing: int
    anchor: _Anchor | None = None
    # of the value of the definition that is being read
    value: _Anchor | None = None


@dataclass
class _Layout:
    columns: dict[int, int]
    scopes: list[_Scope] = field(default_factory=list)

    def indent(self, lines: Sequence[_Line]) -> None:
        # a comment stands where what follows it stands
        deciding: list[Lexeme | None] = []
        below: Lexeme | None = None
        for line in reversed(lines):
            below = next((x for x in line.lexemes if not x.is_comment), below)
            deciding.append(below)
        for line, decides in zip(lines, reversed(deciding), strict=True):
            line.indent = self._indentation(line.lexemes[0], decides)
            self._read(line)

    def _indentation(self, first: Lexeme, deciding: Lexeme | None) -> int:
        scope = self.scopes[-1]
        if first.kind is Kind.CLOSE:
            return scope.closing
        indent, anchor = scope.indent, scope.anchor
        continues = deciding is not None and deciding.kind is not Kind.CLOSE and not deciding.begins_member
        if scope.is_script and scope.holds_members and continues:
            indent, anchor = scope.indent + _INDENT, scope.value
        is_aligned = anchor is not None and self.columns[first.start] == anchor.before
        return anchor.after if anchor is not None and is_aligned else indent

    def _read(self, line: _Line) -> None:
        """Follow the brackets of a line."""
        indent = column = line.indent
        pending: list[tuple[_Scope, str]] = []
        for gap, lexeme in zip(line.gaps, line.lexemes, strict=True):
            column += len(gap)
            anchor = _Anchor(self.columns[lexeme.start], column)
            *_, last = pieces = _LINE_END.split(lexeme.text)
            column = len(last) + (column if len(pieces) == 1 else 0)
            if not lexeme.is_comment:
                for scope, which in pending:
                    setattr(scope, which, anchor)
                pending = []
            scope = self.scopes[-1]
            if lexeme.begins_member:
                scope.value = None
            if lexeme.kind is Kind.EQUAL:
                pending.append((scope, "value"))
            elif lexeme.kind is Kind.OPEN:
                inner = _Scope(lexeme.holds_members, lexeme.is_script, indent + _INDENT, indent)
                self.scopes.append(inner)
                pending.append((inner, "anchor"))
            elif lexeme.kind is Kind.CLOSE:
                # what opens behind it belongs to the line where this was opened
                indent = self.scopes.pop().closing


def _settled(text: str, lex: Callable[[str], list[Lexeme]]) -> str:
    """The layout that another pass leaves alone: what one puts into a column by chance, the next takes for aligned."""
    for _ in range(_MOST_PASSES):
        result = _layout(text, lex(text))
        if result == text:
            break
        text = result
    return text


def _layout(text: str, lexemes: list[Lexeme]) -> str:
    if not lexemes:
        return text
    columns = _columns(text, lexemes)
    lines = list(_lines(text, lexemes))
    _align_equals(lines, columns)
    first = lexemes[0]
    is_list = next((x.kind is not Kind.OPEN for x in lexemes if x.kind is not Kind.COMMENT), True)
    _Layout(columns, [_Scope(is_list, first.is_script, 0, 0)]).indent(lines)
    _align_comments(lines, columns)
    end = _LINE_END.search(text)
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    return mark + "".join(_rendered(lines, end[0] if end else "\n"))


def _rendered(lines: Iterable[_Line], line_end: str) -> Iterator[str]:
    for number, line in enumerate(lines):
        if number and line.below_blank:
            yield line_end
        yield " " * line.indent + line.text() + line_end


def _columns(text: str, lexemes: Iterable[Lexeme]) -> dict[int, int]:
    """Column of each lexeme, from 0, by its place in the text."""
    found, line_start, at = {}, 0, 0
    for lexeme in lexemes:
        for match in _LINE_END.finditer(text, at, lexeme.start):
            line_start = match.end()
        found[lexeme.start] = len(text[line_start : lexeme.start].lstrip("\ufeff").expandtabs(_TAB))
        at = lexeme.start
    return found


def _lines(text: str, lexemes: Sequence[Lexeme]) -> Iterator[_Line]:
    line: _Line | None = None
    depth = 0
    previous: Lexeme | None = None
    for number, lexeme in enumerate(lexemes):
        between = text[previous.end : lexeme.start] if previous else ""
        breaks = len(_LINE_END.findall(between))
        if line is None or breaks:
            if line is not None:
                yield line
            line = _Line([lexeme], [""], breaks > 1, depth)
        else:
            assert previous is not None
            following = lexemes[number + 1] if number + 1 < len(lexemes) else None
            before = lexemes[number - 2] if number > 1 else None
            gap = between if lexeme.keeps_gap else _gap(text, before, previous, lexeme, following)
            line.lexemes.append(lexeme)
            line.gaps.append("  " if lexeme.kind is Kind.COMMENT and len(between) < 2 else gap)
        if lexeme.kind is Kind.OPEN:
            depth += 1
        elif lexeme.kind is Kind.CLOSE:
            depth -= 1
        previous = lexeme
    if line is not None:
        yield line


def _gap(text: str, before: Lexeme | None, left: Lexeme, right: Lexeme, following: Lexeme | None) -> str:
    """White space between neighbours of one line."""
    between = text[left.end : right.start]
    as_written = " " if between else ""
    if right.kind is Kind.COMMENT:
        return " " * max(len(between.expandtabs(_TAB)), 2)
    if not right.is_script or not left.is_script:
        return _configuration_gap(left, right, between)
    if Kind.VARIABLE in (left.kind, right.kind):
        return as_written
    if right.kind is Kind.COMMA:
        return ""
    if left.kind in (Kind.COMMA, Kind.SEMICOLON) or Kind.EQUAL in (left.kind, right.kind):
        return " "
    if Kind.BINARY in (left.kind, right.kind) and left.kind is not Kind.UNARY:
        return " "
    if left.kind is Kind.PAIR:
        return " " if between or _is_apart(text, before, left) else ""
    if right.kind is Kind.PAIR:
        return " " if between or _is_apart(text, right, following) else ""
    return as_written


def _is_apart(text: str, left: Lexeme | None, right: Lexeme | None) -> bool:
    """Whether white space, but no line end, stands between two lexemes."""
    between = text[left.end : right.start] if left and right and right.kind is not Kind.COMMENT else ""
    return bool(between) and not _LINE_END.search(between)


def _configuration_gap(left: Lexeme, right: Lexeme, between: str) -> str:
    if right.text.startswith("#"):
        # behind a blank it would begin a comment
        return between
    if Kind.EQUAL in (left.kind, right.kind):
        return " "
    if right.kind is Kind.COMMA:
        return ""
    if left.kind in (Kind.COMMA, Kind.SEMICOLON):
        return " "
    if left.kind is Kind.OPEN or right.kind in (Kind.CLOSE, Kind.SEMICOLON):
        return " " if between else ""
    return between  # part of a value


# --- alignment


def _align_equals(lines: Sequence[_Line], columns: dict[int, int]) -> None:
    """Signs of neighbouring definitions that stood in one column do so again."""
    run: list[tuple[_Line, int]] = []
    for line in lines:
        if line.is_comment and not line.below_blank:
            continue
        at = _first_equal(line)
        if run and (at is None or line.below_blank or not _is_below(run[-1], (line, at), columns)):
            _align_run(run, columns)
            run = []
        if at is not None:
            run.append((line, at))
    _align_run(run, columns)


def _first_equal(line: _Line) -> int | None:
    if not line.lexemes[0].begins_member:
        return None
    at = next((i for i, x in enumerate(line.lexemes) if x.kind is Kind.EQUAL), None)
    return None if at is None or _LINE_END.search(line.text(at)) else at


def _is_below(upper: tuple[_Line, int], lower: tuple[_Line, int], columns: dict[int, int]) -> bool:
    (one, i), (other, j) = upper, lower
    return one.depth == other.depth and columns[one.lexemes[i].start] == columns[other.lexemes[j].start]


def _align_run(run: Sequence[tuple[_Line, int]], columns: dict[int, int]) -> None:
    apart = [columns[x.lexemes[i].start] - columns[x.lexemes[i - 1].start] - len(x.lexemes[i - 1].text) for x, i in run]
    if len(run) < 2 or max(apart) < 2:
        return
    width = max(line.width(i) for line, i in run)
    for line, i in run:
        line.gaps[i] = " " * (width - line.width(i) + 1)


def _align_comments(lines: Sequence[_Line], columns: dict[int, int]) -> None:
    """Comments of neighbouring lines that stood in one column do so again, those on lines of their own below too."""
    run: list[_Line] = []
    for line in lines:
        comment = None if _LINE_END.search(line.text(-1)) else line.comment
        follows = run and not line.below_blank
        if comment is None or not follows or columns[comment.start] != columns[run[-1].lexemes[-1].start]:
            _align_comment_run(run)
            run = []
        if comment is not None and (run or not line.is_comment):
            run.append(line)
    _align_comment_run(run)


def _align_comment_run(run: Sequence[_Line]) -> None:
    if len(run) < 2:
        return
    code = [line for line in run if not line.is_comment]
    ends = [line.indent + line.width(-1) for line in code]
    column = max(ends) + min(len(line.gaps[-1]) for line in code)
    for line, end in zip(code, ends, strict=True):
        line.gaps[-1] = " " * (column - end)
    for line in run:
        if line.is_comment:
            line.indent = column
