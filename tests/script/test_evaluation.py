"""The examples of evaluation in the specification, and more of the same kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graphc.diagnostics import Diagnostic
from graphc.script.values import ArrayValue, PoisonError, TensorShape
from tests.conformance.examples import cases

TABLE = Path(__file__).parent.parent / "conformance" / "evaluation.txt"


def more() -> list[Any]:
    lines = enumerate(TABLE.read_text(encoding="utf-8").split("\n"), 1)
    rows = [(number, line.split("\t")) for number, line in lines if line and not line.startswith("# ")]
    return [pytest.param(*row, id=f"{number}: {row[0]}") for number, row in rows]


@pytest.mark.parametrize(("text", "result"), [*cases("E"), *more()])
def test_value_of_do(script: Any, text: str, result: str) -> None:
    evaluator = script.evaluator()
    if not result.startswith("ERR "):
        assert written(script.member(text, evaluator)) == result
        return
    with pytest.raises(PoisonError):
        written(script.member(text, evaluator))
    [found] = evaluator.diagnostics.found
    _, place, code, message = result.split(" ", 3)
    assert (found.code, place_of(found)) == (code, place)
    assert message in found.message


def place_of(found: Diagnostic) -> str:
    assert found.span is not None
    return f"{found.span.line}:{found.span.column}" if found.span.file.name == "model.bs" else "library"


def written(value: Any) -> str:
    """A value as the table writes it."""
    match value:
        case bool():
            return str(value).lower()
        case float():
            return str(int(value)) if value.is_integer() else str(value)
        case str():
            return f"'{value}'"
        case ArrayValue():
            return f"[{', '.join(written(value.owner.force(item)) for item in value.items)}]"
        case TensorShape():
            return str(list(value.dims))
        case _:
            return f"a {type(value).__name__}"
