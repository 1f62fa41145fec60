"""The code of docs/testing.md runs, and its tests pass."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

TEXT = (Path(__file__).parents[2] / "docs" / "testing.md").read_text("utf-8")


def test_the_tutorial_runs() -> None:
    names: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL):
        exec(block, names)
    tests = {name: f for name, f in names.items() if name.startswith("test_")}
    assert len(tests) == 5
    for test in tests.values():
        test()


def test_importing_is_cheap() -> None:
    program = "import sys, graphc.testing; sys.exit(bool({'hypothesis', 'numpy', 'pytest', 'jax'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0


def test_what_is_public_exists() -> None:
    import graphc.testing

    assert set(graphc.testing.__all__) == set(graphc.testing._HOMES) == set(dir(graphc.testing))
    for name in graphc.testing.__all__:
        assert getattr(graphc.testing, name) is not None
    shown = set(re.findall(r"`(\w+)", TEXT))
    assert set(graphc.testing.__all__) - shown == set()
