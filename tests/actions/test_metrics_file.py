"""``--metrics``: one strict JSON object a line, also for numbers that JSON does not have."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from graphc.actions.events import (
    CommandStarted,
    Criterion,
    EpochFinished,
    Event,
    FinalResults,
    Found,
    MinibatchesDone,
    NetworkReady,
    RunFinished,
    Written,
)
from graphc.actions.metrics import MetricsFile
from graphc.diagnostics import Diagnostic, Severity

CRITERIA = (
    Criterion("ce", "CrossEntropyWithSoftmax", 0.1592, 100),
    Criterion("errs", "ClassificationError", 0.0766, 100),
)
AVERAGES = {"ce": 0.1592, "errs": 0.0766}


def entries(event: Event) -> list[dict[str, Any]]:
    stream = io.StringIO()
    MetricsFile(stream).handle(event)
    return [json.loads(line, parse_constant=pytest.fail) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (CommandStarted("A", "train"), {"section": "A", "event": "start", "action": "train"}),
        (
            NetworkReady("A", 25, "CPU", (), (), {"W0": (50, 2), "b0": (50,)}, 150, 3, 15),
            {"section": "A", "event": "params", "metrics": {"parameters": 150, "parameter_tensors": 2}},
        ),
        (
            MinibatchesDone("A", "train", 2, 3, 1, 10, CRITERIA, 100, 1.9, 0.5),
            {
                **{"section": "A", "event": "minibatch", "phase": "train", "epoch": 2, "minibatch": 10},
                **{"samples": 100, "metrics": AVERAGES, "seconds": 1.9},
            },
        ),
        (
            MinibatchesDone("A", "test", 0, 0, 1, 10, CRITERIA, 100, 1.9),
            {
                **{"section": "A", "event": "minibatch", "phase": "test", "minibatch": 10},
                **{"samples": 100, "metrics": AVERAGES, "seconds": 1.9},
            },
        ),
        (
            EpochFinished("A", "train", 2, 3, CRITERIA, 200, 0.005, 1024.0, 1.9, 40, 5000.0),
            {
                **{"section": "A", "event": "epoch", "phase": "train", "epoch": 2, "minibatch": 40},
                **{"samples": 100, "seconds": 1.9},
                "metrics": {
                    **AVERAGES,
                    **{"learningRatePerSample": 0.005, "momentumAsTimeConstant": 1024.0},
                    **{"totalSamplesSeen": 200, "samplesPerSecond": 5000.0},
                },
            },
        ),
        (
            FinalResults("A", "test", 4, CRITERIA, 0.5),
            {
                **{"section": "A", "event": "final", "phase": "test", "minibatch": 4},
                **{"samples": 100, "metrics": AVERAGES, "seconds": 0.5},
            },
        ),
        (
            Written("W", "out/scores", [Path("out/scores.z")], 100, 0.5),
            {"section": "W", "event": "written", "samples": 100, "path": "out/scores", "seconds": 0.5},
        ),
    ],
)
def test_entry(event: Event, expected: dict[str, Any]) -> None:
    assert entries(event) == [expected]


@pytest.mark.parametrize("severity", Severity)
def test_diagnostics(severity: Severity) -> None:
    (entry,) = entries(Found("A", Diagnostic("GC0705", "diverged", severity=severity)))
    assert (entry["section"], entry["event"]) == ("A", severity.value)
    assert json.dumps(entry).count("diverged") == 1


def test_values_follow_what_was_written() -> None:
    values = {"z": [[1.0, float("nan")], [float("inf"), -float("inf")]]}
    _, entry = entries(Written("W", "out/scores", [], 2, 0.5, values))
    assert entry == {
        "section": "W",
        "event": "values",
        "values": {"z": [[1.0, "NaN"], ["Infinity", "-Infinity"]]},
    }


def test_nothing_is_said_of_the_end() -> None:
    assert entries(RunFinished()) == []
