"""Runs a script of edits on models, and gives what it saves; nothing is read but headers, and nothing is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from graphc.diagnostics import Diagnostic, DiagnosticError, Diagnostics, Label, Severity, SourceText, Span, placing
from graphc.files import why
from graphc.ir import ElementType
from graphc.network import explain
from graphc.network.inference import infer
from graphc.network.mel import edits, inline
from graphc.network.mel.commands import Call, bound
from graphc.network.mel.models import UNNAMED, Model, Models, Pattern, UnknownModelError, pairs
from graphc.network.mel.open_links import Nothing
from graphc.network.mel.properties import known_property, property_value, set_property, set_property_below
from graphc.network.network import Network, NetworkNode
from graphc.network.parameters import filled
from graphc.network.saved import loaded_network
from graphc.network.session import Session
from graphc.ops.initializers import Initializer
from graphc.ops.sources import LearnableParameter
from graphc.syntax import mel

T = TypeVar("T")

_INDEX = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, eq=False)
class SavedModel:
    """A network with all shapes that is to be written to a file, as it was when the script said so."""

    path: str
    network: Network
    span: Span


@dataclass(frozen=True, eq=False)
class DumpedNodes:
    """Nodes that are to be printed to a file."""

    path: str
    network: Network
    nodes: tuple[NetworkNode, ...]
    with_values: bool
    span: Span


Output = SavedModel | DumpedNodes


def check_commands(script: mel.Script, found: Diagnostics) -> list[Call | mel.Snippet | mel.Line]:
    """The calls of a script, each with known names and the right number of arguments; others go to ``found``."""
    steps: list[Call | mel.Snippet | mel.Line] = []
    for statement in script.statements:
        if not isinstance(statement, mel.Command):
            steps.append(statement)
        elif (call := found.keep(lambda s=statement: _checked(s))) is not None:
            steps.append(call)
    return steps


def run_script(
    source: SourceText,
    session: Session,
    found: Diagnostics,
    element: ElementType | None,
    macros: Sequence[SourceText] = (),
) -> list[Output]:
    """What the script saves and prints, in order. What is wrong goes to ``found``, and the rest is looked at.

    ``element`` is that of all models, none for any; ``macros`` are texts of network description.
    """
    own = Diagnostics()
    script = mel.read_script(source, own)
    run = _Run(session, own, Models(element), (*macros, *script.macros))
    for step in check_commands(script, own):
        run.step(step)
    run.finish()
    found.extend(own.found)
    return [] if own.errors else run.outputs


def _checked(command: mel.Command) -> Call:
    call = bound(command)
    if call.name.startswith("SetProperty"):
        name = known_property(call.arguments[1], call.name.endswith("SubTree"))
        property_value(name, call.arguments[2])
    if call.name == "SetNodeInput" and not _INDEX.fullmatch(call.arguments[1].text):
        message = f"'{call.arguments[1]}' is not the number of an input, from 0 on"
        raise DiagnosticError(Diagnostic("GC0432", message, call.arguments[1].span()))
    return call


class _Run:
    def __init__(self, session: Session, found: Diagnostics, models: Models, macros: tuple[SourceText, ...]) -> None:
        self._session = session
        self._found = found
        self._models = models
        self._macros = macros
        self.outputs: list[Output] = []
        self._commands: dict[str, Callable[[Call], None]] = {
            "CreateModel": self._create,
            "CreateModelWithName": self._create,
            "LoadModel": self._load,
            "LoadModelWithName": self._load,
            "LoadNDLSnippet": self._load_snippet,
            "SaveDefaultModel": lambda call: self._save(self._models.chosen(call.place), call.arguments[0], call),
            "SaveModel": lambda call: self._save(self._models.named(call.arguments[0]), call.arguments[1], call),
            "SetDefaultModel": self._set_default,
            "UnloadModel": self._unload,
            "DumpModel": self._dump_model,
            "DumpNode": self._dump_nodes,
            "CopyNode": self._copy,
            "CopySubTree": self._copy_subtree,
            "CopyNodeInputs": self._copy_inputs,
            "SetNodeInput": self._set_input,
            "SetNodeInputs": self._set_inputs,
            "SetProperty": self._set_property,
            "SetPropertyForSubTree": self._set_property,
            "RemoveNode": self._remove,
            "Rename": self._rename,
            "ReviseParameter": self._revise,
        }

    def step(self, step: Call | mel.Snippet | mel.Line) -> None:
        if isinstance(step, mel.Line):
            self._attempt(lambda: self._note_line(step))
            return
        self.finish()
        if isinstance(step, mel.Snippet):
            self._attempt(lambda: self._describe(step.target, step.body, step.text.span()))
        else:
            self._attempt(lambda: self._commands[step.name](step))

    def finish(self) -> None:
        """Add what the lines before this say to their models."""
        for model in list(self._models):
            self._attempt(lambda model=model: self._take_lines(model))

    def _attempt(self, work: Callable[[], None]) -> None:
        try:
            work()
        except UnknownModelError:
            pass
        except DiagnosticError as error:
            self._found.extend(error.diagnostics)
            self._break_models()

    def _break_models(self) -> None:
        for model in self._models:
            model.is_broken = True

    # --- models

    def _create(self, call: Call) -> None:
        name = call.arguments[0].text if call.arguments else UNNAMED
        self._enter(Model(name, Network(self._models.element or ElementType.FLOAT32)), call.span)

    def _load(self, call: Call) -> None:
        *named, path = call.arguments
        name = named[0].text if named else UNNAMED
        model = Model(name, None)
        self._enter(model, call.span)
        model.network = self._read(path)

    def _read(self, path: SourceText) -> Network | None:
        """The network of a model file or, where this script saves it, as that is going to be."""
        saved = [o for o in self.outputs if isinstance(o, SavedModel) and Path(o.path) == Path(path.text)]
        if saved:
            return edits.copied_network(saved[-1].network)
        try:
            with placing(path.span()):
                network = loaded_network(self._session.model_text(path.text), path.text)
        except OSError as error:
            self._tell_unreadable(path, error)
            return None
        element = self._models.element or network.element
        if network.element is not element:
            message = f"the model {path} holds {network.element.value}, the configuration asks for {element.value}"
            hint = "the root's precision says which: float or double"
            raise DiagnosticError(Diagnostic("GC0417", message, path.span(), hint=hint))
        return network

    def _tell_unreadable(self, path: SourceText, error: OSError) -> None:
        missing = isinstance(error, FileNotFoundError)
        if self._session.files_required:
            reason = "does not exist" if missing else f"cannot be read: {why(error)}"
            raise DiagnosticError(Diagnostic("GC0001", f"model file {path} {reason}", path.span()))
        # what runs before may write it
        message = f"the model file {path} {'does not exist yet' if missing else 'cannot be read'}"
        self._found.add(
            explain.warning("GC0526", f"{message}, so the edits of this model are not checked", path.span())
        )

    def _enter(self, model: Model, place: Span) -> None:
        old = self._models.add(model)
        if old is not None:
            message = f"there was a model {old.name} already, which is gone now"
            self._found.add(explain.warning("GC0431", message, place))

    def _set_default(self, call: Call) -> None:
        self._models.default = self._models.named(call.arguments[0])

    def _unload(self, call: Call) -> None:
        for name in call.arguments:
            try:
                self._models.remove(self._models.named(name))
            except DiagnosticError as error:
                self._found.extend(explain.warning(d.code, d.message, d.span, d.hint) for d in error.diagnostics)

    # --- network description

    def _load_snippet(self, call: Call) -> None:
        name, path = call.arguments
        self._describe(name, inline.snippet_of_file(path, call.options.get("section", "")), call.span)

    def _describe(self, name: SourceText, body: SourceText, place: Span) -> None:
        model, element = Model(name.text, None), self._models.element or ElementType.FLOAT32
        self._enter(model, place)
        model.network = self._telling(lambda own: inline.described(body, self._macros, element, self._session, own))

    def _note_line(self, line: mel.Line) -> None:
        self._models.chosen(line.name.span()).lines.waiting.append(line.text)

    def _take_lines(self, model: Model) -> None:
        if model.lines.waiting:
            network = model.known()
            self._telling(lambda own: model.lines.take(network, self._macros, self._session, own))

    def _telling(self, work: Callable[[Diagnostics], T]) -> T:
        own = Diagnostics()
        result = work(own)
        self._found.extend(own.warnings)
        own.raise_errors()
        return result

    # --- files

    def _save(self, model: Model, path: SourceText, call: Call) -> None:
        network = self._finished(model, call)
        self.outputs.append(SavedModel(path.text, network, path.span()))

    def _dump_model(self, call: Call) -> None:
        network = self._finished(self._models.named(call.arguments[0]), call)
        nodes = sorted(network, key=lambda node: node.name.lower())
        self._dump(call, network, nodes)

    def _dump_nodes(self, call: Call) -> None:
        pattern = self._models.pattern(call.arguments[0])
        names = [node.name for node in pattern.matches()]
        network = self._finished(pattern.model, call)
        self._dump(call, network, [network[name] for name in names])

    def _dump(self, call: Call, network: Network, nodes: Sequence[NetworkNode]) -> None:
        with_values = call.options.get("includeData", "false") == "true"
        path = call.arguments[1]
        self.outputs.append(DumpedNodes(path.text, network, tuple(nodes), with_values, path.span()))

    def _finished(self, model: Model, call: Call) -> Network:
        """A copy of the network with all shapes; raises `DiagnosticError` where it is not whole."""
        if model.is_broken:
            raise UnknownModelError
        network = edits.copied_network(model.known())
        own = Diagnostics()
        _require_links(network, call, own)
        if not own.errors:
            infer(network, own)
        own.raise_errors()
        return network

    # --- nodes

    def _copy(self, call: Call) -> None:
        source, target = (self._models.pattern(text) for text in call.arguments)
        found, into = pairs(source, target), target.model.known()
        self._copy_pairs(found, source.model.known(), into, call)

    def _copy_subtree(self, call: Call) -> None:
        source, into = self._models.pattern(call.arguments[0]), self._models.named(call.arguments[1]).known()
        found = edits.subtree(source.matches(), call.arguments[2].text)
        self._copy_pairs(found, source.model.known(), into, call)

    def _copy_pairs(self, found: edits.Pairs, source: Network, target: Network, call: Call) -> None:
        if call.options.get("copy") == "value":
            edits.copy_values(found, target, call.span)
        else:
            edits.copy_nodes(found, source, target, call.span)

    def _copy_inputs(self, call: Call) -> None:
        source, target = self._within_one(call.arguments)
        edits.copy_links(pairs(source, target), source.model.known(), call.span)

    def _rename(self, call: Call) -> None:
        source, target = self._within_one(call.arguments)
        if target.has_star and not source.has_star:
            message = f"'{target.text}' is more than one name for {source.text}"
            raise DiagnosticError(Diagnostic("GC0432", message, target.text.span()))
        edits.rename(pairs(source, target), source.model.known(), call.span)

    def _set_input(self, call: Call) -> None:
        nodes, _, source = call.arguments
        target, source = self._within_one((nodes, source))
        found, given = target.matches(), _single(source)
        for node in found:
            edits.set_input(node, int(call.arguments[1].text), given, call.span)

    def _set_inputs(self, call: Call) -> None:
        target, *sources = self._within_one(call.arguments)
        edits.set_inputs(_single(target), [_single(source) for source in sources], call.span)

    def _set_property(self, call: Call) -> None:
        pattern = self._models.pattern(call.arguments[0])
        below = call.name.endswith("SubTree")
        name = known_property(call.arguments[1], below)
        value = property_value(name, call.arguments[2])
        change = set_property_below if below else set_property
        change(name, value, pattern.matches(), pattern.model.known(), call.span, self._found)

    def _remove(self, call: Call) -> None:
        for text in call.arguments:
            pattern = self._models.pattern(text)
            edits.remove(pattern.matches(), pattern.model.known(), call.span)

    def _revise(self, call: Call) -> None:
        pattern, path = self._models.pattern(call.arguments[0]), call.arguments[1]
        nodes = pattern.matches()
        matrix = self._matrix(path)
        for node in nodes:
            if not isinstance(node.op, LearnableParameter):
                message = f"{node.name} is a {node.operation}, no parameter, and is left as it is"
                self._found.add(explain.warning("GC0433", message, call.span))
            elif matrix is not None:
                filled(node.op.shape, matrix, f"the file {path}", path.span())
                initial = LearnableParameter(
                    node.name, node.op.shape, initializer=Initializer("fromFile", literal=matrix)
                )
                edits.revise(node, initial)

    def _matrix(self, path: SourceText) -> str | None:
        try:
            return self._session.read(path.text)
        except (OSError, ValueError) as error:
            reason = why(error) if isinstance(error, OSError) else "not a text file"
            message = f"parameter file '{path}' cannot be read: {reason}"
            severity = Severity.ERROR if self._session.files_required else Severity.WARNING
            problem = Diagnostic("GC0411", message, path.span(), severity=severity)
        if self._session.files_required:
            raise DiagnosticError(problem)
        self._found.add(problem)
        return None

    def _within_one(self, arguments: Sequence[SourceText]) -> list[Pattern]:
        """The patterns of arguments that must be about one model."""
        found = [self._models.pattern(text) for text in arguments]
        for pattern in found[1:]:
            if pattern.model is not found[0].model:
                message = (
                    f"{found[0].text} is of the model {found[0].model.name}, {pattern.text} of {pattern.model.name}"
                )
                hint = "copy it first: CopyNode or CopySubTree"
                raise DiagnosticError(Diagnostic("GC0432", message, pattern.text.span(), hint=hint))
        return found


def _single(pattern: Pattern) -> NetworkNode:
    nodes = pattern.matches()
    if len(nodes) > 1:
        message = f"'{pattern.text}' names {len(nodes)} nodes, one is needed"
        raise DiagnosticError(Diagnostic("GC0432", message, pattern.text.span()))
    return nodes[0]


def _require_links(network: Network, call: Call, found: Diagnostics) -> None:
    for node in network:
        for index, source in enumerate(node.inputs):
            if isinstance(source.op, Nothing):
                message = f"input {index} of {node.name} leads nowhere: it was {source.name} before this line"
                labels = (Label(f"{call.name} needs the whole network", call.place),)
                hint = f"give it another behind this line: SetInput ({node.name}, {index}, …)"
                found.add(Diagnostic("GC0433", message, source.span, labels, hint))
