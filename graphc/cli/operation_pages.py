"""The manual pages of operations, for ``graphc ops``, ``graphc help`` and docs/operators: all from their classes."""

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import cache
from typing import Any

import graphc.ops  # noqa: F401  (fills the registry)
from graphc.ir import Cost, Op
from graphc.ir.node import REGISTRY
from graphc.network.special import NETWORK_OPERATIONS
from graphc.ops.examples import Example, examples

_EXAMPLES = re.compile(r"\n*^Example: ``.*``$", re.MULTILINE)
_CODE = re.compile(r"``?([^`]+)``?")
_KINDS = {
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "str": "text",
    "Shape": "shape",
    "tuple[int, ...]": "integers",
    "tuple[float, ...]": "numbers",
    "tuple[bool, ...]": "true or false, several",
}


@cache
def families() -> Mapping[str, tuple[type[Op], ...]]:
    """Every operation under its family, both in order of the alphabet."""
    found: dict[str, set[type[Op]]] = {}
    for cls in (*REGISTRY.values(), *NETWORK_OPERATIONS):
        found.setdefault(cls.family, set()).add(cls)
    return {name: tuple(sorted(found[name], key=lambda cls: cls.names[0].lower())) for name in sorted(found)}


def form(cls: type[Op]) -> str:
    """The operation with the names of its inputs; brackets mark those that may be left out."""
    least, most = cls.arity
    shown = [o if i < max(least, 1) else f"[{o}]" for i, o in enumerate(cls.operands)]
    return f"{cls.names[0]} ({', '.join(shown)}{', …' if most is None else ''})" if shown else cls.names[0]


def summary(cls: type[Op]) -> str:
    """The first sentence of the page, on one line."""
    return _plain(_text(cls).partition("\n\n")[0].replace("\n", " "))


def page(cls: type[Op]) -> str:
    """The page for a terminal."""
    lines = [f"operation {form(cls)}"]
    if cls.names[1:]:
        lines.append(f"  also called {', '.join(cls.names[1:])}")
    lines += textwrap.indent(_plain(_text(cls)), "  ").splitlines()
    shown = examples(cls)
    lines += ["", *(f"  Example: {example.text}" for example in shown)] if shown else []
    facts = {"attributes": list(_attributes(cls)), **_facts(cls)}
    for title, rows in facts.items():
        lines += [f"  {title}:", *(f"    {row}" for row in rows)] if rows else []
    return "\n".join(lines)


def section(cls: type[Op]) -> str:
    """The page as a section of Markdown."""
    lines = [f"## `{form(cls)}`", ""]
    if cls.names[1:]:
        lines += [f"Also called {', '.join(f'`{name}`' for name in cls.names[1:])}.", ""]
    lines += [_text(cls).replace("``", "`")]
    if shown := examples(cls):
        lines += ["", "```", *(example.text for example in shown), "```"]
    if rows := list(_attributes(cls)):
        lines += ["", "Attributes:", "", *(f"* `{row.partition(':')[0]}`:{row.partition(':')[2]}" for row in rows)]
    for title, rows in _facts(cls).items():
        lines += ["", f"{title[0].upper()}{title[1:]}: {'; '.join(rows)}."] if rows else []
    return "\n".join(lines)


def _text(cls: type[Op]) -> str:
    return _EXAMPLES.sub("", inspect.getdoc(cls) or "").strip()


def _plain(text: str) -> str:
    return _CODE.sub(r"\1", text)


def _facts(cls: type[Op]) -> Mapping[str, list[str]]:
    inputs = cls.operands
    sparse = [inputs[i] for i in sorted(cls.takes_sparse) if i < len(inputs)]
    without = [inputs[i] for i in sorted(cls.no_gradient) if i < len(inputs)]
    return {
        "may be sparse": [", ".join(sparse)] if sparse else [],
        "without gradient": [", ".join(without)] if without else [],
        "cost of the first example" if len(examples(cls)) > 1 else "cost of the example": _cost(cls),
    }


def _cost(cls: type[Op]) -> list[str]:
    shown = examples(cls)
    return [_cost_in_words(shown[0])] if shown else []


def _cost_in_words(example: Example) -> str:
    cost: Cost = example.op.cost(example.result, *example.operands)
    unit = " a frame" if any(t.axis is not None for t in (example.result, *example.operands)) else ""
    return f"{cost.flops:g} floating-point operations, {cost.bytes:g} bytes read and written{unit}"


def _attributes(cls: type[Op]) -> Iterator[str]:
    fields = {f.name: f for f in dataclasses.fields(cls)}  # pyright: ignore[reportArgumentType]
    for field, author in cls.attribute_names().items():
        default = fields[field].default
        annotation = str(fields[field].type)
        kind = _KINDS.get(annotation.removesuffix(" | None"), annotation)
        yield f"{author}: {kind}" + ("" if default is dataclasses.MISSING else f", default {in_words(default)}")


def in_words(value: Any) -> str:
    """A default as an author writes it."""
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:g}"
        case tuple():
            return ":".join(map(in_words, value)) or "none"
        case Enum():
            return str(value.value)
        case "" | " ":
            return f'"{value}"'
        case _:
            return str(value)
