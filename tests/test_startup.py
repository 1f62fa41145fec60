"""What ``graphc check`` does not wait for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MODELS = Path(__file__).parents[1] / "models" / "digits"
# numpy is in every installation, but costs as much as all the rest
HEAVY = {"jax", "jaxlib", "numpy", "rich", "hypothesis", "safetensors"}


def imported(file: Path, cache: Path) -> set[str]:
    """The modules of a process that checks a file."""
    program = "import sys; from graphc.__main__ import main; print(main(), *sys.modules)"
    command = [sys.executable, "-c", program, "check", str(file)]
    environment = os.environ | {"GRAPHC_CACHE_DIR": str(cache)}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=60)
    status, *modules = done.stdout.splitlines()[-1].split()
    assert status == "0", done.stderr
    return set(modules)


@pytest.mark.parametrize("file", sorted(MODELS.glob("*.cntk")), ids=lambda file: file.stem)
def test_check_loads_nothing_heavy_and_a_second_one_no_parser(file: Path, tmp_path: Path) -> None:
    first = imported(file, tmp_path)
    assert not HEAVY & first
    assert "lark" in first
    assert "lark" not in imported(file, tmp_path)
