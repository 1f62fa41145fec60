"""Where training goes on: the newest model that is no older than its predecessor."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from graphc.actions.model_files import ModelFiles


def test_names(tmp_path: Path) -> None:
    files = ModelFiles(tmp_path / "m.dnn", 3)
    assert [files.model(e).name for e in range(4)] == ["m.dnn.0", "m.dnn.1", "m.dnn.2", "m.dnn"]
    assert [files.checkpoint(e).name for e in (1, 3)] == ["m.dnn.1.ckp", "m.dnn.ckp"]


@pytest.mark.parametrize(
    ("times", "goes_on_after"),
    [
        ({}, None),
        ({"m.0": 1}, 0),
        ({"m.0": 1, "m.1": 2}, 1),
        ({"m.0": 1, "m.1": 2, "m.2": 3, "m": 4}, 3),
        ({"m": 4}, 3),
        ({"m.0": 1, "m.2": 3}, 2),  # its predecessor may be gone
        ({"m.0": 5, "m.1": 2}, 0),  # an earlier run's model
        ({"m.0": 1, "m.1": 2, "m.2": 9, "m": 4}, 2),
        ({"m.0": 1, "m.1": 1}, 1),
        ({"m.9": 1}, None),
    ],
)
def test_where_to_go_on(tmp_path: Path, times: dict[str, int], goes_on_after: int | None) -> None:
    for name, time in times.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time, time))
    assert ModelFiles(tmp_path / "m", 3).last_finished() == goes_on_after


def test_folder_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    assert ModelFiles(tmp_path / "m", 3).last_finished() is None
