"""The section of an NDLNetworkBuilder: which texts hold its macros and its statements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from graphc.config.reading import read_section
from graphc.diagnostics import Diagnostic, DiagnosticError, Diagnostics, SourceFile, SourceText, Span, did_you_mean
from graphc.network.ndl.build import NDLScript
from graphc.syntax.configuration import ConfigurationRecord, ConfigurationValue, read_source
from graphc.syntax.configuration_text import strip_comments
from graphc.syntax.ndl import Item, section_text, split_items


def read_ndl_network(record: ConfigurationRecord) -> NDLScript:
    """What the section, and the files that it names, say; raises `DiagnosticError`."""
    found = Diagnostics()
    reading = found.keep(lambda: read_section(record, "NDLNetworkBuilder"))
    macros = _macros(record, found)
    description = record.get("networkDescription")
    if description is None or description.is_empty:
        run = found.keep(lambda: _inline(record))
    else:
        run = found.keep(lambda: _described(description, record))
    found.raise_errors()
    assert reading is not None and run is not None
    return NDLScript(macros, tuple(run), reading.values["random_seed_offset"])


def ndl_of_file(file: SourceFile, record: ConfigurationRecord) -> NDLScript:
    """What a file by itself says; ``record`` knows the values of ``$name$``, and may name ``ndlMacros``."""
    found = Diagnostics()
    macros = _macros(record, found)
    run = found.keep(lambda: _sections(record.substitute(strip_comments(SourceText.of(file)))))
    found.raise_errors()
    assert run is not None
    return NDLScript(macros, tuple(run))


def _macros(record: ConfigurationRecord, found: Diagnostics) -> tuple[SourceText, ...]:
    """Texts of the files that ``ndlMacros`` names."""
    value = found.keep(lambda: record.get("ndlMacros"))
    if value is None or value.is_empty:
        return ()
    texts: list[SourceText] = []
    for path in (found.keep(value.string) or "").split("+"):
        if path.strip():
            texts += found.keep(lambda path=path: _sections(_file(path.strip(), value.span, record))) or ()
    return tuple(texts)


def _file(path: str, asked: Span, record: ConfigurationRecord) -> SourceText:
    """The text of a file with its ``$name$`` replaced."""
    full = record.context.directory / path
    if "\\" in path and not full.exists():
        full = record.context.directory / path.replace("\\", "/")
    return record.substitute(strip_comments(SourceText.of(read_source(full, named=str(Path(path)), asked=asked))))


def _described(description: ConfigurationValue, record: ConfigurationRecord) -> list[SourceText]:
    path = description.string()
    if "+" in path:
        hint = "files of macros are named in ndlMacros"
        raise DiagnosticError(
            Diagnostic("GC0503", "networkDescription names more than one file", description.span, hint=hint)
        )
    return _sections(_file(path, description.span, record), _chosen(record, "load"), _chosen(record, "run"))


def _chosen(record: ConfigurationRecord, key: str) -> Sequence[SourceText]:
    """Names of sections that stand beside ``networkDescription``; a section that is called so means something else."""
    value = record.get(key)
    if value is None or value.is_empty or value.text.text[:1] in ("[", "{", "("):
        return ()
    return [v.text for v in value.plain_array()]


def _sections(text: SourceText, load: Sequence[SourceText] = (), run: Sequence[SourceText] = ()) -> list[SourceText]:
    """The sections of a file that ``load`` and ``run`` name, those given or its own; without any, all of it."""
    items = {item.head.text.lower(): item for item in split_items(text) if item.group is None or item.value is None}
    names = [*(load or _names(items.get("load"))), *(run or _names(items.get("run")))]
    found = Diagnostics()
    sections = [found.keep(lambda name=name: _section(name, items)) for name in names]
    found.raise_errors()
    return [section for section in sections if section is not None] if names else [text]


def _names(item: Item | None) -> Iterator[SourceText]:
    """The names of ``load = a : b``."""
    at = 0
    for word in item.value.text.split(":") if item is not None and item.value is not None else ():
        assert item is not None and item.value is not None
        name = item.value[at : at + len(word)].strip()
        at += len(word) + 1
        if name.text:
            yield name


def _section(name: SourceText, items: Mapping[str, Item]) -> SourceText:
    item = items.get(name.text.lower())
    text = None if item is None else item.value or item.group
    if text is None or text.text[:1] not in ("[", "{", "("):
        sections = [i.head.text for i in items.values() if _is_section(i) and i is not item]
        hint = did_you_mean(name.text, sections)
        raise DiagnosticError(Diagnostic("GC0506", f"there is no section {name}", name.span(), hint=hint))
    return section_text(text)


def _is_section(item: Item) -> bool:
    text = item.value or item.group
    return text is not None and text.text[:1] in ("[", "{", "(")


def _inline(record: ConfigurationRecord) -> list[SourceText]:
    """``run`` and ``load`` name sections of the configuration itself, here or further out."""
    run = record.get("run")
    if run is None or run.is_empty:
        message = "NDLNetworkBuilder has neither networkDescription nor run"
        hint = "name a file in networkDescription, or a section with the statements in run"
        raise DiagnosticError(Diagnostic("GC0501", message, record.span, hint=hint))
    load = record.get("load")
    named = [] if load is None or load.is_empty else list(load.plain_array())
    found = Diagnostics()
    texts = [found.keep(lambda v=v: _named(v, record)) for v in (*named, *run.plain_array())]
    found.raise_errors()
    return [text for text in texts if text is not None]


def _named(value: ConfigurationValue, record: ConfigurationRecord) -> SourceText:
    found = record.get(value.string())
    if found is None or found.entry.value.text[:1] not in ("[", "{", "("):
        hint = did_you_mean(value.string(), _visible(record))
        raise DiagnosticError(Diagnostic("GC0506", f"there is no section {value.string()}", value.span, hint=hint))
    # what the section's own place does not define is looked up from here
    return section_text(record.substitute(found.record().source))


def _visible(record: ConfigurationRecord | None) -> list[str]:
    names: list[str] = []
    while record is not None:
        names += record.own_keys()
        record = record.parent
    return names
