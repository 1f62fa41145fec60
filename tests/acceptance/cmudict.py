"""The data of CNTK's G2P example, and how many phonemes its decoders get wrong.

CNTK ships the pronouncing dictionary split into sets. Of these the training set, in CNTK's text format, is missing in a
checkout without large files:

    python -m tests.acceptance.cmudict data/cmudict-0.7b.train-dev-20-21 data/cmudict-0.7b.mapping train.ctf
    python -m tests.acceptance.cmudict errors decoded.labelsOut decoded.decodeOut
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path


def text_format(dictionary: Path, mapping: Path) -> Iterator[str]:
    """Lines of letters and phonemes of every word, between the marks of its beginning and end."""
    tokens = [line.strip() for line in mapping.read_text("utf-8").splitlines()]
    number = {token: index for index, token in enumerate(tokens)}
    for sequence, line in enumerate(dictionary.read_text("latin-1").splitlines()):
        word, *phonemes = line.split()
        letters = ["<s>", *word, "</s>"]
        sounds = ["<s>", *(f"~{phoneme}" for phoneme in phonemes), "</s>"]
        for row in zip_longest(letters, sounds):
            fields = [f"|{name} {number[x]}:1 |# {x}" for name, x in zip(("S0", "S1"), row, strict=True) if x]
            yield "\t".join([str(sequence), *fields])


@dataclass(frozen=True)
class Score:
    """Errors of decoded sequences: phonemes to be put in, left out or exchanged, and words with any of these."""

    phonemes: int
    phoneme_errors: int
    words: int
    word_errors: int

    def __str__(self) -> str:
        shares = self.phoneme_errors / self.phonemes, self.word_errors / self.words
        return f"{shares[0]:.2%} of {self.phonemes} phonemes, {shares[1]:.2%} of {self.words} words"


def score(labels: Iterable[str], decoded: Iterable[str]) -> Score:
    """Of lines of tokens, each up to its first end mark."""
    pairs = [(_spoken(one), _spoken(other)) for one, other in zip(labels, decoded, strict=True)]
    errors = [distance(one, other) for one, other in pairs]
    return Score(sum(len(one) for one, _ in pairs), sum(errors), len(pairs), sum(error > 0 for error in errors))


def distance(one: list[str], other: list[str]) -> int:
    """How many tokens to put in, leave out or exchange to make one of the other."""
    row = list(range(len(other) + 1))
    for i, x in enumerate(one, 1):
        before, row = row, [i]
        for j, y in enumerate(other, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (x != y)))
    return row[-1]


def _spoken(line: str) -> list[str]:
    tokens = line.split()
    return tokens[: tokens.index("</s>")] if "</s>" in tokens else tokens


def main() -> None:
    match sys.argv[1:]:
        case ["errors", labels, decoded]:
            print(score(*(Path(name).read_text("utf-8").splitlines() for name in (labels, decoded))))
        case [dictionary, mapping, result]:
            lines = text_format(Path(dictionary), Path(mapping))
            Path(result).write_text("".join(f"{line}\n" for line in lines), "utf-8")
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
