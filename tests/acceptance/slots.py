"""How many slots of CNTK's ATIS example are found, from the predictions that its command Output writes.

python -m tests.acceptance.slots Data/ATIS.label Data/ATIS.test.cntk.sparse work/model.writeaction.final
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

# kind, first word and the one behind the last
Slot = tuple[str, int, int]


def slots(labels: Sequence[str]) -> set[Slot]:
    """Of the labels of a sentence: ``B-kind`` begins a slot, ``I-kind`` goes on with it, ``O`` is outside."""
    found: set[Slot] = set()
    kind, begin = "", 0
    for at, label in enumerate([*labels, "O"]):
        mark, _, of = label.partition("-")
        if kind and (mark != "I" or of != kind):
            found.add((kind, begin, at))
            kind = ""
        if mark != "O" and not kind:
            kind, begin = of, at
    return found


def f1(true: Iterable[set[Slot]], predicted: Iterable[set[Slot]]) -> float:
    """The harmonic mean of how many of the predicted slots are right, and how many of the true ones are predicted."""
    right = wrong = 0
    for one, other in zip(true, predicted, strict=True):
        right, wrong = right + len(one & other), wrong + len(one ^ other)
    return 2 * right / (2 * right + wrong)


def sentences(data: Path) -> list[list[int]]:
    """The labels of a file in CNTK's text format, by number."""
    rows = (re.match(r"(\d+).*\|L (\d+):1", line) for line in data.read_text("utf-8").splitlines())
    pairs = [(row[1], int(row[2])) for row in rows if row]
    return [[label for _, label in group] for _, group in groupby(pairs, key=lambda pair: pair[0])]


def main() -> None:
    names, data, written = (Path(name) for name in sys.argv[1:4])
    kinds = names.read_text("utf-8").split()
    rows = (line.split() for line in written.read_text("utf-8").splitlines())
    predicted = iter([kinds[[float(x) for x in row].index(1)] for row in rows if row])
    true = sentences(data)
    found = [[next(predicted) for _ in labels] for labels in true]
    print(f"F1 {f1([slots([kinds[i] for i in s]) for s in true], map(slots, found)):.2%}")


if __name__ == "__main__":
    main()
