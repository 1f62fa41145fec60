"""The shipped digits: regenerated identically, and read whole."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from graphc.data.text_format import read_text_format
from graphc.data.text_rows import TextInput

FOLDER = Path(__file__).parents[2] / "models" / "digits"
INPUTS = [TextInput("features", 64), TextInput("labels", 10)]


def test_data_are_what_the_script_makes() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn holds the original images")
    for name, text in runpy.run_path(str(FOLDER / "make_data.py"))["texts"]().items():
        assert (FOLDER / name).read_text("ascii") == text


@pytest.mark.parametrize("name, count", [("train.ctf", 1438), ("test.ctf", 359)])
def test_data_are_images_and_digits(name: str, count: int) -> None:
    data = read_text_format(FOLDER / name, INPUTS)
    pixels = data.streams["features"].column.dense()
    assert data.samples == count and data.is_frames and not data.warnings
    assert (pixels.min(), pixels.max()) == (0, 16)
    assert data.streams["labels"].column.is_onehot
    assert np.bincount(data.streams["labels"].column.onehot_indices()).min() > 0.05 * count
