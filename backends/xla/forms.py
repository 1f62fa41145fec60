"""Which form of an operator XLA is given: the fastest of those measured at the nearest shape on that platform.

XLA compiles equal mathematics into programs that differ by factors of ten and more. ``measured.json`` beside this file
holds microseconds of the quickest call; ``python -m benchmarks.operators --write`` makes the part of the platform that
it runs on. On a platform that was never measured the plain form is taken, the operator's one XLA operation.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jax import lax

# what a shape is to the table: words must be equal, numbers as near as possible
Facts = Mapping[str, int | str]
# name → form, the plain one first
Forms = Mapping[str, Callable[..., Any]]

# so much faster must another form be than the plain one: less is noise
_MARGIN = 1.25

TABLE = Path(__file__).with_name("measured.json")


@dataclass(frozen=True)
class Measurement:
    """Microseconds of the forms of an operator at one shape, by what was computed: ``value``, ``gradient`` …"""

    facts: Facts
    microseconds: Mapping[str, Mapping[str, float]]


@cache
def measurements() -> Mapping[str, Mapping[str, tuple[Measurement, ...]]]:
    """Platform, in JAX's names, → operator → what was measured."""
    read = json.loads(TABLE.read_text("utf-8"))["platforms"]
    return {
        platform: {operator: tuple(Measurement(**row) for row in rows) for operator, rows in found["operators"].items()}
        for platform, found in read.items()
    }


def fastest(platform: str, operator: str, part: str, facts: Facts, forms: Forms) -> str:
    """Name of the form to use for a part of an operator; the plain form's where nothing was measured."""
    plain = next(iter(forms))
    rows = measurements().get(platform, {}).get(operator, ())
    times = [(_distance(row.facts, facts), row.microseconds.get(part, {})) for row in rows]
    known = [(distance, found) for distance, found in times if distance < math.inf and plain in found]
    if not known:
        return plain
    _, found = min(known, key=lambda pair: pair[0])
    best = min((name for name in forms if name in found), key=lambda name: found[name])
    return best if found[best] * _MARGIN < found[plain] else plain


def apply(operator: str, part: str, facts: Facts, forms: Forms, *xs: Any) -> Any:
    """The value of the form that the table names, on each platform its own; all forms give the same."""
    plain = next(iter(forms))
    chosen = {platform: fastest(platform, operator, part, facts, forms) for platform in measurements()}
    others = {platform: forms[name] for platform, name in chosen.items() if name != plain}
    if not others:
        return forms[plain](*xs)
    return lax.platform_dependent(*xs, default=forms[plain], **others)


def _distance(a: Facts, b: Facts) -> float:
    """How far two shapes are apart, in doublings of their numbers."""
    if a.keys() != b.keys():
        return math.inf
    total = 0.0
    for name, value in a.items():
        other = b[name]
        if isinstance(value, str) or isinstance(other, str):
            total += 0.0 if value == other else math.inf
        else:
            total += abs(math.log2(max(value, 1) / max(other, 1)))
    return total
