"""Texts and command lines of the configuration layer: brackets of both kinds, separators, substitutions, overrides."""

from __future__ import annotations

import random

from graphc.config.schema import SECTIONS
from tests.fuzz import programs
from tests.fuzz.mutation import HOSTILE_TOKENS

_NAMES = ("a", "b", "c", "DataDir", "x", "Train", "command", "action", "modelPath")
_COMMANDS = ("train", "test", "write", "edit", "dumpNode", "trainRNN", "devtest", "plot", "convert", "nonsense")
_VALUES = (
    *("1", "0", "-1", "0.1", "1e9", "true", "false", "auto", "default", '""', '"a b"', "'q'", "1:2:3", "0.1*3:0.05"),
    *("1*1000000", "1*1e6", "(;p;q:r)", "(1:2):(3)", "([x=1]:[x=2])", "99999999999999999999", "1#INF", "nan", "T"),
    *('"$a$/b"', "$b$", "$DataDir$/x", "$$", "$a", "a$b$c$d$", "../x", "C:\\x", "http://x//y", "-"),
)
_FRAMES = (("[", "]"), ("[", "]"), ("{", "}"), ("(", ")"))
_ARGUMENTS = (
    *("configFile=input.cntk", "configFile=input.cntk+input.cntk", "configFile=", "currentDirectory=.", "input.cntk"),
    *(
        "a=1",
        "Train=[SGD=[maxEpochs=1]]",
        "Train={}",
        "command=Train",
        "a",
        "=",
        "a=",
        "=b",
        "[",
        "]",
        "a=[",
        "-x",
        "--",
    ),
    *("--json", "--strict", "--sarif", "--lang", "bs", "cntk", "--emit", "ir", "ast", "network", "--check", "--diff"),
    *("--dump-after", "fold", "SGD", "DenseLayer", "BS", "GC0301", "Times", "SGD.maxEpochs", "", " ", "\n", ".", "/"),
    *(
        "/dev/null",
        "-x",
        "--",
        "nowhere.cntk",
        "\ud800",
        "x" * 5000,
        "ß=$ß$",
        "a=$b$",
        "b=$a$",
        "--help",
        "--version",
        "help",
    ),
)
# nothing here may run a network: `run` and `cntk` are tried by the tests of the command line
_SUBCOMMANDS = ("check", "check", "compile", "fmt", "help", "explain", "chekc", "--version", "")


def configuration(rng: random.Random) -> bytes:
    """A configuration: assignments, sections of known and unknown keys, perhaps with a network."""
    parts = [_command(rng)] if rng.random() < 0.6 else []
    parts += [_assignment(rng, 3) for _ in range(rng.randrange(6))]
    rng.shuffle(parts)
    return rng.choice(("\n", "\n", "\r\n", " ; ", "\n\n# c\n")).join(parts).encode("utf-8", "replace")


def command_line(rng: random.Random) -> bytes:
    """Arguments of ``graphc``, separated by the record separator."""
    given = [rng.choice(_SUBCOMMANDS), *(_argument(rng) for _ in range(rng.choice((0, 1, 1, 2, 2, 3, 5))))]
    return "\x1e".join(given).encode("utf-8", "surrogateescape" if "\ud800" not in "".join(given) else "surrogatepass")


def _argument(rng: random.Random) -> str:
    draw = rng.random()
    if draw < 0.7:
        return rng.choice(_ARGUMENTS)
    if draw < 0.85:
        return f"{rng.choice(_NAMES)}={_value(rng, 2)}"
    return rng.choice(HOSTILE_TOKENS).replace("\0", "0")


def _command(rng: random.Random) -> str:
    kind = rng.choice(_COMMANDS[:4]) if rng.random() < 0.8 else rng.choice(_COMMANDS)
    opening, closing = rng.choice(_FRAMES[:3])
    parts = [f"action = {kind}"]
    if rng.random() < 0.8:
        parts.append(f"BrainScriptNetworkBuilder = {programs.program(rng).decode()}")
    if rng.random() < 0.15:
        parts.append(f"SimpleNetworkBuilder = {_section(rng, 'SimpleNetworkBuilder', 1)}")
    if rng.random() < 0.7:
        parts.append(f"SGD = {_section(rng, 'SGD', 2)}")
    if rng.random() < 0.7:
        parts.append(f"reader = {_section(rng, 'reader', 2)}")
    parts += [_key(rng, kind, 2) for _ in range(rng.randrange(3))]
    body = "\n    ".join(parts)
    return f"command = Train\nmodelPath = m\nTrain = {opening}\n    {body}\n{closing}"


def _section(rng: random.Random, kind: str, depth: int) -> str:
    opening, closing = rng.choice(_FRAMES)
    separator = rng.choice(("\n", " ; ", " "))
    return opening + separator.join(_key(rng, kind, depth) for _ in range(rng.randrange(7))) + closing


def _key(rng: random.Random, kind: str, depth: int) -> str:
    known = SECTIONS.get(kind, ())
    name = rng.choice(known).name if known and rng.random() < 0.9 else rng.choice(_NAMES)
    return f"{name} = {_value(rng, depth)}"


def _assignment(rng: random.Random, depth: int) -> str:
    return (
        f"{rng.choice(_NAMES)}{rng.choice((' = ', '=', ' =', ' '))}{_value(rng, depth)}{rng.choice(('', '', ' # c'))}"
    )


def _value(rng: random.Random, depth: int) -> str:
    draw = rng.random()
    if depth <= 0 or draw < 0.6:
        return rng.choice(_VALUES)
    if draw < 0.65:
        return rng.choice(HOSTILE_TOKENS)
    opening, closing = rng.choice(_FRAMES)
    inner = rng.choice((" ; ", "\n", ":")).join(_assignment(rng, depth - 1) for _ in range(rng.randrange(4)))
    return f"{opening}{rng.choice(('', '', '', '|', ';'))}{inner}{closing}"
