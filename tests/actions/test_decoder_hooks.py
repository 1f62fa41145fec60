"""What a model must name for a search to find its decoder, and what is said where it does not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from graphc.actions.decoder import Hooks, hooks_of
from graphc.diagnostics import DiagnosticError, Diagnostics, SourceText
from graphc.network.build import build_network
from graphc.network.session import Session

# a recurrence that nobody would train
MODEL = """{
    inputAxis = DynamicAxis()
    input  = Input {4, dynamicAxis = inputAxis}
    labels = Input {5}
    labelSequence = Pass (Slice (1, 0, labels, axis = -1))
    E = ParameterTensor {(3 : 5)}
    decoderHistoryHook = Pass (labelSequence)
    beamSearchReorderHook = Pass (BS.Constants.OnesTensor (1:1))
    thought = BS.Sequences.BroadcastSequenceAs (labelSequence, SplitDimension (BS.Sequences.First (input), 1, 1))
    before = BS.Loop.Previous (decoderHistoryHook)
    state = Tanh (ParameterTensor {(6 : 0)} * before + ParameterTensor {(6 : 4)} * thought
                  + BS.Loop.Previous (state * beamSearchReorderHook))
    z = ParameterTensor {(5 : 6)} * state
    decoderHistoryFromOutput = Pass (E * Hardmax (z))
    outputNodes = (z : decoderHistoryFromOutput)
}"""

EMBEDDED = ("Pass (labelSequence)", "Pass (E * labelSequence)")


def found(depth: int, *edits: tuple[str, str]) -> Hooks:
    text = MODEL
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    return hooks_of(
        build_network(SourceText.from_string(text), session=Session(), diagnostics=Diagnostics()), depth, None
    )


def test_words_are_read_as_they_are() -> None:
    assert found(3) == Hooks("labels", "*", 5, "", has_reordering=True, is_vector=False)


def test_words_are_embedded() -> None:
    assert found(3, EMBEDDED).source == "decoderHistoryFromOutput._.TimesArgs[1]"


def test_one_history_is_not_reordered() -> None:
    edits = ("beamSearchReorderHook = Pass", "ones = Pass"), ("state * beamSearchReorderHook", "state")
    assert not found(1, *edits).has_reordering
    assert found(
        1, *edits, ("SplitDimension (BS.Sequences.First (input), 1, 1)", "BS.Sequences.First (input)")
    ).is_vector


WRONG: list[tuple[int, Sequence[tuple[str, str]], str]] = [
    (
        3,
        [("    z =", "    scores ="), ("Hardmax (z)", "Hardmax (scores)"), ("(z :", "(scores :")],
        "the model has no node z, the scores of all words",
    ),
    (
        3,
        [("decoderHistoryHook", "decoderHistory")],
        "the model has no node decoderHistoryHook, what the decoder reads as its past; did you mean decoderHistory?",
    ),
    (
        2,
        [("beamSearchReorderHook", "reorderHook")],
        "the model has no node beamSearchReorderHook, what the decoder's states are multiplied by",
    ),
    (
        2,
        [("    z =", "    flat = ParameterTensor {(5 : 6)} * state\n    z = ReshapeDimension (flat, 1, (5 : 1)) +")],
        "z is [5 x 1 x 1 x",
    ),
    (1, [("First (input)", "First (labels)"), ("(6 : 4)", "(6 : 5)")], "z depends on nothing but the labels 'labels'"),
    (1, [(", dynamicAxis = inputAxis", "")], "the labels 'labels' are on the dynamic axis of the input 'input'"),
    (
        3,
        [EMBEDDED, ("decoderHistoryFromOutput", "fromOutput")],
        "decoderHistoryHook is not labelSequence itself, and the model has no node decoderHistoryFromOutput",
    ),
    (3, [EMBEDDED, ("Hardmax (z)", "z")], "decoderHistoryFromOutput is made from no Hardmax (z), expected one"),
]


@pytest.mark.parametrize(("depth", "edits", "wanted"), WRONG, ids=[wanted[:40] for *_, wanted in WRONG])
def test_what_is_missing_is_named(depth: int, edits: Sequence[tuple[str, str]], wanted: str) -> None:
    with pytest.raises(DiagnosticError) as error:
        found(depth, *edits)
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == "GC0419"
    assert wanted in f"{diagnostic.message}; {diagnostic.hint}"
