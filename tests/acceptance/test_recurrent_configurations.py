"""CNTK's own recurrent examples, unmodified: networks build with all shapes, and they train."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import log
from pathlib import Path

import pytest

from graphc.cli.main import main
from tests.acceptance.cmudict import text_format

SLU = "Tutorials/SLUHandsOn/SLUHandsOn"
G2P = "Examples/SequenceToSequence/CMUDict/BrainScript/G2P"
ATIS = "Examples/LanguageUnderstanding/ATIS/BrainScript/ATIS"

# where the data of a configuration are, if not beside it
DATA = {
    ATIS: ("DataDir=$ConfigDir$/../Data",),
    G2P: ("DataDir=$ConfigDir$/../Data", "trainFile=tiny.ctf", "validFile=tiny.ctf", "testFile=tiny.ctf"),
}

# A configuration, overrides, what only sequences have in it, and a node with its shape.
NETWORKS = [
    (SLU, (), {"PastValue"}, ("z", "129 x *")),
    (f"{SLU}_Solution1", (), {"PastValue"}, ("z", "129 x *")),
    (f"{SLU}_Solution2", (), {"PastValue", "FutureValue"}, ("z", "129 x *")),
    (f"{SLU}_Solution3", (), {"PastValue", "FutureValue"}, ("z", "129 x *")),
    (f"{SLU}_Solution4", (), {"PastValue", "FutureValue", "GatherPacked"}, ("z", '26 x "first(n)"]')),
    (ATIS, ("command=Train",), {"PastValue"}, ("outputs", "127 x 1 x *")),
    # with attention, with a bidirectional encoder, and with the encoder's last state instead of attention
    (G2P, (), {"PastValue", "FutureValue", "GatherPacked", "ScatterPacked"}, ("z", "69 x 1 x")),
    (G2P, ("isBidirectional=true",), {"PastValue", "FutureValue", "GatherPacked", "ScatterPacked"}, ("z", "69 x 1 x")),
    (G2P, ("maxLength=0",), {"PastValue", "FutureValue", "GatherPacked", "ScatterPacked"}, ("z", "69 x 1 x")),
]


@pytest.mark.parametrize(("name", "overrides", "operations", "node"), NETWORKS)
def test_networks_build(name, overrides, operations, node, cntk_tree, tmp_path, capsys):
    path = cntk_tree / f"{name}.cntk"
    assert main(["compile", str(path), "--emit", "network", "--no-data", *places(path, tmp_path), *overrides]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith(f"{node[0]} = ") and f"[{node[1]}" in line for line in lines)
    assert all(any(f" = {operation}(" in line for line in lines) for operation in operations)
    assert not any("?" in line for line in lines)


@pytest.mark.parametrize("name", sorted({name for name, *_ in NETWORKS}))
def test_nothing_stops_them(name, cntk_tree, tmp_path, capsys):
    path = cntk_tree / f"{name}.cntk"
    main(["check", "--json", str(path), *places(path, tmp_path), *DATA.get(name, ())])
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["errors"] == []
    # what only has no effect, and models that are going to be trained
    assert {warning["code"] for warning in verdict["warnings"]} <= {"GC0521", "GC0526"}


@dataclass(frozen=True)
class Tagger:
    """A configuration that labels words or sentences, what its first epoch counts, and its test.

    ``guess`` is the error on the test set of always giving the label that is most frequent in training: O for words,
    a flight for sentences. ``published`` are the averages of the criterion and the errors over CNTK's own first epoch,
    from its tutorial "Hands-on Labs Language Understanding", ``seen`` the samples that it counted there. ``epochs`` are
    those before the test.
    """

    train: str
    phase: str
    seen: int
    tested: int
    guess: float
    published: tuple[float, float] | None = None
    epochs: int = 1


SLOTS, INTENTS = (10984, 0.3337), (893, 0.2923)
# Batch normalization forgets with a time constant of 5,000 samples, of which an epoch of words has 36,000, but one of
# sentences 2,700: a test after the first would see statistics of a network that knew nothing.
TAGGERS = {
    SLU: Tagger("TrainTagger", "test", 36007, *SLOTS, (0.77274927, 0.15344)),
    f"{SLU}_Solution1": Tagger("TrainTagger", "test", 36007, *SLOTS, (0.29396894, 0.05621)),
    f"{SLU}_Solution2": Tagger("TrainTagger", "test", 36007, *SLOTS, (0.30500536, 0.05904)),
    f"{SLU}_Solution3": Tagger("TrainTagger", "test", 36007, *SLOTS, (0.27651655, 0.05288)),
    f"{SLU}_Solution4": Tagger("TrainTagger", "test", 2702, *INTENTS, (1.17365003, 0.21318), epochs=8),
    ATIS: Tagger("Train", "test", 36006, 10984, 0.3335),
}
# CNTK began from other numbers: two standard deviations of the difference of two counts of 576, the fewest errors of
# these epochs
NEAR = 0.12


@pytest.mark.parametrize("name", TAGGERS)
def test_taggers_learn_as_in_cntk(name, cntk_tree, tmp_path, run_cntk):
    """All commands of the file; ATIS loads its model into other networks, to write and to test."""
    path, tagger = cntk_tree / f"{name}.cntk", TAGGERS[name]
    epochs = f"{tagger.train}=[SGD=[maxEpochs={tagger.epochs}]]"
    run = run_cntk(path, *places(path, tmp_path), *DATA.get(name, ()), epochs)
    epoch = run.epochs[0]
    assert epoch["samples"] == tagger.seen
    if tagger.published is not None:
        measured = epoch["metrics"]["ce"], epoch["metrics"]["errs"]
        assert measured == pytest.approx(tagger.published, rel=NEAR)
    (final,) = (entry for entry in run.final if entry["phase"] == tagger.phase)
    assert final["samples"] == tagger.tested
    (errors,) = (value for key, value in final["metrics"].items() if key.startswith("err"))
    assert 0 < errors < tagger.guess


# the marks, 26 letters, an apostrophe and 39 phonemes
TOKENS = 69


def test_the_converted_dictionary_is_what_cntk_ships(cntk_tree):
    data = cntk_tree / "Examples/SequenceToSequence/CMUDict/Data"
    name = "cmudict-0.7b.train-dev-1-21"
    lines = text_format(data / name, data / "cmudict-0.7b.mapping")
    shipped = (data / f"{name}.ctf").read_text("utf-8").splitlines()
    assert [line.split() for line in lines] == [line.split() for line in shipped]


def test_phonemes_are_trained_and_decoded(cntk_tree, tmp_path, run_cntk):
    """G2P as it is but for its data: a checkout without large files lacks the training set."""
    path = cntk_tree / f"{G2P}.cntk"
    shipped = f"DataDir={path.parent}/../Data", "trainFile=cmudict-0.7b.train-dev-1-21.ctf", "validFile=tiny.ctf"
    trained = run_cntk(path, *places(path, tmp_path), *shipped, "train=[SGD=[maxEpochs=1;epochSize=72]]")
    (epoch,) = (entry for entry in trained.epochs if entry["phase"] == "train")
    first, *_ = trained.minibatches
    # nothing is known yet, so the loss is that of a guess among all tokens
    assert first["metrics"]["ce"] == pytest.approx(log(TOKENS), rel=0.01)
    assert epoch["metrics"]["ce"] < log(TOKENS)

    model = next(tmp_path.glob("**/G2P.dnn"))
    # greedily, and three hypotheses at a time
    for depth in (1, 3):
        written = tmp_path / f"decoded{depth}"
        decode = f"beamDepth={depth}", f"decodeModelPath={model}", f"decodeOutputPath={written}", "testFile=tiny.ctf"
        run_cntk(path, *places(path, tmp_path), shipped[0], "command=write", *decode)
        labels, decoded = (next(tmp_path.glob(f"decoded{depth}*{kind}Out")) for kind in ("labels", "decode"))
        assert labels.read_text("utf-8").split() == ["~AH", "~B", "~AE", "~D", "~IY", "</s>"]
        tokens = decoded.read_text("utf-8").split()
        assert len(tokens) == 6 and set(tokens) <= set(mapping(path))


def mapping(path: Path) -> list[str]:
    return (path.parent / "../Data/cmudict-0.7b.mapping").read_text("utf-8").split()


def places(path: Path, folder: Path) -> list[str]:
    outputs = [f"{key}={folder}" for key in ("RunDir", "OutputDir", "ModelDir", "ExpDir", "OutDir")]
    return [*outputs, f"DataDir={path.parent}", f"ConfigDir={path.parent}", "DeviceId=-1"]
