"""Writes the digits as CNTK text files beside this script; needs scikit-learn, which graphc itself does not.

Run ``python make_data.py`` (or with a folder to write to); the result never changes.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from pathlib import Path


def texts() -> dict[str, str]:
    """Contents of the files by name."""
    # By name: whoever checks types need not have scikit-learn.
    pixels, digits = importlib.import_module("sklearn.datasets").load_digits(return_X_y=True)
    lines = [
        f"|labels {_row(digit == c for c in range(10))} |features {_row(image)}\n"
        for image, digit in zip(pixels, digits, strict=True)
    ]
    test = [line for index, line in enumerate(lines) if index % 5 == 4]
    train = [line for index, line in enumerate(lines) if index % 5 != 4]
    return {"train.ctf": "".join(train), "test.ctf": "".join(test)}


def _row(numbers: Iterable[float]) -> str:
    return " ".join(str(int(n)) for n in numbers)


def main(folder: Path) -> None:
    for name, text in texts().items():
        (folder / name).write_text(text, encoding="ascii", newline="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
