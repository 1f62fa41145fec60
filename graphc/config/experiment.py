"""A whole configuration: root settings and the commands to execute, each read to its typed form when its turn comes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from graphc.config.commands import READERS, Command, OtherCommand
from graphc.config.reading import read_section
from graphc.config.schema import ALL_KEYS
from graphc.diagnostics import Diagnostic, DiagnosticError, Span, did_you_mean
from graphc.syntax.configuration import ConfigurationRecord, ConfigurationValue

# the other actions of CNTK; names are case-sensitive
_OTHER_ACTIONS = (
    *("adapt", "cv", "plot", "SVD", "writeWordAndClass", "createLabelMap", "exportdbn", "convertdbn", "bnstat"),
    "devtest",
)


@dataclass(frozen=True)
class RootSettings:
    """What the driver itself reads."""

    command: tuple[str, ...]
    precision: str
    device_id: str | int
    trace_level: int
    stderr: str
    append_log_file: bool
    timestamping: bool
    progress_tracing: bool
    done_file: str
    model_path: str | None
    make_mode: bool
    num_cpu_threads: int
    force_deterministic_algorithms: bool
    recurrence_engine: str
    random_generator: str
    random_seed: int
    gaussian_generator: str
    init_device: str
    force_constant_random_seed: bool
    spans: Mapping[str, Span]


@dataclass(frozen=True)
class CommandSection:
    """A section that ``command`` names; ``span`` is where it is named."""

    name: str
    span: Span
    root: ConfigurationRecord

    @property
    def record(self) -> ConfigurationRecord:
        return self.root.record(self.name)

    def actions(self) -> tuple[ConfigurationValue, ...]:
        """Its actions, each known to CNTK; ``train`` where it says nothing."""
        value = self.record.get("action")
        if value is None:
            return ()
        for action in value.plain_array():
            if action.string() not in (*READERS, *_OTHER_ACTIONS):
                raise self._unknown_action(action)
        return value.plain_array()

    def read(self) -> tuple[Command, ...]:
        """The typed form of each of its actions, in order."""
        record = self.record
        actions = self.actions()
        if not actions:
            return (READERS["train"](record),)
        return tuple(self._read(record, action) for action in actions)

    def _read(self, record: ConfigurationRecord, action: ConfigurationValue) -> Command:
        reader = READERS.get(action.string())
        return OtherCommand(self.name, action.string(), action.span) if reader is None else reader(record)

    def _unknown_action(self, action: ConfigurationValue) -> DiagnosticError:
        hint = did_you_mean(action.string(), (*READERS, *_OTHER_ACTIONS))
        return action.error("GC0507", f"unknown action: {action.string()}", hint)


@dataclass(frozen=True)
class Experiment:
    """Root settings and commands in order of execution."""

    root: ConfigurationRecord
    settings: RootSettings
    commands: tuple[CommandSection, ...]


def read_experiment(root: ConfigurationRecord) -> Experiment:
    """The root's typed form; the commands are there by name, and their sections exist, but nothing of them is read."""
    if root.has_own("type"):
        message = "the key type is called precision"
        raise DiagnosticError(Diagnostic("GC0505", message, root.key_span("type"), hint="write precision = …"))
    root.context.known_keys = ALL_KEYS
    settings = RootSettings(**read_section(root, "root").arguments(RootSettings))
    value = root.get("command")
    if value is None:
        return Experiment(root, settings, (_default_command(root),))
    commands = tuple(_command(root, item) for item in value.plain_array())
    return Experiment(root, settings, commands)


def _default_command(root: ConfigurationRecord) -> CommandSection:
    if not root.has("train"):
        raise DiagnosticError(
            Diagnostic("GC0506", "nothing to do: there is neither command = … nor a section train", root.span)
        )
    span = root.key_span("train")
    assert span is not None
    return CommandSection("train", span, root)


def _command(root: ConfigurationRecord, item: ConfigurationValue) -> CommandSection:
    name = item.string()
    if root.has(name):
        return CommandSection(name, item.span, root)
    sections = [key for key in root.own_keys() if root.entries[key.lower()].value.text[:1] in ("[", "{", "(")]
    raise item.error("GC0506", f"there is no section {name}", did_you_mean(name, sections))
