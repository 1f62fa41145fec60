"""Says what is wrong where the parser finds a token that fits no rule."""

from __future__ import annotations

from graphc.diagnostics import Diagnostic, Label, Span, slips
from graphc.syntax.lexer import Token
from graphc.syntax.unbalanced import is_balanced

_CLOSING = {"LPAR": "RPAR", "LSQB": "RSQB", "LBRACE": "RBRACE", "LLIST": "RLIST"}
_CLOSERS = frozenset(_CLOSING.values())
_TEXT = {
    "RPAR": "')'",
    "RSQB": "']'",
    "RBRACE": "'}'",
    "RLIST": "'|]'",
    "EQUAL": "'='",
    "THEN": "'then'",
    "ELSE": "'else'",
    "RANGE": "'..'",
    "COLON": "':'",
    "LSQB": "'['",
    "LPAR": "'('",
}
_KEYWORDS = {"NEW", "WITH", "TRUE", "FALSE", "IF", "THEN", "ELSE", "ARRAY"}
# those long enough that a name one slip away is not just another name
_MISSPELT = ("IF", "THEN", "ELSE", "ARRAY", "NEW")
_NO_SLIPS = frozenset(["i", "f", "in", "is"])
_ENDS_OPERAND = _CLOSERS | {"NAME", "NUMBER", "STRING", "TRUE", "FALSE"}


def explain(tokens: list[Token], accepted: set[str]) -> Diagnostic:
    """The diagnostic for the last of ``tokens``, in whose place one of ``accepted`` could stand."""
    token = tokens[-1]
    previous = tokens[-2] if len(tokens) > 1 else None
    slip = _open_string(tokens) or _like_a_keyword(tokens) or _side_by_side(tokens, accepted)
    if slip is not None:
        return slip
    opening = _innermost_opening(tokens[:-1])
    code, message = _expectation(token, previous, opening, accepted)
    labels: tuple[Label, ...] = ()
    is_closer = opening is not None and token.type in (_CLOSERS | {"$END"}) - {_CLOSING[opening.type]}
    if opening is not None and (is_closer or message.startswith(_TEXT[_CLOSING[opening.type]])):
        labels = (Label(f"'{opening.text}' opened", opening.span),)
        code = "GC0155" if code == "GC0153" and is_closer else code
    return Diagnostic(code, message, token.span, labels, _hint(token, previous, opening, accepted))


def _open_string(tokens: list[Token]) -> Diagnostic | None:
    """A string of several lines right before what does not fit, or one that holds half of a bracket.

    Its end was forgotten, and the beginning of the next one closed it.
    """
    last = tokens[-1].span
    for string in tokens[:-1]:
        if string.type == "STRING" and string.span.line == last.line and not is_balanced(string.text):
            label = Label("it ends here", Span(string.span.file, string.span.end - 1, string.span.end))
            return Diagnostic("GC0157", "string without closing quotation mark", string.span, (label,))
    for string in tokens[-3:-1]:
        if string.type == "STRING" and "\n" in string.text:
            first = Span(string.span.file, string.span.start, string.span.start + string.text.index("\n"))
            label = Label("it goes on to here", tokens[-1].span)
            return Diagnostic("GC0157", "string without closing quotation mark", first, (label,))
    return None


def _like_a_keyword(tokens: list[Token]) -> Diagnostic | None:
    """A name, shortly before what does not fit or itself in the wrong place, that is one slip from a keyword."""
    last = tokens[-1]
    for name in reversed(tokens[-5:]):
        if name.type != "NAME" or name.span.line != last.span.line or name.text in _NO_SLIPS:
            continue
        meant = next((k.lower() for k in _MISSPELT if slips(name.text, k.lower(), 1) == 1), None)
        if meant:
            message = f"'{name.text}' cannot stand here"
            return Diagnostic("GC0153", message, name.span, hint=f"did you mean '{meant}'?")
    return None


def _side_by_side(tokens: list[Token], accepted: set[str]) -> Diagnostic | None:
    """What reads as a member without '=' begins right behind an operand on the same line."""
    if "EQUAL" not in accepted:
        return None
    start = _member_start(tokens)
    if start < 1:
        return None
    before, name = tokens[start - 1], tokens[start]
    if before.type not in _ENDS_OPERAND or before.span.line != name.span.line:
        return None
    message = f"operator expected between '{before.text[:40]}' and '{name.text}'"
    return Diagnostic("GC0153", message, name.span, hint="members on one line are separated by ';'")


def _member_start(tokens: list[Token]) -> int:
    """Index of the name that begins the member at the end: a name alone or with its parameters; -1 if it is none."""
    at, depth = len(tokens) - 2, 0
    while at > 0 and (depth or tokens[at].type in _CLOSERS):
        depth += (tokens[at].type in _CLOSERS) - (tokens[at].type in _CLOSING)
        at -= 1
    return at if at >= 0 and tokens[at].type == "NAME" else -1


def _expectation(token: Token, previous: Token | None, opening: Token | None, accepted: set[str]) -> tuple[str, str]:
    found = _found(token)
    if "NUMBER" in accepted:
        return "GC0150", f"operand expected, found {found}"
    if "NAME" in accepted and "SEMICOLON" not in accepted:  # where members may begin, so may `;`
        if previous is not None and previous.type in ("DOT", "NEW", "LSQB"):
            return "GC0151", f"identifier expected, found {found}"
        return "GC0152", f"argument identifier expected, found {found}"
    if "$END" in accepted:
        return "GC0154", f"junk at end of source: {found} cannot follow here"
    return "GC0153", f"{_missing(opening, accepted)} expected, found {found}"


def _missing(opening: Token | None, accepted: set[str]) -> str:
    closing = _CLOSING[opening.type] if opening is not None else ""
    # After a complete expression operators and postfixes could stand too: what must come is asked for first.
    for terminal in ("THEN", "ELSE", "RANGE", closing, "EQUAL", "COLON", "LSQB", "LPAR"):
        if terminal in accepted:
            return _TEXT[terminal]
    raise AssertionError(f"a parser state without a way on: {accepted}")


def _found(token: Token) -> str:
    if token.type == "$END":
        return "the end of the text"
    if token.type in _KEYWORDS:
        return f"the keyword '{token.text}'"
    return token.text if token.type == "STRING" and len(token.text) < 40 else f"'{token.text[:40]}'"


def _innermost_opening(tokens: list[Token]) -> Token | None:
    open_brackets: list[Token] = []
    for token in tokens:
        if token.type in _CLOSING:
            open_brackets.append(token)
        elif token.type in _CLOSERS:
            open_brackets.pop()
    return open_brackets[-1] if open_brackets else None


def _hint(token: Token, previous: Token | None, opening: Token | None, accepted: set[str]) -> str | None:
    before = previous.type if previous is not None else ""
    match token.type:
        case "COMMA" if "SEMICOLON" in accepted:
            return "members are separated by ';' or a new line, not by ','"
        case "COMMA" if opening is not None and opening.type == "LPAR" and "RPAR" in accepted:
            return "an array is written 'a : b', a function of several parameters 'f(x, y) = ...'"
        case "RPAR" | "RBRACE" if before == "COMMA":
            return "no comma stands after the last one"
        case "DOT" if "EQUAL" in accepted and "PLUS" not in accepted:
            return "the name of a member has no dots: put a record in a record"
        case "EQUAL" if "COMPARE" in accepted or "THEN" in accepted:
            return "a comparison is written '=='"
        case "RANGE" if "NUMBER" not in accepted:
            return "a range stands only in 'array[0..n](f)' and 'x[i:0..n] = ...'"
        case "STRING" if before == "STRING":
            return "quotation marks cannot be escaped or doubled: join strings in '...' and \"...\" with '+'"
        case kind if kind in _CLOSERS and opening is None:
            return "nothing opens this bracket"
        case kind if kind in _KEYWORDS and "NAME" in accepted and "NUMBER" not in accepted:
            return f"'{token.text}' is reserved and cannot be a name"
        case kind if before == "LSQB" and previous is opening and "RSQB" in accepted and kind != "$END":
            return "an array is written 'a : b' or '[| a ; b |]'"
        case _ if "ELSE" in accepted:
            return "every 'if' needs an 'else'"
        case _:
            return None
