"""The kinds of inputs: how one is made from random numbers, and what is done with it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.fuzz import bombs, configurations, corpus, programs, targets
from tests.fuzz.mutation import mutate_bytes, mutate_tokens


@dataclass(frozen=True)
class Kind:
    """``weight``: its share of a run of all kinds."""

    generate: Callable[[random.Random], bytes]
    run: Callable[[bytes], None]
    weight: int


def input_of(kind: str, seed: int, index: int) -> bytes:
    """The input with this number: the same wherever and whenever it is made."""
    return KINDS[kind].generate(random.Random(f"{seed}:{kind}:{index}"))


def _model_file(rng: random.Random) -> bytes:
    """The header of a model file with a mutated network, or a mutated header."""
    text = rng.choice(corpus.networks())
    if rng.random() < 0.6:
        text = mutate_tokens(rng, corpus.networks())
    header = json.dumps({"__metadata__": {"graphc.network": text.decode("utf-8", "replace")}}).encode()
    if rng.random() < 0.5:
        header = mutate_bytes(rng, (header, b'{"__metadata__": {}}', b"[1]", b"{}"))
    length = len(header) if rng.random() < 0.8 else rng.choice((0, 1, len(header) + 9, 1 << 29, 1 << 40, (1 << 64) - 1))
    return length.to_bytes(8, "little") + header + rng.randbytes(rng.choice((0, 0, 8)))


def _configuration(rng: random.Random) -> bytes:
    draw = rng.random()
    if draw < 0.4:
        text = configurations.configuration(rng)
    else:
        text = mutate_tokens(rng, corpus.configurations() if draw < 0.7 else corpus.small_configurations())
    overrides = [configurations.configuration(rng) for _ in range(rng.choice((0, 0, 1, 2)))]
    return targets.SEPARATOR.join([text, *overrides])


def _formatted(rng: random.Random) -> bytes:
    match rng.randrange(5):
        case 0:
            return programs.program(rng)
        case 1:
            return configurations.configuration(rng)
        case 2:
            return mutate_tokens(rng, corpus.scripts())
        case 3:
            return mutate_tokens(rng, corpus.small_configurations())
        case _:
            return mutate_tokens(rng, corpus.configurations())


def _included(rng: random.Random) -> bytes:
    names = ("input.cntk", "a.bs", "b.bs", "c.cntk", ".", "/dev/null", "nowhere", "", "x" * 300)
    files: list[bytes] = []
    for _ in range(4):
        include = (
            f"include{rng.choice((' ', '=', ' = '))}{rng.choice(_QUOTES)}{rng.choice(names)}{rng.choice(_QUOTES)}\n"
        )
        text = rng.choice((programs.program, configurations.configuration, programs.expression))(rng)
        files.append(rng.choice((include.encode() + text, text + b"\n" + include.encode(), text)))
    return targets.SEPARATOR.join(files)


_QUOTES = ("'", '"', '"', "")

KINDS: Mapping[str, Kind] = {
    "program": Kind(programs.program, targets.script, 10),
    "expression": Kind(programs.expression, targets.expression, 20),
    "script-tokens": Kind(lambda rng: mutate_tokens(rng, corpus.scripts()), targets.script, 22),
    "bytes": Kind(lambda rng: mutate_bytes(rng, corpus.everything()), targets.file, 8),
    "configuration": Kind(_configuration, targets.configuration, 14),
    "format": Kind(_formatted, targets.formatting, 5),
    "description": Kind(lambda rng: mutate_tokens(rng, corpus.descriptions()), targets.description, 6),
    "edits": Kind(lambda rng: mutate_tokens(rng, corpus.edits()), targets.edits, 4),
    "network": Kind(lambda rng: mutate_tokens(rng, corpus.networks()), targets.network_text, 5),
    "graph": Kind(lambda rng: mutate_tokens(rng, corpus.graphs()), targets.graph_text, 8),
    "model": Kind(_model_file, targets.model_file, 2),
    "data": Kind(lambda rng: mutate_bytes(rng, corpus.data()), targets.text_format, 4),
    "includes": Kind(_included, targets.includes, 1),
    "commands": Kind(configurations.command_line, targets.commands, 1),
    "script-bombs": Kind(bombs.script, targets.script, 0),
    "configuration-bombs": Kind(bombs.configuration, targets.configuration, 0),
}
