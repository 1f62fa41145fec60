"""``action = test`` (or ``eval``): averages of evaluation and criterion nodes over a data set."""

from __future__ import annotations

import time

from graphc.actions.context import RunContext
from graphc.actions.evaluation import Evaluator, require_scalars
from graphc.actions.events import FinalResults, Noted
from graphc.actions.feeding import open_data
from graphc.actions.loading import network_and_values
from graphc.actions.networks import known_nodes
from graphc.config.commands import TestCommand
from graphc.diagnostics import Diagnostic, DiagnosticError, Diagnostics

_DEFAULTS = "evalNodeNames are not specified, using all the default evalnodes and training criterion nodes."


def test(command: TestCommand, context: RunContext) -> None:
    network, values = network_and_values(command, context)
    found = Diagnostics()
    place = command.spans.get("evalNodeNames", command.span)
    names = known_nodes(network, command.eval_node_names, place, found)
    context.warn(command.name, found.warnings)
    if not command.eval_node_names:
        context.observer.handle(Noted(command.name, _DEFAULTS))
        names = [n.name for group in ("evaluation", "criterion") for n in network.groups[group]]
        names = list(dict.fromkeys(names))
    if not names:
        hint = "list nodes in evaluationNodes or criterionNodes, or name them in evalNodeNames"
        raise DiagnosticError(Diagnostic("GC0415", "the network has no node to evaluate", place, hint=hint))
    require_scalars(network, names, place)
    data = open_data(command.reader, network, names, context.seed)
    context.warn(command.name, data.reader.warnings)
    started = time.perf_counter()
    evaluator = Evaluator.of(network, names, data, context)
    criteria, minibatches = evaluator.score(values, command.minibatch_size.value(0), command.epoch_size)
    seconds = time.perf_counter() - started
    context.observer.handle(FinalResults(command.name, "test", minibatches, criteria, seconds))
