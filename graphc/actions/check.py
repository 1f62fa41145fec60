"""What is wrong with a configuration, all of it, without running it or opening its data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from graphc.actions.networks import Networks, criterion_of, inputs_below, known_nodes, require_node, wanted_inputs
from graphc.config.commands import Builder, Command, OtherCommand, TestCommand, TrainCommand, WriteCommand
from graphc.config.experiment import CommandSection, Experiment, RootSettings, read_experiment
from graphc.data.reader import match_streams
from graphc.diagnostics import Diagnostic, DiagnosticError, Diagnostics, Severity
from graphc.network.network import Network
from graphc.network.session import Session
from graphc.syntax.configuration import ConfigurationRecord

T = TypeVar("T")
Runnable = TrainCommand | TestCommand | WriteCommand


@dataclass(frozen=True)
class CheckedNetwork:
    """A command's network that was built without errors."""

    section: str
    command: Runnable
    network: Network


@dataclass
class Check:
    """Everything found in a configuration: the networks of its commands, errors and warnings."""

    found: Diagnostics = field(default_factory=Diagnostics)
    networks: list[CheckedNetwork] = field(default_factory=list)
    experiment: Experiment | None = None


def check(root: ConfigurationRecord, write: Callable[[str], None] = lambda line: None) -> Check:
    """Read every command, build every network, infer every shape, and hold readers against inputs.

    ``write`` is given what the language's ``Print`` prints.
    """
    result = Check()
    result.experiment = _kept(result.found, lambda: read_experiment(root))
    if result.experiment is not None:
        commands = _commands(result.experiment, result.found)
        # A parameter file that is missing leaves a dimension open: what runs later may write it.
        session = Session(files_required=False, write=write)
        checker = _Checker(result.experiment.settings, session, root, commands, result)
        for command in commands:
            _kept(result.found, lambda command=command: checker.check(command))
    result.found.extend(root.context.diagnostics.found)
    return result


def _commands(experiment: Experiment, found: Diagnostics) -> list[Command]:
    sections: Sequence[CommandSection] = experiment.commands
    return [c for section in sections for c in _kept(found, section.read) or ()]


class _Checker:
    def __init__(
        self,
        settings: RootSettings,
        session: Session,
        root: ConfigurationRecord,
        commands: Sequence[Command],
        result: Check,
    ) -> None:
        self._networks = Networks(settings, root.context.include_directories, session)
        self._commands = commands
        self._result = result
        self._trained: dict[int, Network | None] = {}

    def check(self, command: Command) -> None:
        if isinstance(command, OtherCommand):
            self._result.found.add(command.diagnostic(Severity.WARNING))
            return
        network = self._network(command)
        if network is None:
            return
        match command:
            case TrainCommand():
                self._check_training(command, network)
            case TestCommand():
                wanted = self._known(command, network, command.eval_node_names, "evalNodeNames")
                chosen = wanted or [n.name for g in ("evaluation", "criterion") for n in network.groups[g]]
                match_streams_of(network, chosen, command)
            case WriteCommand():
                wanted = self._known(command, network, command.output_node_names, "outputNodeNames")
                match_streams_of(network, wanted or [n.name for n in network.groups["output"]], command)

    def _known(
        self, command: TestCommand | WriteCommand, network: Network, names: Sequence[str], key: str
    ) -> list[str]:
        return known_nodes(network, names, command.spans.get(key, command.span), self._result.found)

    def _check_training(self, command: TrainCommand, network: Network) -> None:
        sgd = command.sgd
        roots = [criterion_of(network, sgd.train_criterion_node_name, command.span)]
        if sgd.eval_criterion_node_name:
            roots.append(require_node(network, sgd.eval_criterion_node_name, command.span))
        match_streams_of(network, [*roots, *(n.name for n in network.groups["evaluation"])], command)

    def _network(self, command: Runnable) -> Network | None:
        source = command.network
        if source.builder is Builder.MODEL:
            return self._saved(command)
        built = self._trained.get(id(command))
        if built is None:
            built = self._networks.build(source, self._result.found)
            self._trained[id(command)] = built
            self._result.networks.append(CheckedNetwork(command.name, command, built))
        return built

    def _saved(self, command: Runnable) -> Network | None:
        """The network of a model file: as its trainer builds it, where the configuration holds that."""
        path = command.network.model_path
        assert path is not None
        for other in self._commands:
            if isinstance(other, TrainCommand) and saves(other, path):
                return self._trained.get(id(other))  # none: its errors are reported already
        if not Path(path).exists():
            message = f"the model file {path} does not exist yet, so this command is not checked"
            place = command.network.span
            self._result.found.add(Diagnostic("GC0526", message, place, severity=Severity.WARNING))
        return None


def match_streams_of(network: Network, roots: Sequence[str], command: Runnable) -> None:
    """Hold the readers of a command against the inputs below the roots; raises `DiagnosticError`."""
    wanted = wanted_inputs(inputs_below(network, roots))
    readers = [command.reader, command.cv_reader] if isinstance(command, TrainCommand) else [command.reader]
    found = Diagnostics()
    for reader in readers:
        if reader is not None and reader.is_supported:
            _kept(found, lambda reader=reader: match_streams(reader, wanted))
    found.raise_errors()


def saves(command: TrainCommand, path: str) -> bool:
    """Whether a training command writes this model file: its final model or that of an epoch."""
    stem, _, epoch = path.rpartition(".")
    target = Path(command.model_path)
    return Path(path) == target or (epoch.isdigit() and Path(stem) == target)


def _kept(found: Diagnostics, work: Callable[[], T]) -> T | None:
    """Result of ``work``, or none with its complaints kept, so that one fault does not hide the next."""
    try:
        return work()
    except DiagnosticError as error:
        found.extend(error.diagnostics)
        return None
