"""The notation of graphs as data: statements, whatever they are about; what they mean is decided elsewhere.

::

    z = Plus(z.PlusArgs[0], b) : float32[10 x *]      # a definition, its type checked where it is given
    %1 = Slice(x, begin=0, end=2)                     # a node without a name
    "my name" = z                                     # a second name; a name that is no plain word is quoted
    update mean = %1                                  # after a training step the parameter takes that value
    root z                                            # a list of names under a word
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from graphc.ir.types import DEFAULT_AXIS, Storage, TensorType

_PLAIN = re.compile(r"[A-Za-z_]\w*(\.\w+|\[\d+\])*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reference:
    """A name where a node is meant; ``start`` and ``end`` are places in the text, here and below.

    ``%1`` is anonymous: it holds within the text only.
    """

    name: str
    is_anonymous: bool
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Attribute:
    """``name=value`` among the arguments of a call; the value is one of `graphc.ir.attributes.parse_value`."""

    name: str
    value: Any
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Call:
    operation: str
    operands: tuple[Reference | Call, ...]
    attributes: tuple[Attribute, ...]
    start: int
    end: int


Expression = Reference | Call


@dataclass(frozen=True, slots=True)
class Annotation:
    """The type behind a definition."""

    type: TensorType
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Definition:
    target: Reference
    expression: Expression
    annotation: Annotation | None


@dataclass(frozen=True, slots=True)
class Directive:
    """A word and the names behind it."""

    word: str
    names: tuple[Reference, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Update:
    word: str
    target: Reference
    expression: Expression
    start: int
    end: int


Statement = Definition | Directive | Update
# what has a place of its own in the text
Place = Reference | Call | Attribute | Annotation | Directive | Update


def format_name(name: str) -> str:
    """The name itself, or quoted where it is no plain word."""
    return name if _PLAIN.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def format_type(type: TensorType) -> str:
    """``float32[10 x *]``, and the storage behind it where that is not dense."""
    dims = ["?" if d is None else str(d) for d in type.shape]
    if type.axis is not None:
        dims.append("*" if type.axis == DEFAULT_AXIS else format_name(type.axis.name))
    storage = "" if type.storage is Storage.DENSE else f" {type.storage.value}"
    return f"{type.element.value}[{' x '.join(dims)}]{storage}"
