"""Pages that say what the code says are what the generator makes of it."""

from __future__ import annotations

import pytest

from docs.generate import AREAS, FOLDER, PAGES
from graphc.diagnostics import CODES


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_current(name: str) -> None:
    assert (FOLDER / name).read_text("utf-8") == PAGES[name](), "run python -m docs.generate"


def test_every_code_belongs_to_an_area() -> None:
    assert {code[2:4] for code in CODES} <= set(AREAS)
