"""The examples on the manual pages of operators, read: an operator on operands, and what it gives.

    Example: ``Times ([2 x 3] 1 2 3 4 5 6, [3] 1 0 10) = [2] 51 62``
    Example: ``ReconcileDynamicAxis ([2 x *], [3 x w]) = [2 x w]``

Operands are shapes with the elements in order of memory, or shapes alone where only the types are shown. What ends a
shape without being a number is a dynamic axis, ``*`` the default one.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, fields
from typing import Any

from graphc.ir import DEFAULT_AXIS, DynamicAxis, ElementType, Op, TensorType

_EXAMPLE = re.compile(r"Example: ``((\w+) \((.*)\) = (\[[^]]*\])((?: -?[\d.]+)*))``")
_VALUE = re.compile(r"(\[[^]]*\])((?: -?[\d.]+)*)")
_ATTRIBUTE = re.compile(r"(\w+)=([\w.:-]+)")
# what the author's name of a node fills in
_NAME = "node"

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class Example:
    """``values`` and ``expected`` are empty where the example shows types alone."""

    text: str
    op: Op
    operands: tuple[TensorType, ...]
    values: tuple[Numbers, ...]
    result: TensorType
    expected: Numbers


def examples(cls: type[Op], element: ElementType = ElementType.FLOAT32) -> list[Example]:
    """The examples of an operator in the order of its page."""
    return [_read(cls, match, element) for match in _EXAMPLE.finditer(inspect.getdoc(cls) or "")]


def _read(cls: type[Op], match: re.Match[str], element: ElementType) -> Example:
    text, name, arguments, result, expected = match.groups()
    assert name in cls.names, text
    operands, type = _VALUE.findall(arguments), _type(result, element)
    given = _attributes(cls, _VALUE.sub("", arguments))
    if "axis" in cls.internal and type.axis is not None:  # it makes one, whose name inference finds
        given["axis"] = type.axis.name
    return Example(
        text,
        cls(**given),
        tuple(_type(shape, element) for shape, _ in operands),
        tuple(_numbers(elements) for _, elements in operands),
        type,
        _numbers(expected),
    )


def _type(text: str, element: ElementType) -> TensorType:
    *dims, last = text.strip("[]").split(" x ")
    if last.isdigit():
        return TensorType(tuple(map(int, [*dims, last])), element)
    return TensorType(tuple(map(int, dims)), element, DEFAULT_AXIS if last == DEFAULT_AXIS.name else DynamicAxis(last))


def _numbers(text: str) -> Numbers:
    return tuple(map(float, text.split()))


def _attributes(cls: type[Op], text: str) -> dict[str, Any]:
    of_author = {author: field for field, author in cls.attribute_names().items()}
    given = {of_author[name]: _attribute(value) for name, value in _ATTRIBUTE.findall(text)}
    has_name = cls.identified and any(f.name == "name" for f in fields(cls))  # pyright: ignore[reportArgumentType]
    return given | ({"name": _NAME} if has_name else {})


def _attribute(text: str) -> Any:
    if ":" in text:
        return [_attribute(part) for part in text.split(":")]
    if re.fullmatch(r"-?[\d.]+", text):
        return float(text) if "." in text else int(text)
    return {"true": True, "false": False}.get(text, text)
