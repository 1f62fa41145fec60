"""Truncated back-propagation through the command line: what counts, what validation and tests see, what stops a run."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.cli.main import main
from graphc.data.rows import row_minibatches
from tests.end_to_end.results import Result

CONFIGURATION = """
command = Train:Test:Whole:Write
modelPath = "$RunDir$/model" ; traceLevel = 1 ; truncated = true

Train = {{
    action = "train"
    BrainScriptNetworkBuilder = {{
        x = Input {{4}} ; y = Input {{4}}
        {network}
        z = LinearLayer {{4}} (h)
        ce = CrossEntropyWithSoftmax (y, z) ; errs = ClassificationError (y, z)
        criterionNodes = (ce) ; evaluationNodes = (errs) ; outputNodes = (z)
    }}
    SGD = {{ minibatchSize = 12 ; maxEpochs = 2 ; learningRatesPerSample = 0.1 ; momentumPerSample = 0 }}
    reader = {{ randomize = true ; truncationLength = 4 ; {data} }}
    cvReader = {{ randomize = false ; truncationLength = 5 ; {data} }}
}}
Test = {{ action = "test" ; minibatchSize = 7 ; reader = {{ randomize = false ; truncationLength = 3 ; {data} }} }}
Whole = {{ action = "test" ; minibatchSize = 7 ; reader = {{ randomize = false ; truncated = false ; {data} }} }}
Write = {{
    action = "write" ; outputPath = "-" ; minibatchSize = 9 ; outputNodeNames = h
    format = {{ type = "category" ; transpose = false ; sequenceEpilogue = "\\n" }}
    reader = {{ {data} }}
}}
"""
DATA = """deserializers = ({ type = "CNTKTextFormatDeserializer" ; module = "CNTKTextFormatReader"
        file = "$RunDir$/data.ctf"
        input = { x = { dim = 4 ; format = "sparse" } ; y = { dim = 4 ; format = "sparse" } } })"""
LSTM = "h = RecurrentLSTMLayer {3} (x)"
LENGTHS = (5, 2, 7, 3, 3, 6, 2, 14)


def sequences(lengths: tuple[int, ...], extra: str = "") -> str:
    """The label is the symbol of two frames before."""
    lines = [
        f"{number} |x {(number + t * t) % 4}:1 |y {(number + (t - 2) ** 2) % 4}:1"
        for number, length in enumerate(lengths)
        for t in range(length)
    ]
    return "\n".join([*lines, extra])


@pytest.fixture
def run(tmp_path, capsys):
    def run(*overrides: str, network: str = LSTM, data: str = sequences(LENGTHS), command: str = "run") -> Result:
        path, metrics = tmp_path / "a.cntk", tmp_path / "m.jsonl"
        path.write_text(CONFIGURATION.format(network=network, data=DATA))
        (tmp_path / "data.ctf").write_text(data)
        told = ["--metrics", str(metrics)] if command == "run" else []
        status = main([command, str(path), f"RunDir={tmp_path}", *overrides, *told])
        captured = capsys.readouterr()
        return Result(status, captured.out, captured.err, metrics)

    return run


def test_rows_train_and_test(run):
    result = run()
    assert result.status == 0, result.err
    epochs = result.of("epoch", "train")
    assert [e["samples"] for e in epochs] == [sum(LENGTHS)] * 2
    first, second = epochs
    assert first["metrics"]["shapes"] == first["metrics"]["newShapes"] == 1 and second["metrics"]["newShapes"] == 0
    assert first["metrics"]["usefulLanes"] == pytest.approx(sum(LENGTHS) / (first["minibatch"] * 12))
    # state goes on from piece to piece in tests and validation, so they see what whole sequences would give
    test, whole = result.of("final", "test")
    expected = list(row_minibatches(np.arange(len(LENGTHS)), np.array(LENGTHS), 2, 3))
    assert (test["minibatch"], test["samples"]) == (len(expected), sum(LENGTHS))
    assert test["metrics"] == pytest.approx(whole["metrics"], rel=1e-6)
    assert result.of("epoch", "cv")[-1]["metrics"]["ce"] == pytest.approx(whole["metrics"]["ce"], rel=1e-6)
    # what is written is whole, whatever the configuration says around it
    assert [len(line.split()) for line in result.out.splitlines()[: len(LENGTHS)]] == list(LENGTHS)


def test_a_row_of_whole_sequences_is_ordinary_training(run, tmp_path):
    """One row as long as each sequence: nothing is cut, so training is that of whole sequences."""
    given = "command=Train", "Train=[SGD=[minibatchSize=4]]"
    data = sequences((4,) * 6)
    cut = run(*given, data=data)
    whole = run(*given, "truncated=false", f"modelPath={tmp_path}/other", data=data)
    assert cut.status == whole.status == 0, cut.err + whole.err
    assert cut.losses == pytest.approx(whole.losses[-2:], rel=1e-6)


def test_a_run_goes_on_with_the_next_epoch(run, tmp_path):
    """What rows carry ends with the epoch, so nothing of it is missing where a run is resumed."""
    once = run("command=Train", f"modelPath={tmp_path}/once")
    run("command=Train", "Train=[SGD=[maxEpochs=1]]")
    (tmp_path / "model").rename(tmp_path / "model.1")
    resumed = run("command=Train")
    assert resumed.losses[-1] == once.losses[-1]


def test_traces_see_what_rows_hand_on(run):
    """Every second minibatch is printed: what it finds of the one between is not the value before a sequence."""
    network = "q = Trace (PastValue (0, x, defaultHiddenActivation = 7), logFrequency = 2, logFirst = 0) ; h = Tanh (q)"
    given = "command=Train:Test", "Train=[SGD=[minibatchSize=4;maxEpochs=1]]", "Test=[minibatchSize=4]"
    result = run(*given, network=network, data=sequences((12, 8)))
    assert result.status == 0, result.err
    train, test = result.err.split("Test command")
    for phase, blocks in ((train.split("Validate")[0], 5), (test, 4)):
        printed = [block.splitlines()[1:4] for block in phase.split("--> q.node")[1:]]
        assert len(printed) == blocks and all(len(lines) == 3 for lines in printed)
        # sequences begin in some of them only
        assert sum(lines[0].startswith("7.000000") for lines in printed) < len(printed)
        assert any(lines[0].startswith("7.000000") for lines in printed)


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_future_reference_is_told(run, command):
    result = run(network="h = Tanh (x + FutureValue (0, h))", command=command)
    assert result.status == 2
    said = result.out + result.err
    assert said.count("GC0420") == 1
    assert "future reference in truncated mode: FutureValue (0, h) looks at frames that the next minibatch has" in said
    assert "a.cntk:9:23" in said


@pytest.mark.parametrize(
    "network,said",
    [
        (
            "h = BS.Sequences.BroadcastSequenceAs (x, BS.Sequences.Last (x))",
            "future reference in truncated mode: BS.Sequences.Last (x) (FutureValue)",
        ),
        ("h = BS.Sequences.BroadcastSequenceAs (x, x)", "BS.Sequences.BroadcastSequenceAs (x, x) (Where) needs whole"),
        ("h = TimeReverse (x)", "TimeReverse (x) needs whole sequences"),
        (
            "h = OptimizedRNNStack (ParameterTensor {(0:0)}, x, 3)",
            "only a piece at a time: layers made of PastValue, as RecurrentLSTMLayer, go on in the next",
        ),
        (
            "h = OptimizedRNNStack (ParameterTensor {(0:0)}, x, 3, bidirectional = true)",
            "OptimizedRNNStack) needs whole sequences",
        ),
        ("h = x .* ForwardBackward (LabelsToGraph (y), x, 3)", "(LabelsToGraph (y), x, 3) needs whole sequences"),
        ("h = x .* EditDistanceError (y, x)", "EditDistanceError (y, x) needs whole sequences"),
        ("s = BS.Sequences.First (x) ; h = x + PastValue (0, x, initialState = s)", "begins with another sequence"),
    ],
)
def test_what_needs_whole_sequences_is_told(run, network, said):
    result = run(network=network, command="check")
    assert result.status == 2 and said in result.out + result.err


def test_what_stays_within_a_frame_has_pieces(run):
    within = "h = NewReshape (OptimizedRNNStack (ParameterTensor {(0:0)}, NewReshape (x, 2:2), 3, axis = 2), 6)"
    result = run("command=Train", network=f"{within} .* Slice (0, 1, LabelsToGraph (y))")
    assert result.status == 0, result.err


def test_streams_are_cut_at_the_same_frames(run):
    result = run("command=Train", data=sequences(LENGTHS, extra="8 |x 1:1 |y 0:1\n8 |x 2:1\n"))
    assert result.status == 2
    assert "GC0612" in result.err and "2 samples of 'x' and 1 of 'y', so it cannot be truncated" in result.err
