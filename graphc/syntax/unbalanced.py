"""Finds the bracket or quotation mark that was probably forgotten: where matching fails is often far from there."""

from __future__ import annotations

import re

from graphc.diagnostics import Diagnostic, DiagnosticError, Label, SourceText, Span

_CLOSER = {"[": "]", "{": "}", "(": ")"}
_QUOTED = r"\"[^\"\n]*\"|'[^'\n]*'"
_MARKS = re.compile(_QUOTED + "|(?P<open>[\"'])")
_COMMENTS = re.compile(rf"({_QUOTED})|//[^\n]*|/\*.*?\*/|(?<!\S)#[^\n]*", re.DOTALL)
_BLANKED = re.compile(r"//[^\n]*|/\*.*?\*/|(?<!\S)#[^\n]*|\"[^\"\n]*\"|'[^'\n]*'", re.DOTALL)


def relocated(error: DiagnosticError, source: SourceText) -> DiagnosticError:
    """The complaint at the place that quotation marks of one line, or the indentation, show; else as it is."""
    first = error.diagnostics[0]
    if first.code not in ("GC0101", "GC0102"):
        return error
    if first.message.endswith("this '\"'"):
        found = _odd_quote(source)
    else:
        found = _open_string(source, first) or _within_a_line(source) or _misindented(source)
    return DiagnosticError(found) if found else error


def _open_string(source: SourceText, mismatch: Diagnostic) -> Diagnostic | None:
    """The first line, of those before brackets do not match, whose quotation marks do not either."""
    text = _COMMENTS.sub(lambda m: m[1] or re.sub(r"[^\n]", " ", m[0]), source.text)
    at = 0
    for line in text.splitlines(keepends=True):
        mark = _left_open(line)
        if mark is not None:
            span = source.span(at + mark, at + mark + 1)
            return None if _follows(span, mismatch.span) else _unquoted(line[mark], span, mismatch)
        at += len(line)
    return None


def _left_open(line: str) -> int | None:
    """Place of the quotation mark that no other one on the line closes.

    If one is left over, it is an earlier one that holds half of a bracket: the next one closed that too soon.
    """
    marks = list(_MARKS.finditer(line))
    if not marks or not marks[-1]["open"]:
        return None
    return next((m.start() for m in marks if not m["open"] and not is_balanced(m[0])), marks[-1].start())


def is_balanced(text: str) -> bool:
    """Whether every bracket in a text has its other half."""
    opened: list[str] = []
    for bracket in re.findall(r"[\[\](){}]", text):
        if bracket in _CLOSER:
            opened.append(_CLOSER[bracket])
        elif not opened or opened.pop() != bracket:
            return False
    return not opened


def _follows(span: Span, other: Span | None) -> bool:
    return other is None or span.file is not other.file or span.start > other.start


def _unquoted(quote: str, span: Span, mismatch: Diagnostic) -> Diagnostic:
    label = Label(f"so brackets do not match: {mismatch.message}", mismatch.span)
    return Diagnostic("GC0102", f"no closing {quote} on the line of this {quote}", span, (label,))


def _odd_quote(source: SourceText) -> Diagnostic | None:
    """Quoted text may have several lines, but a value that nothing closes was mostly meant to have one."""
    at = 0
    for line in source.text.splitlines(keepends=True):
        if line.count('"') % 2:
            place = at + _culprit(line)
            return Diagnostic("GC0102", "no closing '\"' for this '\"'", source.span(place, place + 1))
        at += len(line)
    return None


def _culprit(line: str) -> int:
    """The first mark that would quote an entry or half of a bracket as well, else the last."""
    marks = [m.start() for m in re.finditer('"', line)]
    for left, right in zip(marks[::2], marks[1::2], strict=False):
        if re.search(r"[;=]", line[left:right]) or not is_balanced(line[left:right]):
            return left
    return marks[-1]


def _within_a_line(source: SourceText) -> Diagnostic | None:
    """The only bracket of a file that closes, behind other text, what stands at the end of an earlier line."""
    code = _BLANKED.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), source.text)
    opened: list[int] = []
    found: list[tuple[int, int]] = []
    for match in re.finditer(r"[\[\](){}]", code):
        if match[0] in _CLOSER:
            opened.append(match.start())
        elif not opened or _CLOSER[code[opened[-1]]] != match[0]:
            break
        else:
            opener, closer = opened.pop(), match.start()
            if (
                match[0] != ")"
                and _ends_line(code, opener)
                and not _begins_line(code, closer)
                and "\n" in code[opener:closer]
            ):
                found.append((opener, closer))
    if len(found) != 1:
        return None
    opener, closer = found[0]
    label = Label("it would close this", source.span(opener, opener + 1))
    return Diagnostic(
        "GC0101", f"'{code[closer]}' closes nothing on its line", source.span(closer, closer + 1), (label,)
    )


def _ends_line(code: str, at: int) -> bool:
    return not code[at + 1 :].partition("\n")[0].strip()


def _begins_line(code: str, at: int) -> bool:
    return not code[code.rfind("\n", 0, at) + 1 : at].strip(" \t)]}")


def _misindented(source: SourceText) -> Diagnostic | None:
    """The first closing bracket, alone at the beginning of its line, that is not indented as the line it closes."""
    code = _BLANKED.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), source.text)
    opened: list[int] = []
    for match in re.finditer(r"[\[\](){}]", code):
        if match[0] in _CLOSER:
            opened.append(match.start())
            continue
        if not opened or _CLOSER[code[opened[-1]]] != match[0]:
            return None
        opener, closer = opened.pop(), match.start()
        left, right = _indentation(code, opener), _indentation(code, closer)
        if code[code.rfind("\n", 0, closer) + 1 : closer].strip() or left == right or "\n" not in code[opener:closer]:
            continue
        bracket = code[opener]
        if left > right:
            label = Label(f"this '{match[0]}' is indented less", source.span(closer, closer + 1))
            message = f"no closing '{match[0]}' for this '{bracket}'"
            return Diagnostic("GC0102", message, source.span(opener, opener + 1), (label,))
        label = Label(f"it is indented more than this '{bracket}'", source.span(opener, opener + 1))
        return Diagnostic("GC0101", f"'{match[0]}' closes nothing", source.span(closer, closer + 1), (label,))
    return None


def _indentation(code: str, at: int) -> int:
    line = code[code.rfind("\n", 0, at) + 1 : at + 1]
    return len(line) - len(line.lstrip(" \t"))
