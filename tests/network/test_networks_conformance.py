"""The examples of networks in the specification, and the cases of tests/conformance/networks.txt."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from graphc.diagnostics import DiagnosticError
from graphc.ir import GROUPS
from graphc.network.network import Network
from graphc.ops.sources import LearnableParameter
from tests.conformance.examples import cases

_FILE = Path(__file__).parent.parent / "conformance" / "networks.txt"


def _more() -> list[Any]:
    blocks = re.split(r"\n\s*\n", _FILE.read_text("utf-8"))
    found = []
    for block in blocks:
        lines = [line for line in block.splitlines() if not line.startswith("#")]
        if lines:
            name, _, section = lines[0].partition(": ")
            found.append(pytest.param(section, " ; ".join(lines[1:]), id=name))
    return found


@pytest.mark.parametrize(("section", "facts"), [*cases("N"), *_more()])
def test_network(build: Any, section: str, facts: str) -> None:
    if facts.startswith("error: "):
        with pytest.raises(DiagnosticError) as caught:
            build(section)
        (found,) = caught.value.diagnostics
        assert facts.removeprefix("error: ") in found.message
        return
    network = build(section)
    for fact in facts.split(" ; "):
        _check(network, fact)


def _check(network: Network, fact: str) -> None:
    word, _, names = fact.partition(": ")
    if word == "only":
        assert sorted(network.names) == sorted(names.split())
    elif word in GROUPS:
        assert [n.name for n in network.groups[word]] == names.split()
    else:
        definition = re.fullmatch(r"(\S+) = (\w+) \((.*)\) ?(\S*)", fact)
        assert definition is not None, fact
        name, operation, inputs, value = definition.groups()
        node = network[name]
        assert node.operation == operation
        assert [n.name for n in node.inputs] == (inputs.split(", ") if inputs else [])
        if value:
            assert isinstance(node.op, LearnableParameter)
            assert node.op.constant == float(value)
