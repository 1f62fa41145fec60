"""The network of a command that does not train, with its parameters' values."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import cast

from graphc.actions.context import RunContext
from graphc.actions.networks import network_from_text
from graphc.actions.parameters import Values, initial_values
from graphc.config.commands import BeamSearchCommand, Builder, DumpCommand, EditCommand, TestCommand, WriteCommand
from graphc.diagnostics import Diagnostic, DiagnosticError, placing, suggest
from graphc.network.network import Network
from graphc.syntax.configuration import ConfigurationRecord
from graphc.train.checkpoint import load_model
from graphc.train.initialise import CntkNumbers, Gaussian

UntrainedCommand = TestCommand | WriteCommand | BeamSearchCommand | EditCommand | DumpCommand


def network_and_values(command: UntrainedCommand, context: RunContext) -> tuple[Network, Values]:
    """From the command's builder, with first values, or from its model file."""
    source = command.network
    if source.builder is not Builder.MODEL:
        network = context.build(command.name, source, command.trace_level)
        return network, first_values(network, context)
    assert source.model_path is not None
    path = Path(source.model_path)
    if not path.exists():
        raise DiagnosticError(_missing(path, command, context.experiment.root))
    with placing(source.span):
        model = load_model(path)
    return network_from_text(model.network, model.values, path), dict(model.values)


def first_values(network: Network, context: RunContext) -> Values:
    """Values of a network that a builder describes, by the run's generator; raises `DiagnosticError`."""
    settings = context.settings
    numbers = CntkNumbers(
        cast(Gaussian, settings.gaussian_generator),
        context.device_fills if settings.init_device == "gpu" else None,
        1 if settings.force_constant_random_seed else None,
    )
    return initial_values(network, context.seed, context.generator, numbers)


def _missing(path: Path, command: UntrainedCommand, root: ConfigurationRecord) -> Diagnostic:
    trainer = _trainer(path, root)
    close = suggest(path.name, (p.name for p in path.parent.iterdir())) if path.parent.is_dir() else None
    if trainer:
        hint = f"train it first: command={trainer}"
    else:
        hint = f"did you mean {path.parent / close}?" if close else "train it first"
    return Diagnostic("GC0001", f"model file {path} does not exist", command.network.span, hint=hint)


def _trainer(path: Path, root: ConfigurationRecord) -> str | None:
    """Name of the section, whether it is to run or not, that trains the model."""
    for name in root.own_keys():
        with contextlib.suppress(DiagnosticError):  # of variables and of sections that are wrong in other ways
            section = root.record(name)
            action, model = section.get("action"), section.get("modelPath")
            trains = action is not None and action.string() in ("train", "trainRNN")
            if trains and model is not None and Path(model.string()) == path:
                return name
    return None
