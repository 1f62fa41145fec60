"""No example of the specification is missing, and none is there twice."""

from __future__ import annotations

import pytest

from tests.conformance.examples import COUNTS, examples


@pytest.mark.parametrize("kind", COUNTS)
def test_every_number_is_there(kind: str) -> None:
    numbers = {e.number for e in examples() if e.kind == kind}
    assert numbers == set(range(1, COUNTS[kind] + 1))


def test_names_are_unique() -> None:
    names = [e.name for e in examples()]
    assert len(names) == len(set(names))
