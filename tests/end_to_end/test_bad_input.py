"""Wrong input is told once, with its place, and leaves nothing half-done behind."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Case:
    """What is wrong, and every word that is told about it. ``made``: the files that the run leaves behind."""

    name: str
    told: str
    status: int = 2
    edits: tuple[tuple[str, str], ...] = ()
    arguments: tuple[str, ...] = ()
    points: tuple[str, str, int] | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    made: tuple[str, ...] = ("out/log",)


CASES = (
    Case(
        "missing file",
        """
        error[GC0001]: file n.cntk does not exist
         --> n.cntk:1:1
          = hint: did you mean m.cntk?
        """,
        arguments=("run", "n.cntk"),
        made=(),
    ),
    Case(
        "empty file",
        """
        error[GC0003]: e.cntk is empty
         --> e.cntk:1:1
        """,
        arguments=("run", "e.cntk"),
        files={"e.cntk": b""},
        made=(),
    ),
    Case(
        "binary file",
        """
        error[GC0002]: b.cntk is not a text file: byte 0xff at offset 6, line 1, is not UTF-8 text
         --> b.cntk:1:1
        """,
        arguments=("run", "b.cntk"),
        files={"b.cntk": b"\x7fELF\x02\x01\xff\x00"},
        made=(),
    ),
    Case(
        "bracket of a section",
        """
        error[GC0102]: no closing '}' for this '{'
          --> m.cntk:20:11
           |
        20 |     SGD = {
           |           ^
           = this '}' is indented less, at m.cntk:35:1
        """,
        edits=(("numMBsToShowResult = 2\n    }", "numMBsToShowResult = 2\n"),),
        made=(),
    ),
    Case(
        "bracket in the network",
        """
        error[GC0101]: '}' does not close '('
          --> m.cntk:19:5
           |
        19 |     }
           |     ^
           = '(' was opened here and needs ')', at m.cntk:14:38
        """,
        edits=(("CrossEntropyWithSoftmax (labels, z)", "CrossEntropyWithSoftmax (labels, z"),),
        made=(),
    ),
    Case(
        "misspelt key",
        """
        error[GC0501]: required parameter missing: Train:SGD:maxEpochs
          --> m.cntk:22:9
           |
        22 |         maxEpoch = 2
           |         ^^^^^^^^
           = SGD needs maxEpochs, at m.cntk:20:5
           = hint: did you mean maxEpochs where it says maxEpoch?
        """,
        edits=(("maxEpochs", "maxEpoch"),),
    ),
    Case(
        "misspelt function",
        """
        error[GC0301]: unknown identifier 'CrossEntropyWithSoftmx'
          --> m.cntk:14:14
           |
        14 |         ce = CrossEntropyWithSoftmx (labels, z)
           |              ^^^^^^^^^^^^^^^^^^^^^^
           = while evaluating 'ce', at m.cntk:14:9
           = while evaluating 'criterionNodes', at m.cntk:16:9
           = hint: did you mean 'CrossEntropyWithSoftmax'?
        """,
        edits=(("CrossEntropyWithSoftmax (", "CrossEntropyWithSoftmx ("),),
    ),
    Case(
        "wrong argument count",
        """
        error[GC0302]: function expects 1 positional parameters, 0 were provided
          --> m.cntk:13:13
           |
        13 |         z = Sigmoid () + b
           |             ^^^^^^^^^^
           = Sigmoid(_, tag='') is defined here, at library/cntk2.bs
           = while evaluating 'z', at m.cntk:13:9
           = while evaluating 'ce', at m.cntk:14:9
           = while evaluating 'criterionNodes', at m.cntk:16:9
        """,
        edits=(("W * features + b", "Sigmoid () + b"),),
    ),
    Case(
        "unknown identifier",
        """
        error[GC0301]: unknown identifier 'V'
          --> m.cntk:13:13
           |
        13 |         z = V * features + b
           |             ^
           = while evaluating 'z', at m.cntk:13:9
           = while evaluating 'ce', at m.cntk:14:9
           = while evaluating 'criterionNodes', at m.cntk:16:9
        """,
        edits=(("W * features", "V * features"),),
    ),
    Case(
        "unknown configuration variable",
        """
        error[GC0111]: no variable found with the name OutDir
         --> m.cntk:2:14
          |
        2 | modelPath = "$OutDir$/model"
          |              ^^^^^^^^
          = hint: did you mean $RunDir$?
        """,
        edits=(('"out/model"', '"$OutDir$/model"'),),
        made=(),
    ),
    Case(
        "recursion without end",
        """
        error[GC0311]: recursion of 'f' does not end: 50,000 calls are nested
          --> m.cntk:14:17
           |
        14 |         f (x) = f (x + 1)
           |                 ^^^^^^^^^
           = 'f' is defined here, at m.cntk:14:9
           = while evaluating 'z', at m.cntk:13:9
           = while evaluating 'ce', at m.cntk:15:9
           = while evaluating 'criterionNodes', at m.cntk:17:9
        """,
        edits=(("z = W * features + b", "z = f (1)\n        f (x) = f (x + 1)"),),
    ),
    Case(
        "dimensions of Times",
        """
        error[GC0201]: inner dimensions differ: W is [2 x 3], features is [2 x *]
          --> m.cntk:13:13
           |
        13 |         z = W * features + b
           |             ^^^^^^^^^^^^
           = W is the parameter [2 x 3], at m.cntk:11:13
           = features is the input [2], at m.cntk:9:20
        """,
        edits=(("(2:2)", "(2:3)"),),
    ),
    Case(
        "dimension of the labels against the reader",
        """
        error[GC0609]: stream 'labels' has dim 3, but the network's input has 2 elements
          --> m.cntk:32:30
           |
        32 |             labels = { dim = 3 ; format = "dense" }
           |                              ^
           = the input 'labels' of 2 elements is declared, at m.cntk:10:18
        """,
        edits=(("labels = { dim = 2", "labels = { dim = 3"),),
    ),
    Case(
        "dimension of the labels against the data",
        """
        error[GC0602]: dense sample of 'labels' has 3 values, which exceeds its dimension of 2
         --> points.ctf:1:31
          |
        1 | |features 0.3 0.8 |labels 1 0 0
          |                               ^
          = 'labels' is declared with dim = 2, at m.cntk:32:30
        """,
        points=("|labels 1 0", "|labels 1 0 0", 1),
    ),
    Case(
        "malformed line",
        """
        error[GC0601]: unexpected 'x' where a number should be
         --> points.ctf:2:27
          |
        2 | |features 0.9 0.1 |labels x 1
          |                           ^
        """,
        points=("|labels 0 1", "|labels x 1", 1),
    ),
    Case(
        "more malformed lines than maxErrors",
        """
        error[GC0601]: input name prefix '|' is followed by an invalid character
         --> points.ctf:2:31
          |
        2 | |features 0.9 0.1 |labels 0 1 | 5
          |                               ^^
          = reached the maximum number of allowed errors while reading 'points.ctf' (maxErrors = 1)
        """,
        edits=(('file = "points.ctf"', 'file = "points.ctf" ; maxErrors = 1'),),
        points=("\n", " | 5\n", 2),
    ),
    Case(
        "criterion that is not a number",
        """
        error[GC0705]: the training criterion ce is not a number in epoch 1, minibatch 2
          --> m.cntk:14:14
           |
        14 |         ce = SquareError (labels, z)
           |              ^^^^^^^^^^^^^^^^^^^^^^^
           = the learning rate was 1e+30 per sample, set, at m.cntk:23:34
           = the last model is out/model.0, of epoch 0
           = hint: lower the learning rate, or check the data for values that are infinite or not numbers
        """,
        status=1,
        edits=(
            ("learningRatesPerSample = 0.1", "learningRatesPerSample = 1e30"),
            ("CrossEntropyWithSoftmax", "SquareError"),
        ),
        made=("out/log", "out/model.0"),
    ),
    Case(
        "modelPath below a file",
        """
        error[GC0703]: cannot write m.cntk/model.0: m.cntk is a file, not a folder
         --> m.cntk:2:14
          |
        2 | modelPath = "m.cntk/model"
          |              ^^^^^^^^^^^^
          = hint: choose another modelPath or free space; what was there before is unchanged
        """,
        status=1,
        edits=(('"out/model"', '"m.cntk/model"'),),
    ),
    Case(
        "modelPath where nothing can be made",
        """
        error[GC0703]: cannot write /proc/graphc/model.0: no such file or directory
         --> m.cntk:2:14
          |
        2 | modelPath = "/proc/graphc/model"
          |              ^^^^^^^^^^^^^^^^^^
          = hint: choose another modelPath or free space; what was there before is unchanged
        """,
        status=1,
        edits=(('"out/model"', '"/proc/graphc/model"'),),
    ),
    Case(
        "modelPath is a folder",
        """
        error[GC0703]: cannot write out: it is a folder
         --> m.cntk:2:14
          |
        2 | modelPath = "out"
          |              ^^^
          = hint: name a file in it, such as out/model
        """,
        status=1,
        edits=(('"out/model"', '"out"'),),
    ),
    Case(
        "stderr below a file",
        """
        error[GC0004]: the log file m.cntk/log cannot be written: m.cntk is a file, not a folder
         --> m.cntk:3:11
          |
        3 | stderr = "m.cntk/log"
          |           ^^^^^^^^^^
        """,
        status=1,
        edits=(('"out/log"', '"m.cntk/log"'),),
        made=(),
    ),
    Case(
        "outputPath below a file",
        """
        error[GC0004]: the output m.cntk/scores cannot be written: m.cntk is a file, not a folder
          --> m.cntk:52:19
           |
        52 |     outputPath = "m.cntk/scores"
           |                   ^^^^^^^^^^^^^
        """,
        status=1,
        edits=(('"out/scores"', '"m.cntk/scores"'),),
        made=("out/log", "out/model", "out/model.0", "out/model.1", "out/model.ckp"),
    ),
    Case(
        "metrics below a file",
        """
        error[GC0004]: the metrics file m.cntk/x cannot be written: m.cntk is a file, not a folder
        """,
        status=1,
        arguments=("run", "m.cntk", "--metrics", "m.cntk/x"),
    ),
    Case(
        "metrics on a full disk",
        """
        error[GC0004]: the metrics file /dev/full cannot be written: no space left on device
        """,
        status=1,
        arguments=("run", "m.cntk", "--metrics", "/dev/full"),
    ),
    Case(
        "stderr on a full disk",
        """
        error[GC0004]: the log file /dev/full cannot be written: no space left on device
         --> m.cntk:3:11
          |
        3 | stderr = "/dev/full"
          |           ^^^^^^^^^
        """,
        status=1,
        edits=(('"out/log"', '"/dev/full"'),),
        made=(),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_word_told(project: Any, case: Case) -> None:
    for name, contents in case.files.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(contents)
    project.edit(*case.edits)
    if case.points is not None:
        project.points = project.points.replace(*case.points)
    if sys.platform != "linux" and re.search("/dev/full|/proc", case.told):
        pytest.skip("a file of Linux")
    outcome = project.run(*case.arguments)
    assert outcome.diagnostics == textwrap.dedent(case.told).strip()
    assert outcome.status == case.status
    assert project.made() == sorted([*case.files, *case.made])


def test_maxerrors_forgives_so_many(project: Any) -> None:
    project.edit(('file = "points.ctf"', 'file = "points.ctf" ; maxErrors = 1'))
    project.points = project.points.replace("\n", " | 5\n", 1)
    outcome = project.run()
    assert outcome.status == 0
    assert outcome.diagnostics.startswith("warning[GC0601]: input name prefix '|' is followed by an invalid character")


@pytest.mark.skipif(sys.platform == "win32", reason="files have no limits there")
@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("Train", "error[GC0703]: cannot write out/model.0: file too large\n --> m.cntk:2:14"),
        ("Write", "error[GC0004]: the output out/scores cannot be written: file too large\n  --> m.cntk:52:19"),
    ],
)
def test_disk_that_fills_up(project: Any, command: str, told: str) -> None:
    """The limit on the size of a file stands for a disk without room: both fail in the middle of a write."""
    import resource  # not on every system

    project.edit(('stderr = "out/log"', ""))
    assert project.run("run", "m.cntk", "command=Train").status == 0
    before = {name: Path(name).read_bytes() for name in project.made()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150, limits[1]))
    try:
        outcome = project.run("run", "m.cntk", f"command={command}", "makeMode=false")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert outcome.status == 1
    assert outcome.diagnostics.startswith(told)
    assert {name: Path(name).read_bytes() for name in project.made()} == before
