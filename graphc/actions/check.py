"""What is wrong with a configuration, all of it, without running it or opening its data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from graphc.actions.networks import Networks, criterion_of, evaluations_of, inputs_below, known_nodes, wanted_inputs
from graphc.config.commands import (
    BeamSearchCommand,
    Builder,
    Command,
    DumpCommand,
    EditCommand,
    NetworkCommand,
    NetworkSource,
    OtherCommand,
    RunnableCommand,
    ScriptCommand,
    TestCommand,
    TrainCommand,
    WriteCommand,
    read_network_source,
    readers_of,
)
from graphc.config.experiment import CommandSection, read_experiment
from graphc.config.reading import as_warnings, is_undefined, read_section
from graphc.data.streams import match_streams
from graphc.diagnostics import Diagnostic, DiagnosticError, Diagnostics, Severity, SourceFile, SourceText, placing
from graphc.network.build import ELEMENTS, build_network, check_definitions, without_preamble
from graphc.network.explain import uncomputed
from graphc.network.network import Network
from graphc.network.recurrence import faults
from graphc.network.saved import loaded_network, read_model_text
from graphc.network.session import Session
from graphc.network.truncation import require_pieces
from graphc.syntax.configuration import ConfigurationRecord
from graphc.syntax.configuration_text import strip_comments

Write = Callable[[str], None]


@dataclass(frozen=True)
class CheckedNetwork:
    """A network that was built without errors. ``trains``: the command that describes it trains it.

    ``script`` is its BrainScript, none where it was described in another way; ``precision`` the configuration's word.
    """

    section: str
    script: SourceText | None
    network: Network
    trains: bool = False
    precision: str = "float"


@dataclass(frozen=True)
class _OpenCommand:
    """A command that cannot be read, be it for want of a ``$name$``, but its network can be built all the same."""

    name: str
    network: NetworkSource


@dataclass
class Check:
    """Everything found in a configuration: the networks of its commands, errors and warnings."""

    found: Diagnostics = field(default_factory=Diagnostics)
    networks: list[CheckedNetwork] = field(default_factory=list)


def check(root: ConfigurationRecord, write: Write = lambda line: None, networks_of: type[Networks] = Networks) -> Check:
    """Read every command, build every network, infer every shape, and hold readers against inputs.

    ``write`` is given what the language's ``Print`` prints.
    """
    result = Check()
    root.context.is_tolerant = True
    experiment = result.found.keep(lambda: read_experiment(root))
    if experiment is not None:
        commands = [c for section in experiment.commands for c in _commands(section, result.found)]
        # A parameter file that is missing leaves a dimension open: what runs later may write it.
        session = Session(files_required=False, write=write)
        networks = networks_of(experiment.settings, root.context.include_directories, session)
        checker = _Checker(networks, commands, result)
        for command in commands:
            result.found.keep(lambda command=command: checker.check(command))
        _read_shared_sections(root, result.found)
    result.found.extend(root.context.diagnostics.found)
    return replace(result, found=_without_echoes(result.found))


def _read_shared_sections(root: ConfigurationRecord, found: Diagnostics) -> None:
    """Warn of wrong values in sections at the root that commands look for outward, also where none does."""
    for key in ("SGD", "reader"):
        section = root.record(key, None) if root.has_own(key) else None
        if section is not None:
            errors = Diagnostics()
            errors.keep(lambda section=section, key=key: read_section(section, key))
            found.extend(as_warnings(DiagnosticError(*(d for d in errors.found if d.code != "GC0501"))))


def _without_echoes(found: Diagnostics) -> Diagnostics:
    """Without the warnings about places that errors tell as well."""
    errors = {d.span for d in found.errors}
    return Diagnostics(d for d in found.found if d.severity is Severity.ERROR or d.span not in errors)


def check_script(file: SourceFile, write: Write = lambda line: None) -> Check:
    """Check a file that is BrainScript by itself: a network, or definitions that others use."""
    result = Check()
    text = SourceText.of(file)
    if without_preamble(text).text[:1] in ("{", "[", "("):
        session = Session(files_required=False, write=write)
        network = result.found.keep(lambda: build_network(text, session=session, diagnostics=result.found))
        if network is not None:
            result.found.extend(_cannot_run(network))
            result.networks.append(CheckedNetwork(file.name, text, network))
    else:
        result.found.keep(lambda: result.found.extend(check_definitions(text)))
    return result


def check_description(file: SourceFile, settings: ConfigurationRecord) -> Check:
    """Check a file in the network description language: a network, or macros that others use.

    ``settings`` hold the values of its ``$name$`` and may name ``ndlMacros`` and ``precision``.
    """
    # here, because whoever checks BrainScript must not wait for the other languages; below too
    from graphc.config.ndl import ndl_of_file
    from graphc.network.ndl.build import build_ndl_network

    result = Check()
    session = Session(files_required=False)

    def build() -> Network:
        element = ELEMENTS[read_section(settings, "root").values["precision"]]
        return build_ndl_network(ndl_of_file(file, settings), element, session=session, diagnostics=result.found)

    network = result.found.keep(build)
    if network is not None and len(network):
        result.found.extend(_cannot_run(network))
        result.networks.append(CheckedNetwork(file.name, None, network))
    return result


def check_edits(file: SourceFile, settings: ConfigurationRecord) -> Check:
    """Check a script of edits (MEL), on the models that it loads where they are there.

    ``settings`` hold the values of its ``$name$`` and may name ``ndlMacros``. Without all of the values only the
    commands themselves are checked.
    """
    from graphc.config.edit_script import macro_texts
    from graphc.network.mel.interpreter import check_commands, run_script
    from graphc.syntax.mel import read_script

    result, text = Check(), strip_comments(SourceText.of(file))
    session = Session(files_required=False)
    macros, asked = settings.string("ndlMacros", None), settings.span_of("ndlMacros") or settings.span
    command = ScriptCommand("", settings, file.name, macros, 0, asked, {})
    try:
        run_script(settings.substitute(text), session, result.found, None, macro_texts(command))
    except DiagnosticError as error:
        if not is_undefined(error):
            raise
        check_commands(read_script(text, result.found), result.found)
    return result


def _commands(section: CommandSection, found: Diagnostics) -> Sequence[Command | _OpenCommand]:
    try:
        return section.read()
    except DiagnosticError as error:
        is_open = is_undefined(error)
        found.extend(as_warnings(error) if is_open else error.diagnostics)
    if section.record.has("editPath"):
        return ()
    # what is wrong with the command may be its network, and has been told then
    source = (found if is_open else Diagnostics()).keep(lambda: read_network_source(section.record))
    return () if source is None else (_OpenCommand(section.name, source),)


class _Checker:
    def __init__(self, networks: Networks, commands: Sequence[Command | _OpenCommand], result: Check) -> None:
        self._networks = networks
        self._commands = commands
        self._result = result
        self._built: dict[int, Network] = {}
        self._edited: dict[Path, Network] = {}

    def check(self, command: Command | _OpenCommand) -> None:
        if isinstance(command, OtherCommand):
            self._result.found.add(command.diagnostic(Severity.WARNING))
            return
        if isinstance(command, ScriptCommand):
            self._check_edits(command)
            return
        network = self._network(command)
        if network is None:
            return
        match command:
            case TrainCommand():
                self._networks.session.promise(command.model_path, network)
                self._check_training(command, network)
            case EditCommand():
                self._networks.session.promise(command.output_model_path, network)
            case DumpCommand():
                if command.node_name:
                    self._known(command, network, (command.node_name,), "nodeName")
            case TestCommand():
                wanted = self._known(command, network, command.eval_node_names, "evalNodeNames")
                chosen = wanted or [n.name for g in ("evaluation", "criterion") for n in network.groups[g]]
                match_streams_of(network, chosen, command)
            case WriteCommand():
                wanted = self._known(command, network, command.output_node_names, "outputNodeNames")
                match_streams_of(network, wanted or [n.name for n in network.groups["output"]], command)
            case BeamSearchCommand():
                self._check_search(command, network)
            case _OpenCommand():
                pass

    def _check_search(self, command: BeamSearchCommand, network: Network) -> None:
        from graphc.actions.decoder import decoder_of, hooks_of, inputs_to_read

        hooks = hooks_of(network, command.beam_depth, command.network.span)
        decoder = decoder_of(command, hooks, None, partial(self._networks.build, found=self._result.found))
        wanted = inputs_to_read(command, decoder, hooks)
        if command.reader.is_supported:
            match_streams(command.reader, wanted_inputs(decoder[name] for name in wanted))

    def _check_edits(self, command: ScriptCommand) -> None:
        from graphc.config.edit_script import macro_texts, script_text
        from graphc.network.mel.interpreter import SavedModel, run_script

        found = self._result.found
        try:
            text = script_text(command)
        except DiagnosticError as error:
            if not is_undefined(error):
                raise
            found.extend(as_warnings(error))
            return
        element = ELEMENTS[self._networks.settings.precision]
        for output in run_script(text, self._networks.session, found, element, macro_texts(command)):
            if isinstance(output, SavedModel):
                self._networks.session.promise(output.path, output.network)
                self._edited[Path(output.path)] = output.network

    def _known(
        self, command: TestCommand | WriteCommand | DumpCommand, network: Network, names: Sequence[str], key: str
    ) -> list[str]:
        return known_nodes(network, names, command.spans.get(key, command.span), self._result.found)

    def _check_training(self, command: TrainCommand, network: Network) -> None:
        criterion = criterion_of(network, command.sgd, command.span)
        match_streams_of(network, [criterion, *evaluations_of(network, command.sgd, command.span)], command)
        if command.reader.is_supported:
            sources = [node.inputs[0].name for node in network if node.is_statistic]
            match_streams(command.reader, wanted_inputs(inputs_below(network, sources)))

    def _network(self, command: NetworkCommand | _OpenCommand) -> Network | None:
        source = command.network
        if source.builder is Builder.MODEL:
            return self._saved(source)
        network = self._networks.build(source, self._result.found)
        trained = self._edited_start(command) or network
        self._built[id(command)] = trained
        self._result.found.extend(_cannot_run(network))
        checked = CheckedNetwork(
            command.name,
            source.script,
            network,
            isinstance(command, TrainCommand),
            self._networks.settings.precision,
        )
        self._result.networks.append(checked)
        return trained

    def _edited_start(self, command: NetworkCommand | _OpenCommand) -> Network | None:
        """What training goes on from, where a script has saved it as the model of epoch 0."""
        if not isinstance(command, TrainCommand) or not command.make_mode:
            return None
        return self._edited.get(Path(f"{command.model_path}.0"))

    def _saved(self, source: NetworkSource) -> Network | None:
        """The network of a model file: as its trainer builds it, where the configuration holds that, or as it is."""
        path = source.model_path
        assert path is not None
        for other in self._commands:
            if isinstance(other, TrainCommand | EditCommand) and saves(other, path):
                return self._built.get(id(other))  # none: its errors are reported already
        if Path(path) in self._edited:
            return self._edited[Path(path)]
        try:
            with placing(source.span):
                return loaded_network(read_model_text(Path(path)), path)
        except OSError as error:
            state = "does not exist yet" if isinstance(error, FileNotFoundError) else "cannot be read"
            message = f"the model file {path} {state}, so this command is not checked"
            self._result.found.add(Diagnostic("GC0526", message, source.span, severity=Severity.WARNING))
            return None


def _cannot_run(network: Network) -> list[Diagnostic]:
    """Recurrences that are no loops, and warnings of operators that no backend can compute."""
    found = uncomputed(network)
    loops = faults(network.roots) if any(node.is_delay for node in network) else []
    return [*loops, *([] if found is None else [replace(found, severity=Severity.WARNING)])]


def match_streams_of(network: Network, roots: Sequence[str], command: RunnableCommand) -> None:
    """Hold the readers of a command against the inputs below the roots; raises `DiagnosticError`."""
    wanted = wanted_inputs(inputs_below(network, roots))
    found = Diagnostics()
    if any(reader.truncated for reader in readers_of(command)):
        found.keep(lambda: require_pieces([network[name] for name in roots]))
    for reader in readers_of(command):
        if reader.is_supported:
            found.keep(lambda reader=reader: match_streams(reader, wanted))
    found.raise_errors()


def saves(command: TrainCommand | EditCommand, path: str) -> bool:
    """Whether a command writes this model file: its final model or, of a training command, that of an epoch."""
    if isinstance(command, EditCommand):
        return Path(path) == Path(command.output_model_path)
    stem, _, epoch = path.rpartition(".")
    target = Path(command.model_path)
    return Path(path) == target or (epoch.isdigit() and Path(stem) == target)
