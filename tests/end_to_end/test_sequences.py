"""Recurrent networks through the command line: what samples count, what the metrics say of shapes, what stops a run."""

from __future__ import annotations

import pytest

from graphc.cli.main import main
from tests.end_to_end.results import Result

CONFIGURATION = """
command = Train:Test:Write
modelPath = "$RunDir$/model" ; traceLevel = 1

Train = {{
    action = "train"
    BrainScriptNetworkBuilder = {{
        t = DynamicAxis()
        x = Input {{4, dynamicAxis = t}}
        y = Input {{2}}
        {network}
    }}
    SGD = {{ minibatchSize = 40 ; maxEpochs = 2 ; learningRatesPerSample = 0.1 ; momentumAsTimeConstant = 20 }}
    reader = {{ randomize = true
        deserializers = ({{ type = "CNTKTextFormatDeserializer" ; module = "CNTKTextFormatReader"
            file = "$RunDir$/data.ctf"
            input = {{ x = {{ dim = 4 ; format = "sparse" }} ; y = {{ dim = 2 ; format = "sparse" }} }} }}) }}
    cvReader = {{ readerType = "CNTKTextFormatReader" ; file = "$RunDir$/data.ctf" ; randomize = false
        input = {{ x = {{ dim = 4 ; format = "sparse" }} ; y = {{ dim = 2 ; format = "sparse" }} }} }}
}}
Test = {{
    action = "test" ; minibatchSize = 7
    reader = {{ readerType = "CNTKTextFormatReader" ; file = "$RunDir$/data.ctf" ; randomize = false
        input = {{ x = {{ dim = 4 ; format = "sparse" }} ; y = {{ dim = 2 ; format = "sparse" }} }} }}
}}
Write = {{
    action = "write" ; outputPath = "-" ; minibatchSize = 9 ; outputNodeNames = h
    format = {{ type = "category" ; transpose = false ; sequenceEpilogue = "\\n" }}
    reader = {{ readerType = "CNTKTextFormatReader" ; file = "$RunDir$/data.ctf"
        input = {{ x = {{ dim = 4 ; format = "sparse" }} }} }}
}}
"""
CLASSIFIER = """
        h = RecurrentLSTMLayer {3} (x)
        z = LinearLayer {2} (BS.Sequences.Last (h))
        ce = CrossEntropyWithSoftmax (y, z)
        errs = ClassificationError (y, z)
        criterionNodes = (ce) ; evaluationNodes = (errs) ; outputNodes = (z)
"""
# a criterion with frames: it counts its own
FRAMES = """
        h = RecurrentLSTMLayer {3} (Slice (1, 0, x, axis = -1))
        z = LinearLayer {4} (h)
        ce = Pass (ReduceLogSum (z) - TransposeTimes (Slice (1, 0, x, axis = -1), z))
        criterionNodes = (ce) ; outputNodes = (z)
        unused = y
"""
SELECTED = """
        h = {selected}
        z = LinearLayer {{2}} (BS.Sequences.Last (h))
        ce = CrossEntropyWithSoftmax (y, z)
        criterionNodes = (ce) ; outputNodes = (z)
"""
REPEATED = SELECTED.format(selected="BS.Sequences.Gather (3 * ReduceSum (x .* ConstantTensor (1, 4)), x)")
JOINED = """
        tail = BS.Sequences.Gather (1 - BS.Loop.IsFirst (x), x)
        front = BS.Sequences.Gather (ReduceSum (x .* ConstantTensor (1, 4)), x)
        joined = {joined}
        z = LinearLayer {{2}} (BS.Sequences.Last (joined))
        ce = CrossEntropyWithSoftmax (y, z)
        criterionNodes = (ce) ; outputNodes = (z)
"""
RECONCILED = JOINED.format(joined="ReconcileDynamicAxis (tail, front)")
SCATTERED = JOINED.format(joined="BS.Sequences.Scatter (ReduceSum (front), tail)")
ENDING = """
        z = LinearLayer {2} (BS.Sequences.Last (h))
        ce = CrossEntropyWithSoftmax (BS.Sequences.Last (y), z)
        criterionNodes = (ce) ; outputNodes = (z)
"""
BEGUN = "h = Tanh (x + PastValue (4, h, timeStep = 3, initialState = LinearLayer {4} (y)))" + ENDING
DELAYED = "h = PastValue (4, x, timeStep = 3, initialState = LinearLayer {4} (y))" + ENDING
REACHED = "h = BS.Sequences.Gather (1 + 0 * ReduceSum (x), y)" + ENDING
LAST_REACHED = REACHED.replace("1 + 0 * ReduceSum (x)", "BS.Loop.IsLast (x)").replace("BS.Sequences.Last (h)", "h")
# of the first sentence mostly its first frame, more often than any sentence has frames
LONGER = CLASSIFIER.replace(
    "(x)", "(BS.Sequences.Gather (CONDITION * BS.Loop.IsFirst (x) .* Slice (0, 1, x) + 0.01, x))"
)
# what a condition chooses meets the first frame of each sequence: well if it is one frame
CHOSEN = """
        z = LinearLayer {{2}} (BS.Sequences.Gather ({condition}, x)) + LinearLayer {{2}} (BS.Sequences.First (x))
        ce = CrossEntropyWithSoftmax (y, BS.Sequences.First (z))
        criterionNodes = (ce) ; outputNodes = (z)
"""
ONE_CHOSEN = CHOSEN.format(condition="BS.Loop.IsLast (x) + 0 * ReduceSum (x)")
SEVERAL_CHOSEN = CHOSEN.format(condition="BS.Loop.IsLastN (2, x) + 0 * ReduceSum (x)")
REPEATED_ALL = "h = BS.Sequences.BroadcastSequenceAs (x, y)" + ENDING.replace(
    "CrossEntropyWithSoftmax (BS.Sequences.Last (y), z)", "SumElements (z)"
)
LENGTHS = (5, 2, 7, 3, 3, 6, 2, 4)


def sequences(lengths=LENGTHS, labels=1) -> str:
    """Sequence n begins with symbol n modulo 4."""
    lines = []
    for number, length in enumerate(lengths):
        for t in range(max(length, labels)):
            x = f"|x {(number + t) % 4}:1" if t < length else ""
            lines.append(f"{number} {x} {f'|y {number % 2}:1' if t < labels else ''}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def run(tmp_path, capsys):
    def run(network: str, data: str, *overrides: str) -> Result:
        path, metrics = tmp_path / "a.cntk", tmp_path / "m.jsonl"
        path.write_text(CONFIGURATION.format(network=network))
        (tmp_path / "data.ctf").write_text(data)
        status = main(["run", str(path), f"RunDir={tmp_path}", *overrides, "--metrics", str(metrics)])
        captured = capsys.readouterr()
        return Result(status, captured.out, captured.err, metrics)

    return run


def test_a_scalar_criterion_counts_the_default_axis(run):
    """One sample a sentence in training, validation and test, however many words it has."""
    result = run(CLASSIFIER, sequences())
    assert result.status == 0, result.err
    epochs = result.of("epoch", "train")
    assert [e["samples"] for e in epochs] == [len(LENGTHS)] * 2
    assert [e["metrics"]["totalSamplesSeen"] for e in epochs] == [len(LENGTHS), 2 * len(LENGTHS)]
    (test,) = result.of("final", "test")
    assert test["samples"] == len(LENGTHS) and 0 <= test["metrics"]["errs"] <= 1
    assert [e["samples"] for e in result.of("epoch", "cv")] == [len(LENGTHS)] * 2
    # validation saw the data of the test with the weights of the test
    assert result.of("epoch", "cv")[-1]["metrics"]["ce"] == pytest.approx(test["metrics"]["ce"], rel=1e-5)


def test_outputs_are_written_sequence_by_sequence(run):
    result = run(CLASSIFIER, sequences())
    lines = result.out.splitlines()[: len(LENGTHS)]
    assert [len(line.split()) for line in lines] == list(LENGTHS)
    assert all(word in "012" for line in lines for word in line.split())


def test_layout_of_minibatches_is_told(run):
    first, second = run(CLASSIFIER, sequences(), "command=Train").of("epoch", "train")
    assert 0 < first["metrics"]["usefulFrames"] <= 1 and 0 < first["metrics"]["usefulLanes"] <= 1
    assert first["metrics"]["newShapes"] == first["metrics"]["shapes"] >= 1
    assert second["metrics"]["newShapes"] <= second["metrics"]["shapes"]


def test_a_criterion_with_frames_counts_its_own(run):
    """A selection of frames is on an axis whose lengths only the program knows."""
    result = run(FRAMES, sequences(), "command=Train", "Train=[SGD=[maxEpochs=1]]")
    assert result.status == 0, result.err
    (epoch,) = result.of("epoch", "train")
    assert epoch["samples"] == sum(LENGTHS) - len(LENGTHS)
    assert epoch["metrics"]["ce"] == pytest.approx(1.386, abs=0.4)


# a memory of which half is forgotten in every step
FORGETFUL = """
        h = Tanh (LinearLayer {3} (x) + LinearLayer {3} (Dropout (PastValue (3, h))))
        z = LinearLayer {2} (BS.Sequences.Last (Dropout (h)))
        ce = CrossEntropyWithSoftmax (y, z)
        criterionNodes = (ce) ; outputNodes = (z)
"""


def test_dropout_in_a_loop_with_the_generator_of_cntk(run):
    """Outside the loop CNTK's masks; inside it graphc's, and both are those of the run before."""
    given = ("command=Train", "makeMode=false", "Train=[SGD=[maxEpochs=1;dropoutRate=0.5]]", "--rng", "cntk")
    first, second = (run(FORGETFUL, sequences(), *given).of("epoch", "train")[-1] for _ in range(2))
    assert first["metrics"]["ce"] == second["metrics"]["ce"] > 0


def test_a_chosen_frame_meets_the_first(run):
    result = run(ONE_CHOSEN, sequences(), "command=Train")
    assert result.status == 0, result.err
    assert result.losses[-1] < result.losses[0]


# network, lengths of x, of y, code, what is said of the sequence
BAD = {
    "two labels a sentence": (CLASSIFIER, (5, 2, 7), 2, "GC0613", "sequence 0 has 2 frames"),
    "more frames than there are": (REPEATED, (5, 2, 7), 1, "GC0613", "there is no room for"),
    "axes of different lengths": (RECONCILED, (5, 2, 7), 1, "GC0613", "4 frames on axis"),
    "frames for other places": (SCATTERED, (5, 2, 7), 1, "GC0613", "joins sequences of different lengths"),
    "too little to begin with, in a loop": (BEGUN, (5, 2, 7), 2, "GC0613", "h looks 3 frames out of its sequence"),
    "too little to begin with": (DELAYED, (5, 2, 7), 2, "GC0613", "but its initial state has 2 in sequence 0"),
    "frames of longer sequences": (REACHED, (2, 5, 7), 2, "GC0613", "h chooses frame 4 of a sequence of 2 frames"),
    "several to be repeated": (REPEATED_ALL, (5, 2, 7), 2, "GC0613", "2 frames on axis '*' and 1 on"),
    "several frames beside one": (SEVERAL_CHOSEN, (5, 2, 7), 1, "GC0613", "joins sequences of different lengths"),
    "last frames of longer sequences": (LAST_REACHED, (2, 5, 7), 2, "GC0613", "frame 4 of a sequence of 2 frames"),
    "frames repeated in a loop": (
        LONGER.replace("CONDITION", "8"),
        (5, 2, 7),
        1,
        "GC0613",
        "through 9 frames of a selection",
    ),
    "a condition that is no number": (
        LONGER.replace("CONDITION", "Log (-1)"),
        (5, 2, 7),
        1,
        "GC0613",
        "selects no frame in sequence 0",
    ),
    "empty selection": (FRAMES, (5, 1, 7), 1, "GC0613", "selects no frame in sequence 1"),
}


@pytest.mark.parametrize("case", BAD)
def test_lengths_that_do_not_fit_name_the_sequence(case, run, tmp_path):
    network, lengths, labels, code, said = BAD[case]
    result = run(network, sequences(lengths, labels), "command=Train")
    assert result.status == 1
    assert f"error[{code}]" in result.err and said in result.err and "a.cntk:" in result.err
    assert not (tmp_path / "model.1").exists()


def test_label_and_input_of_different_lengths(tmp_path, capsys):
    path = tmp_path / "a.cntk"
    network = CLASSIFIER.replace("BS.Sequences.Last (h)", "h")
    path.write_text(CONFIGURATION.replace(", dynamicAxis = t", "").format(network=network))
    (tmp_path / "data.ctf").write_text("3 |x 0:1 |y 0:1\n907 |x 0:1 |y 0:1\n907 |x 1:1\n")
    assert main(["run", str(path), f"RunDir={tmp_path}", "command=Train"]) == 2
    said = capsys.readouterr().err
    assert "error[GC0612]: sequence 907 of" in said and "has 1 samples of 'y' and 2 of 'x'" in said
    # where either is declared
    assert "x = Input {4}\n" in said and "y is on the same axis, at" in said
