"""Connectionist temporal classification through the command line: it converges, and its best paths are the tokens."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import graphc

CONFIGURATION = """
command = Train:Test
modelPath = "$RunDir$/model"
Train = {{
    action = "train"
    BrainScriptNetworkBuilder = {{
        features = Input {{3}} ; labels = Input {{3}}
        h = Tanh (ParameterTensor {{(8:3)}} * features + ParameterTensor {{(8:8)}} * PastValue (8, h))
        z = LinearLayer {{3}} (h)
        ctc = ForwardBackward (LabelsToGraph (labels), z, 2{delay})
        errs = EditDistanceError (labels, z, squashInputs = true, tokensToIgnore = 2)
        criterionNodes = (ctc) ; evaluationNodes = (errs) ; outputNodes = (z)
    }}
    SGD = {{ minibatchSize = 40 ; maxEpochs = 12 ; learningRatesPerSample = 0.02 ; gradUpdateType = "fsAdaGrad" }}
    reader = {reader}
}}
Test = {{ action = "test" ; minibatchSize = 40 ; reader = {reader} }}
"""
READER = """{ readerType = "CNTKTextFormatReader" ; file = "$RunDir$/data.ctf"
    input = { features = { dim = 3 ; format = "sparse" } ; labels = { dim = 3 ; format = "sparse" } } }"""
# all sequences alike, so that one program is compiled
FRAMES, SEQUENCES = 10, 60


def sequences() -> str:
    """Tokens 0 and 1 in turn, each for a while, in which now and then nothing is heard."""
    numbers = random.Random(1)
    lines = []
    for number in range(SEQUENCES):
        token, t = numbers.randrange(2), 0
        while t < FRAMES:
            frames = min(numbers.randint(2, 4), FRAMES - t)
            for frame in range(frames):
                heard = 2 if frame and numbers.random() < 0.3 else token
                lines.append(f"{number} |labels {token}:{1 if frame else 2} |features {heard}:1\n")
            t, token = t + frames, 1 - token
    return "".join(lines)


@pytest.mark.parametrize("delay", ["", ", delayConstraint = 2"], ids=["free", "delayed"])
def test_training_finds_the_tokens(delay: str, tmp_path: Path) -> None:
    (tmp_path / "data.ctf").write_text(sequences())
    path = tmp_path / "ctc.cntk"
    path.write_text(CONFIGURATION.format(delay=delay, reader=READER))
    errors = graphc.run(path, f"RunDir={tmp_path}")["Test"].metrics
    assert errors["errs"] < 0.02
    assert errors["ctc"] < 0.05


def test_frames_belong_together_where_nothing_else_looks_along_sequences(tmp_path: Path) -> None:
    """A network without recurrence, with and without a recurrence that adds nothing."""
    (tmp_path / "data.ctf").write_text(sequences())
    found = []
    for features in ("features", "features + 0 * PastValue (3, features)"):
        text = CONFIGURATION.format(delay="", reader=READER).replace(
            "LinearLayer {3} (h)", f"LinearLayer {{3}} ({features})"
        )
        path = tmp_path / "ctc.cntk"
        path.write_text(text.replace("maxEpochs = 12", "maxEpochs = 1"))
        found.append(graphc.run(path, f"RunDir={tmp_path}", "command=Train", "makeMode=false")["Train"].metrics)
    assert found[0]["ctc"] > 0 and found[0] == pytest.approx(found[1], rel=1e-4)
