"""``graphc ops`` lists the operations and shows their pages; ``graphc help`` shows the same."""

from __future__ import annotations

import pytest

from graphc.cli.help import pages
from graphc.cli.main import main
from graphc.cli.operation_pages import families, page, section


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Times", "operation Times (A, B)\n  The matrix product A * B"),
        ("Times", "\n  Example: Times ([2 x 3] 1 2 3 4 5 6, [3] 1 0 10) = [2] 51 62\n"),
        ("Times", "  may be sparse:\n    B\n  cost of the first example:\n    12 floating-point operations, 44 bytes"),
        ("relu", "operation RectifiedLinear (x)\n  also called ReLU\n"),
        ("ClassificationError", "  without gradient:\n    labels, z, topN\n"),
        ("SquareError", " bytes read and written a frame"),
        ("PastValue", "operation PastValue (x, [initialState])\n  also called Delay\n"),
        ("softmax", "operation Softmax (z)"),
        ("softmax", "\nsoftmax:\n  Hardmax     1 at the largest element"),
        ("CRF", "CRF: an operation of CNTK that is not supported: CNTK's library"),
    ],
)
def test_what_is_said(name: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ops", name]) == 0
    assert said in capsys.readouterr().out


def test_without_names_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ops"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    for name, classes in families().items():
        assert f"{name}:" in lines
        assert all(any(line.startswith(f"  {cls.names[0]} ") for line in lines) for cls in classes)


@pytest.mark.parametrize(("name", "hint"), [("Tymes", "did you mean Times?"), ("qqqq", "graphc ops lists all")])
def test_what_is_unknown(name: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ops", name]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error[GC0005]: there is no operation {name}") and hint in told


def test_help_and_the_documentation_say_the_same() -> None:
    for classes in families().values():
        for cls in classes:
            assert page(cls) in pages(cls.names[0])
            assert section(cls).startswith(f"## `{cls.names[0]}")
