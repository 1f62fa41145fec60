"""The printf formats of CNTK's log, piece by piece."""

from __future__ import annotations

import io
from datetime import datetime
from pathlib import Path

import pytest

from graphc.actions.events import (
    CommandFinished,
    CommandStarted,
    Criterion,
    EpochFinished,
    EpochStarted,
    Event,
    FinalResults,
    Found,
    MinibatchesDone,
    MinibatchWritten,
    ModelSaved,
    NetworkReady,
    NothingToDo,
    RunFinished,
    RunStarted,
    Written,
)
from graphc.actions.log import CntkLog, format_criterion, format_seconds, perplexity
from graphc.diagnostics import Diagnostic, Severity

CE = Criterion("ce", "CrossEntropyWithSoftmax", 0.7005000634, 250)
ERRS = Criterion("errs", "ClassificationError", 0.532, 250)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("ce", 0.7005000634, "ce = 0.70050006 * 250"),
        ("ce", 0.0001, "ce = 0.00010000 * 250"),
        ("ce", 0.00001234, "ce = 1.23400000e-05 * 250"),
        ("ce", 99999999.0, "ce = 99999999.00000000 * 250"),
        ("ce", 123456789.0, "ce = 1.23456789e+08 * 250"),
        ("ce", float("inf"), "ce = inf * 250"),
        ("ce", float("nan"), "ce = nan * 250"),
        ("errs", 0.532, "errs = 53.200% * 250"),
        ("errs", 0.0, "errs = 0.000% * 250"),
        ("errs", 1e-7, "errs = 1.000e-05% * 250"),
        ("errs", 12.34, "errs = 1.234e+03% * 250"),  # %.3g has an exponent from 1000 on
    ],
)
def test_criterion(name: str, value: float, shown: str) -> None:
    assert format_criterion(Criterion(name, "SquareError", value, 250)) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.0134, "0.0134"), (0.0001, "0.0001"), (0.00001, "1.0000e-05"), (12345.6, "1.2346e+04")]
)
def test_seconds(seconds: float, shown: str) -> None:
    assert format_seconds(seconds) == shown


def test_perplexity_may_be_infinite() -> None:
    assert perplexity(0.0) == 1.0
    assert perplexity(1000.0) == float("inf")


def logged(*events: Event, trace_level: int = 1, errors: bool = True, timestamping: bool = False) -> str:
    stream = io.StringIO()
    now = datetime(2026, 3, 4, 5, 6, 7)
    log = CntkLog(stream, timestamping, errors, trace_level=trace_level, now=lambda: now)
    for event in events:
        log.handle(event)
    return stream.getvalue()


def progress(first: int, last: int, fraction: float, *, is_sized: bool, shown: bool = True) -> MinibatchesDone:
    return MinibatchesDone("A", "train", 1, 3, first, last, (CE, ERRS), 250, 0.0134, fraction, is_sized, shown)


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (
            progress(1, 10, 0.025, is_sized=False),
            " Epoch[ 1 of 3]-Minibatch[   1-  10]: ce = 0.70050006 * 250; errs = 53.200% * 250; "
            "time = 0.0134s; samplesPerSecond = 18656.7",
        ),
        (
            progress(1, 10, 0.025, is_sized=True),
            " Epoch[ 1 of 3]-Minibatch[   1-  10, 2.50%]: ce = 0.70050006 * 250; errs = 53.200% * 250; "
            "time = 0.0134s; samplesPerSecond = 18656.7",
        ),
        (progress(1, 10, 0.025, is_sized=True, shown=False), None),
        (
            MinibatchesDone("T", "test", 0, 0, 1, 100, (ERRS, CE), 250, 1.0),
            "Minibatch[1-100]: errs = 53.200% * 250; ce = 0.70050006 * 250",
        ),
        (
            EpochFinished("A", "train", 1, 3, (CE, ERRS), 10000, 0.02, 1024.0, 0.409, 40),
            "Finished Epoch[ 1 of 3]: [Training] ce = 0.70050006 * 250; errs = 53.200% * 250; "
            "totalSamplesSeen = 10000; learningRatePerSample = 0.02; epochTime=0.409s",
        ),
        (
            EpochFinished("A", "cv", 12, 30, (CE, ERRS), 10000, 0.02, 1024.0, 0.409, 40),
            "Finished Epoch[12 of 30]: [Validate] ce = 0.70050006 * 250; errs = 53.200% * 250",
        ),
        (
            FinalResults("T", "test", 101, (ERRS, CE), 1.0),
            "Final Results: Minibatch[1-101]: errs = 53.200% * 250; ce = 0.70050006 * 250; perplexity = 2.01475996",
        ),
        (ModelSaved("A", Path("m.1")), "SGD: Saving checkpoint model 'm.1'"),
        (NothingToDo("A", Path("m")), "Final model exists: m\nNo further training is necessary."),
        (MinibatchWritten("W", 0, 40), "Minibatch[0]: ActualMBSize = 40"),
        (Written("W", "o/scores", [], 40, 1.0), "Written to o/scores*\nTotal Samples Evaluated = 40"),
        (CommandFinished("A", "train"), '\nAction "train" complete.\n'),
        (
            EpochStarted("A", 1, 3, 0.02, 0.9, 237.3, 40),
            "\nStarting Epoch 1: learning rate per sample = 0.020000  effective momentum = 0.900000  "
            "momentum as time constant = 237.3 samples\n\nStarting minibatch loop.",
        ),
        (
            CommandStarted("A", "train"),
            f"\n{'#' * 78}\n#{'':76}#\n# A command (train action){'':51}#\n#{'':76}#\n{'#' * 78}\n",
        ),
        (RunFinished(), "COMPLETED."),
        (RunFinished(ok=False), None),
        (Found("A", Diagnostic("GC0004", "no")), "\nEXCEPTION occurred: no\nerror[GC0004]: no"),
        (Found("A", Diagnostic("GC0520", "so", severity=Severity.WARNING)), "\nwarning[GC0520]: so"),
    ],
)
def test_line(event: Event, shown: str | None) -> None:
    assert logged(event) == ("" if shown is None else f"{shown}\n")


def test_first_lines() -> None:
    first, *others = logged(RunStarted(("A", "B"), "float", ("graphc", "run", "m.cntk"), 1)).splitlines()
    assert first.startswith("graphc ") and first.endswith(" at 2026/03/04 05:06:07")
    assert others == ["", "graphc  run  m.cntk", "Commands: A B", 'precision = "float"']


def network(**more: object) -> NetworkReady:
    tensors = {"B0": (50, 1), "W": (3, 4, 5)}
    return NetworkReady(
        "A", 25, "CPU", (("ce", "CrossEntropyWithSoftmax"),), (("errs", "ClassificationError"),), tensors, 110, 6, 15,
        **more,  # pyright: ignore[reportArgumentType]
    )  # fmt: skip


def test_network() -> None:
    assert logged(network()) == (
        "\nCreating virgin network.\nModel has 25 nodes. Using CPU.\n\n"
        "Training criterion:   ce = CrossEntropyWithSoftmax\nEvaluation criterion: errs = ClassificationError\n\n"
        "Training 110 parameters in 2 out of 6 parameter tensors and 15 nodes with gradient:\n\n"
        "\tNode 'B0' (LearnableParameter operation) : [50 x 1]\n"
        "\tNode 'W' (LearnableParameter operation) : [3 x 4 x 5]\n\n"
        "No PreCompute nodes found, or all already computed. Skipping pre-computation step.\n"
    )
    resumed = logged(network(resumed_from=Path("m.1")), trace_level=0)
    assert "Starting from checkpoint. Loading network from 'm.1'.\n" in resumed
    assert resumed.endswith("\nTraining 110 parameters in 2 parameter tensors.\n")


def test_trace_level_0_keeps_results_only() -> None:
    quiet = logged(
        EpochStarted("A", 1, 3, 0.02, 0.9, 237.3, 40),
        progress(1, 10, 0.025, is_sized=True),
        ModelSaved("A", Path("m.1")),
        CommandFinished("A", "train"),
        FinalResults("T", "test", 1, (CE,), 1.0),
        trace_level=0,
    )
    assert quiet == "Final Results: Minibatch[1-1]: ce = 0.70050006 * 250; perplexity = 2.01475996\n"


def test_time_stamps_stand_before_lines_with_text() -> None:
    shown = logged(CommandFinished("A", "train"), RunFinished(timestamping=True), timestamping=True)
    assert shown == '\n03/04/2026 05:06:07: Action "train" complete.\n\n03/04/2026 05:06:07: __COMPLETED__\n'


def test_errors_may_be_left_to_others() -> None:
    assert logged(Found("A", Diagnostic("GC0004", "no")), errors=False) == "\n"
