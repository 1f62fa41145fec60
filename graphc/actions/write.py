"""``action = write``: values of nodes for every sample, as text, one file a node."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from graphc.actions.context import RunContext
from graphc.actions.events import MinibatchWritten, Noted, Written
from graphc.actions.feeding import Data, open_data, require_lengths
from graphc.actions.loading import network_and_values
from graphc.actions.networks import known_nodes
from graphc.actions.parameters import Values, completed
from graphc.actions.text_output import Place, TextOutput, matrix_columns, read_labels, unfit_labels
from graphc.actions.traced_steps import EvaluationTraces
from graphc.actions.tracing import Tracer
from graphc.config.commands import WriteCommand
from graphc.data.minibatches import Minibatch
from graphc.diagnostics import Diagnostic, DiagnosticError, Diagnostics, RunError, placing
from graphc.files import atomic_writer, why
from graphc.network.lower import to_graph
from graphc.network.network import Network
from graphc.passes.pipeline import optimise
from graphc.train.evaluation import EvaluationStep
from graphc.train.feeds import to_device

# text above which the metrics file names the files only
_MOST_VALUES = 1 << 20


def write(command: WriteCommand, context: RunContext) -> None:
    network, values = network_and_values(command, context)
    found = Diagnostics()
    names = known_nodes(network, command.output_node_names, command.spans.get("outputNodeNames", command.span), found)
    context.warn(command.name, found.warnings)
    names = names or [n.name for n in network.groups["output"]]
    if not names:
        message = "There is no default output node specified in the network"
        hint = "list it in outputNodes = (…) or name nodes in outputNodeNames"
        raise DiagnosticError(Diagnostic("GC0415", message, command.span, hint=hint))
    if command.reader is None:
        raise DiagnosticError(
            Diagnostic("GC0501", f"{command.name} has no reader", command.span, hint="add reader = { … }")
        )
    data = open_data(command.reader, network, names, context)
    context.warn(command.name, data.reader.warnings)
    started = time.perf_counter()
    outputs = _Outputs(command, network, names, context)
    with outputs.opened() as files:
        samples = _write_all(command, context, network, values, names, data, files)
    seconds = time.perf_counter() - started
    context.observer.handle(
        Written(command.name, command.output_path, outputs.paths, samples, seconds, outputs.values())
    )


def _write_all(
    command: WriteCommand,
    context: RunContext,
    network: Network,
    values: Values,
    names: Sequence[str],
    data: Data,
    files: Mapping[str, Callable[[npt.NDArray[Any], Place], None]],
) -> int:
    built = to_graph(network, names, storages=data.storages, updates=False)
    graph = optimise(built, also=context.passes_for_device(is_truncated=data.is_truncated))
    with placing(context.device_place):
        step = EvaluationStep(graph, names, device=context.device, arithmetic=context.arithmetic, seed=context.seed)
    parameters = step.place(completed(values, step.graph))
    columns = to_device(step.graph, data.columns, step.device)
    taken, minibatches = data.plan(graph, 0, command.minibatch_size.value(0), command.epoch_size)
    table = step.table(taken)
    tracer = Tracer.of(network, names, command, context, command.name)
    traces = EvaluationTraces.of(tracer, network, data, context) if tracer is not None else None
    if traces is not None:
        traces.begin(values)
    for number, minibatch in enumerate(minibatches):
        if traces is not None:
            traces.run(columns, table, range(number, number + 1))
        found = step.minibatch(parameters, columns, table, number)
        require_lengths(found.failed, taken, data, network)
        for name in names:
            lengths = None
            if graph.roots[name].type.axis is not None:
                lengths = found.lengths.get(name, minibatch.lengths)
            value = found[name] if lengths is not None else matrix_columns(found[name], graph.roots[name].type.dims)
            for place, steps in _sequences(value, lengths, minibatch, number, data):
                files[name](steps, place)
        context.observer.handle(MinibatchWritten(command.name, number, minibatch.columns))
    return int(taken.counts.sum())


def _sequences(
    values: npt.NDArray[Any], lengths: npt.NDArray[np.integer] | None, minibatch: Minibatch, number: int, data: Data
) -> Iterator[tuple[Place, npt.NDArray[Any]]]:
    """What is written as one sequence each; without ``lengths`` the value has no dynamic axis."""
    if lengths is None:
        yield Place(0, number), values
        return
    ends = np.cumsum(lengths)
    for at, (start, end) in enumerate(zip(ends - lengths, ends, strict=True)):
        key = str(data.reader.dataset.keys[minibatch.sequences[at]])
        yield Place(at, number, key), values[start:end]


class _Outputs:
    """The files of a command, one a node: all of them appear when everything is written, or none."""

    def __init__(self, command: WriteCommand, network: Network, names: Sequence[str], context: RunContext) -> None:
        self._command = command
        self._context = context
        self._network = network
        self._names = names
        self._collected: dict[str, list[Any]] | None = {name: [] for name in names}
        self._size = 0
        to_stdout = command.output_path == "-"
        self.paths = [] if to_stdout else [Path(f"{command.output_path}.{name}") for name in names]

    @contextlib.contextmanager
    def opened(self) -> Iterator[Mapping[str, Callable[[npt.NDArray[Any], Place], None]]]:
        format = self._command.format
        labels = read_labels(format, format.spans.get("labelMappingFile"))
        for told in filter(None, (unfit_labels(format, labels, self._dims(name)) for name in self._names)):
            self._context.observer.handle(Noted(self._command.name, told))
        try:
            with contextlib.ExitStack() as stack:
                streams = [stack.enter_context(atomic_writer(path)) for path in self.paths]
                writers = {
                    name: TextOutput(stream, name, self._dims(name), format, labels)
                    for name, stream in zip(
                        self._names, streams or [self._context.output] * len(self._names), strict=True
                    )
                }
                yield {name: self._sink(name, writer) for name, writer in writers.items()}
                for writer in writers.values():
                    writer.close()
        except OSError as error:  # of the last bytes too, which go to the disk when the block ends
            place = self._command.spans.get("outputPath", self._command.span)
            raise RunError(_unwritable(self._command.output_path, error, place)) from error

    def values(self) -> Mapping[str, Any] | None:
        """What was written, where it is small."""
        return self._collected

    def _sink(self, name: str, writer: TextOutput) -> Callable[[npt.NDArray[Any], Place], None]:
        def write(steps: npt.NDArray[Any], place: Place) -> None:
            writer.write(steps, place)
            self._collect(name, steps)

        return write

    def _collect(self, name: str, steps: npt.NDArray[Any]) -> None:
        if self._collected is None:
            return
        self._size += 20 * steps.size
        if self._size > _MOST_VALUES:
            self._collected = None
        else:
            self._collected[name] += steps.reshape(len(steps), -1).tolist()

    def _dims(self, name: str) -> tuple[int, ...]:
        type = self._network[name].type
        assert type is not None
        return type.dims


def _unwritable(path: str, error: OSError, place: Any) -> Diagnostic:
    return Diagnostic("GC0004", f"the output {path} cannot be written: {why(error)}", place)
