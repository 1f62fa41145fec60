"""``action = beamSearch`` finds what CNTK's decoders find, which is what the model itself says is most probable."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import graphc
from graphc.actions.events import Written
from graphc.cli.main import main
from graphc.diagnostics import DiagnosticError, RunError

# words are numbered: 0 is the start, 1 the end
WORDS = 5
START, END = 0, 1

# An encoder, and a decoder CELL that reads words as EMBEDDING makes them, and whose histories can be reordered.
MODEL = """{
    inputAxis = DynamicAxis()
    input  = Input {4, dynamicAxis = inputAxis}
    labels = Input {5}
    inputSequence = Pass (input)
    labelSequence = Pass (Slice (1, 0, labels, axis = -1))
    isFirst = BS.Loop.IsFirst (labelSequence)

    # far from 0, so that some words are much more probable than others
    Wide (rows, columns) = ParameterTensor {(rows : columns), init = "gaussian", initValueScale = 6}
    EMBEDDING
    labelSentenceStartEmbeddedScattered = BS.Sequences.Scatter (isFirst, Embed (BS.Sequences.First (labels)))

    decoderHistoryHook = Pass (Embed (labelSequence))
    decoderInput = BS.Boolean.If (isFirst, labelSentenceStartEmbeddedScattered, BS.Loop.Previous (decoderHistoryHook))
    decoderHistoryFromOutput = Pass (Embed (Hardmax (z)))
    CELL
    ce = Pass (ReduceLogSum (z) - TransposeTimes (labelSequence, z), tag = 'criterion')
}"""

# two layers with attention
STACK = """
    encoder = BS.RNNs.RecurrentLSTMP (6, Wide (6, 4) * inputSequence, inputDim = 6, previousHook = BS.RNNs.NextHC)
    attention = BS.Seq2Seq.CreateAugmentWithFixedWindowAttentionHook (
        3, 4, labelSequence, encoder, enableSelfStabilization = true)
    beamSearchReorderHook = Pass (BS.Constants.OnesTensor (1:1))
    PreviousState (state, layerIndex = 0) = {
        h = BS.Loop.Previous (state.h * beamSearchReorderHook)
        c = BS.Loop.Previous (state.c * beamSearchReorderHook)
        dim = state.dim
    }
    decoder = BS.RNNs.RecurrentLSTMPStack ((6:6), Wide (6, 5) * decoderInput, inputDim = 6,
                                           previousHook = PreviousState,
                                           augmentInputHook = attention, augmentInputDim = 6)
    z = Constant (40) .* (Wide (5, 6) * decoder[1].h)
"""


def recurrence(first: str, before: str) -> str:
    """A plain one that reads the first frame of the input at every step."""
    return f"""
    thought = BS.Sequences.BroadcastSequenceAs (labelSequence, {first})
    state = Tanh (Wide (6, 0) * decoderInput + Wide (6, 4) * thought + Wide (6, 6) * BS.Loop.Previous ({before}))
    z = Wide (5, 6) * state
"""


FIRST = "BS.Sequences.First (inputSequence)"
HOOK = "beamSearchReorderHook = Pass (BS.Constants.OnesTensor (1:1))"
PLAIN = HOOK + recurrence(f"SplitDimension ({FIRST}, 1, 1)", "state * beamSearchReorderHook")
# the same without beams: all values are vectors
VECTORS = recurrence(FIRST, "state")

WORDS_THEMSELVES = "Embed (x) = Pass (x)"

CONFIGURATION = """\
precision = "double"
traceLevel = 1
Save = {{
    action = "edit"
    outputModelPath = "model"
    makeMode = false
    BrainScriptNetworkBuilder = {model}
}}
Decode = {{
    action = "beamSearch"
    modelPath = "model"
    outputPath = "decoded"
    reader = {{ file = "data.ctf" ; input = {{
        input = {{ dim = 4 ; format = "dense" }}
        labels = {{ dim = 5 ; format = "sparse" }}
    }} }}
}}
Write = {{
    action = "write"
    outputPath = "written"
    reader = {{ file = "data.ctf" ; input = {{
        input = {{ dim = 4 ; format = "dense" }}
        labels = {{ dim = 5 ; format = "sparse" }}
    }} }}
}}
"""

# sequences with labels of one to five words behind the start
LENGTHS = (3, 1, 4, 2, 5, 3, 2)


@dataclass
class Models:
    """A folder in which a model of random values lies, and what the configuration makes of it."""

    folder: Path

    def configure(self, cell: str = PLAIN, embedding: str = WORDS_THEMSELVES) -> Models:
        model = MODEL.replace("EMBEDDING", embedding).replace("CELL", cell)
        text = CONFIGURATION.format(model=model)
        (self.folder / "m.cntk").write_text(text)
        graphc.run(self.folder / "m.cntk", "command=Save")
        return self

    def run(self, command: str, *overrides: str) -> graphc.CommandResult:
        return graphc.run(self.folder / "m.cntk", f"command={command}", *overrides)[command]

    def decode(self, *settings: str) -> list[str]:
        self.run("Decode", *(f"Decode=[{setting}]" for setting in settings))
        return Path("decoded").read_text().splitlines()

    def n_best(self, *settings: str) -> dict[int, list[tuple[tuple[int, ...], float]]]:
        found: dict[int, list[tuple[tuple[int, ...], float]]] = {}
        for line in self.decode(*settings):
            key, words, score = line.split(" ||| ")
            found.setdefault(int(key), []).append((tuple(map(int, words.split())), float(score)))
        return found

    def values(self, nodes: str, settings: str) -> Mapping[str, Any]:
        """The elements of nodes at every frame."""
        found: list[Written] = []
        graphc.run(
            self.folder / "m.cntk",
            "command=Write",
            f"Write=[outputNodeNames={nodes};{settings}]",
            observer=lambda event: found.append(event) if isinstance(event, Written) else None,
        )
        assert found[0].values is not None
        return found[0].values

    def probabilities(self, inputs: list[str], labels: list[tuple[int, ...]]) -> list[float]:
        """Logarithm of the probability of each label sequence by the model itself, which reads it as its history."""
        write_data(self.folder / "scored.ctf", inputs, [(START, *words) for words in labels])
        values = [frame[0] for frame in self.values("ce", 'modelPath="model";reader=[file="scored.ctf"]')["ce"]]
        lengths = [len(words) for words in labels]
        ends = list(itertools.accumulate(lengths))
        assert len(values) == ends[-1]
        return [-sum(values[end - length : end]) for end, length in zip(ends, lengths, strict=True)]


def write_data(path: Path, inputs: list[str], labels: list[tuple[int, ...]]) -> None:
    """``inputs`` are lines of numbers, one of each sequence for each of its labels or fewer."""
    lines = []
    for number, (frames, words) in enumerate(zip(inputs, labels, strict=True)):
        rows = frames.split(";")
        for step in range(max(len(rows), len(words))):
            parts = [f"|input {rows[step]}"] if step < len(rows) else []
            parts += [f"|labels {words[step]}:1"] if step < len(words) else []
            lines.append(f"{number} {' '.join(parts)}\n")
    path.write_text("".join(lines))


NAMES = ["<s>", "</s>", "a", "b", "c"]


def write_names(name: str, names: list[str]) -> None:
    Path(name).write_text("".join(f"{name}\n" for name in names))


def make_inputs(count: int) -> list[str]:
    numbers = random.Random(1)

    def frame() -> str:
        return " ".join(f"{numbers.gauss(0, 1):.2f}" for _ in range(4))

    return [";".join(frame() for _ in range(numbers.randint(1, 5))) for _ in range(count)]


INPUTS = make_inputs(len(LENGTHS))


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Models:
    monkeypatch.chdir(tmp_path)
    numbers = random.Random(2)
    labels = [(START, *(numbers.randint(2, WORDS - 1) for _ in range(length - 1)), END) for length in LENGTHS]
    write_data(tmp_path / "data.ctf", INPUTS, labels)
    return Models(tmp_path)


@pytest.mark.parametrize(
    ("cell", "depth"),
    [(STACK, 3), (PLAIN, 1), (PLAIN, 2), (VECTORS, 1)],
    ids=["stack 3", "plain 1", "plain 2", "vectors 1"],
)
def test_the_same_as_by_editing_the_model(models: Models, cell: str, depth: int) -> None:
    models.configure(cell)
    name, more = ("BeamSearchSequenceDecoderFrom", f", {depth}") if depth > 1 else ("GreedySequenceDecoderFrom", "")
    decoder = f'BrainScriptNetworkBuilder=(BS.Seq2Seq.{name} (BS.Network.Load ("model"){more}))'
    scores = "network.tokens.score" if depth > 1 else ""
    edited = models.values(f"network.decodeOut:{scores}".rstrip(":"), decoder)
    words = [frame.index(1) for frame in edited["network.decodeOut"]]
    ends = list(itertools.accumulate(LENGTHS))
    wanted = [tuple(words[end - length : end]) for end, length in zip(ends, LENGTHS, strict=True)]
    assert len(set(words)) > 1
    found = models.n_best(f"beamDepth={depth};nBest=1")
    assert [found[key][0][0] for key in range(len(INPUTS))] == wanted
    if scores:
        wanted_scores = [edited[scores][end - 1][0] for end in ends]
        assert [found[key][0][1] for key in range(len(INPUTS))] == pytest.approx(wanted_scores, abs=2e-6)


def test_scores_are_what_the_model_says_of_these_words(models: Models) -> None:
    models.configure()
    found = models.n_best("beamDepth=4;nBest=4;endSymbol=1;maxLength=6")
    pairs = [(key, *each) for key, several in found.items() for each in several]
    said = [(*words, END) if len(words) < 6 else words for _, words, _ in pairs]
    wanted = models.probabilities([INPUTS[key] for key, _, _ in pairs], said)
    assert [score for _, _, score in pairs] == pytest.approx(wanted, abs=2e-6)
    assert {len(words) for words in said} > {6}


def test_a_beam_with_room_for_everything_finds_the_best_there_is(models: Models) -> None:
    """All that can be said in three words: what has ended, and what has not."""
    models.configure()
    others = [word for word in range(WORDS) if word != END]
    everything = [
        (*words, END) if length < 3 else words
        for length in range(4)
        for words in itertools.product(others, repeat=length)
    ]
    assert len(everything) == 1 + 4 + 16 + 64
    inputs = INPUTS[:2]
    write_data(models.folder / "data.ctf", inputs, [(START, END)] * 2)
    found = models.n_best("beamDepth=21;nBest=21;endSymbol=1;maxLength=3")
    for key, frames in enumerate(inputs):
        scores = models.probabilities([frames] * len(everything), everything)
        assert sum(map(math.exp, scores)) == pytest.approx(1)
        ranked = sorted(zip(scores, everything, strict=True), reverse=True)[:21]
        assert [words for words, _ in found[key]] == [tuple(w for w in words if w != END) for _, words in ranked]
        assert [score for _, score in found[key]] == pytest.approx([score for score, _ in ranked], abs=2e-6)


@pytest.mark.parametrize(
    "embedding",
    ["E = Wide (3, 5) ; Embed (x) = E * x", "E = Wide (5, 5) ; Embed (x) = E * x"],
    ids=["other size", "same size"],
)
def test_embedded_words(models: Models, embedding: str) -> None:
    models.configure(PLAIN, embedding)
    found = models.n_best("beamDepth=3;nBest=2;endSymbol=1;maxLength=5")
    pairs = [(key, *each) for key, several in found.items() for each in several]
    said = [(*words, END) if len(words) < 5 else words for _, words, _ in pairs]
    wanted = models.probabilities([INPUTS[key] for key, _, _ in pairs], said)
    assert [score for _, _, score in pairs] == pytest.approx(wanted, abs=2e-6)


def test_what_has_not_ended_goes_on(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rounds, the second with what is still open after a few words more than the input has, find what one finds."""
    models.configure()
    monkeypatch.setattr("graphc.actions.beam_search._A_FEW", 1)
    settings = "beamDepth=4;nBest=2;endSymbol=1;maxLength=12"
    found = models.n_best(settings)
    assert [*found] == [*range(len(INPUTS))]
    lengths = [max(len(words) for words, _ in several) for several in found.values()]
    assert min(lengths) <= 6 < max(lengths)
    monkeypatch.setattr("graphc.actions.beam_search._A_FEW", 100)
    assert models.n_best(settings) == found


def test_labels_are_not_needed(models: Models) -> None:
    models.configure()
    settings = "beamDepth=2;nBest=2;endSymbol=1;maxLength=4"
    wanted = models.n_best(settings)
    text = (models.folder / "m.cntk").read_text()
    (models.folder / "m.cntk").write_text(text.replace('        labels = { dim = 5 ; format = "sparse" }\n', "", 1))
    lines = (models.folder / "data.ctf").read_text().splitlines()
    (models.folder / "data.ctf").write_text(
        "".join(f"{line.split('|labels')[0]}\n" for line in lines if "input" in line)
    )
    assert models.n_best(f"{settings};startSymbol=0") == wanted
    with pytest.raises(DiagnosticError) as error:
        models.decode(settings)
    assert error.value.diagnostics[0].code == "GC0501"
    assert error.value.diagnostics[0].hint == 'add startSymbol = "…"'


def test_what_is_told_of_the_labels(models: Models) -> None:
    models.configure()
    write_names("names.txt", NAMES)
    settings = 'Decode=[beamDepth=2;endSymbol="</s>";startSymbol="<s>";labelMappingFile="names.txt"]'
    result = models.run("Decode", settings)
    assert result.files == (Path("decoded"),)
    lines = [line.split() for line in Path("decoded").read_text().splitlines()]
    assert {word for line in lines for word in line} <= {"<s>", "a", "b", "c"}
    rows = (models.folder / "data.ctf").read_text().splitlines()
    words = [(int(row.split()[0]), int(row.split("|labels ")[1].split(":")[0])) for row in rows if "|labels" in row]
    references = [[w for key, w in words if key == number][1:-1] for number in range(len(INPUTS))]
    spelt = [[NAMES[w] for w in reference] for reference in references]
    wrong = sum(a != b for a, b in zip(lines, spelt, strict=True))
    assert result.metrics["sequenceErrors"] == pytest.approx(wrong / len(INPUTS))
    assert result.metrics["tokenErrors"] >= 0
    likelihood = models.probabilities(INPUTS, [(*reference, END) for reference in references])
    assert result.metrics["perplexity"] == pytest.approx(math.exp(-sum(likelihood) / sum(LENGTHS)), rel=1e-6)


WRONG = {
    "nBest=3;beamDepth=2": "GC0504: nBest is 3, but with beamDepth = 2 there are no more hypotheses",
    "beamDepth=0": "GC0503: Decode:beamDepth: 0 is out of range, expected at least 1",
    "endSymbol=5": "GC0503: endSymbol is 5, which is not in the 5 words, which are numbered from 0",
    'endSymbol="</S>";labelMappingFile="names.txt"': "GC0503: endSymbol is </S>, which is not in names.txt",
    'labelMappingFile="few.txt"': "GC0503: few.txt has 2 names, but the model knows 5 words",
    'modelPath="none"': "GC0001: model file none does not exist",
}


def test_wrong_settings(models: Models) -> None:
    models.configure()
    write_names("names.txt", NAMES)
    write_names("few.txt", NAMES[:2])
    for setting, wanted in WRONG.items():
        with pytest.raises(DiagnosticError) as error:
            models.decode(setting)
        (diagnostic,) = error.value.diagnostics
        assert f"{diagnostic.code}: {diagnostic.message}" == wanted
    assert not Path("decoded").exists()


def test_a_model_that_diverged(models: Models) -> None:
    models.configure(PLAIN.replace("Wide (5, 6) * state", "Exp (Wide (5, 6) * state + Constant (1e6))"))
    with pytest.raises(RunError) as error:
        models.decode("beamDepth=2")
    (diagnostic,) = error.value.diagnostics
    assert f"{diagnostic.code}: {diagnostic.message}" == (
        "GC0705: the words of sequence 0 have scores that are no numbers"
    )
    assert not Path("decoded").exists()


def test_checked_without_running(models: Models, capsys: Any) -> None:
    models.configure()
    assert main(["check", "--strict", "m.cntk", "command=Decode"]) == 0
    Path("model").unlink()
    # before it is saved the model is known from who will save it
    assert main(["check", "--strict", "m.cntk", "command=Save:Decode"]) == 0
    assert main(["check", "m.cntk", "command=Save:Decode", "Decode=[reader=[input=[input=[dim=3]]]]"]) == 2
    assert "GC0609" in capsys.readouterr().err
