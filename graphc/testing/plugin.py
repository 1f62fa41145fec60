"""The pytest plugin: how many examples, from which seed, and the file of a graph that failed, to be replayed.

It is found by its entry point and imports nothing heavy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from graphc.testing.runs import OPTIONS, Options

_FOLDER = Path(".graphc") / "failures"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("graphc", "property tests of graphc.testing")
    group.addoption("--graphc-examples", type=int, metavar="N", help="random examples of each property")
    group.addoption("--graphc-seed", type=int, default=0, metavar="SEED", help="draw other examples (default 0)")
    group.addoption("--graphc-as-found", action="store_true", help="do not make counter-examples small")
    group.addoption("--graphc-replay", type=Path, metavar="FILE", help="try the properties on the graph of this file")


def pytest_configure(config: pytest.Config) -> None:
    chosen: Any = config.getoption
    names = ("--graphc-examples", "--graphc-seed", "--graphc-replay", "--graphc-as-found")
    OPTIONS.set(Options(*(chosen(name) for name in names)))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Iterator[None]:
    outcome: Any = yield
    graph = getattr(call.excinfo.value, "graph", None) if call.excinfo is not None else None
    if call.when == "call" and graph is not None and type(graph).__module__ == "graphc.ir.graph":
        path = save(graph, item.nodeid, Path(item.config.rootpath))
        seed = item.config.getoption("--graphc-seed")
        how = f"{path}\nreplay: pytest '{item.nodeid}' --graphc-replay {path} --graphc-seed {seed}"
        outcome.get_result().sections.append(("graph that failed", how))


def save(graph: Any, test: str, root: Path) -> Path:
    """The file to which the graph was written as text, named after the test."""
    from graphc.files import atomic_writer
    from graphc.ir import format_graph

    name = re.sub(r"\W+", "-", test).strip("-")[-100:]
    path = root / _FOLDER / f"{name}.graph"
    with atomic_writer(path) as file:
        file.write(format_graph(graph))
    return path
