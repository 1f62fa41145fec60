"""Typed sections: defaults, effective quantities, warnings, and errors that point at their cause."""

import dataclasses
import math
import re
from pathlib import Path
from typing import Any

import pytest

from graphc.config.commands import (
    Builder,
    DumpCommand,
    EditCommand,
    OtherCommand,
    OutputFormat,
    ScriptCommand,
    TestCommand,
    TrainCommand,
    WriteCommand,
)
from graphc.config.experiment import RootSettings, read_experiment
from graphc.config.learner import SGDSettings, read_sgd
from graphc.config.reader import ReaderSettings, StreamSettings, read_reader
from graphc.config.schedule import Schedule, single
from graphc.config.schema import SECTIONS, Support
from graphc.diagnostics import CODES, DiagnosticError
from graphc.syntax.configuration import configuration_from_text

# of a section in `deserializers`: they say whether the text reader reads it
DESERIALIZER = {"module", "type"}

WHOLE = """
command = Train:Test:Write
deviceId = CPU
modelPath = "out/net.dnn"
traceLevel = 1
Train = {
    action = train
    BrainScriptNetworkBuilder = { features = Input {2} }
    SGD = { maxEpochs = 3 ; minibatchSize = 32 ; learningRatesPerMB = 0.5*2:0.1 ; momentumPerMB = 0.9 }
    reader = {
        readerType = "CNTKTextFormatReader" ; file = "train.txt"
        input = {
            features = { dim = 2 ; format = "dense" }
            labels = { dim = 10 ; format = "Sparse" ; alias = "y" }
        }
    }
}
Test = { action = test ; reader = { file = "test.txt" ; input = { features = { dim = 2 ; format = dense } } } }
Write = {
    action = "write" ; outputPath = "out/predictions" ; outputNodeNames = (p : q)
    format = { type = category ; sequenceEpilogue = "\\t// %s\\n" }
    reader = { file = "test.txt" ; randomize = true ; input = { features = { dim = 2 ; format = dense } } }
}
"""


def failure(call) -> Any:
    with pytest.raises(DiagnosticError) as caught:
        call()
    return caught.value.diagnostics


def sgd(text: str) -> SGDSettings:
    return read_sgd(configuration_from_text(f"SGD = [ {text} ]").record("SGD"))


def read_one(text: str) -> Any:
    (command,) = read_experiment(configuration_from_text(text)).commands[0].read()
    return command


def warnings(text: str) -> list[str]:
    root = configuration_from_text(text)
    for command in read_experiment(root).commands:
        command.read()
    return [f"{d.code} {d.message}; {d.hint}" for d in root.context.diagnostics.warnings]


def test_a_whole_experiment():
    experiment = read_experiment(configuration_from_text(WHOLE))
    assert (experiment.settings.device_id, experiment.settings.precision) == ("cpu", "float")
    assert experiment.settings.trace_level == 1
    (train,), (test,), (write,) = (command.read() for command in experiment.commands)
    assert isinstance(train, TrainCommand) and isinstance(test, TestCommand) and isinstance(write, WriteCommand)
    assert train.network.builder is Builder.BRAINSCRIPT and train.network.script is not None
    assert train.network.script.text == "{ features = Input {2} }"
    assert (train.model_path, train.make_mode, train.trace_level) == ("out/net.dnn", True, 1)
    assert [(s.name, s.dim, s.is_sparse, s.alias) for s in train.reader.inputs] == [
        ("features", 2, False, "features"),
        ("labels", 10, True, "y"),
    ]
    assert test.network.builder is Builder.MODEL and test.network.model_path == "out/net.dnn"
    assert (train.reader.randomize, test.reader.randomize) == (True, False)
    assert write.reader is not None and not write.reader.randomize
    assert write.output_node_names == ("p", "q")
    assert (write.format.type, write.format.sequence_epilogue) == ("category", "\\t// %s\\n")
    assert (test.minibatch_size.value(0), write.minibatch_size.value(0)) == (40960, 2048)
    assert train.sgd.spans["maxEpochs"].text == "3"
    assert warnings(WHOLE) == []


def test_overrides_reach_typed_settings():
    arguments = ["Train=[SGD=[maxEpochs=9]]", "precision=double", "deviceId=2"]
    experiment = read_experiment(configuration_from_text(WHOLE, arguments))
    (train,) = experiment.commands[0].read()
    assert isinstance(train, TrainCommand)
    assert train.sgd.max_epochs == 9 and train.sgd.minibatch_size.value(0) == 32
    assert (experiment.settings.precision, experiment.settings.device_id) == ("double", 2)
    assert train.reader.precision == "double"


def test_schedules_repeat_their_last_value():
    schedule = Schedule((0.5, 0.5, 0.1))
    assert [schedule.value(e) for e in (0, 1, 2, 99)] == [0.5, 0.5, 0.1, 0.1]


def test_rate_of_a_minibatch_is_divided_by_its_configured_size():
    settings = sgd("maxEpochs=2 ; minibatchSize=25:50 ; learningRatesPerMB=0.2:0.1")
    assert settings.learning_rate(0) == pytest.approx(0.00800000038, abs=1e-11)
    assert settings.learning_rate(5) == single(single(0.1) / 50)


def test_rate_of_a_sample_is_taken_as_it_is():
    settings = sgd("maxEpochs=2 ; minibatchSize=25 ; learningRatesPerSample=0.2*2:0.1")
    assert [settings.learning_rate(e) for e in (0, 1, 2)] == [single(0.2), single(0.2), single(0.1)]


@pytest.mark.parametrize(
    "text,expected",
    [
        ("", single(0.9) ** (1 / 32)),
        ("momentumPerMB=0.5", 0.5 ** (1 / 32)),
        ("momentumPerMB=0", 0.0),
        ("momentumAsTimeConstant=1024", single(math.exp(-1 / 1024))),
        ("momentumAsTimeConstant=0", 0.0),
        ("momentumPerSample=0.75", 0.75),
    ],
)
def test_momentum_per_sample(text, expected):
    settings = sgd(f"maxEpochs=1 ; minibatchSize=32 ; learningRatesPerMB=1 ; {text}")
    assert settings.momentum(0) == expected
    assert settings.momentum_time_constant(0) == (pytest.approx(-1 / math.log(expected)) if expected else 0)


def test_enormous_time_constants_round_to_no_decay():
    settings = sgd("maxEpochs=1 ; learningRatesPerMB=1 ; momentumAsTimeConstant=1e9")
    assert (settings.momentum(0), settings.momentum_time_constant(0)) == (1.0, math.inf)


def test_defaults_of_the_learner():
    settings = sgd("maxEpochs=1 ; learningRatesPerMB=1")
    assert settings.minibatch_size == Schedule((256,)) and settings.epoch_size == 0
    assert settings.dropout_rate.value(0) == 0 and settings.l2_reg_weight == 0
    assert settings.clipping_threshold_per_sample == math.inf and settings.gradient_clipping_with_truncation
    assert settings.grad_update_type == "None" and settings.num_mbs_to_show_result == 10
    assert sgd("maxEpochs=1 ; learningRatesPerMB=1 ; gradUpdateType=simple").grad_update_type == "None"
    assert sgd("maxEpochs=1 ; learningRatesPerMB=1 ; gradUpdateType=fsadagrad").grad_update_type == "FSAdaGrad"
    assert sgd("maxEpochs=1 ; learningRatesPerMB=1 ; useAdagrad=true").grad_update_type == "AdaGrad"


@pytest.mark.parametrize(
    "text,code,at,part",
    [
        ("learningRatesPerMB=1", "GC0501", "SGD", "SGD:maxEpochs"),
        ("maxEpochs=1 ; learningRatePerMB=1", "GC0501", "learningRatePerMB", "learningRatesPerMB"),
        ("maxEpochs=1", "GC0501", "SGD", "has no learning rate"),
        ("maxEpochs=1 ; learningRatesPerMB=1 ; learningRatesPerSample=1", "GC0504", "learningRatesPerMB", "exclude"),
        (
            "maxEpochs=1 ; learningRatesPerMB=1 ; momentumPerMB=0.9 ; momentumPerSample=0.9",
            "GC0504",
            "momentumPerSample",
            "exclude",
        ),
        ("maxEpochs=0 ; learningRatesPerMB=1", "GC0503", "0", "at least 1"),
        ("maxEpochs=1.5 ; learningRatesPerMB=1", "GC0502", "1.5", "not an integer"),
        ("maxEpochs=1 ; learningRatesPerMB=0.1:fast", "GC0502", "fast", "not a number"),
        ("maxEpochs=1 ; learningRatesPerMB=0.1 ; dropoutRate=0.5:1", "GC0503", "1", "below 1"),
        ("maxEpochs=1 ; learningRatesPerMB=0.1 ; momentumPerMB=nan", "GC0503", "nan", "below 1"),
        ("maxEpochs=1 ; learningRatesPerMB=0.1 ; minibatchSize=()", "GC0503", "()", "at least one"),
        ("maxEpochs=1 ; learningRatesPerMB=0.1 ; epochSize=10", "GC0503", "10", "smaller than minibatchSize 256"),
        ("maxEpochs=1 ; learningRatesPerMB=0.1 ; gradUpdateType=Adam", "GC0502", "Adam", "none of None, AdaGrad"),
        ("maxEpochs=1 ; learningRatesPerMB=0.1 ; useNAG=si", "GC0502", "si", "not a boolean"),
    ],
)
def test_errors_of_the_learner(text, code, at, part):
    found = failure(lambda: sgd(text))[0]
    assert (found.code, found.span.text) == (code, at)
    assert part in found.message + (found.hint or "")


def test_all_wrong_values_of_a_section_are_reported():
    codes = [d.code for d in failure(lambda: sgd("maxEpochs=x ; dropoutRate=2 ; useNAG=?"))]
    assert codes == ["GC0502", "GC0502", "GC0503"]


@pytest.mark.parametrize(
    "old,new,code,at",
    [
        ("command = Train:Test", "command = Tain:Test", "GC0506", "Tain"),
        ("action = test", "action = tst", "GC0507", "tst"),
        ("deviceId = CPU", "deviceId = tpu1", "GC0502", "tpu1"),
        ("deviceId = CPU", "precision = Double", "GC0502", "Double"),
        ("deviceId = CPU", "type = float", "GC0505", "type"),
        ("BrainScriptNetworkBuilder = { features = Input {2} }", "", "GC0501", "Train"),
        ("BrainScriptNetworkBuilder = { features = Input {2} }", "BrainScriptNetworkBuilder=x.bs", "GC0505", "x.bs"),
        ("dim = 10 ; ", "", "GC0501", "labels"),
        ("dim = 10", "dim = 0", "GC0503", "0"),
        ('"Sparse"', "spars", "GC0502", "spars"),
        ('alias = "y"', "alias = features", "GC0504", "labels"),
        ('file = "train.txt"', "", "GC0501", "reader"),
        ('outputPath = "out/predictions"', "", "GC0501", "Write"),
        ('outputPath = "out/predictions"', "writer = []", "GC0522", "writer"),
        ('modelPath = "out/net.dnn"', "", "GC0501", "Train"),
    ],
)
def test_errors_of_experiments(old, new, code, at):
    assert old in WHOLE

    def read_all():
        for command in read_experiment(configuration_from_text(WHOLE.replace(old, new))).commands:
            command.read()

    found = failure(read_all)[0]
    assert (found.code, found.span.text) == (code, at)


def test_one_wrong_section_does_not_hide_the_next():
    text = WHOLE.replace("maxEpochs = 3", "maxEpochs = x").replace("dim = 10", "dim = y")
    found = failure(read_experiment(configuration_from_text(text)).commands[0].read)
    assert [d.span.text for d in found if d.span] == ["y", "x"]


UNCUT = (
    "GC0527 truncated has no effect: this reader gives whole sequences, as CNTK's does; put file and input into "
    'deserializers = ({ type = "CNTKTextFormatDeserializer" … }) and set truncationLength'
)


@pytest.mark.parametrize(
    "old,new,expected",
    [
        ("SGD = {", "SGD = { maxEpoch=9 ;", ["GC0520 unknown key maxEpoch is not used; did you mean maxEpochs?"]),
        ("momentumPerMB", "momentPerMB", ["GC0520 unknown key momentPerMB is not used; did you mean momentumPerMB?"]),
        ("deviceId = CPU", "makeMod = true", ["GC0520 unknown key makeMod is not used; did you mean makeMode?"]),
        ("deviceId = CPU", "maxEpoch = 1 ; mine = $maxEpoch$", ()),
        ("deviceId = CPU", "featureDim = 2 ; whatever = 3", ()),
        ("SGD = {", "SGD = { autoAdjust=[x=1] ;", ["GC0521 autoAdjust is not implemented yet and is ignored; None"]),
        (
            "SGD = {",
            "SGD = { gradientcheck=true ;",
            ["GC0521 gradientcheck is not implemented yet and is ignored; None"],
        ),
        ("SGD = {", "SGD = { gradientcheck=false ;", ()),
        ("SGD = {", "SGD = { truncated=true ;", [UNCUT]),
        ("SGD = {", "truncated=true ; SGD = {", [UNCUT]),
        ("SGD = {", "SGD = { truncated=false ;", ()),
    ],
)
def test_warnings(old, new, expected):
    assert warnings(WHOLE.replace(old, new, 1)) == list(expected)


def test_other_readers_and_actions_are_known_but_not_run():
    root = configuration_from_text("reader = [ readerType = ImageReader ; file = x ]")
    settings = read_reader(root.record("reader"))
    assert not settings.is_supported and failure(settings.require_supported)[0].code == "GC0522"
    assert [d.code for d in root.context.diagnostics.warnings] == ["GC0522"]
    command = read_one("command=E ; E=[action=plot]")
    assert isinstance(command, OtherCommand) and command.diagnostic().span == command.span


def test_edits_are_those_of_a_builder_or_of_a_script():
    script = read_one("command=E ; E=[action=edit ; editPath=e.mel]")
    assert isinstance(script, ScriptCommand) and script.edit_path == "e.mel"
    builder = "BrainScriptNetworkBuilder = ( f() ) ; outputModelPath = m"
    assert isinstance(read_one(f"command=E ; E=[action=edit ; editPath=e.mel ; {builder}]"), EditCommand)
    (neither,) = failure(lambda: read_one("command=E ; E=[action=edit]"))
    assert neither.code == "GC0501" and "neither describes a network nor names a script" in neither.message


def test_several_actions_of_one_command():
    text = WHOLE.replace("action = train", "action = train:test")
    kinds = [type(c) for c in read_experiment(configuration_from_text(text)).commands[0].read()]
    assert kinds == [TrainCommand, TestCommand]


def test_builders_are_found_outward_in_cntk_s_order():
    text = "command=T ; T=[action=test; reader=[file=f; input=[x=[dim=1;format=dense]]]]\n"
    text += "BrainScriptNetworkBuilder=(f())\n"
    assert read_one(text).network.builder is Builder.BRAINSCRIPT
    network = read_one(f"{text}SimpleNetworkBuilder=[a=1]").network
    assert network.builder is Builder.SIMPLE and network.record.string("a") == "1"


@pytest.mark.parametrize(
    "kind,cls",
    [
        ("root", RootSettings),
        ("train", TrainCommand),
        ("test", TestCommand),
        ("write", WriteCommand),
        ("edit", EditCommand),
        ("editScript", ScriptCommand),
        ("dump", DumpCommand),
        ("SGD", SGDSettings),
        ("reader", ReaderSettings),
        ("input", StreamSettings),
        ("format", OutputFormat),
    ],
)
def test_the_table_and_the_classes_agree(kind, cls):
    made = {"spans", "span", "name", "record", "network", "inputs", "reader", "cv_reader", "sgd", "format"}
    made.add("row_length")
    fields = {f.name for f in dataclasses.fields(cls)} - made
    keys = {key.field for key in SECTIONS[kind] if key.support is Support.USED and key.kind.name != "section"}
    assert fields - keys == set()
    assert keys - fields - made <= {"action", "use_adagrad", *DESERIALIZER}


def test_every_code_is_listed():
    folder = Path(__file__).parents[2] / "graphc"
    for path in [*folder.glob("config/*.py"), *folder.glob("syntax/configuration*.py")]:
        assert set(re.findall(r'"(GC\d{4})"', path.read_text(encoding="utf-8"))) <= set(CODES)
