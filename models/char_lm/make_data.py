"""Writes train.ctf and test.ctf: sentences of a small grammar, letter by letter, each with the letter that follows.

python make_data.py
"""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

ARTICLES = {False: ("a", "the", "every"), True: ("the", "some", "all")}
ADJECTIVES = ("old", "small", "quiet", "hungry", "grey", "clever", "sleepy")
NOUNS = ("fox", "bird", "farmer", "river", "cat", "horse", "child", "wolf", "miller", "stone")
# verbs by whether what they follow is plural
VERBS = {False: ("sees", "follows", "hears", "finds", "likes"), True: ("see", "follow", "hear", "find", "like")}
PLURALS = {"child": "children", "wolf": "wolves", "fox": "foxes"}
PLACES = ("near the mill", "under the bridge", "in the garden", "behind the house", "on the road", "")

LETTERS = "\n abcdefghijklmnopqrstuvwxyz."


def phrase(draw: random.Random) -> tuple[str, bool]:
    """A noun with what belongs to it, and whether it is plural: its verb depends on it, far behind."""
    plural = draw.random() < 0.5
    noun = draw.choice(NOUNS)
    noun = PLURALS.get(noun, noun + "s") if plural else noun
    adjectives = draw.sample(ADJECTIVES, draw.choice((0, 0, 1, 1, 2)))
    article = draw.choice(ARTICLES[plural])
    words = [*adjectives, noun]
    return " ".join(["an" if article == "a" and words[0][0] in "aeiou" else article, *words]), plural


def sentence(draw: random.Random) -> str:
    subject, plural = phrase(draw)
    parts = [subject, draw.choice(VERBS[plural]), phrase(draw)[0], draw.choice(PLACES)]
    return " ".join(part for part in parts if part) + "."


def texts() -> dict[str, str]:
    """The files by name; each letter is a line, with the number of its sentence in front."""
    draw = random.Random(9)
    found = {}
    for name, count in (("train.ctf", 700), ("test.ctf", 150)):
        lines = []
        for number in range(count):
            numbers = [LETTERS.index(letter) for letter in f"\n{sentence(draw)}\n"]
            lines += [f"{number} |letter {letter}:1 |next {after}:1" for letter, after in pairwise(numbers)]
        found[name] = "\n".join(lines) + "\n"
    return found


if __name__ == "__main__":
    for name, text in texts().items():
        (Path(__file__).parent / name).write_text(text, "ascii")
