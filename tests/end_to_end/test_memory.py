"""What asks for more memory than there is ends with one message."""

from __future__ import annotations

from typing import Any

import jax
import pytest

from tests.end_to_end.conftest import Project

ERRORS = {
    "the device": (
        jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 232000000720 bytes."),
        "error[GC0804]: Train needs more memory than there is: 232.0 GB at once\n --> m.cntk:6:1\n",
    ),
    "the computer": (MemoryError(), "error[GC0804]: Train needs more memory than there is\n --> m.cntk:6:1\n"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_too_little_memory_is_told(project: Project, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    error, told = ERRORS[name]

    def train(*_: Any) -> None:
        raise error

    monkeypatch.setattr("graphc.actions.run.train", train)
    found = project.run("run", "m.cntk", "command=Train")
    assert found.status == 1
    assert told in found.diagnostics


def test_other_errors_of_the_device_are_bugs(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def train(*_: Any) -> None:
        raise jax.errors.JaxRuntimeError("INTERNAL: a bug")

    monkeypatch.setattr("graphc.actions.run.train", train)
    with pytest.raises(jax.errors.JaxRuntimeError, match="a bug"):
        project.run("run", "m.cntk", "command=Train")
