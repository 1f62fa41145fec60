"""Write train.ctf and test.ctf: strings of Reber's grammar, and strings with one wrong symbol.

    python make_data.py [FOLDER]

The grammar is that of A. S. Reber, Implicit learning of artificial grammars, 1967. Half of the strings have one symbol
replaced so that the grammar does not make them.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

SYMBOLS = "BTPSXVE"
# state → what may come next and where it leads; a walk ends in state 7
AUTOMATON = {
    1: (("T", 2), ("P", 3)),
    2: (("S", 2), ("X", 4)),
    3: (("T", 3), ("V", 5)),
    4: (("X", 3), ("S", 6)),
    5: (("P", 4), ("V", 6)),
    6: (("E", 7),),
}
SIZES = {"train": 1600, "test": 400}


def reber(generator: random.Random) -> str:
    text, state = "B", 1
    while state != 7:
        symbol, state = generator.choice(AUTOMATON[state])
        text += symbol
    return text


def is_reber(text: str) -> bool:
    state = 1
    for symbol in text[1:]:
        state = dict(AUTOMATON.get(state, ())).get(symbol, 0)
    return text[:1] == "B" and state == 7


def wrong(generator: random.Random) -> str:
    text = reber(generator)
    while True:
        at = generator.randrange(1, len(text))
        changed = text[:at] + generator.choice(SYMBOLS) + text[at + 1 :]
        if not is_reber(changed):
            return changed


def lines(number: int, text: str, label: int) -> list[str]:
    """A sequence in CNTK's text format: one line a symbol, the label in the first."""
    found = [f"{number} |symbols {SYMBOLS.index(symbol)}:1" for symbol in text]
    found[0] += f" |label {label}:1"
    return found


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
    generator = random.Random(1967)
    seen: set[str] = set()
    for name, size in SIZES.items():
        strings: list[tuple[str, int]] = []
        while len(strings) < size:
            label = len(strings) % 2
            text = reber(generator) if label else wrong(generator)
            if text not in seen and len(text) <= 25:
                seen.add(text)
                strings.append((text, label))
        rows = [line for number, (text, label) in enumerate(strings) for line in lines(number, text, label)]
        (folder / f"{name}.ctf").write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
