"""``action = train``: epochs of minibatches, with checkpoints to go on from, a log and optional validation."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graphc.actions.context import RunContext
from graphc.actions.epochs import Epochs
from graphc.actions.evaluation import Evaluator
from graphc.actions.events import (
    EpochFinished,
    EpochStarted,
    FinalResults,
    ModelSaved,
    NetworkReady,
    Noted,
    NothingToDo,
)
from graphc.actions.feeding import Data, open_data, require_lengths
from graphc.actions.loading import first_values
from graphc.actions.model_files import ModelFiles
from graphc.actions.networks import criterion_of, evaluations_of, network_from_text
from graphc.actions.parameters import Values, completed, count
from graphc.actions.progress import Progress
from graphc.actions.statistics import Pass, sources_of, uncomputed_statistics
from graphc.actions.stochastic import stochastic_nodes
from graphc.actions.traced_steps import TrainingTraces
from graphc.actions.tracing import Tracer
from graphc.config.commands import TrainCommand
from graphc.config.learner import SGDSettings
from graphc.diagnostics import Diagnostic, Label, RunError, Severity, Span, placing
from graphc.ir.arithmetic import LARGEST_HALF
from graphc.network.lower import to_graph
from graphc.network.network import Network, NetworkNode, topological
from graphc.network.text import format_network
from graphc.ops.columns import column_sparse
from graphc.ops.normalization import BatchNormalization
from graphc.ops.sources import LearnableParameter
from graphc.passes.pipeline import optimise
from graphc.train.checkpoint import Checkpoint, load_checkpoint, load_model, save_checkpoint, save_model
from graphc.train.feeds import DeviceColumns, to_device
from graphc.train.learner import Learner
from graphc.train.node_streams import NodeStreams
from graphc.train.step import Epoch, TrainingState, TrainingStep
from graphc.train.totals import Totals

# started beyond a report before it is read: enough to keep a device busy meanwhile, too few to delay the report
_MINIBATCHES_AHEAD = 8


@dataclass(eq=False)
class Training:
    """One training command while it runs."""

    command: TrainCommand
    context: RunContext
    files: ModelFiles
    network: Network
    values: Values
    criterion: str
    evaluations: tuple[str, ...]
    first_epoch: int = 1
    total_samples: int = 0
    learner_state: Mapping[str, Mapping[str, Any]] | None = None
    operations: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.operations = {name: self.network[name].operation for name in self.roots}

    @property
    def roots(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([self.criterion, *self.evaluations]))

    @property
    def section(self) -> str:
        return self.command.name


def train(command: TrainCommand, context: RunContext) -> None:
    """Run the command, from scratch or from where an earlier run stopped."""
    sgd = command.sgd
    files = ModelFiles(Path(command.model_path), sgd.max_epochs)
    _require_no_folder(command)
    finished = files.last_finished() if command.make_mode else None
    if finished is not None and finished == sgd.max_epochs:
        context.observer.handle(NothingToDo(command.name, files.model(finished)))
        return
    training = _prepared(command, context, files, finished)
    statistics = uncomputed_statistics(training.network, training.values)
    data = open_data(command.reader, training.network, [*training.roots, *sources_of(statistics)], context)
    context.warn(command.name, data.reader.warnings)
    step = _step(training, data)
    named = training.network, training.roots, sgd, context, command.name, training.criterion
    tracer = Tracer.of(*named)
    validation = _validation(training, tracer)
    _announce(training, step, statistics, files.model(finished) if finished is not None else None)
    _compute(training, statistics, data)
    if finished is None or statistics:
        _save_model(training, finished or 0)
    columns = to_device(step.graph, data.columns, step.device)
    state = step.state(completed(training.values, step.graph), training.learner_state)
    epochs = Epochs(sgd, context.seed, step, data)
    run = _run(training, tracer, step, data, columns)
    for epoch in range(training.first_epoch, sgd.max_epochs + 1):
        rate = sgd.learning_rate(epoch - 1)
        if rate < sgd.min_learning_rate_per_sample:
            _stop(training, epoch, rate)
            return
        state = _run_epoch(training, step, state, run, tracer, epochs, epoch)
        training.values |= {n: v for n, v in state.parameters().items() if n in training.values}
        if validation is not None:
            _validate(training, validation, epoch)
        _save(training, state, epoch)


def _prepared(command: TrainCommand, context: RunContext, files: ModelFiles, finished: int | None) -> Training:
    checkpoint: Checkpoint | None = None
    if finished is None:
        network = context.build(command.name, command.network, command.trace_level)
        values = first_values(network, context)
    else:
        with placing(command.spans.get("modelPath")):
            model = load_model(files.model(finished))
        values = dict(model.values)
        network = network_from_text(model.network, values, files.model(finished))
        checkpoint = _checkpoint(command, context, files, finished)
    criterion = criterion_of(network, command.sgd, command.span)
    evaluations = tuple(evaluations_of(network, command.sgd, command.span))
    total = int(checkpoint.progress["totalSamplesSeen"]) if checkpoint else 0
    state = checkpoint.learner if checkpoint else None
    first = (finished or 0) + 1
    return Training(command, context, files, network, values, criterion, evaluations, first, total, state)


def _checkpoint(command: TrainCommand, context: RunContext, files: ModelFiles, epoch: int) -> Checkpoint | None:
    path = files.checkpoint(epoch)
    if epoch == 0:
        return None
    if not path.exists():
        message = "Checkpoint file is missing. Parameter-learning state (such as momentum) will be reset."
        context.warn(command.name, [_warning("GC0704", f"{message} ({path})", command.spans.get("modelPath"))])
        return None
    with placing(command.spans.get("modelPath")):
        return load_checkpoint(path)


def _step(training: Training, data: Data) -> TrainingStep:
    sgd, network = training.command.sgd, training.network
    built = to_graph(network, training.roots, storages=data.storages, truncated=data.is_truncated)
    passes = training.context.passes_for_device(is_truncated=data.is_truncated)
    graph, criterion = optimise(built, also=passes), built.select([training.criterion])
    with placing(training.context.device_place):
        return TrainingStep(
            graph,
            training.criterion,
            training.evaluations,
            learner=_learner(sgd),
            exempt=_exempt(network, sgd),
            device=training.context.device,
            node_streams=_node_streams(training),
            arithmetic=training.context.arithmetic,
            column_sparse=column_sparse(criterion, data.stored_sparsely),
        )


def _node_streams(training: Training) -> NodeStreams | None:
    """CNTK's own masks, where its generator is asked for and something draws."""
    names = stochastic_nodes(training.network, training.criterion)
    return NodeStreams(names) if names and training.context.generator == "cntk" else None


def _learner(sgd: SGDSettings) -> Learner:
    return Learner(
        rule=sgd.grad_update_type,  # pyright: ignore[reportArgumentType]  (the schema allows no other)
        nesterov=sgd.use_nag,
        l2=sgd.l2_reg_weight,
        l1=sgd.l1_reg_weight,
        clipping_threshold=sgd.clipping_threshold_per_sample,
        clip_by_truncation=sgd.gradient_clipping_with_truncation,
        norm_with_average_multiplier=sgd.norm_with_ave_multiplier,
        variance_time_constant=sgd.variance_time_constant,
        target_average_denominator=sgd.fs_adagrad_target_av_denom,
        rms_gamma=sgd.rms_gamma,
        rms_increase=sgd.rms_wgt_inc,
        rms_decrease=sgd.rms_wgt_dec,
        rms_most=sgd.rms_wgt_max,
        rms_least=sgd.rms_wgt_min,
    )


def _exempt(network: Network, sgd: SGDSettings) -> set[str]:
    """Scale and bias of batch normalizations that regularisation leaves alone."""
    return {
        parameter.name
        for node in network
        if isinstance(node.op, BatchNormalization)
        and (node.op.disable_regularization or sgd.disable_reg_in_batch_normalization)
        for parameter in node.inputs[1:3]
    }


# as `TrainingStep.run`, of columns that are known
_Run = Callable[[TrainingState, Epoch, int, int], TrainingState]


def _run(training: Training, tracer: Tracer | None, step: TrainingStep, data: Data, columns: DeviceColumns) -> _Run:
    """How minibatches are trained: with traces of some, where there are any."""
    if tracer is not None:
        given = training.network, training.criterion, step, data, training.values, columns
        return TrainingTraces.of(tracer, *given).run
    return lambda state, epoch, first, count: step.run(state, columns, epoch, first, count)


def _validation(training: Training, tracer: Tracer | None) -> Evaluator | None:
    reader = training.command.cv_reader
    if reader is None:
        return None
    data = open_data(reader, training.network, training.roots, training.context)
    training.context.warn(training.section, data.reader.warnings)
    return Evaluator.of(training.network, training.roots, data, training.context, tracer)


def _compute(training: Training, statistics: Sequence[NetworkNode], data: Data) -> None:
    """The statistics of the training set, from here on values like those of parameters."""
    if not statistics:
        return
    sgd = training.command.sgd
    size = 0 if sgd.use_all_data_for_pre_computed_node else sgd.epoch_size
    over = Pass(training.network, data, training.context, training.section, sgd.minibatch_size.value(0), size)
    training.values |= over.compute(statistics, training.values)


def _announce(
    training: Training, step: TrainingStep, statistics: Sequence[NetworkNode], resumed_from: Path | None
) -> None:
    network = training.network
    parameters = [n for n in network if isinstance(n.op, LearnableParameter)]
    tensors = {n.name: n.type.dims for n in sorted(parameters, key=lambda n: n.name) if n.is_trained and n.type}
    training.context.observer.handle(
        NetworkReady(
            training.section,
            nodes=len(network),
            device=_device_name(step.device),
            criteria=((training.criterion, training.operations[training.criterion]),),
            evaluations=tuple((name, training.operations[name]) for name in training.evaluations),
            tensors=tensors,
            parameters=count(tensors),
            # CNTK does not count constants among its parameters here
            tensor_total=len(tensors),
            gradient_nodes=_gradient_nodes(network[training.criterion]),
            resumed_from=resumed_from,
            statistics=tuple((n.name, n.operation) for n in statistics),
        )
    )
    if max(training.command.sgd.dropout_rate.values) > 0 and not any(n.operation == "Dropout" for n in network):
        message = "dropoutRate is set, but there is no dropout node in the network"
        place = training.command.sgd.spans.get("dropoutRate")
        training.context.warn(training.section, [_warning("GC0527", message, place)])


def _device_name(device: Any) -> str:
    """As CNTK's log has it."""
    return "CPU" if device.platform == "cpu" else f"{device.platform.upper()} {device.id}"


def _gradient_nodes(criterion: NetworkNode) -> int:
    """Number of nodes below the criterion that depend on a trained parameter."""
    reached: set[NetworkNode] = set()
    for node in topological([criterion]):
        if node.is_trained or any(source in reached for source in node.inputs):
            reached.add(node)
    return len(reached)


def _run_epoch(
    training: Training,
    step: TrainingStep,
    state: TrainingState,
    run: _Run,
    tracer: Tracer | None,
    epochs: Epochs,
    epoch: int,
) -> TrainingState:
    sgd = training.command.sgd
    started = time.perf_counter()
    planned = epochs.take(epoch)
    minibatches, data = planned.minibatches, epochs.data
    _announce_epoch(training, epoch, len(minibatches))
    progress = Progress(
        training.section,
        training.command.sgd,
        training.operations,
        training.context.observer,
        minibatches.counts,
        epoch,
        is_first=epoch == training.first_epoch,
    )
    state = step.begin(state)
    reached: tuple[int, int, TrainingState] | None = None  # where a report is due

    def report() -> None:
        if reached is not None:
            first, last, then = reached
            totals = step.totals(then)
            require_lengths(totals.failed, minibatches, data, training.network)
            _require_finite(training, totals, epoch)
            progress.report(first, last, totals)

    for first, last in progress.reports():
        # the device gets work to go on with before the host waits for the report of what came before; but what is
        # traced of it comes after that report
        more = min(_MINIBATCHES_AHEAD, last - first) if tracer is None or not tracer.due(last - first) else 0
        state = run(state, planned, first, more)
        report()
        state = run(state, planned, first + more, last - first - more)
        reached = first, last, state
    epochs.plan_ahead(epoch + 1)
    report()
    seconds = time.perf_counter() - started
    training.total_samples += progress.samples
    training.context.observer.handle(
        EpochFinished(
            training.section,
            "train",
            epoch,
            sgd.max_epochs,
            progress.averages(),
            training.total_samples,
            sgd.learning_rate(epoch - 1),
            sgd.momentum_time_constant(epoch - 1),
            seconds,
            len(minibatches),
            progress.samples_per_second(),
            _layout(epochs, planned),
        )
    )
    return state


def _layout(epochs: Epochs, planned: Epoch) -> dict[str, float]:
    """What the log and the metrics say of minibatches of sequences."""
    found = epochs.use(planned)
    if found is None:
        return {}
    use, new = found
    return {
        "usefulFrames": use.of_frames,
        "usefulLanes": use.of_lanes,
        "shapes": len(use.shapes),
        "newShapes": new,
    }


def _announce_epoch(training: Training, epoch: int, minibatches: int) -> None:
    sgd = training.command.sgd
    momentum = sgd.momentum(epoch - 1) ** sgd.minibatch_size.value(epoch - 1)
    constant = sgd.momentum_time_constant(epoch - 1)
    rate = sgd.learning_rate(epoch - 1)
    training.context.observer.handle(
        EpochStarted(training.section, epoch, sgd.max_epochs, rate, momentum, constant, minibatches)
    )


def _require_finite(training: Training, totals: Totals, epoch: int) -> None:
    if not totals.first_bad:
        return
    name, minibatch = min(totals.first_bad.items(), key=lambda item: item[1])
    hint = "lower the learning rate, or check the data for values that are infinite or not numbers"
    what = f"the training criterion {name}" if name == training.criterion else f"the node {name}"
    problem = "is not a number"
    overflow = min(totals.overflowed.items(), key=lambda item: item[1], default=None)
    if overflow is not None and overflow[1] <= minibatch:
        # the cause comes first: the earliest minibatch, and in it the node that reads no other such node
        name, minibatch = overflow
        what, problem = f"the node {name}", f"has a value beyond {LARGEST_HALF:.0f}, the largest of half precision,"
        hint = "precision = bfloat16 has the range of float; or make the node's values smaller"
    node = training.network[name]
    message = f"{what} {problem} in epoch {epoch}, minibatch {minibatch + 1}"
    sgd = training.command.sgd
    places = [sgd.spans[key] for key in ("learningRatesPerSample", "learningRatesPerMB") if key in sgd.spans]
    labels = [Label(f"the learning rate was {sgd.learning_rate(epoch - 1):g} per sample, set", p) for p in places]
    saved = training.files.model(epoch - 1)
    labels.append(Label(f"the last model is {saved}, of epoch {epoch - 1}"))
    raise RunError(Diagnostic("GC0705", message, node.span, tuple(labels), hint))


def _validate(training: Training, validation: Evaluator, epoch: int) -> None:
    sgd = training.command.sgd
    started = time.perf_counter()
    criteria, minibatches = validation.score(training.values, sgd.minibatch_size.value(epoch - 1))
    seconds = time.perf_counter() - started
    handle = training.context.observer.handle
    handle(FinalResults(training.section, "cv", minibatches, criteria, seconds))
    handle(
        EpochFinished(
            training.section,
            "cv",
            epoch,
            sgd.max_epochs,
            criteria,
            training.total_samples,
            sgd.learning_rate(epoch - 1),
            sgd.momentum_time_constant(epoch - 1),
            seconds,
            minibatches,
        )
    )


def _stop(training: Training, epoch: int, rate: float) -> None:
    """The schedule has come to an end before the epochs have: what there is becomes the final model."""
    sgd, files = training.command.sgd, training.files
    text = (
        f"Learn Rate Per Sample for Epoch[{epoch}] = {rate:.8g} is less than minLearningRatePerSample "
        f"{sgd.min_learning_rate_per_sample:.8g}. Training complete."
    )
    training.context.observer.handle(Noted(training.section, text))
    _save_model(training, sgd.max_epochs)
    training.context.observer.handle(ModelSaved(training.section, files.model(sgd.max_epochs)))


def _save_model(training: Training, epoch: int) -> None:
    with placing(training.command.spans.get("modelPath")):
        save_model(training.files.model(epoch), training.values, format_network(training.network))


def _require_no_folder(command: TrainCommand) -> None:
    """The final model comes last: that its name is taken must not show only then."""
    if Path(command.model_path).is_dir():
        message = f"cannot write {command.model_path}: it is a folder"
        hint = f"name a file in it, such as {Path(command.model_path) / 'model'}"
        raise RunError(Diagnostic("GC0703", message, command.spans.get("modelPath"), hint=hint))


def _warning(code: str, message: str, span: Span | None) -> Diagnostic:
    return Diagnostic(code, message, span, severity=Severity.WARNING)


def _save(training: Training, state: TrainingState, epoch: int) -> None:
    """Checkpoint first, then the model: a model without checkpoint would resume without its momentum."""
    files = training.files
    progress = {
        "epoch": epoch,
        "totalSamplesSeen": training.total_samples,
        "randomSeed": training.context.seed,
        "randomGenerator": training.context.generator,
    }
    with placing(training.command.spans.get("modelPath")):
        save_checkpoint(files.checkpoint(epoch), Checkpoint(state.learner(), progress))
    _save_model(training, epoch)
    if epoch > 1 and not training.command.sgd.keep_check_point_files:
        files.checkpoint(epoch - 1).unlink(missing_ok=True)
    training.context.observer.handle(ModelSaved(training.section, files.model(epoch)))
