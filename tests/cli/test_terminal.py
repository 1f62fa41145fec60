"""What a person at a terminal sees: one line for everything finished, and nothing left of the live bar."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from graphc.actions.events import (
    CommandFinished,
    CommandStarted,
    Criterion,
    EpochFinished,
    EpochStarted,
    FinalResults,
    MinibatchesDone,
    ModelSaved,
    NetworkReady,
    Written,
)
from graphc.ui.progress import TerminalProgress, describe
from graphc.ui.summary import Summary

DIGITS = Path(__file__).parents[2] / "models" / "digits"
CRITERIA = (Criterion("ce", "CrossEntropyWithSoftmax", 0.12344, 1438), Criterion("errs", "X", 0.0251, 1438))
EVENTS = (
    CommandStarted("Train", "train"),
    NetworkReady("Train", 12, "CPU", (), (), {"W": (10, 64), "b": (10,)}, 650, 2, 8),
    EpochStarted("Train", 1, 10, 0.05, 0.0, 0.0, 45),
    MinibatchesDone("Train", "train", 1, 10, 1, 20, CRITERIA, 640, 0.1, 0.44),
    EpochFinished("Train", "train", 1, 10, CRITERIA, 1438, 0.05, 0.0, 0.3, 45, 512345.6),
    EpochFinished("Train", "cv", 1, 10, CRITERIA, 1438, 0.05, 0.0, 0.3, 45),
    ModelSaved("Train", Path("out/m")),
    CommandFinished("Train", "train"),
    CommandStarted("Test", "test"),
    FinalResults("Test", "test", 1, CRITERIA, 0.3),
    CommandFinished("Test", "test"),
    CommandStarted("Write", "write"),
    Written("Write", "out/scores", [Path("out/scores.z")], 1438, 0.1),
    CommandFinished("Write", "write"),
)


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def lines_of_progress(width: int) -> list[str]:
    stream = io.StringIO()
    progress = TerminalProgress(Console(file=stream, width=width, force_terminal=False))
    for event in EVENTS:
        progress.handle(event)
    progress.stop()
    return [line.rstrip() for line in plain(stream.getvalue()).splitlines() if line.strip()]


def test_everything_finished_keeps_a_line() -> None:
    assert lines_of_progress(100) == [
        "Train (train)",
        "  650 parameters in 2 tensors, 12 nodes, CPU",
        "  epoch  1 of 10  ce 0.1234  errs 2.51 %  512,346 samples/s",
        "  epoch  1 of 10  validation  ce 0.1234  errs 2.51 %",
        "Test (test)",
        "  ce 0.1234  errs 2.51 %  on 1,438 samples",
        "Write (write)",
        "  wrote 1,438 samples to out/scores.z",
    ]


def test_an_epoch_takes_one_line_however_narrow() -> None:
    epochs = [line for line in lines_of_progress(44) if "epoch" in line]
    assert epochs == [
        "  epoch  1 of 10  ce 0.1234  errs 2.51 %  5…",
        "  epoch  1 of 10  validation  ce 0.1234  er…",
    ]


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("ce", 0.12345, "ce 0.1235"),
        ("ce", 3.3e28, "ce 3.3e+28"),
        ("errs", 0.5, "errs 50.00 %"),
        ("ce", float("nan"), "ce nan"),
    ],
)
def test_criteria(name: str, value: float, shown: str) -> None:
    assert describe([Criterion(name, "X", value, 1)]) == shown


def test_summary() -> None:
    stream = io.StringIO()
    summary = Summary(Path("out/log"))
    for event in EVENTS:
        summary.handle(event)
    summary.print_to(Console(file=stream, width=100))
    shown = [re.sub(r"\d\.\d$", "S", line.rstrip()) for line in stream.getvalue().splitlines() if line.strip()]
    assert [line.split() for line in shown if "─" not in line] == [
        ["command", "action", "result", "samples", "samples/s", "seconds"],
        ["Train", "train", "ce", "0.1234", "errs", "2.51", "%", "1,438", "512,346", "S"],
        ["Test", "test", "ce", "0.1234", "errs", "2.51", "%", "1,438", "S"],
        ["Write", "write", "scores.z", "1,438", "S"],
        ["model", "out/m"],
        ["output", "out/scores.z"],
        ["log", "out/log"],
    ]


@pytest.mark.skipif(os.name != "posix", reason="no pseudo-terminals there")
def test_a_real_terminal_is_left_clean(tmp_path: Path) -> None:
    import pty  # not on every system

    arguments = ["command=Train", "Train=[SGD=[maxEpochs=2]]", f"RunDir={tmp_path}"]
    terminal, inside = pty.openpty()
    command = [sys.executable, "-m", "graphc", "run", str(DIGITS / "logistic.cntk"), *arguments]
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"}
    child = subprocess.Popen(command, stdin=inside, stdout=inside, stderr=inside, env=environment)
    os.close(inside)
    seen = bytearray()
    while True:
        try:
            part = os.read(terminal, 1 << 16)
        except OSError:  # the child has closed its end
            break
        if not part:
            break
        seen += part
    os.close(terminal)
    text = seen.decode()
    assert child.wait() == 0
    assert text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l") > 0, "the cursor is back"
    assert "Finished Epoch" not in text
    assert re.search(r"  epoch 2 of 2  ce \d", plain(text))
    assert plain(text).rstrip().endswith("logistic.log")
