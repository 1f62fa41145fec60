"""Model and checkpoint files: what goes in comes out, and a failure leaves the old file."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from graphc.diagnostics import DiagnosticError, RunError
from graphc.train.checkpoint import Checkpoint, load_checkpoint, load_model, save_checkpoint, save_model

VALUES = {"a.W": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.float64(2.5) * np.ones(())}
STATE = Checkpoint({"a/W": {"smoothed_gradient": np.ones(3)}}, {"epoch": 3, "reader": {"sweep": 1}, "rate": 0.1})


def test_model_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "model"
    save_model(path, VALUES, "network text ü")
    model = load_model(path)
    assert model.network == "network text ü"
    assert {n: (x.dtype, x.tolist()) for n, x in model.values.items()} == {
        n: (x.dtype, x.tolist()) for n, x in VALUES.items()
    }
    assert [p.name for p in path.parent.iterdir()] == ["model"]


def test_arrays_in_any_order_of_memory_come_back(tmp_path: Path) -> None:
    save_model(tmp_path / "m", {"w": VALUES["a.W"].T}, "")
    assert load_model(tmp_path / "m").values["w"].tolist() == VALUES["a.W"].T.tolist()


def test_checkpoint_comes_back(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "m.ckp", STATE)
    found = load_checkpoint(tmp_path / "m.ckp")
    assert found.learner["a/W"]["smoothed_gradient"].tolist() == [1, 1, 1]
    assert found.progress == STATE.progress


def fail(*_: Any) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("stage", ["fsync", "replace"])
def test_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    path = tmp_path / "m"
    save_model(path, VALUES, "old")
    with monkeypatch.context() as patch:
        patch.setattr(os if stage == "fsync" else Path, stage, fail)
        with pytest.raises(RunError, match="no space left") as caught:
            save_model(path, VALUES, "new")
    assert caught.value.diagnostics[0].code == "GC0703"
    assert load_model(path).network == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> Any:
        raise KeyboardInterrupt

    save_model(tmp_path / "m", VALUES, "old")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            save_model(tmp_path / "m", VALUES, "new")
    assert load_model(tmp_path / "m").network == "old"


def test_leftover_of_a_killed_run_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / ".m.tmp").write_bytes(b"half")
    save_model(tmp_path / "m", VALUES, "")
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_folder_that_is_a_file_is_diagnosed(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    with pytest.raises(RunError, match="GC0703"):
        save_model(tmp_path / "out" / "m", VALUES, "")


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def retold(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"network text", b"another text"))


DAMAGES: list[tuple[Callable[[Path], object], str]] = [
    (truncated, "damaged"),
    (flipped, "checksum"),
    (retold, "checksum"),
    (lambda p: p.write_bytes(b""), "is empty"),
    (lambda p: p.write_text("not a model at all"), "damaged"),
    (lambda p: save_file({"w": np.ones(2)}, p), "not written by graphc"),
    (lambda p: save_checkpoint(p, STATE), "calls itself 'graphc checkpoint 1'"),
    (Path.unlink, "there is no model file"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGES)
def test_unusable_file_is_diagnosed(tmp_path: Path, damage: Callable[[Path], object], message: str) -> None:
    path = tmp_path / "m"
    save_model(path, VALUES, "network text")
    damage(path)
    with pytest.raises(DiagnosticError, match=message) as caught:
        load_model(path)
    assert caught.value.diagnostics[0].code == "GC0702"
