"""Values as text: C's conversions for ``Format``, and what ``Print`` shows of records and arrays."""

from __future__ import annotations

import re
from typing import Any

from graphc.diagnostics import Span
from graphc.script.errors import unsuitable
from graphc.script.values import ArrayValue, RecordValue, describe

_HOW = re.compile(r"[-+ #0]*[0-9]{0,4}(?:\.[0-9]{0,4})?")
_INT = 1 << 31
# A record may contain itself.
_MOST_PARTS = 100_000


def format_value(value: Any, how: str, span: Span) -> str:
    """``%`` + how + conversion of each number and string in ``value``; forces what it contains."""
    if "%" in how:
        raise unsuitable("a format must not contain %: it is what stands between the % and the letter", span)
    if not _HOW.fullmatch(how):
        raise unsuitable(f"'{how}' is not a format: flags, width and precision, for example '08.3'", span)
    parts: list[str] = []
    # a stack: arrays nest as deep as Repeat() counts
    pending: list[Any] = [value]
    while pending:
        if len(parts) > _MOST_PARTS:
            return "".join([*parts, " …"])
        item = pending.pop()
        match item:
            case _Text():
                parts.append(item)
            case ArrayValue():
                pending.extend(reversed(_array_parts(item)))
            case RecordValue():
                pending.extend(reversed(_record_parts(item)))
            case _:
                parts.append(_leaf(item, how))
    return "".join(parts)


class _Text(str):
    """Punctuation between values, as opposed to a string that is one."""


def _array_parts(array: ArrayValue) -> list[Any]:
    parts: list[Any] = [_Text("(")]
    for i, item in enumerate(array.items):
        parts += [_Text(" : " if i else " "), array.owner.force(item)]
    return [*parts, _Text(" )")]


def _record_parts(record: RecordValue) -> list[Any]:
    parts: list[Any] = [_Text("[")]
    for i, name in enumerate(sorted(record.members)):
        parts += [_Text(f"{' ;' if i else ''} {name} = "), record.lookup(name)]
    return [*parts, _Text(" ]")]


def _leaf(value: Any, how: str) -> str:
    if type(value) is str:
        # C ignores a zero flag before %s, Python does too
        return f"%{how}s" % value
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is float:
        return f"%{how}d" % int(value) if value.is_integer() and abs(value) < _INT else f"%{how}f" % value
    return describe(value)
