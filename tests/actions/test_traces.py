"""Values that a run prints: how they look, in which minibatches, and that they are those of the step itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphc.actions.tracing import _begins
from graphc.cli.main import main
from graphc.train.checkpoint import load_model

CONFIGURATION = """
command = Train
Train = {
    action = "train" ; modelPath = "$Out$/m" ; traceLevel = 1
    BrainScriptNetworkBuilder = { $network$ }
    SGD = {
        maxEpochs = $epochs$ ; minibatchSize = $size$ ; learningRatesPerSample = 0.5 ; momentumPerMB = 0
        dropoutRate = 0.5 ; numMBsToShowResult = 2 ; $sgd$
    }
    reader = { $reader$ } ; $validation$
}
Test = { action = "test" ; modelPath = "$Out$/m" ; minibatchSize = 4 ; reader = { $reader$ } ; $more$ }
Write = {
    action = "write" ; modelPath = "$Out$/m" ; minibatchSize = 4 ; outputPath = "$Out$/o" ; $more$
    reader = { $reader$ }
}
"""
READER = """readerType = "CNTKTextFormatReader" ; file = "$Out$/data.txt" ; randomize = false
        input = { x = { dim = 2 ; format = "dense" } ; y = { dim = 2 ; format = "dense" } }"""
FRAMES = "\n".join(f"|x {i} {-i / 4} |y {i % 2} {1 - i % 2}" for i in range(6))
X = np.array([[i, -i / 4] for i in range(6)])


def run(folder: Path, network: str, data: str, *, command: str = "Train", **given: Any) -> str:
    """The log of a run."""
    given = {"epochs": 1, "size": 4, "sgd": "", "validation": "", "more": "", **given}
    text = CONFIGURATION.replace("$network$", network)
    for name, value in given.items():
        text = text.replace(f"${name}$", str(value))
    (folder / "a.cntk").write_text(text.replace("$reader$", READER))
    (folder / "data.txt").write_text(data)
    rng = str(given.get("generator", "jax"))
    arguments = [str(folder / "a.cntk"), f"Out={folder}", f"command={command}", f"randomGenerator={rng}"]
    assert main(["run", *arguments, f"stderr={folder / 'log'}", "traceLevel=1"]) == 0
    (log,) = folder.glob("log*")
    return log.read_text()


def traces(log: str) -> list[tuple[str, list[str]]]:
    """Head lines of traces, each with the lines that follow it."""
    found: list[tuple[str, list[str]]] = []
    for line in log.splitlines():
        if "--> " in line and "Trace" in line:
            found.append((line, []))
        elif found and re.fullmatch(r"( |\[|[-.0-9])[^A-Z]*", line):
            found[-1][1].append(line)
    return found


SIMPLE = """
    x = Input {2} ; y = Input {2}
    h = Trace (x .* ConstantTensor (2, 2), say='twice' $trace$)
    z = LinearLayer {2} (h)
    ce = CrossEntropyWithSoftmax (y, z)
    criterionNodes = (ce) ; outputNodes = (z)
"""
HEAD = "------- Trace[] twice --> h.node = ElementTimes (x, h.node.ElementTimesArgs[1]) : [2 x *], [2] -> [2 x *]"
# options of the trace, and what stands below its head line in the first minibatch of two frames
SHOWN = {
    "": ["0.000000 0.000000", "2.000000 -0.500000"],
    ", format=[precisionFormat='.1']": ["0.0 0.0", "2.0 -0.5"],
    ", onlyUpToRow=0, format=[precisionFormat='.1' ; sequenceEpilogue='/\\n']": ["...+2/", "...+2/"],
    ", format=[type='category']": ["1", "0"],
    ", format=[type='category' ; labelMappingFile='$Out$/names']": ["right", "left"],
    ", format=[type='sparse' ; transpose=false ; precisionFormat='.1' ; sequenceSeparator='-']": [
        "",
        "-2.0[0] -0.5[1]",
    ],
    ", format=[sequencePrologue='%s %n %d:' ; prologue='<\\n']": [
        "h 1 0:0.000000 0.000000",
        "h 1 1:2.000000 -0.500000",
    ],
}


@pytest.mark.parametrize("options", SHOWN)
def test_text(options: str, tmp_path: Path) -> None:
    (tmp_path / "names").write_text("left\nright\n")
    log = run(tmp_path, SIMPLE.replace("$trace$", options), FRAMES, size=2)
    place = log.index(HEAD)
    assert log[place:].splitlines()[1:3] == SHOWN[options]
    assert log[:place].endswith("<\n") == ("prologue" in options and "<" in options)


# logFirst, logFrequency → how many of three epochs of three minibatches, each followed by three of validation
DUE = {(10, 100): 10, (2, 0): 2, (0, 5): 4, (1, 4): 5, (0, 0): 0}


@pytest.mark.parametrize(("first", "frequency"), DUE)
def test_minibatches_are_counted_over_epochs_and_validation(first: int, frequency: int, tmp_path: Path) -> None:
    options = f", logFirst={first}, logFrequency={frequency}"
    validation = f"cvReader = {{ {READER} }}"
    log = run(tmp_path, SIMPLE.replace("$trace$", options), FRAMES, size=2, epochs=3, validation=validation)
    places = re.findall(r"Trace\[\]|-Minibatch|\[Training\]|\[Validate\]", log)
    names = {"Trace[]": "*", "-Minibatch": "m", "[Training]": "T", "[Validate]": "V"}
    # a report after the second minibatch of an epoch, whose traces stand before it
    epochs, number = [], 0
    for _ in range(3):
        due = ["*" if _is_due(number + n, first, frequency) else "" for n in range(1, 7)]
        epochs.append("".join([*due[:2], "m", due[2], "T", *due[3:], "V"]))
        number += 6
    assert "".join(names[place] for place in places) == "".join(epochs)
    assert "".join(epochs).count("*") == DUE[first, frequency]


def _is_due(number: int, first: int, frequency: int) -> bool:
    return number <= first or (frequency > 0 and number % frequency == 1)


DROPPED = """
    x = Input {2} ; y = Input {2}
    Show (x, what) = Trace (x, say=what, logGradientToo=true, format=[precisionFormat='.9'])
    W = Show (ParameterTensor {(2:2), init='fixedValue', value=0.25}, 'W')
    h = Trace (Dropout (W * x), say='h', format=[precisionFormat='.9'])
    z = Show (ParameterTensor {(2:2), init='uniform'} * h, 'z')
    ce = CrossEntropyWithSoftmax (y, z)
    criterionNodes = (ce) ; outputNodes = (z)
"""


def numbers(lines: list[str]) -> np.ndarray:
    return np.array([[float(v) for v in line.split()] for line in lines])


@pytest.mark.parametrize("generator", ["jax", "cntk"])
def test_values_are_those_of_the_step(generator: str, tmp_path: Path) -> None:
    """One step: what is printed of the gradient is what the parameter moved by, so the masks are the same."""
    found = traces(run(tmp_path, DROPPED, FRAMES, size=6, generator=generator))
    assert [re.sub(r" -->.*", "", head) for head, _ in found] == [
        f"------- Trace[] {name}" for name in ("W", "h", "z", "z (gradient)", "W (gradient)")
    ]
    values = {re.sub(r"^-* Trace\[\] | -->.*", "", head): numbers(lines) for head, lines in found}
    moved = load_model(tmp_path / "m").values["W.x"] - 0.25
    np.testing.assert_allclose(moved, -0.5 * values["W (gradient)"], atol=1e-7)
    kept = values["h"][1:] / (2 * X @ values["W"])[1:]
    assert set(np.round(kept, 5).reshape(-1).tolist()) == {0.0, 1.0}
    likely = np.exp(values["z"]) / np.exp(values["z"]).sum(axis=1, keepdims=True)
    wanted = likely - [[i % 2, 1 - i % 2] for i in range(6)]
    np.testing.assert_allclose(values["z (gradient)"], wanted, atol=1e-6)


LOOP = """
    x = Input {2} ; axis = DynamicAxis() ; y = Input {2, dynamicAxis=axis}
    W = ParameterTensor {(2:2), init='fixedValue', value=0.25} ; R = ConstantTensor (0.5, 2:2)
    a = W * x + R * PastValue (2, h, defaultHiddenActivation=0)
    h = Trace (a, say='h', logGradientToo=true, format=[precisionFormat='.9'])
    z = BS.Sequences.Last (Trace (BS.Sequences.Gather (BS.Loop.IsLast (h), h), say='last', logGradientToo=true))
    ce = CrossEntropyWithSoftmax (y, ReconcileDynamicAxis (z, y))
    criterionNodes = (ce) ; outputNodes = (h)
"""
LENGTHS = (3, 1, 2)
SEQUENCES = [np.arange(2.0 * n).reshape(n, 2) / (n + i) for i, n in enumerate(LENGTHS)]


def test_a_recurrence_is_traced_step_by_step(tmp_path: Path) -> None:
    lines = [
        f"{i} |x {a} {b}" + (f" |y {i % 2} {1 - i % 2}" if t == 0 else "")
        for i, x in enumerate(SEQUENCES)
        for t, (a, b) in enumerate(x)
    ]
    found = traces(run(tmp_path, LOOP, "\n".join(lines), size=6))
    heads = [re.sub(r" -->.*", "", head) for head, _ in found]
    steps = [f"------- Trace[{t}] h" for t in range(3)]
    assert heads == [
        *steps,
        "------- Trace[] last",
        "------- Trace[] last (gradient)",
        *(f"{h} (gradient)" for h in steps[::-1]),
    ]

    # the second sequence and the third share a row: in step 0 the first and the second, then the first and the third
    by_head = dict(zip(heads, (numbers(lines) for _, lines in found), strict=True))
    order = [[0, 1], [0, 2], [0, 2]]
    state = {i: np.zeros(2) for i in range(3)}
    expected = []
    for i, x in enumerate(SEQUENCES):
        for frame in x:
            state[i] = np.full(2, 0.25 * frame.sum() + 0.5 * state[i].sum())
            expected.append((i, state[i]))
    for t, sequences in enumerate(order):
        own = [[v for j, v in expected if j == i][t - (i == 2)] for i in sequences]
        np.testing.assert_allclose(by_head[steps[t]], own, atol=1e-6)
    np.testing.assert_allclose(by_head["------- Trace[] last"], [state[i] for i in range(3)], atol=1e-6)
    gradient = np.zeros((2, 2))
    for t, sequences in enumerate(order):
        for row, i in enumerate(sequences):
            gradient += np.outer(SEQUENCES[i][t - (i == 2)], by_head[f"{steps[t]} (gradient)"][row])
    moved = load_model(tmp_path / "m").values["W"] - 0.25
    np.testing.assert_allclose(moved, -0.5 * gradient, atol=1e-6)


@pytest.mark.parametrize(
    ("lengths", "begins"), [((3, 1, 2), (0, 0, 1)), ((2, 2), (0, 0)), ((1, 4, 1, 3), (0, 0, 1, 0)), ((1, 1), (0, 0))]
)
def test_places_in_a_packed_minibatch(lengths: tuple[int, ...], begins: tuple[int, ...]) -> None:
    assert tuple(_begins(np.array(lengths))) == begins


def test_nodes_are_named_by_the_settings(tmp_path: Path) -> None:
    sgd = "traceNodeNamesReal = h:nothing ; traceNodeNamesCategory = h ; traceNodeNamesSparse = x"
    options = ", logFirst=0, logFrequency=0"
    log = run(
        tmp_path,
        SIMPLE.replace("$trace$", options),
        FRAMES,
        sgd=sgd,
        more="traceNodeNamesReal = z",
        command="Train:Test:Write",
    )
    assert "EnableNodeTracing: No node named 'nothing'; skipping\n" in log
    shown = log[log.index("Trace --> x") :].splitlines()
    h = "Trace --> h = Trace (h.node) : [2 x *] -> [2 x *]"
    assert shown[:19] == [
        "Trace --> x = InputValue() :  -> [2 x *]",
        *("  ", "  [0] -0.2500000000[1]", "   2.0000000000[0] -0.5000000000[1]", "   3.0000000000[0] -0.7500000000[1]"),
        h,
        *(f"  {value:13.10f}" for value in (2 * X[:4]).reshape(-1)),
        h,
        *(f"  {index:13.10f}" for index in (1, 0, 0, 0)),
    ]
    heads = [line for line in log.splitlines() if line.startswith("Trace -->")]
    # two minibatches in each command
    assert [head.split(" = ")[0] for head in heads] == ["Trace --> x", *["Trace --> h"] * 2] * 2 + ["Trace --> z"] * 4


@pytest.mark.parametrize("command", ["Test", "Write"])
def test_tests_and_writing_trace_too(command: str, tmp_path: Path) -> None:
    network = SIMPLE.replace("$trace$", ", logGradientToo=true, logFirst=1, logFrequency=0")
    run(tmp_path, network, FRAMES)
    for log in tmp_path.glob("log*"):
        log.unlink()
    found = traces(run(tmp_path, network, FRAMES, command=command))
    ((head, lines),) = found
    # without a gradient, of which there is none
    assert head == HEAD
    np.testing.assert_allclose(numbers(lines), 2 * X[:4])


def test_a_label_file_must_be_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AssertionError):
        run(tmp_path, SIMPLE.replace("$trace$", ", format=[type='category' ; labelMappingFile='nowhere']"), FRAMES)
    error = capsys.readouterr().err
    assert "error[GC0001]: label mapping file nowhere cannot be read" in error
    assert not (tmp_path / "m").exists()
