"""Says what is wrong where the parser finds a token that fits no rule."""

from __future__ import annotations

from graphc.diagnostics import Diagnostic, Label
from graphc.syntax.lexer import Token

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


def explain(tokens: list[Token], accepted: set[str]) -> Diagnostic:
    """The diagnostic for the last of ``tokens``, in whose place one of ``accepted`` could stand."""
    token = tokens[-1]
    previous = tokens[-2] if len(tokens) > 1 else None
    opening = _innermost_opening(tokens[:-1])
    code, message = _expectation(token, previous, opening, accepted)
    labels: tuple[Label, ...] = ()
    if opening is not None and token.type in (_CLOSERS | {"$END"}) - {_CLOSING[opening.type]}:
        labels = (Label(f"'{opening.text}' opened", opening.span),)
        code = "GC0155" if code == "GC0153" else code
    return Diagnostic(code, message, token.span, labels, _hint(token, previous, opening, accepted))


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
