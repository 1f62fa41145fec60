"""Ctrl-C during training: a clean end, valid files, and a rerun that ends as if nothing had happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from graphc.train.checkpoint import load_checkpoint, load_model

# long enough to be hit in the second epoch, short enough to wait for
LONG = (("minibatchSize = 4", "minibatchSize = 4 ; epochSize = 30000"), ("ShowResult = 2", "ShowResult = 500"))


def interrupted_after(line: str, log: Path, *arguments: str) -> tuple[int, str]:
    """Exit status and standard error of a run that gets Ctrl-C when its log has a line."""
    with Path("told").open("w") as told:
        process = subprocess.Popen([sys.executable, "-m", "graphc", *arguments], stdout=subprocess.DEVNULL, stderr=told)
    deadline = time.monotonic() + 60
    while not (log.exists() and line in log.read_text()) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    return process.wait(60), Path("told").read_text()


def contents(model: str) -> dict[str, bytes]:
    checkpoint = load_checkpoint(Path(f"{model}.ckp"))
    learner = {f"{name}/{slot}": x.tobytes() for name, slots in checkpoint.learner.items() for slot, x in slots.items()}
    return {name: x.tobytes() for name, x in load_model(Path(model)).values.items()} | learner


@pytest.mark.usefixtures("heeds_ctrl_c")
@pytest.mark.skipif(os.name != "posix", reason="another signal there")
def test_ctrl_c_loses_nothing_but_the_epoch(project: Any) -> None:
    project.edit(*LONG)
    assert project.run("run", "m.cntk", "command=Train").status == 0
    uninterrupted = contents("out/model")
    project.names.append("told")
    for name in project.made():
        Path(name).unlink()

    status, told = interrupted_after("Starting Epoch 2:", Path("out/log"), "run", "m.cntk", "command=Train")
    assert status == 130
    assert "Traceback" not in told
    assert told.splitlines()[-1] == (
        "interrupted: the last model is out/model.1, and the same command goes on from there"
    )
    assert project.made() == ["out/log", "out/model.0", "out/model.1", "out/model.1.ckp"]
    assert project.log().splitlines()[-1] == "Interrupted."
    assert set(contents("out/model.1")) == set(uninterrupted)

    assert project.run("run", "m.cntk", "command=Train").status == 0
    assert "Starting from checkpoint. Loading network from 'out/model.1'." in project.log()
    assert contents("out/model") == uninterrupted
