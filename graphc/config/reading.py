"""A section read by its table of keys: typed values, where they come from, and warnings about what will not be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any

from graphc.config.schema import ALL_KEYS, SECTIONS, Key, Support, known_keys
from graphc.diagnostics import Diagnostic, DiagnosticError, Severity, Span, slips, suggest
from graphc.syntax.configuration import ConfigurationRecord, ConfigurationValue
from graphc.syntax.configuration_records import REQUIRED

# Root and commands also hold variables of the author, whose names are free: there an unknown key is called misspelt
# only if it is one slip from a key. The other sections hardly ever hold any.
_FREE = frozenset(["root", "train", "test", "write", "beamSearch", "edit", "dump"])
_SHORTEST_FREE = 5
_ACTIONS = frozenset(["train", "test", "eval", "write", "edit"])


@dataclass(frozen=True)
class Reading:
    """Values of a section by field name, and by key the place of each that is written somewhere."""

    values: Mapping[str, Any]
    spans: Mapping[str, Span]

    def arguments(self, cls: type, **others: Any) -> dict[str, Any]:
        """What the constructor of a settings class takes from the table, and ``others``, which win."""
        found = {f.name: self.values[f.name] for f in fields(cls) if f.name in self.values}
        return {**found, "spans": self.spans, **others}


def defaults(kind: str) -> Reading:
    """What an empty section would hold; a required key holds none."""
    values = {key.field: None if key.default is REQUIRED else key.default for key in SECTIONS[kind]}
    return Reading(MappingProxyType(values), MappingProxyType({}))


def read_section(record: ConfigurationRecord, kind: str) -> Reading:
    """All keys of the table ``kind``, as ``record`` sees them; every wrong value is reported, not the first only.

    Sections inside are left alone: the classes that hold them read them.
    """
    values: dict[str, Any] = {}
    spans: dict[str, Span] = {}
    errors: list[Diagnostic] = []
    for key in SECTIONS[kind]:
        if key.support is Support.NO_EFFECT or key.kind.name == "section":
            continue
        try:
            value = lookup(record, key)
            values[key.field] = key.default if value is None else key.kind.read(value)
            if value is not None:
                spans[key.name] = value.span
        except DiagnosticError as error:
            if not record.context.is_tolerant or key.default is REQUIRED or not is_undefined(error):
                errors += error.diagnostics
                continue
            values[key.field] = key.default
            record.context.diagnostics.extend(as_warnings(error))
    warn(record, kind)
    if errors:
        raise DiagnosticError(*errors)
    return Reading(MappingProxyType(values), MappingProxyType(spans))


def is_undefined(error: DiagnosticError) -> bool:
    """Whether all that is wrong are ``$names$`` without a value."""
    return all(d.code in ("GC0111", "GC0112") for d in error.diagnostics)


def as_warnings(error: DiagnosticError) -> list[Diagnostic]:
    return [replace(d, severity=Severity.WARNING) for d in error.diagnostics]


def lookup(record: ConfigurationRecord, key: Key) -> ConfigurationValue | None:
    """The value of a key; none where the default holds."""
    if key.own and not record.has_own(key.name):
        if key.default is REQUIRED:
            raise record.missing(key.name, outward=False)
        return None
    if key.default is REQUIRED:
        return record.require(key.name)
    value = record.get(key.name)
    text_kind = key.kind.name in ("text", "names", "section")
    return None if value is not None and value.is_empty and not text_kind and key.default is not False else value


def warn(record: ConfigurationRecord, kind: str) -> None:
    """Warnings about keys that are probably misspelt, and about those that will be ignored although they matter."""
    for key in SECTIONS[kind]:
        if key.support is Support.PLANNED and record.has_own(key.name):
            _warn_planned(record, key)
    commands = _commands(record) if record.is_root else frozenset()
    for key, entry in record.entries.items():
        if key not in ALL_KEYS and key not in record.root.mentioned and key not in commands:
            is_free = kind in _FREE and entry.value.text[:1] not in ("[", "{")
            _warn_misspelt(record, entry.key.text, kind, _SHORTEST_FREE if is_free else 0)


def _warn_planned(record: ConfigurationRecord, key: Key) -> None:
    value = record.get(key.name)
    try:
        if value is None or key.kind.read(value) == key.default:
            return
    except DiagnosticError:
        pass  # whatever it says, it is ignored
    message = f"{key.name} is not implemented yet and is ignored"
    record.context.diagnostics.add(Diagnostic("GC0521", message, record.key_span(key.name), severity=Severity.WARNING))


def _commands(root: ConfigurationRecord) -> frozenset[str]:
    """Lower-case names at the root that are commands, or those of all sections where nothing says which."""
    named = root.get("command")
    try:
        if named is not None:
            return _ACTIONS | {v.string().lower() for v in named.plain_array()}
    except DiagnosticError:
        pass  # who reads the key says so
    return frozenset(key for key, entry in root.entries.items() if entry.value.text[:1] in ("[", "{", "("))


def _warn_misspelt(record: ConfigurationRecord, written: str, kind: str, shortest: int) -> None:
    meant = _meant(written, kind, shortest)
    if meant is not None:
        message = f"unknown key {written} is not used"
        hint = f"did you mean {meant}?"
        record.context.diagnostics.add(
            Diagnostic("GC0520", message, record.key_span(written), hint=hint, severity=Severity.WARNING)
        )


def _meant(written: str, kind: str, shortest: int) -> str | None:
    meant = suggest(written, known_keys(kind))
    # a number that an author appends tells two variants apart
    if meant is None or written.rstrip("0123456789").lower() == meant.lower():
        return None
    most = 1 if kind in _FREE else len(written) // 3
    is_slip = len(written) >= shortest and slips(written.lower(), meant.lower(), most) <= most
    return meant if is_slip else None
