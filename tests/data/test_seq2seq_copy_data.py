"""The shipped strings are what their script makes."""

import runpy
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "models" / "seq2seq_copy"


def test_data_are_what_the_script_makes() -> None:
    for name, text in runpy.run_path(str(FOLDER / "make_data.py"))["texts"]().items():
        assert (FOLDER / name).read_text("ascii") == text
