"""``action = edit``: the network that a builder describes, most often out of saved models, saved as a model."""

from __future__ import annotations

from pathlib import Path

from graphc.actions.context import RunContext
from graphc.actions.events import Noted
from graphc.actions.loading import network_and_values
from graphc.config.commands import EditCommand
from graphc.diagnostics import placing
from graphc.network.text import format_network
from graphc.train.checkpoint import save_model


def edit(command: EditCommand, context: RunContext) -> None:
    path = Path(command.output_model_path)
    if command.make_mode and path.exists():
        text = f"'{path}' exists, skipping. Specify makeMode=false to force executing the action."
        context.observer.handle(Noted(command.name, text))
        return
    network, values = network_and_values(command, context)
    with placing(command.spans.get("outputModelPath")):
        save_model(path, values, format_network(network))
    context.observer.handle(Noted(command.name, f"Model with {len(network)} nodes saved as '{path}'."))
