"""Writes train.ctf and test.ctf: requests for flights, each word with the slot that it fills.

    python make_data.py

The sentences are drawn from patterns. Words before a city or behind it tell whether it is origin, destination or
a stop.
"""

from __future__ import annotations

import random
from pathlib import Path

CITIES = [
    "boston",
    "denver",
    "atlanta",
    "dallas",
    "oakland",
    "baltimore",
    "philadelphia",
    "pittsburgh",
    "seattle",
    "memphis",
    "phoenix",
    "miami",
    "detroit",
    "houston",
    "new_york",
    "san_francisco",
    "salt_lake_city",
    "los_angeles",
    "las_vegas",
    "kansas_city",
    "saint_louis",
    "san_diego",
]
DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
TIMES = ["morning", "afternoon", "evening", "noon"]
AIRLINES = ["united", "delta", "continental", "american", "northern_air"]
SLOTS = {"from": CITIES, "to": CITIES, "via": CITIES, "day": DAYS, "time": TIMES, "airline": AIRLINES}

OPENINGS = (
    "show me {airline} flights",
    "show me flights",
    "i want to fly",
    "list all flights",
    "are there any {airline} flights",
    "please book a seat",
    "what is the cheapest fare",
)
ROUTES = (
    "from {from} to {to}",
    "to {to} from {from}",
    "leaving {from} for {to}",
    "arriving in {to} coming from {from}",
    "from {from} to {to} with a stop in {via}",
    "from {from} via {via} to {to}",
    "with {from} as origin and {to} as destination",
)
ENDINGS = ("", "on {day}", "on {day} {time}", "in the {time}", "before {time} on {day}", "please", "on {airline}")

LABELS = ["O", *(f"{part}-{slot}" for slot in SLOTS for part in "BI")]


def sentence(draw: random.Random) -> list[tuple[str, str]]:
    """Words with their labels: B- begins what fills a slot, I- goes on with it, O is none."""
    pattern = " ".join(draw.choice(parts) for parts in (OPENINGS, ROUTES, ENDINGS))
    words: list[tuple[str, str]] = []
    for piece in pattern.split():
        if not piece.startswith("{"):
            words.append((piece, "O"))
            continue
        slot = piece.strip("{}")
        first, *others = draw.choice(SLOTS[slot]).split("_")
        words += [(first, f"B-{slot}"), *((other, f"I-{slot}") for other in others)]
    return words


def vocabulary() -> list[str]:
    patterns = " ".join([*OPENINGS, *ROUTES, *ENDINGS]).split()
    fillers = [word for values in SLOTS.values() for value in values for word in value.split("_")]
    return sorted({*fillers, *(word for word in patterns if not word.startswith("{"))})


def texts() -> dict[str, str]:
    """The files by name; each word is a line, with the number of its sentence in front."""
    draw, words = random.Random(5), {word: i for i, word in enumerate(vocabulary())}
    known: set[tuple[str, ...]] = set()
    found = {}
    for name, count in (("train.ctf", 1000), ("test.ctf", 250)):
        lines: list[str] = []
        number = 0
        while number < count:
            drawn = sentence(draw)
            if (text := tuple(word for word, _ in drawn)) in known:
                continue  # no sentence twice, so none of the test is known from training
            known.add(text)
            lines += [f"{number} |word {words[word]}:1 |slot {LABELS.index(label)}:1" for word, label in drawn]
            number += 1
        found[name] = "\n".join(lines) + "\n"
    return found


if __name__ == "__main__":
    for name, text in texts().items():
        (Path(__file__).parent / name).write_text(text, "ascii")
