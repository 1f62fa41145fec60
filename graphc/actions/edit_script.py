"""``action = edit`` with ``editPath``: a script of edits (MEL) on saved models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from graphc.actions.context import RunContext
from graphc.actions.dump import node_tokens
from graphc.actions.events import Dumped, Noted
from graphc.actions.loading import first_values
from graphc.actions.parameters import Values
from graphc.config.commands import ScriptCommand
from graphc.config.edit_script import macro_texts, script_text
from graphc.diagnostics import Diagnostic, Diagnostics, RunError, placing
from graphc.files import atomic_writer, why
from graphc.network.build import ELEMENTS
from graphc.network.mel.interpreter import DumpedNodes, Output, SavedModel, run_script
from graphc.network.text import format_network
from graphc.train.checkpoint import save_model


def run_edits(command: ScriptCommand, context: RunContext) -> None:
    """Run the whole script, and only then write what it saves: nothing, where anything in it is wrong."""
    found = Diagnostics()
    element = ELEMENTS[context.settings.precision]
    outputs = run_script(script_text(command), context.networks.session, found, element, macro_texts(command))
    context.warn(command.name, found.warnings)
    found.raise_errors()
    # every value first: a script may write the very file that it has read
    for write in [_prepared(output, command, context) for output in outputs]:
        write()


def _prepared(output: Output, command: ScriptCommand, context: RunContext) -> Callable[[], None]:
    """What writes the output."""
    values = _values(output, context)
    match output:
        case SavedModel():
            return lambda: _save(output, values, command, context)
        case DumpedNodes():
            return lambda: _dump(output, values, command, context)


def _values(output: Output, context: RunContext) -> Values:
    if isinstance(output, DumpedNodes) and not output.with_values:
        return {}
    with placing(output.span):
        return first_values(output.network, context)


def _save(output: SavedModel, values: Values, command: ScriptCommand, context: RunContext) -> None:
    path = Path(output.path)
    with placing(output.span):
        save_model(path, values, format_network(output.network))
    context.observer.handle(Noted(command.name, f"Model with {len(output.network)} nodes saved as '{path}'."))


def _dump(output: DumpedNodes, values: Values, command: ScriptCommand, context: RunContext) -> None:
    path = Path(output.path)
    tokens = (token for node in output.nodes for token in node_tokens(node, values, with_values=output.with_values))
    try:
        with atomic_writer(path) as stream:
            stream.writelines(f" {token}" for token in tokens)
    except OSError as error:
        raise RunError(Diagnostic("GC0004", f"{path} cannot be written: {why(error)}", output.span)) from error
    context.observer.handle(Dumped(command.name, path, len(output.nodes), output.with_values))
