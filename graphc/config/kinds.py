"""How the text of a configuration key becomes a typed value: one reader for each kind of key."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphc.config.schedule import Schedule, single
from graphc.diagnostics import DiagnosticError
from graphc.syntax.configuration import ConfigurationValue


@dataclass(frozen=True, slots=True)
class Kind:
    """What a key's value must be, in words, and the function that reads it."""

    name: str
    read: Callable[[ConfigurationValue], Any]


def integer(least: int | None = None) -> Kind:
    return Kind("integer", lambda value: _whole(value, least))


def number(least: float = -math.inf, below: float = math.inf) -> Kind:
    return Kind("number", lambda value: _within(value, least, below))


def sizes(least: int = 1) -> Kind:
    """An integer an epoch."""
    return Kind("integers, one an epoch", lambda value: Schedule(tuple(_whole(v, least) for v in _several(value))))


def integers(least: int) -> Kind:
    """A list of integers, where ``value*count`` repeats."""
    return Kind("integers", lambda value: tuple(_whole(v, least) for v in value.array()))


def schedule(least: float = -math.inf, below: float = math.inf) -> Kind:
    """A 32-bit number an epoch."""

    def read(value: ConfigurationValue) -> Schedule[float]:
        return Schedule(tuple(single(_within(v, least, below)) for v in _several(value)))

    return Kind("numbers, one an epoch", read)


def choice(*options: str, **synonyms: str) -> Kind:
    """One of the options in any case; a synonym stands for the option that it names, empty text for the first."""

    def read(value: ConfigurationValue) -> str:
        if not value.string():
            return options[0]
        found = value.choice((*options, *synonyms))
        return synonyms.get(found, found)

    return Kind(f"one of {', '.join(options)}", read)


def choices(*options: str) -> Kind:
    """Several of the options, in any case; no text means the first."""
    one = choice(*options)
    read = lambda value: tuple(one.read(v) for v in value.plain_array()) or options[:1]  # noqa: E731
    return Kind(f"some of {', '.join(options)}", read)


def exactly(*options: str) -> Kind:
    """One of the options, spelt exactly so."""

    def read(value: ConfigurationValue) -> str:
        found = value.choice(options)
        if found != value.string():
            raise value.error("GC0502", f"'{value.string()}' must be written {found}")
        return found

    return Kind(f"one of {', '.join(options)}", read)


def _device(value: ConfigurationValue) -> str | int:
    text = value.string()
    if text.lower() in ("auto", "cpu"):
        return text.lower()
    try:
        return value.integer()
    except DiagnosticError:
        raise value.error("GC0502", f"'{text}' is no device", "write auto, cpu or the number of a GPU") from None


def _switch(value: ConfigurationValue) -> bool:
    """A boolean that also knows the words of older readers."""
    words = {"none": False, "no": False, "auto": True}
    found = words.get(value.string().lower())
    return value.boolean() if found is None else found


string = Kind("text", ConfigurationValue.string)
boolean = Kind("boolean", ConfigurationValue.boolean)
switch = Kind("boolean, none or auto", _switch)
strings = Kind("names", lambda value: tuple(v.string() for v in value.plain_array()))
device = Kind("auto, cpu or a GPU's number", _device)
section = Kind("section", ConfigurationValue.record)


def out_of_range(value: ConfigurationValue, found: str, expected: str) -> DiagnosticError:
    return value.error("GC0503", f"{found} is out of range, expected {expected}")


def _several(value: ConfigurationValue) -> tuple[ConfigurationValue, ...]:
    values = value.array()
    if not values:
        raise value.error("GC0503", "needs at least one value")
    return values


def _whole(value: ConfigurationValue, least: int | None) -> int:
    found = value.integer()
    if least is not None and found < least:
        raise out_of_range(value, str(found), f"at least {least}")
    return found


def _within(value: ConfigurationValue, least: float, below: float) -> float:
    found = value.number()
    if math.isnan(found) or found < least or (found >= below and math.isfinite(below)):
        limits = [f"at least {least:g}"] if math.isfinite(least) else []
        limits += [f"below {below:g}"] if math.isfinite(below) else []
        raise out_of_range(value, value.string(), " and ".join(limits) or "a number")
    return found
