"""The network of a command that does not train, with its parameters' values."""

from __future__ import annotations

from pathlib import Path

from graphc.actions.context import RunContext
from graphc.actions.networks import network_from_text
from graphc.actions.parameters import Values, initial_values
from graphc.config.commands import Builder, TestCommand, WriteCommand
from graphc.diagnostics import Diagnostic, DiagnosticError, suggest
from graphc.network.network import Network
from graphc.train.checkpoint import load_model


def network_and_values(command: TestCommand | WriteCommand, context: RunContext) -> tuple[Network, Values]:
    """From the command's builder, with first values, or from its model file."""
    source = command.network
    if source.builder is not Builder.MODEL:
        network = context.build(command.name, source, command.trace_level)
        return network, initial_values(network, context.seed, context.generator)
    assert source.model_path is not None
    path = Path(source.model_path)
    if not path.exists():
        raise DiagnosticError(_missing(path, command))
    model = load_model(path)
    return network_from_text(model.network, model.values, path), dict(model.values)


def _missing(path: Path, command: TestCommand | WriteCommand) -> Diagnostic:
    close = suggest(path.name, (p.name for p in path.parent.iterdir())) if path.parent.is_dir() else None
    hint = f"did you mean {path.parent / close}?" if close else "train it first"
    return Diagnostic("GC0001", f"model file {path} does not exist", command.network.span, hint=hint)
