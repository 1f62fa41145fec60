"""The reader section: which data, which streams, which order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from graphc.config.reading import defaults, read_section, warn
from graphc.diagnostics import Diagnostic, DiagnosticError, Diagnostics, Label, Severity, Span
from graphc.syntax.configuration import ConfigurationRecord, ConfigurationValue

TEXT_READER = "CNTKTextFormatReader"
TEXT_DESERIALIZER = "CNTKTextFormatDeserializer"


@dataclass(frozen=True)
class StreamSettings:
    """One stream of a text file, named as the network's input."""

    name: str
    dim: int
    format: str
    alias: str
    defines_mb_size: bool
    span: Span
    spans: Mapping[str, Span]

    @property
    def is_sparse(self) -> bool:
        return self.format == "sparse"


@dataclass(frozen=True)
class ReaderSettings:
    """Settings of the text reader; another reader has nothing but what it is, and `require_supported` says so.

    Where it is ``truncated``, minibatches are rows of ``truncation_length`` frames, in which sequences go on from one
    minibatch to the next.
    """

    reader_type: str
    file: str
    inputs: tuple[StreamSettings, ...]
    randomize: bool
    randomization_window: int | None
    sample_based_randomization_window: bool
    randomization_seed: int | None
    skip_sequence_ids: bool
    max_errors: int
    trace_level: int
    chunk_size_in_bytes: int
    keep_data_in_memory: bool
    frame_mode: bool
    truncated: bool
    truncation_length: int
    cache_index: bool
    precision: str
    span: Span
    spans: Mapping[str, Span]

    @property
    def is_supported(self) -> bool:
        return self.reader_type == TEXT_READER

    def require_supported(self) -> None:
        if not self.is_supported:
            raise DiagnosticError(_unsupported(self.reader_type, self.span, Severity.ERROR))

    def stream(self, name: str) -> StreamSettings | None:
        """The stream of a network input; names fold case."""
        return next((s for s in self.inputs if s.name.lower() == name.lower()), None)


def read_reader(record: ConfigurationRecord) -> ReaderSettings:
    """The settings of a ``reader`` or ``cvReader`` section that is trained or tested on."""
    settings = _read(record)
    if settings.truncated:
        _check_truncation(settings)
    return settings


def read_reader_to_write(record: ConfigurationRecord) -> ReaderSettings:
    """The settings of a ``reader`` section for ``write``, which takes sequences in their order and whole."""
    return replace(_read(record), randomize=False, truncated=False)


def _read(record: ConfigurationRecord) -> ReaderSettings:
    kind = record.get("readerType")
    several = record.get("deserializers") if kind is None else None
    if several is not None:
        warn(record, "reader")
        only = _only_text_deserializer(several)
        if only is None:
            return _other_reader(record, *_unread(several))
        return _text_reader(only)  # it looks outward, so what stands around it counts for it too
    if kind is not None and kind.string().lower() != TEXT_READER.lower():
        return _other_reader(record, f"reader {kind.string()}", kind.span)
    settings = _text_reader(record)
    if settings.truncated and record.has_own("truncated"):
        warn_of_whole_sequences(record, settings.spans["truncated"])
    return replace(settings, truncated=False)


def warn_of_whole_sequences(record: ConfigurationRecord, place: Span) -> None:
    """By itself the text reader knows nothing of truncation, in CNTK too."""
    message = "truncated has no effect: this reader gives whole sequences, as CNTK's does"
    hint = f'put file and input into deserializers = ({{ type = "{TEXT_DESERIALIZER}" … }}) and set truncationLength'
    warning = Diagnostic("GC0527", message, place, hint=hint, severity=Severity.WARNING)
    record.context.diagnostics.add(warning)


def _check_truncation(settings: ReaderSettings) -> None:
    spans = settings.spans
    place = spans.get("truncated", settings.span)
    if settings.frame_mode:
        labels = (Label("frameMode is set", spans.get("frameMode")),)
        message = "truncated and frameMode exclude each other: single frames cannot be cut"
        raise DiagnosticError(Diagnostic("GC0504", message, place, labels, "keep one of them"))
    if settings.truncation_length == 0:
        hint = "set truncationLength to the frames of a piece, such as 20"
        if "truncationLength" in spans:
            message = "truncationLength is 0, it must be 1 or more"
            raise DiagnosticError(Diagnostic("GC0503", message, spans["truncationLength"], hint=hint))
        raise DiagnosticError(Diagnostic("GC0501", "truncated needs truncationLength", place, hint=hint))


def _text_reader(record: ConfigurationRecord) -> ReaderSettings:
    reading = read_section(record, "reader")
    more = {"reader_type": TEXT_READER, "inputs": _read_inputs(record), "span": record.span}
    arguments = reading.arguments(ReaderSettings, **more)
    return ReaderSettings(**{**arguments, "spans": {**reading.spans, "input": record.key_span("input")}})


def _only_text_deserializer(several: ConfigurationValue) -> ConfigurationRecord | None:
    """The section of a single deserializer of text, which reads what the text reader reads."""
    found = several.plain_array()
    if len(found) != 1:
        return None
    section = found[0].record()
    kind = section.get("type") if section.has_own("type") else None
    return section if kind is not None and kind.string().lower() == TEXT_DESERIALIZER.lower() else None


def _unread(several: ConfigurationValue) -> tuple[str, Span]:
    """What of these deserializers cannot be read, and where it stands."""
    kinds: dict[str, Span] = {}
    for section in (each.record() for each in several.plain_array()):
        kind = section.get("type") if section.has_own("type") else None
        if kind is not None and kind.string().lower() != TEXT_DESERIALIZER.lower():
            kinds.setdefault(kind.string(), kind.span)
    if not kinds:
        return "a reader of several files", several.written
    *names, last = kinds
    listed = f"deserializers {', '.join(names)} and {last}" if names else f"deserializer {last}"
    return listed, next(iter(kinds.values()))


def unshuffled(settings: ReaderSettings) -> ReaderSettings:
    return replace(settings, randomize=False)


def _read_inputs(record: ConfigurationRecord) -> tuple[StreamSettings, ...]:
    if not record.has_own("input"):
        raise record.missing("input", outward=False)
    section = record.record("input")
    found = Diagnostics()
    streams: list[StreamSettings] = []
    for name in section.own_keys():
        try:
            streams.append(_read_stream(section, name))
        except DiagnosticError as error:
            found.extend(error.diagnostics)
    found.raise_errors()
    if not streams:
        raise DiagnosticError(Diagnostic("GC0501", "the reader has no input streams", record.key_span("input")))
    _check_aliases(streams)
    _check_length_definition(streams)
    return tuple(streams)


def _read_stream(section: ConfigurationRecord, name: str) -> StreamSettings:
    reading = read_section(section.record(name), "input")
    alias = reading.values["alias"] or name
    return StreamSettings(**reading.arguments(StreamSettings, name=name, alias=alias, span=section.key_span(name)))


def _check_aliases(streams: list[StreamSettings]) -> None:
    seen: dict[str, StreamSettings] = {}
    for stream in streams:
        other = seen.setdefault(stream.alias, stream)
        if other is not stream:
            message = f"streams {other.name} and {stream.name} have the same name '{stream.alias}' in the file"
            label = Label(f"{other.name} is declared", other.span)
            raise DiagnosticError(Diagnostic("GC0504", message, stream.span, (label,)))


def _check_length_definition(streams: list[StreamSettings]) -> None:
    first, *others = [s for s in streams if s.defines_mb_size] or [None]
    if first is not None and others and others[0] is not None:
        message = f"both {first.name} and {others[0].name} say definesMBSize, at most one stream can"
        label = Label(f"{first.name} is declared", first.span)
        raise DiagnosticError(Diagnostic("GC0504", message, others[0].span, (label,)))


def _other_reader(record: ConfigurationRecord, name: str, span: Span) -> ReaderSettings:
    record.context.diagnostics.add(_unsupported(name, span, Severity.WARNING))
    more = {"reader_type": name, "file": "", "inputs": (), "span": span}
    return ReaderSettings(**defaults("reader").arguments(ReaderSettings, **more))


def _unsupported(what: str, span: Span, severity: Severity) -> Diagnostic:
    are = "are" if what.startswith("deserializers ") else "is"
    text = TEXT_DESERIALIZER if what.startswith("deserializer") else TEXT_READER
    return Diagnostic("GC0522", f"{what} {are} not implemented yet", span, hint=f"use {text}", severity=severity)
