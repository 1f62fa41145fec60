"""CNTK's console log, line for line, so that the scripts that read it keep working (format facts: CNTK 2.7)."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TextIO

from graphc.actions.events import (
    CommandFinished,
    CommandStarted,
    Criterion,
    Dumped,
    EpochFinished,
    EpochStarted,
    Event,
    FinalResults,
    Found,
    MinibatchesDone,
    MinibatchWritten,
    ModelSaved,
    NetworkReady,
    Noted,
    NothingToDo,
    RunFinished,
    RunStarted,
    StatisticsComputed,
    Traced,
    Written,
)
from graphc.diagnostics import Diagnostic, Severity
from graphc.version import VERSION

# a final evaluation line shows exp(average) behind these
PERPLEXITY_OPERATIONS = frozenset(
    {
        "CrossEntropyWithSoftmax",
        "CrossEntropy",
        "ClassBasedCrossEntropyWithSoftmax",
        "NCEBasedCrossEntropyWithSoftmax",
    }
)
_RULE = "#" * 78


def format_criterion(c: Criterion) -> str:
    """``name = value * samples``; a node whose name ends in ``s`` is a rate and shown in percent."""
    if c.name.endswith("s"):
        percent = 100 * c.value
        style = "%2.3e%%" if "e" in f"{percent:.3g}" else "%2.3f%%"
        return f"{c.name} = {style % percent} * {c.samples}"
    style = "%.8e" if "e" in f"{c.value:.8g}" else "%0.8f"
    return f"{c.name} = {style % c.value} * {c.samples}"


def format_seconds(seconds: float) -> str:
    return f"{seconds:.4e}" if "e" in f"{seconds:.4g}" else f"{seconds:.4f}"


def perplexity(average: float) -> float:
    try:
        return math.exp(average)
    except OverflowError:
        return math.inf


@dataclass
class CntkLog:
    """Writes the log to a stream, flushed line by line; ``timestamping`` puts the time before CNTK's own lines.

    Without ``errors`` it leaves them to whoever ends the run and tells its user why; ``exceptions``: but says, as CNTK
    does, that there was one.
    """

    stream: TextIO
    timestamping: bool = False
    errors: bool = True
    exceptions: bool = False
    trace_level: int = 0
    now: Callable[[], datetime] = datetime.now

    def handle(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self.trace_level = event.trace_level
        if isinstance(event, CommandStarted) and event.trace_level is not None:
            self.trace_level = event.trace_level
        if isinstance(event, Found) and event.diagnostic.severity is Severity.ERROR and not self.errors:
            # the diagnostic that follows begins a paragraph
            self.stream.write(f"\n{_exception(event.diagnostic)}\n" if self.exceptions else "\n")
            self.stream.flush()
            return
        if isinstance(event, Traced):
            # as it is: its own format says where lines end
            self.stream.write(event.text)
        for line in _lines(event, self.trace_level, self.timestamping, self.now):
            stamp = self.now().strftime("%m/%d/%Y %H:%M:%S: ") if self.timestamping and line.strip() else ""
            self.stream.write(f"{stamp}{line}\n")
        self.stream.flush()


def _lines(event: Event, trace_level: int, timestamping: bool, now: Callable[[], datetime]) -> Iterator[str]:
    match event:
        case RunStarted():
            yield from _run_started(event, now())
        case CommandStarted(section, action):
            title = f"# {section} command ({action} action)"
            yield from ("", _RULE, f"#{'':76}#", f"{title:<77}#", f"#{'':76}#", _RULE, "")
        case NetworkReady():
            yield from _network_ready(event, trace_level)
        case StatisticsComputed():
            yield from ("", "Precomputing --> Completed.")
        case EpochStarted() if trace_level > 0:
            yield ""
            yield (
                f"Starting Epoch {event.epoch}: learning rate per sample = {event.learning_rate:f}"
                f"  effective momentum = {event.momentum:f}"
                f"  momentum as time constant = {event.momentum_time_constant:.1f} samples"
            )
            yield from ("", "Starting minibatch loop.")
        case MinibatchesDone() if trace_level > 0 and event.shown:
            yield _progress(event)
        case EpochFinished():
            yield _epoch(event)
            if event.layout and trace_level > 0:
                yield _layout(event.layout)
        case ModelSaved(_, path) if trace_level > 0:
            yield f"SGD: Saving checkpoint model '{path}'"
        case NothingToDo(_, path):
            yield from (f"Final model exists: {path}", "No further training is necessary.")
        case FinalResults():
            yield f"Final Results: Minibatch[1-{event.minibatches}]: {_final(event.criteria)}"
        case MinibatchWritten(_, minibatch, samples):
            yield f"Minibatch[{minibatch}]: ActualMBSize = {samples}"
        case Written(_, path, _, samples):
            yield from (f"Written to {path}*", f"Total Samples Evaluated = {samples}")
        case Dumped(_, path, _, with_values):
            how = "with" if with_values else "without"
            yield f"DumpNodeInfo: dumping node info ({how} printing values) to {path}"
        case Noted(_, text, level) if trace_level >= level:
            yield text
        case Found(_, diagnostic):
            yield ""
            if diagnostic.severity is Severity.ERROR:
                yield _exception(diagnostic)
            yield from diagnostic.render().splitlines()
        case CommandFinished(_, action) if trace_level > 0:
            yield from ("", f'Action "{action}" complete.', "")
        case RunFinished(ok=True):
            yield "__COMPLETED__" if timestamping else "COMPLETED."
        case _:
            return


def _exception(diagnostic: Diagnostic) -> str:
    return f"EXCEPTION occurred: {diagnostic.message}"


def _run_started(event: RunStarted, now: datetime) -> Iterator[str]:
    version = f"graphc {VERSION} ({platform.system()} {platform.machine()})"
    yield from (f"{version} at {now:%Y/%m/%d %H:%M:%S}", "", "  ".join(event.arguments))
    yield f"Commands: {' '.join(event.commands)}"
    yield f'precision = "{event.precision}"'


def _network_ready(event: NetworkReady, trace_level: int) -> Iterator[str]:
    yield ""
    if event.resumed_from:
        yield f"Starting from checkpoint. Loading network from '{event.resumed_from}'."
    elif trace_level > 0:
        yield "Creating virgin network."
    yield f"Model has {event.nodes} nodes. Using {event.device}."
    yield ""
    yield from _group("Training criterion", "Training criteria", event.criteria)
    yield from _group("Evaluation criterion", "Evaluation criteria", event.evaluations)
    yield ""
    if trace_level <= 0:
        yield f"Training {event.parameters} parameters in {len(event.tensors)} parameter tensors."
        if event.statistics:
            yield from _statistics(event.statistics)[:2]
        return
    yield (
        f"Training {event.parameters} parameters in {len(event.tensors)} out of {event.tensor_total} "
        f"parameter tensors and {event.gradient_nodes} nodes with gradient:"
    )
    yield ""
    for name, shape in event.tensors.items():
        yield f"\tNode '{name}' (LearnableParameter operation) : [{' x '.join(map(str, shape))}]"
    yield from _statistics(event.statistics)


def _statistics(nodes: Sequence[tuple[str, str]]) -> list[str]:
    """Of the pass before training: a blank line, how many statistics it computes, and which."""
    if not nodes:
        return ["", "No PreCompute nodes found, or all already computed. Skipping pre-computation step."]
    lines = [f"\t{name} = {operation}()" for name, operation in nodes]
    return ["", f"Precomputing --> {len(nodes)} PreCompute nodes found.", "", *lines]


def _group(one: str, many: str, nodes: Sequence[tuple[str, str]]) -> Iterator[str]:
    if len(nodes) == 1:
        yield f"{one + ':':<22}{nodes[0][0]} = {nodes[0][1]}"
    elif nodes:
        yield f"{many}:"
        yield from (f"\t{name} = {operation}" for name, operation in nodes)


def _progress(event: MinibatchesDone) -> str:
    rate = event.samples / event.seconds if event.seconds > 0 else 0.0
    if event.phase != "train":
        return f"Minibatch[{event.first}-{event.last}]: {'; '.join(map(format_criterion, event.criteria))}"
    percent = f", {100 * event.fraction:2.{_digits(event)}f}%" if event.is_sized else ""
    criteria = "".join(f"{format_criterion(c)}; " for c in event.criteria)
    return (
        f" Epoch[{event.epoch:2d} of {event.epochs}]-Minibatch[{event.first:4d}-{event.last:4d}{percent}]: "
        f"{criteria}time = {format_seconds(event.seconds)}s; samplesPerSecond = {rate:.1f}"
    )


def _digits(event: MinibatchesDone) -> int:
    per_epoch = event.last / event.fraction
    return max(2, math.ceil(math.log10(max(per_epoch / (event.last - event.first + 1), 1))) - 2)


def _epoch(event: EpochFinished) -> str:
    head = f"Finished Epoch[{event.epoch:2d} of {event.epochs}]: "
    if event.phase == "cv":
        return f"{head}[Validate] {'; '.join(map(format_criterion, event.criteria))}"
    criteria = "".join(f"{format_criterion(c)}; " for c in event.criteria)
    return (
        f"{head}[Training] {criteria}totalSamplesSeen = {event.total_samples}; "
        f"learningRatePerSample = {event.learning_rate:.8g}; epochTime={event.seconds:.6g}s"
    )


def _layout(layout: Mapping[str, float]) -> str:
    frames, lanes = layout["usefulFrames"], layout["usefulLanes"]
    counts = f"{layout['shapes']} shapes, {layout['newShapes']} of them new"
    return f"Sequences: {frames:.1%} of frames and {lanes:.1%} of lanes are real, in {counts}."


def _final(criteria: Sequence[Criterion]) -> str:
    parts = []
    for c in criteria:
        parts.append(format_criterion(c))
        if c.operation in PERPLEXITY_OPERATIONS:
            parts.append(f"perplexity = {perplexity(c.value):.8f}")
    return "; ".join(parts)
