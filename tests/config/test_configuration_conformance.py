"""The examples of configurations in the specification, and every line of tests/conformance/configuration.txt."""

from pathlib import Path

import pytest

from graphc.diagnostics import DiagnosticError
from graphc.syntax.configuration import ConfigurationValue, configuration_from_text
from tests.conformance.examples import examples

FILE = Path(__file__).parents[1] / "conformance" / "configuration.txt"


def given():
    for example in examples():
        if example.kind == "C":
            text, _, arguments = example.given.partition(" || ")
            yield pytest.param(text, arguments, example.result, id=example.name)
    for line in FILE.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, rest = line.split(None, 1)
            text, arguments, reads = (part.strip(" ") for part in rest.split("||"))
            yield pytest.param(text.replace("⏎", "\n"), arguments, reads, id=name)


def convert(value: ConfigurationValue, kind: str) -> str:
    match kind:
        case "int":
            return str(value.integer())
        case "num":
            return str(value.number())
        case "bool":
            return str(value.boolean())
        case "array":
            return " ".join(v.string().replace(" ", "_") for v in value.array())
        case "sections":
            return " ".join(f"{k}={v.record().string(k)}" for v in value.array() for k in v.record().own_keys())
        case _:
            return value.string()


def read(text: str, arguments: str, what: str) -> str:
    place, _, kind = what.partition(":")
    *sections, key = place.split("/")
    try:
        record = configuration_from_text(text, [arguments] if arguments else [])
        for section in sections:
            record = record.record(section)
        value = record.get(key)
        return "missing" if value is None else convert(value, kind) or ('""' if not kind else "")
    except DiagnosticError as error:
        return f"error {error.diagnostics[0].code}"


@pytest.mark.parametrize("text,arguments,reads", list(given()))
def test_reads_as_specified(text, arguments, reads):
    for case in reads.split(" ; "):
        what, _, expected = case.partition("->")
        assert read(text, arguments, what.strip()) == expected.strip()
