"""Writes made-up utterances as CNTK text files beside this script.

Run ``python make_data.py`` (or with a folder to write to); the result never changes.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

TOKENS = 6
FEATURES = 5
# sequences of each file
SIZES = {"train.ctf": 300, "test.ctf": 80}
# most frames of a token
LONGEST = 5
NOISE = 0.5


def texts() -> dict[str, str]:
    """Contents of the files by name."""
    numbers = random.Random(5)
    # what a token sounds like at its beginning and at its end
    sounds = [[[numbers.gauss(0, 1) for _ in range(FEATURES)] for _ in range(2)] for _ in range(TOKENS)]
    return {
        name: "".join(line for number in range(size) for line in _sequence(number, sounds, numbers))
        for name, size in SIZES.items()
    }


def _sequence(number: int, sounds: list[list[list[float]]], numbers: random.Random) -> Iterator[str]:
    token = -1
    for _ in range(numbers.randint(3, 8)):
        # no token twice in a row, because the measure of errors makes one of them
        token = numbers.choice([t for t in range(TOKENS) if t != token])
        frames = numbers.randint(2, LONGEST)
        for frame in range(frames):
            share = frame / (frames - 1)
            first, last = sounds[token]
            heard = ((1 - share) * a + share * b + numbers.gauss(0, NOISE) for a, b in zip(first, last, strict=True))
            yield f"{number} |labels {token}:{1 if frame else 2} |features {' '.join(f'{x:.1f}' for x in heard)}\n"


def main(folder: Path) -> None:
    for name, text in texts().items():
        (folder / name).write_text(text, encoding="ascii", newline="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
