"""Writes made-up strings, each as input and as labels, as CNTK text files beside this script.

Run ``python make_data.py`` (or with a folder to write to); the result never changes.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

# sentence start and end, then the letters
SYMBOLS = ["<s>", "</s>", *"abcdefgh"]
SHORTEST, LONGEST = 3, 8
# strings of each file
SIZES = {"train.ctf": 3000, "test.ctf": 200}


def texts() -> dict[str, str]:
    """Contents of the files by name."""
    numbers = random.Random(5)
    seen: set[str] = set()
    return {name: _strings(size, numbers, seen) for name, size in SIZES.items()} | {
        "symbols.txt": "".join(f"{symbol}\n" for symbol in SYMBOLS)
    }


def _strings(size: int, numbers: random.Random, seen: set[str]) -> str:
    """The lines of so many strings, none of which was seen before."""
    lines: list[str] = []
    number = 0
    while number < size:
        string = "".join(numbers.choices(SYMBOLS[2:], k=numbers.randint(SHORTEST, LONGEST)))
        if string in seen:
            continue
        seen.add(string)
        indices = [0, *map(SYMBOLS.index, string), 1]
        lines += [f"{number} |input {index}:1 |labels {index}:1\n" for index in indices]
        number += 1
    return "".join(lines)


def main(folder: Path) -> None:
    for name, text in texts().items():
        (folder / name).write_text(text, encoding="ascii", newline="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
