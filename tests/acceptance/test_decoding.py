"""CNTK's own model with attention, decoded in CNTK's way by editing it and in one step: the same phonemes."""

from __future__ import annotations

from pathlib import Path

import pytest

FOLDER = "Examples/SequenceToSequence/CMUDict"

# as it is but smaller, and with one word
SMALL = ("precision=double", "hiddenDim=8", "maxLayer=1", "testFile=tiny.ctf", "decodeModelPath=model")

# how the encoder's state comes to the decoder
VARIANTS = {
    "attention": ("maxLength=5",),
    "thought vector": ("maxLength=0",),
    "both directions": ("maxLength=3", "isBidirectional=true"),
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("depth", [1, 3])
def test_the_same_phonemes(variant: str, depth: int, cntk_tree: Path, tmp_path: Path, run_cntk) -> None:
    data = cntk_tree / FOLDER / "Data"
    places = f"DataDir={data}", f"OutDir={tmp_path}", "DeviceId=-1"
    settings = [*SMALL, *VARIANTS[variant], f"beamDepth={depth}", *places]

    def run(*overrides: str):
        return run_cntk(cntk_tree / FOLDER / "BrainScript" / "G2P.cntk", *settings, *overrides)

    run("command=Save", "Save=[action=edit;outputModelPath=model]")
    run("command=write", "decodeOutputPath=written")
    (written,) = tmp_path.glob("written*decodeOut")
    decoded = run("command=Decode", f"Decode=[action=beamSearch;modelPath=model;outputPath=decoded;{reader(data)}]")
    assert (tmp_path / "decoded").read_text("utf-8").split() == written.read_text("utf-8").split()
    (final,) = decoded.final
    # a model that knows nothing
    assert final["metrics"]["perplexity"] == pytest.approx(69, rel=0.05)


def reader(data: Path) -> str:
    """What the configuration's own command reads, and how its words are called."""
    streams = "".join(
        f"{name}=[alias={alias};dim=69;format=sparse];" for name, alias in {"rawInput": "S0", "rawLabels": "S1"}.items()
    )
    return f"labelMappingFile={data}/cmudict-0.7b.mapping;reader=[file={data}/tiny.ctf;input=[{streams}]]"
