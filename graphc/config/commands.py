"""The sections that ``command`` names: what each action needs, typed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from graphc.config.learner import SGDSettings, read_sgd
from graphc.config.reader import (
    ReaderSettings,
    read_reader,
    read_reader_to_write,
    unshuffled,
    warn_of_whole_sequences,
)
from graphc.config.reading import read_section
from graphc.config.schedule import Schedule
from graphc.diagnostics import Diagnostic, DiagnosticError, Diagnostics, Label, Severity, SourceText, Span, suggest
from graphc.syntax.configuration import ConfigurationRecord


class Builder(Enum):
    """Where a command's network comes from."""

    SIMPLE = "SimpleNetworkBuilder"
    NDL = "NDLNetworkBuilder"
    BRAINSCRIPT = "BrainScriptNetworkBuilder"
    MODEL = "modelPath"


_NO_MODEL_PATH = ("no modelPath",)

# first hit wins; the last name is an older spelling
_BUILDERS = {
    "SimpleNetworkBuilder": Builder.SIMPLE,
    "NDLNetworkBuilder": Builder.NDL,
    "BrainScriptNetworkBuilder": Builder.BRAINSCRIPT,
    "ExperimentalNetworkBuilder": Builder.BRAINSCRIPT,
}


@dataclass(frozen=True)
class NetworkSource:
    """A network's description: source text with its record, or the path of a model file.

    ``script`` is the text of a BrainScript section with its brackets; ``record`` is the section of the two older
    builders, whose keys look outward through the command.
    """

    builder: Builder
    span: Span
    script: SourceText | None = None
    record: ConfigurationRecord | None = None
    model_path: str | None = None


@dataclass(frozen=True)
class TrainCommand:
    """``action = train``."""

    name: str
    network: NetworkSource
    model_path: str
    make_mode: bool
    trace_level: int
    reader: ReaderSettings
    cv_reader: ReaderSettings | None
    sgd: SGDSettings
    span: Span
    spans: Mapping[str, Span]


@dataclass(frozen=True)
class TestCommand:
    """``action = test`` or ``eval``."""

    __test__ = False  # not a test class, whatever pytest thinks of the name

    name: str
    network: NetworkSource
    model_path: str | None
    trace_level: int
    reader: ReaderSettings
    minibatch_size: Schedule[int]
    epoch_size: int
    trace_node_names_real: tuple[str, ...]
    trace_node_names_category: tuple[str, ...]
    trace_node_names_sparse: tuple[str, ...]
    eval_node_names: tuple[str, ...]
    num_mbs_to_show_result: int
    first_mbs_to_show_result: int
    span: Span
    spans: Mapping[str, Span]


@dataclass(frozen=True)
class OutputFormat:
    """How written values look; the strings still hold their escapes (``\\n``, ``%s``)."""

    type: str
    label_mapping_file: str | None
    transpose: bool
    prologue: str
    epilogue: str
    sequence_separator: str
    sequence_prologue: str
    sequence_epilogue: str
    element_separator: str
    sample_separator: str
    precision_format: str
    spans: Mapping[str, Span]


@dataclass(frozen=True)
class WriteCommand:
    """``action = write``."""

    name: str
    network: NetworkSource
    model_path: str | None
    trace_level: int
    reader: ReaderSettings | None
    minibatch_size: Schedule[int]
    epoch_size: int
    trace_node_names_real: tuple[str, ...]
    trace_node_names_category: tuple[str, ...]
    trace_node_names_sparse: tuple[str, ...]
    output_node_names: tuple[str, ...]
    output_path: str
    format: OutputFormat
    write_sequence_key: bool
    span: Span
    spans: Mapping[str, Span]


@dataclass(frozen=True)
class BeamSearchCommand:
    """``action = beamSearch``: the most probable label sequences by a saved model. No ``end_symbol``: as long as given.

    ``max_length`` 0 follows from the input.
    """

    name: str
    network: NetworkSource
    model_path: str
    trace_level: int
    reader: ReaderSettings
    minibatch_size: Schedule[int]
    epoch_size: int
    beam_depth: int
    n_best: int
    start_symbol: str
    end_symbol: str
    max_length: int
    label_mapping_file: str | None
    output_path: str
    span: Span
    spans: Mapping[str, Span]


@dataclass(frozen=True)
class EditCommand:
    """``action = edit`` with a network builder: what it describes is saved."""

    name: str
    network: NetworkSource
    output_model_path: str
    make_mode: bool
    trace_level: int
    span: Span
    spans: Mapping[str, Span]


@dataclass(frozen=True)
class ScriptCommand:
    """``action = edit`` with a script of edits (MEL). The script's ``$name$`` are looked up from ``record`` outward."""

    name: str
    record: ConfigurationRecord
    edit_path: str
    ndl_macros: str | None
    trace_level: int
    span: Span
    spans: Mapping[str, Span]


@dataclass(frozen=True)
class DumpCommand:
    """``action = dumpNode``: a saved model as text. An empty ``node_name`` means all nodes."""

    name: str
    network: NetworkSource
    model_path: str
    node_name: str
    node_name_regex: str
    output_file: str | None
    print_values: bool
    print_metadata: bool
    trace_level: int
    span: Span
    spans: Mapping[str, Span]


@dataclass(frozen=True)
class OtherCommand:
    """An action that CNTK knows and this compiler does not run yet."""

    name: str
    action: str
    span: Span

    def diagnostic(self, severity: Severity = Severity.ERROR) -> Diagnostic:
        return Diagnostic("GC0523", f"action {self.action} is not implemented yet", self.span, severity=severity)


# those that have a network of their own
NetworkCommand = TrainCommand | TestCommand | WriteCommand | BeamSearchCommand | EditCommand | DumpCommand
RunnableCommand = NetworkCommand | ScriptCommand
Command = RunnableCommand | OtherCommand


def readers_of(command: RunnableCommand) -> tuple[ReaderSettings, ...]:
    """Where the command takes its data from."""
    match command:
        case TrainCommand(reader=reader, cv_reader=cv_reader):
            readers = (reader, cv_reader)
        case TestCommand(reader=reader) | WriteCommand(reader=reader) | BeamSearchCommand(reader=reader):
            readers = (reader,)
        case EditCommand() | ScriptCommand() | DumpCommand():
            readers = ()
    return tuple(r for r in readers if r is not None)


def read_network_source(record: ConfigurationRecord) -> NetworkSource:
    """The command's builder, found outward (a builder at the root serves every command), or its model file."""
    for key, builder in _BUILDERS.items():
        value = record.get(key)
        if value is not None:
            if builder is Builder.BRAINSCRIPT:
                return NetworkSource(builder, value.written, script=_script(value.text, value.written, key))
            return NetworkSource(builder, value.written, record=value.record())
    model = record.get("modelPath")
    if model is None or model.is_empty:
        raise _no_network(record)
    return NetworkSource(Builder.MODEL, model.span, model_path=model.string())


def _warn_of_an_untrained_network(record: ConfigurationRecord) -> None:
    """As in CNTK, whoever finds a builder loads no model: surprising where the builder is somewhere further out."""
    found = next(((key, v) for key in _BUILDERS if (v := record.get(key)) is not None), None)
    if found is None or record.has_own(found[0]) or record.get("modelPath") is None:
        return
    key, value = found
    message = f"{_name(record)} builds a new network with {key} and does not load modelPath"
    labels = (Label(f"{key} serves every command around which it stands", value.span),)
    hint = f"put {key} into the command that trains"
    warning = Diagnostic("GC0527", message, record.span, labels, hint, Severity.WARNING)
    record.context.diagnostics.add(warning)


def read_train_command(record: ConfigurationRecord) -> TrainCommand:
    reading = read_section(record, "train")
    found = Diagnostics()
    network = found.keep(lambda: _network_to_train(record))
    reader = found.keep(lambda: read_reader(record.record("reader")))
    sgd = found.keep(lambda: read_sgd(record.record("SGD")))
    validation = record.record("cvReader", None)
    cv_reader = None if validation is None else found.keep(lambda: read_reader(validation))
    model_path = found.keep(lambda: _model_to_write(record))
    if reader and sgd:
        found.keep(lambda: _check_truncation(record, reader))
    found.raise_errors()
    assert reader and sgd
    sgd = replace(sgd, row_length=reader.truncation_length if reader.truncated else 0)
    if sgd.truncated and not reader.truncated and reader.is_supported and "truncated" in sgd.spans:
        warn_of_whole_sequences(record, sgd.spans["truncated"])
    more = {"name": _name(record), "model_path": model_path, "network": network, "span": record.span}
    return TrainCommand(**reading.arguments(TrainCommand, **more, reader=reader, cv_reader=cv_reader, sgd=sgd))


def _check_truncation(record: ConfigurationRecord, reader: ReaderSettings) -> None:
    """As in CNTK, a reader may not set ``truncated`` where the learner does not see it."""
    section, sgd = record.record("reader"), record.record("SGD")
    if not section.has_own("truncated") or sgd.has("truncated"):
        return
    message = "truncated is set in the reader only, so SGD does not know of it"
    labels = (Label("SGD reads truncated here and further out", sgd.span),)
    hint = f"move it out of the reader, into {_name(record)} or to the top level"
    found = Diagnostic("GC0504", message, section.key_span("truncated"), labels, hint)
    if reader.is_supported:
        raise DiagnosticError(found)
    # a run stops at such a reader anyway
    record.context.diagnostics.add(replace(found, severity=Severity.WARNING))


def read_test_command(record: ConfigurationRecord) -> TestCommand:
    reading = read_section(record, "test")
    _warn_of_an_untrained_network(record)
    found = Diagnostics()
    network = found.keep(lambda: read_network_source(record))
    section = found.keep(lambda: record.record("reader"))
    reader = None if section is None else found.keep(lambda: read_reader(section))
    found.raise_errors()
    assert network and reader and section
    if not section.has_own("randomize"):
        reader = unshuffled(reader)
    more = {"name": _name(record), "network": network, "reader": reader, "span": record.span}
    return TestCommand(**reading.arguments(TestCommand, **more))


def read_write_command(record: ConfigurationRecord) -> WriteCommand:
    reading = read_section(record, "write")
    _warn_of_an_untrained_network(record)
    found = Diagnostics()
    network = found.keep(lambda: read_network_source(record))
    section = record.record("reader", None)
    reader = None if section is None else found.keep(lambda: read_reader_to_write(section))
    output_format = found.keep(lambda: read_output_format(record.record("format", None), record))
    found.keep(lambda: _check_output(record))
    found.raise_errors()
    more = {"name": _name(record), "network": network, "reader": reader, "span": record.span}
    return WriteCommand(**reading.arguments(WriteCommand, **more, format=output_format))


def read_beam_search_command(record: ConfigurationRecord) -> BeamSearchCommand:
    found = Diagnostics()
    reading = found.keep(lambda: read_section(record, "beamSearch"))
    section = record.record("reader", None)
    reader = None if section is None else found.keep(lambda: read_reader_to_write(section))
    network = found.keep(lambda: _saved_network(record))
    found.raise_errors()
    assert reading and network
    more = {"name": _name(record), "network": network, "reader": reader, "span": record.span}
    command = BeamSearchCommand(**reading.arguments(BeamSearchCommand, **more, model_path=network.model_path))
    if command.n_best > command.beam_depth:
        message = f"nBest is {command.n_best}, but with beamDepth = {command.beam_depth} there are no more hypotheses"
        raise DiagnosticError(Diagnostic("GC0504", message, reading.spans.get("nBest")))
    return command


def read_edit_command(record: ConfigurationRecord) -> EditCommand | ScriptCommand:
    if not any(record.has(key) for key, builder in _BUILDERS.items() if builder is Builder.BRAINSCRIPT):
        return _read_script_command(record)
    reading = read_section(record, "edit")
    network = read_network_source(record)
    more = {"name": _name(record), "network": network, "span": record.span}
    return EditCommand(**reading.arguments(EditCommand, **more))


def _read_script_command(record: ConfigurationRecord) -> ScriptCommand:
    if not record.has("editPath"):
        message = f"{':'.join(record.path)} edits, but neither describes a network nor names a script of edits"
        hint = "add BrainScriptNetworkBuilder = ( … ) with outputModelPath, or editPath"
        raise DiagnosticError(Diagnostic("GC0501", message, record.span, hint=hint))
    reading = read_section(record, "editScript")
    return ScriptCommand(**reading.arguments(ScriptCommand, name=_name(record), record=record, span=record.span))


def read_dump_command(record: ConfigurationRecord) -> DumpCommand:
    reading = read_section(record, "dump")
    network = _saved_network(record)
    more = {"name": _name(record), "network": network, "span": record.span}
    command = DumpCommand(**reading.arguments(DumpCommand, **more))
    if not command.print_values and not command.print_metadata:
        message = "printValues and printMetadata are both false, so there is nothing to print"
        raise DiagnosticError(Diagnostic("GC0504", message, reading.spans.get("printValues")))
    try:
        re.compile(command.node_name_regex)
    except re.error as error:
        message = f"nodeNameRegex is no regular expression: {error}"
        raise DiagnosticError(Diagnostic("GC0503", message, reading.spans.get("nodeNameRegex"))) from None
    return command


def read_output_format(section: ConfigurationRecord | None, command: ConfigurationRecord) -> OutputFormat:
    """The ``format`` section; without one all defaults hold, whatever stands further out."""
    nothing = ConfigurationRecord(SourceText(()), command.context, path=(*command.path, "format"))
    reading = read_section(nothing if section is None else section, "format")
    return OutputFormat(**reading.arguments(OutputFormat))


READERS: Mapping[str, Callable[[ConfigurationRecord], Command]] = {
    "train": read_train_command,
    "trainRNN": read_train_command,
    "test": read_test_command,
    "eval": read_test_command,
    "write": read_write_command,
    "beamSearch": read_beam_search_command,
    "edit": read_edit_command,
    "dumpNode": read_dump_command,
    "dumpNodes": read_dump_command,
    "dumpnode": read_dump_command,
}


def _network_to_train(record: ConfigurationRecord) -> NetworkSource:
    source = read_network_source(record)
    if source.builder is Builder.MODEL:
        misspelt = next((key for key in record.own_keys() if suggest(key, _BUILDERS)), None)
        hint = "add BrainScriptNetworkBuilder = { … }"
        if misspelt:
            hint = f"did you mean {suggest(misspelt, _BUILDERS)} where it says {misspelt}?"
        elif not record.has("action"):
            hint = 'without an action it trains; for others write action = "test" or action = "write"'
        message = f"{':'.join(record.path)} trains, but has no network builder"
        raise DiagnosticError(Diagnostic("GC0501", message, record.span, hint=hint))
    return source


def _saved_network(record: ConfigurationRecord) -> NetworkSource:
    """The model file, whatever builders stand further out."""
    model = record.require("modelPath")
    return NetworkSource(Builder.MODEL, model.span, model_path=model.string())


def _no_network(record: ConfigurationRecord) -> DiagnosticError:
    error = record.missing("modelPath")
    if error.diagnostics[0].hint:
        return error
    message = f"{':'.join(record.path)} names no network"
    hint = "add BrainScriptNetworkBuilder = { … } or modelPath"
    return DiagnosticError(Diagnostic("GC0501", message, record.span, hint=hint, cause=_NO_MODEL_PATH))


def _model_to_write(record: ConfigurationRecord) -> str:
    try:
        return record.string("modelPath")
    except DiagnosticError as error:
        # what one command shall write, the next ones miss
        raise DiagnosticError(*(replace(d, cause=d.cause or _NO_MODEL_PATH) for d in error.diagnostics)) from None


def _script(text: SourceText, written: Span, key: str) -> SourceText:
    if text.text[:1] not in ("(", "{", "["):
        hint = f"write {key} = {{ … }}"
        raise DiagnosticError(Diagnostic("GC0505", f"{key} must begin with a bracket", written, hint=hint))
    return text


def _check_output(record: ConfigurationRecord) -> None:
    if record.has("writer"):
        message = "writer is not implemented yet"
        raise DiagnosticError(Diagnostic("GC0522", message, record.key_span("writer"), hint="use outputPath"))
    record.require("outputPath")


def _name(record: ConfigurationRecord) -> str:
    return record.path[-1] if record.path else ""
