"""``action = test`` (or ``eval``): averages of evaluation and criterion nodes over a data set."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from graphc.actions.context import RunContext
from graphc.actions.evaluation import Evaluator, require_scalars
from graphc.actions.events import Criterion, FinalResults, MinibatchesDone, Noted
from graphc.actions.feeding import open_data
from graphc.actions.loading import network_and_values
from graphc.actions.networks import known_nodes
from graphc.actions.progress import report_ranges
from graphc.actions.tracing import Tracer
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
    data = open_data(command.reader, network, names, context)
    context.warn(command.name, data.reader.warnings)
    started = time.perf_counter()
    tracer = Tracer.of(network, names, command, context, command.name)
    evaluator = Evaluator.of(network, names, data, context, tracer)
    watch = _Progress(command, context)
    criteria, minibatches = evaluator.score(values, command.minibatch_size.value(0), command.epoch_size, watch)
    seconds = time.perf_counter() - started
    context.observer.handle(FinalResults(command.name, "test", minibatches, criteria, seconds))


@dataclass
class _Progress:
    """Tells how far the test has come, as often as the command wants to hear it."""

    command: TestCommand
    context: RunContext
    _since: float = field(default_factory=time.perf_counter)
    _minibatches: int = 1

    def ranges(self, minibatches: int) -> list[tuple[int, int]]:
        self._minibatches = minibatches
        return report_ranges(minibatches, self.command.num_mbs_to_show_result, self.command.first_mbs_to_show_result)

    def report(self, first: int, last: int, criteria: tuple[Criterion, ...]) -> None:
        now = time.perf_counter()
        # one that is accumulated counts 1
        samples = max(c.samples for c in criteria)
        done = last / self._minibatches
        self.context.observer.handle(
            MinibatchesDone(
                self.command.name, "test", 0, 0, first + 1, last, criteria, samples, now - self._since, done
            )
        )
        self._since = now
