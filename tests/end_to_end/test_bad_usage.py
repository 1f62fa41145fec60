"""What new users get wrong besides: commands, options, sections, files; each told once, with its place."""

from __future__ import annotations

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
        "two files",
        """
        error[GC0005]: one configuration at a time, but 'n.cntk' follows
          = hint: to merge files: configFile=m.cntk+n.cntk
        """,
        arguments=("run", "m.cntk", "n.cntk"),
        files={"n.cntk": b"a = 1\n"},
        made=(),
    ),
    Case(
        "no file",
        """
        error[GC0005]: no configuration is given
          = hint: name a configuration: graphc COMMAND FILE [key=value …]
        """,
        arguments=("run",),
        made=(),
    ),
    Case(
        "file name from a variable that is not set",
        """
        error[GC0005]: no configuration is given
          = hint: name a configuration: graphc COMMAND FILE [key=value …]
        """,
        arguments=("run", ""),
        made=(),
    ),
    Case(
        "override without a file",
        """
        error[GC0005]: 'makeMode=false' is no configuration file
          = hint: put the configuration first: graphc COMMAND FILE makeMode=false
        """,
        arguments=("run", "makeMode=false"),
        made=(),
    ),
    Case(
        "folder as file",
        """
        error[GC0001]: . is a folder, not a file
         --> .:1:1
        """,
        arguments=("run", "."),
        made=(),
    ),
    Case(
        "unknown option",
        """
        error[GC0005]: unrecognized arguments: --metric x
          = hint: graphc run --help shows the usage
        """,
        arguments=("run", "m.cntk", "--metric", "x"),
        made=(),
    ),
    Case(
        "option without value",
        """
        error[GC0005]: argument --metrics: expected one argument
          = hint: graphc run --help shows the usage
        """,
        arguments=("run", "m.cntk", "--metrics"),
        made=(),
    ),
    Case(
        "swapped letters in the command",
        """
        error[GC0005]: there is no command 'rnu'
          = hint: did you mean graphc run?
        """,
        arguments=("rnu", "m.cntk"),
        made=(),
    ),
    Case(
        "unknown command",
        """
        error[GC0005]: there is no command 'evaluate'
          = hint: commands: run, check, compile, fmt, explain, help, ops, completion, cntk; graphc --help shows examples
        """,
        arguments=("evaluate", "x"),
        made=(),
    ),
    Case(
        "file instead of a command",
        """
        error[GC0005]: there is no command 'm.cntk'
          = hint: to run a configuration: graphc run m.cntk
        """,
        arguments=("m.cntk",),
        made=(),
    ),
    Case(
        "cntk without configFile",
        """
        error[GC0005]: graphc cntk takes configFile=FILE
          = hint: graphc cntk configFile=m.cntk …, or graphc run m.cntk …
        """,
        arguments=("cntk", "m.cntk"),
        made=(),
    ),
    Case(
        "configFile missing",
        """
        error[GC0001]: file n.cntk does not exist
         --> <argument 1>:1:12
          |
        1 | configFile=n.cntk
          |            ^^^^^^
          = hint: did you mean m.cntk?
        """,
        arguments=("cntk", "configFile=n.cntk"),
        made=(),
    ),
    Case(
        "currentDirectory missing",
        """
        error[GC0001]: there is no folder nowhere
         --> <argument 2>:1:18
          |
        1 | currentDirectory=nowhere
          |                  ^^^^^^^
        """,
        arguments=("cntk", "configFile=m.cntk", "currentDirectory=nowhere"),
        made=(),
    ),
    Case(
        "section of command missing",
        """
        error[GC0506]: command: there is no section Tran
         --> m.cntk:1:11
          |
        1 | command = Tran:Test
          |           ^^^^
          = hint: did you mean Train?
        """,
        edits=(("Train:Test:Write", "Tran:Test"),),
        made=(),
    ),
    Case(
        "unknown action",
        """
        error[GC0507]: Test:action: unknown action: tset
          --> m.cntk:38:15
           |
        38 |     action = "tset"
           |               ^^^^
           = hint: did you mean test?
        """,
        edits=(('action = "test"', 'action = "tset"'),),
    ),
    Case(
        "action to come",
        """
        error[GC0523]: action plot is not implemented yet
          --> m.cntk:38:15
           |
        38 |     action = "plot"
           |               ^^^^
           = hint: leave it out: command=Train:Write
        """,
        edits=(('action = "test"', 'action = "plot"'),),
    ),
    Case(
        "no action",
        """
        error[GC0501]: Test trains, but has no network builder
          --> m.cntk:37:1
           |
        37 | Test = {
           | ^^^^
           = hint: without an action it trains; for others write action = "test" or action = "write"

        error[GC0501]: required parameter missing: Test:SGD
          --> m.cntk:37:1
           |
        37 | Test = {
           | ^^^^
        """,
        edits=(('action = "test"', ""),),
    ),
    Case(
        "wrong value in a later command",
        """
        error[GC0503]: Test:minibatchSize: 0 is out of range, expected at least 1
          --> m.cntk:39:21
           |
        39 |     minibatchSize = 0
           |                     ^

        error[GC0501]: required parameter missing: Write:outputPath
          --> m.cntk:50:1
           |
        50 | Write = {
           | ^^^^^
        """,
        edits=(
            ("minibatchSize = 5", "minibatchSize = 0"),
            ('outputPath = "out/scores"', ""),
        ),
    ),
    Case(
        "misspelt key of an argument",
        """
        warning[GC0520]: unknown key maxEpoch is not used
         --> <argument 1>:1:13
          |
        1 | Train=[SGD=[maxEpoch=1]]
          |             ^^^^^^^^
          = hint: did you mean maxEpochs?
        """,
        status=0,
        arguments=("run", "m.cntk", "Train=[SGD=[maxEpoch=1]]", "command=Train"),
        made=("out/log", "out/model", "out/model.0", "out/model.1", "out/model.ckp"),
    ),
    Case(
        "misspelt section of an argument",
        """
        warning[GC0520]: the argument adds a section Trian, which nothing uses
         --> <argument 1>:1:1
          |
        1 | Trian=[SGD=[maxEpochs=1]]
          | ^^^^^
          = hint: did you mean Train?
        """,
        status=0,
        arguments=("run", "m.cntk", "Trian=[SGD=[maxEpochs=1]]", "command=Train"),
        made=("out/log", "out/model", "out/model.0", "out/model.1", "out/model.ckp"),
    ),
    Case(
        "argument of the wrong type",
        """
        error[GC0502]: Train:SGD:maxEpochs: 'two' is not an integer
         --> <argument 1>:1:23
          |
        1 | Train=[SGD=[maxEpochs=two]]
          |                       ^^^
        """,
        arguments=("run", "m.cntk", "Train=[SGD=[maxEpochs=two]]"),
    ),
    Case(
        "settings on one line with nothing between them",
        """
        error[GC0502]: Train:SGD:maxEpochs: '2 minibatchSize=8' is not an integer
         --> <argument 1>:1:23
          |
        1 | Train=[SGD=[maxEpochs=2 minibatchSize=8]]
          |                       ^^^^^^^^^^^^^^^^^
          = hint: write ; in front of minibatchSize: settings on one line are kept apart by it
        """,
        arguments=("run", "m.cntk", "Train=[SGD=[maxEpochs=2 minibatchSize=8]]"),
    ),
    Case(
        "argument with an open bracket",
        """
        error[GC0102]: no closing ']' for this '['
         --> <argument 1>:1:7
          |
        1 | Train=[SGD=[maxEpochs=2]
          |       ^
        """,
        arguments=("run", "m.cntk", "Train=[SGD=[maxEpochs=2]"),
        made=(),
    ),
    Case(
        "argument without key",
        """
        error[GC0105]: a value without a key
         --> <argument 1>:1:1
          |
        1 | =1
          | ^^
          = hint: write key = value
        """,
        arguments=("run", "m.cntk", "=1"),
        made=(),
    ),
    Case(
        "unknown precision",
        """
        error[GC0502]: precision: 'single' is none of float, double, half, bfloat16
         --> <argument 1>:1:11
          |
        1 | precision=single
          |           ^^^^^^
        """,
        arguments=("run", "m.cntk", "precision=single"),
        made=(),
    ),
    Case(
        "no such device",
        """
        error[GC0803]: there is no device '7'
         --> <argument 1>:1:10
          |
        1 | deviceId=7
          |          ^
          = hint: there are cpu:0; a GPU needs a jax with its plugin, such as jax[cuda13]
        """,
        arguments=("run", "m.cntk", "deviceId=7"),
    ),
    Case(
        "no device of that name",
        """
        error[GC0803]: 'abacus' names no device
          = hint: give auto, cpu, gpu, tpu, gpu:1 or a number (negative: the CPU)
        """,
        arguments=("run", "m.cntk", "--device", "abacus"),
    ),
    Case(
        "no network builder",
        """
        error[GC0501]: Train trains, but has no network builder
         --> m.cntk:6:1
          |
        6 | Train = {
          | ^^^^^
          = hint: did you mean BrainScriptNetworkBuilder where it says BrainScriptNetworkBilder?
        """,
        edits=(("BrainScriptNetworkBuilder", "BrainScriptNetworkBilder"),),
    ),
    Case(
        "no SGD",
        """
        error[GC0501]: required parameter missing: Train:SGD
          --> m.cntk:20:5
           |
        20 |     SDG = {
           |     ^^^
           = Train needs SGD, at m.cntk:6:1
           = hint: did you mean SGD where it says SDG?
        """,
        edits=(("SGD = {", "SDG = {"),),
    ),
    Case(
        "no reader",
        """
        error[GC0501]: required parameter missing: Train:reader
          --> m.cntk:27:5
           |
        27 |     raeder = {
           |     ^^^^^^
           = Train needs reader, at m.cntk:6:1
           = hint: did you mean reader where it says raeder?
        """,
        edits=(("    reader = {", "    raeder = {"),),
        arguments=("run", "m.cntk", "command=Train"),
    ),
    Case(
        "two learning rates",
        """
        error[GC0504]: learningRatesPerSample and learningRatesPerMB exclude each other
          --> m.cntk:23:40
           |
        23 |         learningRatesPerSample = 0.1 ; learningRatesPerMB = 0.1
           |                                        ^^^^^^^^^^^^^^^^^^
           = learningRatesPerSample is set, at m.cntk:23:9
           = hint: keep one of them
        """,
        edits=(("learningRatesPerSample = 0.1", "learningRatesPerSample = 0.1 ; learningRatesPerMB = 0.1"),),
    ),
    Case(
        "no learning rate",
        """
        error[GC0501]: Train:SGD has no learning rate
          --> m.cntk:20:5
           |
        20 |     SGD = {
           |     ^^^
           = hint: set learningRatesPerSample or learningRatesPerMB
        """,
        edits=(("learningRatesPerSample = 0.1", ""),),
    ),
    Case(
        "no learning rate, and a network that is wrong",
        """
        error[GC0301]: unknown identifier 'CrossEntropyWithSoftmx'
          --> m.cntk:14:14
           |
        14 |         ce = CrossEntropyWithSoftmx (labels, z)
           |              ^^^^^^^^^^^^^^^^^^^^^^
           = while evaluating 'ce', at m.cntk:14:9
           = while evaluating 'criterionNodes', at m.cntk:16:9
           = hint: did you mean 'CrossEntropyWithSoftmax'?

        error[GC0501]: Train:SGD has no learning rate
          --> m.cntk:20:5
           |
        20 |     SGD = {
           |     ^^^
           = hint: set learningRatesPerSample or learningRatesPerMB
        """,
        edits=(
            ("learningRatesPerSample = 0.1", ""),
            ("CrossEntropyWithSoftmax (labels, z)", "CrossEntropyWithSoftmx (labels, z)"),
        ),
        arguments=("check", "m.cntk", "command=Train"),
        made=(),
    ),
    Case(
        "negative learning rate",
        """
        error[GC0503]: Train:SGD:learningRatesPerSample: -0.1 is out of range, expected at least 0
          --> m.cntk:23:34
           |
        23 |         learningRatesPerSample = -0.1
           |                                  ^^^^
        """,
        edits=(("learningRatesPerSample = 0.1", "learningRatesPerSample = -0.1"),),
    ),
    Case(
        "no maxEpochs",
        """
        error[GC0501]: required parameter missing: Train:SGD:maxEpochs
          --> m.cntk:20:5
           |
        20 |     SGD = {
           |     ^^^
        """,
        edits=(("maxEpochs = 2", ""),),
    ),
    Case(
        "no dimension of a stream",
        """
        error[GC0501]: required parameter missing: Train:reader:input:features:dim
          --> m.cntk:31:13
           |
        31 |             features = {  format = "dense" }
           |             ^^^^^^^^

        error[GC0501]: required parameter missing: Test:reader:input:features:dim
          --> m.cntk:44:13
           |
        44 |             features = {  format = "dense" }
           |             ^^^^^^^^

        error[GC0501]: required parameter missing: Write:reader:input:features:dim
          --> m.cntk:57:13
           |
        57 |             features = {  format = "dense" }
           |             ^^^^^^^^
        """,
        edits=(("features = { dim = 2 ;", "features = { "),),
    ),
    Case(
        "reader to come",
        """
        error[GC0522]: reader ImageReader is not implemented yet
          --> m.cntk:28:23
           |
        28 |         readerType = "ImageReader"
           |                       ^^^^^^^^^^^
           = hint: use CNTKTextFormatReader
        """,
        edits=(('"CNTKTextFormatReader"', '"ImageReader"'),),
        arguments=("run", "m.cntk", "command=Train"),
    ),
    Case(
        "no criterion",
        """
        error[GC0415]: the network has no criterion node to train
         --> m.cntk:6:1
          |
        6 | Train = {
          | ^^^^^
          = hint: list it in criterionNodes = (…) or give it tag = 'criterion'
        """,
        edits=(
            ("criterionNodes = (ce)", ""),
            ("evaluationNodes = (errs)", ""),
        ),
    ),
    Case(
        "criterion of another name",
        """
        error[GC0413]: No node named 'cee'
         --> <argument 1>:1:36
          |
        1 | Train=[SGD=[trainCriterionNodeName=cee]]
          |                                    ^^^
          = hint: did you mean ce?
        """,
        arguments=("run", "m.cntk", "Train=[SGD=[trainCriterionNodeName=cee]]"),
    ),
    Case(
        "criterion that is no scalar",
        """
        error[GC0416]: the criterion z is [2 x *], only a scalar can be trained
         --> <argument 1>:1:36
          |
        1 | Train=[SGD=[trainCriterionNodeName=z]]
          |                                    ^
          = hint: sum it: ReduceSum (z)
        """,
        arguments=("run", "m.cntk", "Train=[SGD=[trainCriterionNodeName=z]]"),
    ),
    Case(
        "test before training",
        """
        error[GC0001]: model file out/model does not exist
         --> m.cntk:2:14
          |
        2 | modelPath = "out/model"
          |              ^^^^^^^^^
          = hint: train it first: command=Train
        """,
        arguments=("run", "m.cntk", "command=Test"),
    ),
    Case(
        "empty model file",
        """
        error[GC0702]: the model file out/model is empty
         --> m.cntk:2:14
          |
        2 | modelPath = "out/model"
          |              ^^^^^^^^^
          = hint: name another file, or move this one away to train anew
        """,
        arguments=("run", "m.cntk", "command=Test"),
        files={"out/model": b""},
    ),
    Case(
        "damaged model file",
        """
        error[GC0702]: out/model is damaged or no model file
         --> m.cntk:2:14
          |
        2 | modelPath = "out/model"
          |              ^^^^^^^^^
          = hint: name another file, or move this one away to train anew
        """,
        arguments=("run", "m.cntk", "command=Test"),
        files={"out/model": b'\x08\x00\x00\x00\x00\x00\x00\x00{"a": 1}'},
    ),
    Case(
        "model file of CNTK",
        """
        error[GC0702]: out/model is a model file of CNTK itself, which is not read yet
         --> m.cntk:2:14
          |
        2 | modelPath = "out/model"
          |              ^^^^^^^^^
          = hint: name another file, or move this one away to train anew
        """,
        arguments=("run", "m.cntk", "command=Test"),
        files={"out/model": b"B\x00C\x00N\x00\x00\x00"},
    ),
    Case(
        "data file missing",
        """
        error[GC0001]: data file 'pionts.ctf' does not exist
          --> m.cntk:29:17
           |
        29 |         file = "pionts.ctf"
           |                 ^^^^^^^^^^
           = hint: did you mean 'points.ctf'?
        """,
        edits=(('"points.ctf"', '"pionts.ctf"'),),
    ),
    Case(
        "data file empty",
        """
        error[GC0003]: data file 'empty.ctf' is empty
          --> m.cntk:29:17
           |
        29 |         file = "empty.ctf"
           |                 ^^^^^^^^^
        """,
        edits=(('"points.ctf"', '"empty.ctf"'),),
        files={"empty.ctf": b""},
    ),
    Case(
        "data file of bytes",
        """
        error[GC0002]: data file 'image.ctf' is not a text file
          --> m.cntk:29:17
           |
        29 |         file = "image.ctf"
           |                 ^^^^^^^^^
        """,
        edits=(('"points.ctf"', '"image.ctf"'),),
        files={"image.ctf": b"\x89PNG\x00\x00"},
    ),
    Case(
        "input without stream",
        """
        error[GC0608]: the reader has no stream for the network's input 'features', only feature, labels
          --> m.cntk:31:13
           |
        31 |             feature = { dim = 2 ; format = "dense" }
           |             ^^^^^^^
           = the input 'features' is declared, at m.cntk:9:20
           = hint: rename the stream 'feature' to 'features', or the input
        """,
        edits=(("features = { dim", "feature = { dim"),),
    ),
    Case(
        "stream of another name in the file",
        """
        error[GC0604]: no line of 'points.ctf' has the stream 'labels'
          --> m.cntk:32:30
           |
        32 |             labels = { dim = 2 ; format = "dense" }
           |                              ^
           = hint: if it is what the file calls label, add alias = "label"
        """,
        points=("|labels", "|label", 99),
    ),
    Case(
        "only unknown nodes to evaluate",
        """
        warning[GC0413]: No node named 'err'; skipping
          --> m.cntk:40:21
           |
        40 |     evalNodeNames = err
           |                     ^^^
           = hint: did you mean errs?

        error[GC0415]: the network has no node to evaluate
          --> m.cntk:40:21
           |
        40 |     evalNodeNames = err
           |                     ^^^
           = hint: list nodes in evaluationNodes or criterionNodes, or name them in evalNodeNames
        """,
        edits=(("minibatchSize = 5", "minibatchSize = 5\n    evalNodeNames = err"),),
        made=("out/log", "out/model", "out/model.0", "out/model.1", "out/model.ckp"),
    ),
    Case(
        "unknown node to write",
        """
        warning[GC0413]: No node named 'zz'; skipping
          --> m.cntk:53:23
           |
        53 |     outputNodeNames = zz:Z
           |                       ^^
        """,
        status=0,
        edits=(('outputPath = "out/scores"', 'outputPath = "out/scores"\n    outputNodeNames = zz:Z'),),
        made=("out/log", "out/model", "out/model.0", "out/model.1", "out/model.ckp", "out/scores.z"),
    ),
    Case(
        "node that is no scalar",
        """
        error[GC0416]: z is [2 x *], only scalars can be scored
          --> m.cntk:40:21
           |
        40 |     evalNodeNames = z
           |                     ^
        """,
        edits=(("minibatchSize = 5", "minibatchSize = 5\n    evalNodeNames = z"),),
        made=("out/log", "out/model", "out/model.0", "out/model.1", "out/model.ckp"),
    ),
    Case(
        "labels of categories missing",
        """
        error[GC0001]: label mapping file a.txt cannot be read: no such file or directory
          --> m.cntk:52:56
           |
        52 |     format = { type = "category" ; labelMappingFile = "a.txt" }
           |                                                        ^^^^^
        """,
        edits=(("outputPath", 'format = { type = "category" ; labelMappingFile = "a.txt" }\n    outputPath'),),
        made=("out/log", "out/model", "out/model.0", "out/model.1", "out/model.ckp"),
    ),
    Case(
        "doneFile below a file",
        """
        error[GC0004]: doneFile m.cntk/done cannot be written: m.cntk is a file, not a folder
         --> <argument 1>:1:10
          |
        1 | doneFile=m.cntk/done
          |          ^^^^^^^^^^^
        """,
        status=1,
        arguments=("run", "m.cntk", "doneFile=m.cntk/done", "command=Train"),
        made=("out/log", "out/model", "out/model.0", "out/model.1", "out/model.ckp"),
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
    outcome = project.run(*case.arguments)
    assert outcome.diagnostics == textwrap.dedent(case.told).strip()
    assert outcome.status == case.status
    assert project.made() == sorted([*case.files, *case.made])
