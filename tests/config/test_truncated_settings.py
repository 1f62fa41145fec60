"""Truncated sequences in a configuration: who may ask for them, what belongs to it, and what rates then mean."""

from __future__ import annotations

from typing import Any

import pytest

from graphc.config.commands import TrainCommand, WriteCommand
from graphc.config.experiment import read_experiment
from graphc.config.reader import ReaderSettings, read_reader
from graphc.config.schedule import single
from graphc.diagnostics import DiagnosticError
from graphc.syntax.configuration import configuration_from_text

DESERIALIZERS = """deserializers = ({ type = "CNTKTextFormatDeserializer" ; module = "CNTKTextFormatReader"
                                     file = "a.txt" ; input = { x = { dim = 2 ; format = "dense" } } })"""
TEXT = 'file = "a.txt" ; input = { x = { dim = 2 ; format = "dense" } }'


def command(
    top: str = "", sgd: str = "", reader: str = "", readers: str = DESERIALIZERS, action: str = "train"
) -> tuple[Any, list[str]]:
    text = f"""
        command = C ; modelPath = "m" ; outputPath = "o" ; {top}
        C = {{ action = "{action}" ; BrainScriptNetworkBuilder = {{ x = Input {{2}} }}
              SGD = {{ maxEpochs = 1 ; minibatchSize = 20:1 ; learningRatesPerMB = 0.6 ; momentumPerMB = 0.9 ; {sgd} }}
              reader = {{ {reader} ; {readers} }} }}"""
    root = configuration_from_text(text)
    (found,) = read_experiment(root).commands[0].read()
    return found, [f"{d.code} {d.message}" for d in root.context.diagnostics.found]


def reader_of(**parts: str) -> ReaderSettings:
    found, warnings = command(**parts)
    assert isinstance(found, TrainCommand) and warnings == []
    return found.reader


@pytest.mark.parametrize(
    "parts",
    [
        {"top": "truncated = true", "reader": "truncationLength = 5"},
        {"top": "truncated = true ; truncationLength = 5"},
        {"sgd": "truncated = true", "reader": "truncated = true ; truncationLength = 5"},
        {"top": "Truncated = true", "reader": "TruncationLength = 5"},
    ],
)
def test_truncation_is_looked_for_outward(parts):
    reader = reader_of(**parts)
    assert reader.truncated and reader.truncation_length == 5


@pytest.mark.parametrize("parts", [{}, {"top": "truncated = false"}, {"reader": "truncationLength = 5"}])
def test_sequences_are_whole_otherwise(parts):
    assert not reader_of(**parts).truncated


@pytest.mark.parametrize(
    "parts,code,message",
    [
        (
            {"reader": "truncated = true ; truncationLength = 5"},
            "GC0504",
            "truncated is set in the reader only, so SGD does not know of it",
        ),
        ({"reader": "truncated = false", "readers": TEXT}, "GC0504", "truncated is set in the reader only"),
        ({"top": "truncated = true"}, "GC0501", "truncated needs truncationLength"),
        ({"top": "truncated = true", "reader": "truncationLength = 0"}, "GC0503", "truncationLength is 0"),
        ({"top": "truncated = true", "reader": "truncationLength = -1"}, "GC0503", ""),
        ({"top": "truncated = true ; frameMode = true", "reader": "truncationLength = 5"}, "GC0504", "frameMode"),
    ],
)
def test_what_contradicts_itself(parts, code, message):
    with pytest.raises(DiagnosticError) as caught:
        command(**parts)
    (found,) = caught.value.diagnostics
    assert found.code == code and message in found.message and found.span is not None


def test_a_reader_that_cannot_run_is_warned_of():
    _, warnings = command(reader="truncated = false", readers='readerType = "HTKMLFReader"')
    assert [w.split()[0] for w in warnings] == ["GC0522", "GC0504"]


OTHER = '{{ type = "{}" ; module = "M" ; input = {{ x = {{ dim = 2 }} }} }}'
HTK, MLF, IMAGE = (OTHER.format(kind) for kind in ("HTKFeatureDeserializer", "HTKMLFDeserializer", "ImageDeserializer"))
LINES = DESERIALIZERS.partition("(")[2].removesuffix(")")


# readers, what of them is not read
@pytest.mark.parametrize(
    "readers,said",
    [
        ('readerType = "HTKMLFReader"', "reader HTKMLFReader is"),
        ('readerType = "ImageReader"', "reader ImageReader is"),
        (f"deserializers = ({HTK} : {MLF})", "deserializers HTKFeatureDeserializer and HTKMLFDeserializer are"),
        (f"deserializers = ({IMAGE})", "deserializer ImageDeserializer is"),
        (f"deserializers = ({LINES} : {HTK})", "deserializer HTKFeatureDeserializer is"),
        (f"deserializers = ({LINES} : {LINES})", "a reader of several files is"),
    ],
)
@pytest.mark.parametrize("top", ["truncated = true", "truncated = true ; truncationLength = 5 ; frameMode = true", ""])
def test_other_readers_are_told_once_whatever_is_truncated(top, readers, said):
    found, warnings = command(top=top, readers=readers)
    assert warnings == [f"GC0522 {said} not implemented yet"]
    with pytest.raises(DiagnosticError, match=f"{said} not implemented yet"):
        found.reader.require_supported()


@pytest.mark.parametrize(
    "parts",
    [
        {"top": "truncated = true", "readers": TEXT},
        {"sgd": "truncated = true", "readers": TEXT},
        {"sgd": "truncated = true"},
    ],
)
def test_a_reader_that_does_not_cut_is_told(parts):
    found, warnings = command(**parts)
    assert not found.reader.truncated
    assert [w.split(":")[0] for w in warnings] == ["GC0527 truncated has no effect"]


def test_what_is_written_is_whole():
    found, _ = command(top="truncated = true", action="write")
    assert isinstance(found, WriteCommand) and found.reader is not None and not found.reader.truncated


def test_rates_of_a_minibatch_are_those_of_a_row():
    found, _ = command(top="truncated = true", reader="truncationLength = 5")
    # four rows of a configured size of 20; a size of 1 stays one sample
    assert found.sgd.learning_rate(0) == single(single(0.6) / 80)
    assert found.sgd.momentum(0) == pytest.approx(0.9 ** (1 / 80), rel=1e-7)
    assert found.sgd.learning_rate(1) == single(0.6)
    whole, _ = command(sgd="truncated = true")
    assert whole.sgd.learning_rate(0) == single(single(0.6) / 20)


def test_a_reader_by_itself():
    record = configuration_from_text(f"reader = {{ truncated = true ; truncationLength = 3 ; {DESERIALIZERS} }}")
    assert read_reader(record.record("reader")).truncation_length == 3
