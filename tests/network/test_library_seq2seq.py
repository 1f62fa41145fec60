"""A model with attention trains on the labels' history; its decoders follow their own, one or several at a time."""

from __future__ import annotations

from typing import Any

import pytest

from graphc.network.network import Network

MODEL = """new ComputationNetwork {
    V = 7
    inputAxis     = DynamicAxis()
    inputSequence = Input{5, dynamicAxis=inputAxis}
    labels        = Input{7}
    labelSequence = Pass (Slice (1, 0, labels, axis=-1))
    isFirst       = BS.Loop.IsFirst (labelSequence)
    labelSentenceStartEmbeddedScattered = BS.Sequences.Scatter (isFirst, BS.Sequences.First (labels))

    encoder = BS.RNNs.RecurrentLSTMPStack ((6:6), inputSequence, previousHook=BS.RNNs.NextHC)
    attention = BS.Seq2Seq.CreateAugmentWithFixedWindowAttentionHook (
        3, 4, labelSequence, encoder[1], enableSelfStabilization=STABLE)

    beamSearchReorderHook = Pass (BS.Constants.OnesTensor (1:1))
    Reordered (lstmState, layerIndex=0) = {
        h = BS.Loop.Previous (lstmState.h * beamSearchReorderHook)
        c = BS.Loop.Previous (lstmState.c * beamSearchReorderHook)
        dim = lstmState.dim
    }
    decoderHistoryHook       = Pass (labelSequence)
    decoderHistoryFromOutput = Pass (Hardmax (z))
    decoderInput = BS.Boolean.If (isFirst, labelSentenceStartEmbeddedScattered, BS.Loop.Previous (decoderHistoryHook))
    decoder = BS.RNNs.RecurrentLSTMPStack ((6:6), decoderInput, previousHook=Reordered,
                                           augmentInputHook=attention, augmentInputDim=6,
                                           enableSelfStabilization=STABLE)
    z  = BS.Parameters.WeightParam (V, 6) * decoder[1].h + BS.Parameters.BiasParam (V)
    ce = Pass (ReduceLogSum (z) - TransposeTimes (labelSequence, z), tag='criterion')
}"""


@pytest.fixture
def network(build: Any) -> Any:
    def run(expression: str, stable: str = "true") -> Network:
        found = build(f"({expression.replace('MODEL', MODEL.replace('STABLE', stable))})")
        assert all(node.type is not None and node.type.is_complete for node in found)
        return found

    return run


def shapes(network: Network, *names: str) -> list[str]:
    """Shapes without dynamic axis."""
    return [str(network[name].type).rpartition(" x ")[0] + "]" for name in names]


@pytest.mark.parametrize("stable", ["true", "false"])
def test_attention(network: Any, stable: str) -> None:
    model = network("MODEL", stable)
    assert shapes(model, "z") == ["[7 x 1]"]
    window = "attention.projectedAttentionWindowBroadcast."
    assert shapes(model, f"{window}projectedValue.out", f"{window}value.out", f"{window}valid.out") == [
        "[3 x 1 x 4]",
        "[6 x 1 x 4]",
        "[1 x 1 x 4]",
    ]
    hook = "decoder.layers[0].auxInput."
    assert shapes(model, f"{hook}tanHOut", f"{hook}u", f"{hook}weightedAttentionWindow") == [
        "[3 x 1 x 4]",
        "[1 x 1 x 4]",
        "[6 x 1 x 4]",
    ]
    # only the lowest layer attends
    assert "decoder.layers[1].auxInput.u" not in {node.name for node in model}


def test_greedy_decoder(network: Any) -> None:
    decoder = network("BS.Seq2Seq.GreedySequenceDecoderFrom (MODEL)")
    outputs = decoder.groups["output"]
    assert [node.name.rpartition(".")[2] for node in outputs] == ["decodeOut", "inputsOut", "labelsOut"]
    # nothing reads the labels' history any more
    assert "decoderHistoryHook" not in {node.name for node in decoder}
    assert any(decoder["decoderHistoryFromOutput"] in node.inputs for node in decoder if node.is_delay)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_beam_search(network: Any, depth: int) -> None:
    decoder = network(f"BS.Seq2Seq.BeamSearchSequenceDecoderFrom (MODEL, {depth})")
    outputs = decoder.groups["output"]
    assert [node.name.rpartition(".")[2] for node in outputs] == ["inputsOut", "labelsOut", "decodeOut"]
    path = outputs[2].name.removesuffix("decodeOut")
    tokens = shapes(decoder, f"{path}tokens.from", f"{path}tokens.word", f"{path}tokens.score", f"{path}traceback")
    assert tokens == [f"[{depth} x {depth}]", f"[7 x {depth}]", f"[1 x {depth}]", f"[{depth}]"]
    assert shapes(decoder, "z", f"{path}topPaths.spliced.out", f"{path}decode") == [
        f"[7 x {depth}]",
        f"[7 x {depth} x {depth}]",
        "[7]",
    ]
    # the recurrences follow the histories
    reordered = [node for node in decoder if decoder[f"{path}tokens.from"] in node.inputs]
    assert sum(node.name.startswith("decoder.layers") for node in reordered) == 4
