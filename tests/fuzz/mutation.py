"""Valid texts made slightly invalid: byte by byte, and token by token with tokens of other texts spliced in."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

# What has broken readers of text before: ends of numbers, of texts and of encodings.
_HOSTILE_BYTES = (
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\r",
    b"\r\n",
    b"\xc2\xa0",
    b"\xe2\x80\xa8",
    b"\xed\xa0\x80",
    b"\x1b[2J",
    b"\x0c",
    b"\t",
    b"\xf0\x9f\x92\xa9",
)
# ruff: noqa: SIM905  (shorter than literals)
HOSTILE_TOKENS = (
    *"[ ] { } ( ) [| |] ; : , . .. = => == ! - + * ** .* / % << >> && || $ $$ # // /* */ \" ' \\ | ~ ^".split(),
    *"0 -1 1e309 1e-400 0x7fffffffffffffff 99999999999999999999 1e9 1e6 4294967296 0.5 1/0 0/0 1#INF nan".split(),
    *"true false if then else with new array include Inferred None default auto".split(),
    *"$x$ $ConfigDir$ a=$a$ a=$b$ b=$a$ 1*1000000 1*-1 -9223372036854775809 0:0 1:*".split(),
    "\n",
    "\r",
    " ",
    "\t",
    "\ufeff",
    "\u00a0",
    "\u2028",
    "ß",
    "²",
    "\0",
    '"a b"',
    "'c'",
    "[i:0..3]",
    "array[0..3] (i => i)",
    "include 'input'",
    "new ComputationNode [ operation = 'Plus' ]",
)
_TOKENS = re.compile(rb"\w+|\"[^\"\n]*\"|'[^'\n]*'|[ \t]+|[^\w\s]|\s")
_MOST_BYTES = 20_000


def mutate_bytes(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """A text with a few bytes flipped, lost, doubled or replaced, perhaps cut off or joined with another."""
    data = bytearray(_excerpt(rng, rng.choice(seeds)))
    for _ in range(_few(rng)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(7):
            case 0 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 1 if at < len(data):
                data[at] = rng.randrange(256)
            case 2:
                del data[at : at + rng.choice((1, 1, 2, 8, 64))]
            case 3:
                data[at:at] = data[at : at + rng.choice((1, 4, 32, 200))] * rng.choice((1, 1, 2, 10))
            case 4:
                data[at:at] = rng.choice(_HOSTILE_BYTES)
            case 5:
                other = rng.choice(seeds)
                start = rng.randrange(len(other) + 1)
                data[at:at] = other[start : start + rng.randrange(1, 80)]
            case _:
                data[at:at] = rng.choice(HOSTILE_TOKENS).encode("utf-8", "surrogatepass")
    if rng.random() < 0.05:
        del data[rng.randrange(len(data) + 1) :]
    return bytes(data[:_MOST_BYTES])


def mutate_tokens(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """A text with a few tokens lost, doubled, exchanged, or replaced by those of another text or hostile ones."""
    tokens = _TOKENS.findall(_excerpt(rng, rng.choice(seeds)))
    others = _TOKENS.findall(rng.choice(seeds))
    for _ in range(_few(rng)):
        at = rng.randrange(len(tokens) + 1)
        match rng.randrange(8):
            case 0:
                del tokens[at : at + rng.choice((1, 1, 2, 5))]
            case 1:
                tokens[at:at] = tokens[at : at + rng.choice((1, 3, 10, 40))]
            case 2 if at < len(tokens):
                other = rng.randrange(len(tokens))
                tokens[at], tokens[other] = tokens[other], tokens[at]
            case 3 if others:
                start = rng.randrange(len(others))
                tokens[at : at + rng.choice((0, 1, 5))] = others[start : start + rng.choice((1, 1, 3, 20))]
            case 4 if at < len(tokens) and others:
                tokens[at] = rng.choice(others)
            case 5 if at < len(tokens):
                tokens[at] = rng.choice(tokens)
            case _:
                tokens[at : at + rng.randrange(2)] = [rng.choice(HOSTILE_TOKENS).encode()]
    return b"".join(tokens)[:_MOST_BYTES]


def _few(rng: random.Random) -> int:
    return min(int(rng.expovariate(0.5)) + 1, 30)


def _excerpt(rng: random.Random, seed: bytes) -> bytes:
    """All of a small text; of a large one mostly some lines, for small inputs are quick and say more."""
    if len(seed) < 1500 or rng.random() < 0.1:
        return seed
    lines = seed.splitlines(keepends=True)
    start = rng.randrange(len(lines))
    return b"".join(lines[start : start + rng.randrange(1, 40)])
