"""Configuration records: lazy, case-insensitive, looked up outward, ``$name$`` replaced when a value is fetched."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property, partial
from pathlib import Path
from typing import Final, TypeVar

from graphc.diagnostics import (
    Diagnostic,
    DiagnosticError,
    Diagnostics,
    Label,
    SourceFile,
    SourceText,
    Span,
    did_you_mean,
    suggest,
)
from graphc.syntax.configuration_text import SCRIPT_KEYS, Entry, read_entries, script_comments, tokens, unquoted
from graphc.syntax.unbalanced import relocated

T = TypeVar("T")


class Required(Enum):
    """Stands for the default of a key that has none."""

    REQUIRED = "required"


REQUIRED: Final = Required.REQUIRED

VARIABLE = re.compile(r"\$([A-Za-z_][^,/<>?;':\"\[\]{}\\|!@#%^&*()+=~`\s$]*)\$")
# at most 18 digits: they fit 64 bits
_INTEGER = re.compile(r"[+-]?0*[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_HEXADECIMAL = re.compile(r"[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][+-]?[0-9]+)?")
_WORDS = re.compile(r"([+-]?)(inf|infinity|nan)", re.IGNORECASE)
# a value that goes on with a setting of its own
_SECOND_SETTING = re.compile(r"[^\s\[{(]+\s+([A-Za-z_]\w*)\s*=(?!=)")
_BOOLEANS = {**dict.fromkeys(("t", "true", "T", "True", "TRUE", "1"), True)}
_BOOLEANS |= dict.fromkeys(("f", "false", "F", "False", "FALSE", "0", ""), False)

# Longer chains and larger texts than any person writes: a definition that multiplies itself.
_MAX_CHAIN = 100
_MAX_LENGTH = 1 << 24
_MAX_PIECES = 1 << 16
_MAX_REPETITION = 1_000_000


@dataclass(eq=False)
class ConfigurationContext:
    """What all records of one configuration share: its files, what its arguments said, and warnings met on the way."""

    files: tuple[SourceFile, ...] = ()
    include_directories: tuple[Path, ...] = ()
    # where relative paths start: the last `currentDirectory=` of the arguments
    directory: Path = Path()
    diagnostics: Diagnostics = field(default_factory=Diagnostics)
    resolving: list[tuple[ConfigurationRecord, str]] = field(default_factory=list)
    # nothing will be executed, so an undefined `$name$` is only worth a warning where a default can stand in
    is_tolerant: bool = False
    # lower-case names that are keys somewhere, and so no other key misspelt
    known_keys: frozenset[str] = frozenset()


class ConfigurationRecord:
    """A section. Keys fold case; a key that it lacks is looked up in the enclosing sections, out to the root."""

    def __init__(
        self,
        source: SourceText,
        context: ConfigurationContext,
        parent: ConfigurationRecord | None = None,
        path: tuple[str, ...] = (),
        entries: dict[str, Entry] | None = None,
    ) -> None:
        self.source = source
        self.context = context
        self.parent = parent
        self.path = path
        self._given = entries
        self._texts: dict[str, SourceText | DiagnosticError] = {}
        self._records: dict[str, ConfigurationRecord] = {}

    def __repr__(self) -> str:
        return f"<configuration {':'.join(self.path) or 'root'}>"

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """The section's own entries under their lower-case keys, before substitution."""
        if self._given is not None:
            return self._given
        try:
            return read_entries(self.source)
        except DiagnosticError as error:
            raise relocated(error, self.source) from None

    @property
    def is_root(self) -> bool:
        return not self.path

    @property
    def root(self) -> ConfigurationRecord:
        record = self
        while record.path and record.parent is not None:
            record = record.parent
        return record

    @property
    def span(self) -> Span:
        """The name of the section; the first character of the root."""
        named = self.parent.key_span(self.path[-1]) if self.path and self.parent else None
        return named or self.source.span(0, min(1, len(self.source)))

    @cached_property
    def mentioned(self) -> frozenset[str]:
        """Lower-case names that some ``$name$`` of the section's text uses."""
        return frozenset(m[1].lower() for m in VARIABLE.finditer(self.source.text))

    def own_keys(self) -> tuple[str, ...]:
        """Keys as written, in order of text."""
        return tuple(entry.key.text for entry in self.entries.values())

    def has_own(self, key: str) -> bool:
        return key.lower() in self.entries

    def has(self, key: str) -> bool:
        """Whether the key is given here or further out and is not ``default``."""
        return self.get(key) is not None

    def key_span(self, key: str) -> Span | None:
        """Where the key itself is written."""
        found = self._find(key.lower())
        return found.entries[key.lower()].key.span() if found else None

    def span_of(self, key: str) -> Span | None:
        """Where the value is written, before substitution; the key's place if the value is empty."""
        found = self._find(key.lower())
        return _place(found.entries[key.lower()]) if found else None

    def get(self, key: str) -> ConfigurationValue | None:
        """The value, if there is one; ``default`` means that there is none, here or further out."""
        found = self._find(key.lower())
        if found is None:
            return None
        entry = found.entries[key.lower()]
        return None if entry.value.text.lower() == "default" else ConfigurationValue(found, entry)

    def require(self, key: str) -> ConfigurationValue:
        value = self.get(key)
        if value is None or value.is_empty:
            raise self.missing(key)
        return value

    def get_text(self, key: str) -> SourceText:
        return self.require(key).text

    def string(self, key: str, default: str | T | Required = REQUIRED) -> str | T:
        return self._read(key, default, ConfigurationValue.string, empty_is_value=True)

    def integer(self, key: str, default: int | T | Required = REQUIRED) -> int | T:
        return self._read(key, default, ConfigurationValue.integer)

    def number(self, key: str, default: float | T | Required = REQUIRED) -> float | T:
        return self._read(key, default, ConfigurationValue.number)

    def boolean(self, key: str, default: bool | T | Required = REQUIRED) -> bool | T:
        return self._read(key, default, ConfigurationValue.boolean, empty_is_value=True)

    def array(
        self, key: str, default: tuple[ConfigurationValue, ...] | T | Required = REQUIRED
    ) -> tuple[ConfigurationValue, ...] | T:
        return self._read(key, default, ConfigurationValue.array, empty_is_value=True)

    def record(self, key: str, default: ConfigurationRecord | T | Required = REQUIRED) -> ConfigurationRecord | T:
        return self._read(key, default, ConfigurationValue.record, empty_is_value=True)

    def substitute(self, text: SourceText) -> SourceText:
        """The text of a whole file with its ``$name$`` replaced, each looked up from here outward."""
        return self._substitute(text, None)

    def _read(
        self,
        key: str,
        default: T | Required,
        convert: Callable[[ConfigurationValue], T],
        empty_is_value: bool = False,
    ) -> T:
        if isinstance(default, Required):
            return convert(self.require(key))
        value = self.get(key)
        if value is None or (value.is_empty and not empty_is_value):
            return default
        return convert(value)

    def _find(self, folded: str) -> ConfigurationRecord | None:
        record: ConfigurationRecord | None = self
        while record is not None and folded not in record.entries:
            record = record.parent
        return record

    def missing(self, key: str, *, outward: bool = True) -> DiagnosticError:
        """The complaint that the key is required, at the key that was probably meant to be it if there is one.

        ``outward`` says that it could stand further out as well.
        """
        path = ":".join((*self.path, key))
        if self.has_own(key):  # it is there, but empty or `default`
            return _error("GC0501", f"required parameter has no value: {path}", self.key_span(key))
        message = f"required parameter missing: {path}"
        misspelt = self._misspelt(key, outward)
        if misspelt is None:
            return _error("GC0501", message, self.span)
        labels = (Label(f"{self.path[-1]} needs {key}", self.span),) if self.path else ()
        hint = f"did you mean {key} where it says {misspelt.text}?"
        return DiagnosticError(Diagnostic("GC0501", message, misspelt, labels, hint, cause=("GC0501", misspelt)))

    def _misspelt(self, key: str, outward: bool) -> Span | None:
        record: ConfigurationRecord | None = self
        while record is not None:
            unknown = [k for k in record.own_keys() if k.lower() not in self.context.known_keys]
            close = suggest(key, unknown)
            if close:
                return record.key_span(close)
            record = record.parent if outward else None
        return None

    # --- substitution -------------------------------------------------------------------------------------------

    def resolved(self, folded: str) -> SourceText:
        """Text of an own entry, every ``$name$`` in it replaced."""
        text = self._texts.get(folded)
        if text is None:
            text = self._texts[folded] = self._resolve(folded)
        if isinstance(text, DiagnosticError):
            raise text
        return text

    def _resolve(self, folded: str) -> SourceText | DiagnosticError:
        # Failures are kept as well: a name used twice by a name used twice … would fail a power of two times.
        try:
            return self._guarded(folded, lambda: self._substitute(self.entries[folded].value, folded))
        except DiagnosticError as error:
            return error

    def own_record(self, folded: str) -> ConfigurationRecord:
        """An own entry as a section.

        A section leaves the root with the root's names already replaced, whatever the section itself defines; names
        that the root lacks stay and are looked up from inside when a value is fetched.
        """
        if folded not in self._records:
            entry = self.entries[folded]
            text = entry.value
            if self.is_root:
                text = self._guarded(folded, lambda: _replace(entry.value, partial(self._leniently, entry.value)))
            path = (*self.path, entry.key.text)
            self._records[folded] = ConfigurationRecord(text, self.context, self, path)
        return self._records[folded]

    def _guarded(self, folded: str, read: Callable[[], SourceText]) -> SourceText:
        stack = self.context.resolving
        stack.append((self, folded))
        try:
            return read()
        finally:
            stack.pop()

    def _substitute(self, text: SourceText, folded: str | None) -> SourceText:
        found = Diagnostics()
        # the comments of BrainScript are all that may hold anything; other comments are gone
        comments = script_comments(text.text) if folded in SCRIPT_KEYS and "$" in text.text else []

        def strictly(match: re.Match[str]) -> SourceText | None:
            if any(match.start() in comment for comment in comments):
                return None
            try:
                place = text.span(*match.span())
                return self._variable(match[1], place).in_place_of(match[1], place)
            except DiagnosticError as error:
                found.extend(error.diagnostics)
                return None

        result = _replace(text, strictly)
        found.raise_errors()
        return result

    def _leniently(self, text: SourceText, match: re.Match[str]) -> SourceText | None:
        if self._find(match[1].lower()) is None:
            return None
        try:
            return self._variable(match[1], None).in_place_of(match[1], text.span(*match.span()))
        except DiagnosticError:
            return None  # whoever fetches a value that holds it is told

    def _variable(self, name: str, place: Span | None) -> SourceText:
        """Replacement for ``$name$``, found from here outward; a value that names itself means the one further out."""
        folded = name.lower()
        stack = self.context.resolving
        found = self._find(folded)
        if found is not None and stack and stack[-1] == (found, folded):
            found = found.parent._find(folded) if found.parent else None
            if found is None:
                raise self._refers_to_itself(name, place)
        if found is None:
            raise self._unknown(name, place)
        if (found, folded) in stack:
            raise self._cyclic(found, folded, place)
        if len(stack) > _MAX_CHAIN:
            raise _error("GC0114", f"more than {_MAX_CHAIN} definitions refer to one another", place)
        text = found.resolved(folded)
        if "\n" in text.text or "\r" in text.text:
            labels = (Label("its value begins", text.span(0, 1)),)
            raise _error("GC0113", f"the value of ${name}$ has more than one line", place, labels)
        return text

    def _unknown(self, name: str, place: Span | None) -> DiagnosticError:
        resolving = {key for _, key in self.context.resolving}
        close = suggest(name, (key for key in _visible_keys(self) if key.lower() not in resolving))
        hint = f"did you mean ${close}$?" if close else f"define it at the root or pass {name}=VALUE as an argument"
        return _error("GC0111", f"no variable found with the name {name}", place, hint=hint)

    def _refers_to_itself(self, name: str, place: Span | None) -> DiagnosticError:
        hint = f"pass {name}=VALUE as an argument"
        return _error("GC0112", f"{name} is defined by itself", place, hint=hint)

    def _cyclic(self, found: ConfigurationRecord, folded: str, place: Span | None) -> DiagnosticError:
        stack = self.context.resolving
        chain = [record.entries[key] for record, key in stack[stack.index((found, folded)) :]]
        names = " -> ".join(entry.key.text for entry in [*chain, chain[0]])
        labels = tuple(Label(f"{entry.key.text} is defined", entry.key.span()) for entry in chain)
        return _error("GC0112", f"cyclic definition: {names}", place, labels)


class ConfigurationValue:
    """Text of one value and the type that its reader wants of it; substitution waits until it is asked for."""

    def __init__(self, scope: ConfigurationRecord, entry: Entry, element: SourceText | None = None) -> None:
        self.scope = scope
        self.entry = entry
        self._element = element

    @property
    def text(self) -> SourceText:
        return self.scope.resolved(self.entry.key.text.lower()) if self._element is None else self._element

    @property
    def is_empty(self) -> bool:
        return not (self.entry.value if self._element is None else self._element).text

    @property
    def written(self) -> Span:
        """Where the value is written, before substitution."""
        return _place(self.entry)

    @property
    def span(self) -> Span:
        """Where the text comes from: a replaced ``$name$`` leads to its definition."""
        text = self.text
        return text.span() if text.text else self.written

    @property
    def path(self) -> str:
        return ":".join((*self.scope.path, self.entry.key.text))

    def string(self) -> str:
        return self.text.text

    def integer(self) -> int:
        text = self.text.text
        if _INTEGER.fullmatch(text):
            return int(text)
        value = _number(text)
        whole = value is not None and abs(value) < 1e15 and value == int(value)
        hint = f"write {value:.0f}" if whole else None
        raise self.error("GC0502", f"'{text}' is not an integer", hint)

    def number(self) -> float:
        value = _number(self.text.text)
        if value is None:
            raise self.error("GC0502", f"'{self.text.text}' is not a number")
        return value

    def boolean(self) -> bool:
        value = _BOOLEANS.get(self.text.text)
        if value is None:
            raise self.error("GC0502", f"'{self.text.text}' is not a boolean", "write true or false")
        return value

    def choice(self, options: Iterable[str]) -> str:
        """The option that the text names, in whatever case."""
        options = tuple(options)
        text = self.text.text
        for option in options:
            if option.lower() == text.lower():
                return option
        hint = did_you_mean(text, options)
        raise self.error("GC0502", f"'{text}' is none of {', '.join(o for o in options if o)}", hint)

    def array(self) -> tuple[ConfigurationValue, ...]:
        """Elements of ``a : b``, where ``value*count`` repeats."""
        return self._elements(repeat=True)

    def plain_array(self) -> tuple[ConfigurationValue, ...]:
        """Elements of ``a : b``, where ``*`` means nothing."""
        return self._elements(repeat=False)

    def record(self) -> ConfigurationRecord:
        source = self.entry.value if self._element is None else self._element
        if source.text and not re.search(r"[\[{(=$]", source.text):
            raise self.error("GC0502", f"'{source.text}' is not a section", "write key = value pairs between [ and ]")
        if self._element is None:
            return self.scope.own_record(self.entry.key.text.lower())
        path = (*self.scope.path, self.entry.key.text)
        return ConfigurationRecord(source, self.scope.context, self.scope, path)

    def error(self, code: str, message: str, hint: str | None = None) -> DiagnosticError:
        """A complaint about this value, at the place it comes from."""
        if code == "GC0502" and (second := _SECOND_SETTING.match(self.text.text)):
            hint = f"write ; in front of {second[1]}: settings on one line are kept apart by it"
        # a value that several keys refer to by its name is wrong once
        cause = (code, message, self.span)
        return DiagnosticError(Diagnostic(code, f"{self.path}: {message}", self.span, self.use(), hint, cause=cause))

    def use(self) -> tuple[Label, ...]:
        """Whose value it is, unless the key stands on the same line."""
        key, span = self.entry.key.span(), self.span
        if key.file is span.file and key.line == span.line:
            return ()
        return (Label(f"it is the value of {self.path}", key),)

    def _elements(self, repeat: bool) -> tuple[ConfigurationValue, ...]:
        values: list[ConfigurationValue] = []
        for token in tokens(self.text, ":"):
            star = token.text.find("*") if repeat and token.text[0] not in '[{("' else -1
            if star < 0:
                values.append(self._item(unquoted(token)))
                continue
            count = token[star + 1 :].strip()
            if not count.text:
                break  # CNTK's rule: `5*` ends the array
            values += [self._item(token[:star].strip())] * self._repetition(count)
        return tuple(values)

    def _repetition(self, count: SourceText) -> int:
        item = self._item(count)
        number = item.integer()
        if not 0 <= number <= _MAX_REPETITION:
            raise item.error("GC0503", f"repeats {number} times, which is not in 0 to {_MAX_REPETITION}")
        return number

    def _item(self, element: SourceText) -> ConfigurationValue:
        return ConfigurationValue(self.scope, self.entry, element)


def _replace(text: SourceText, replacement: Callable[[re.Match[str]], SourceText | None]) -> SourceText:
    parts, at = [], 0
    for match in VARIABLE.finditer(text.text):
        new = replacement(match)
        if new is not None:
            parts += [text[at : match.start()], new]
            at = match.end()
    if not parts:
        return text
    result = SourceText.join([*parts, text[at:]])
    if len(result.pieces) > _MAX_PIECES or sum(piece.length for piece in result.pieces) > _MAX_LENGTH:
        raise _error("GC0114", "substitution makes the text too long", text.span(0, 1))
    return result


def _number(text: str) -> float | None:
    """What C's ``strtod`` makes of the whole text; ``1#INF`` is infinite, with either sign."""
    head, hash_, tail = text.partition("#")
    if hash_ and tail.lower() == "inf" and _NUMBER.fullmatch(head):
        return math.inf
    if _NUMBER.fullmatch(text) or _WORDS.fullmatch(text):
        return float(text)
    if not _HEXADECIMAL.fullmatch(text):
        return None
    try:
        return float.fromhex(text)
    except OverflowError:
        return math.inf


def _visible_keys(record: ConfigurationRecord | None) -> Sequence[str]:
    keys: list[str] = []
    while record is not None:
        keys += record.own_keys()
        record = record.parent
    return keys


def _place(entry: Entry) -> Span:
    return entry.value.span() if entry.value.text and entry.value.pieces[0].file.name != "<flag>" else entry.key.span()


def _error(
    code: str, message: str, span: Span | None, labels: tuple[Label, ...] = (), hint: str | None = None
) -> DiagnosticError:
    return DiagnosticError(Diagnostic(code, message, span, labels, hint))
