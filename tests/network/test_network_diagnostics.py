"""What authors are told: tests/network/diagnostics.txt holds sections and, behind ``---``, the diagnostics they give.

``python tests/network/test_network_diagnostics.py`` writes the file anew from its sections.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from graphc.diagnostics import DiagnosticError, Diagnostics, SourceText
from graphc.network.build import build_network
from graphc.network.session import Session

_FILE = Path(__file__).parent / "diagnostics.txt"


def _diagnose(section: str) -> str:
    found = Diagnostics()
    try:
        build_network(SourceText.from_string(section, "model.bs"), session=Session(), diagnostics=found)
    except DiagnosticError as error:
        assert error.exit_status == 2
        assert error.diagnostics == found.errors
    # places in the library move whenever it is edited
    return re.sub(r"(library/\w+\.bs):\d+:\d+", r"\1", "\n".join(d.render() for d in found.found))


def _cases() -> list[tuple[str, str, str]]:
    blocks = _FILE.read_text("utf-8").split("\n=== ")[1:]
    parts = [re.fullmatch(r"(.*?)\n(.*?)\n---\n(.*?)\n*", block, re.DOTALL) for block in blocks]
    return [(p[1], p[2], p[3]) for p in parts if p is not None]


@pytest.mark.parametrize(("section", "told"), [pytest.param(s, t, id=name) for name, s, t in _cases()])
def test_diagnostics(section: str, told: str) -> None:
    assert _diagnose(section) == told


def test_a_file_that_is_not_needed_yet_is_a_warning() -> None:
    found = Diagnostics()
    section = "{ x = Input{3} ; E = ParameterTensor{(2:0), initFromFilePath='none.txt'} ; z = E * x }"
    network = build_network(SourceText.from_string(section), session=Session(files_required=False), diagnostics=found)
    assert [d.code for d in found.warnings] == ["GC0411"]
    assert str(network["E"].type) == "[2 x 3]"


def test_a_parameter_file_gives_dimensions(tmp_path: Path) -> None:
    path = tmp_path / "E.txt"
    path.write_text("1 2 3\n\n4 5 6\n", "utf-8")
    section = f"{{ x = Input{{3}} ; z = EmbeddingLayer{{2, embeddingPath='{path}'}} (x) }}"
    network = build_network(SourceText.from_string(section), session=Session(), diagnostics=Diagnostics())
    assert str(network["z.E"].type) == "[2 x 3]"
    assert not network["z.E"].is_trained


if __name__ == "__main__":
    head = _FILE.read_text("utf-8").split("\n=== ")[0]
    _FILE.write_text(head + "".join(f"\n=== {n}\n{s}\n---\n{_diagnose(s)}\n" for n, s, _ in _cases()), "utf-8")
