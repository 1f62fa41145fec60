"""The plugin's options, the saved graph and its replay, in a pytest of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

PROJECT = """
from dataclasses import replace

from graphc.ir import rewrite, rule
from graphc.ops.recurrence import Scan
from graphc.ops.sources import InputValue
from graphc.ops.unary import Negate
from graphc.testing import check_pass
from graphc.testing.runs import options

@rule(Negate)
def wrong(node):
    return node.inputs[0] if node.inputs[0].type == node.type else None

def test_wrong():
    check_pass(lambda graph: rewrite(graph, [wrong]), gradients=False, max_nodes=4, operators=[Negate])

@rule(Scan)
def backwards(node):
    op = node.op
    return None if op.region.backward else replace(op, region=replace(op.region, backward=True))(*node.inputs)

def test_wrong_loop():
    check_pass(lambda graph: rewrite(graph, [backwards]), gradients=False, max_nodes=2, operators=[Scan])

def test_right():
    check_pass(lambda graph: graph, gradients=False, max_nodes=2, operators=[Negate])

def test_options():
    assert (options().examples, options().seed, options().as_found) == (40, 3, False)
"""
LOOP = """
x = InputValue(shape=(1,))
region r1
    before = InputValue(shape=(1,))
    x = InputValue(shape=(1,))
    h = Plus(before, x)
    update before = {}Value(h, timeStep=1, default=0.5)
    root before, h
    steps x
end r1
z = Scan(x, region=r1, output="h")
root z
"""
REPLAYED = "x = InputValue(shape=(2,))\nz = {}(x)\nroot z\n"


def run(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "graphc.testing.plugin", *arguments]
    # other people's plugins take longer to load than the tests take
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300).stdout


def test_an_installed_package_brings_the_plugin() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"graphc.testing.plugin": "graphc.testing.plugin"}
    assert {re.split(r"\W", need)[0] for need in project["optional-dependencies"]["testing"]} == {
        "hypothesis",
        "pytest",
    }


def test_a_failing_graph_is_saved_and_replayed(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(PROJECT, "utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", "utf-8")
    shown = run(tmp_path, "--graphc-examples", "40", "--graphc-seed", "3")
    assert "2 failed, 2 passed" in shown
    how = r"graph that failed -+\n(\S+)\nreplay: pytest '(\S+)' --graphc-replay \1 --graphc-seed 3"
    saved, saved_loop = re.finditer(how, shown)
    assert saved[2] == "test_mine.py::test_wrong" and saved_loop[2] == "test_mine.py::test_wrong_loop"
    text, loop = (Path(found[1]).read_text("utf-8") for found in (saved, saved_loop))
    assert "Negate" in text and text.count("\n") <= 4
    assert "= PastValue(" in loop and "end r1" in loop and loop.count("\n") <= 16
    replayed = run(tmp_path, saved[2], "--graphc-replay", saved[1])
    assert "1 failed" in replayed and "Negate(" in replayed
    assert "end r1" in run(tmp_path, saved_loop[2], "--graphc-replay", saved_loop[1])
    # mended by hand
    Path(saved[1]).write_text(REPLAYED.format("Tanh"), "utf-8")
    Path(saved_loop[1]).write_text(LOOP.format("Future"), "utf-8")
    assert "1 passed" in run(tmp_path, saved[2], "--graphc-replay", saved[1])
    assert "1 passed" in run(tmp_path, saved_loop[2], "--graphc-replay", saved_loop[1])
