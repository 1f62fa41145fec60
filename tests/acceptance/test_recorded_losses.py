"""Training follows CNTK's own runs, minibatch by minibatch, from its first random number on.

Data and logs are read from a checkout of CNTK; the losses of whole epochs are also in the vectors of this repository.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pytest

TESTS = "Tests/EndToEndTests"
_GPU = "initDevice=gpu"


@dataclass(frozen=True)
class Recorded:
    """A log of CNTK, and how closely a float's rounding lets us follow: the mean of its criterion and its errors.

    ``lines`` of the log are compared; all where it is none, and only epochs where it is 0. ``differing_errors`` of them
    may differ in their errors, the averages of epochs by ``epoch_error``.
    """

    log: str
    configuration: str
    data: str
    overrides: tuple[str, ...] = ()
    lines: int | None = None
    tolerance: float = 2e-6
    differing_errors: int = 0
    epoch_error: float = 1e-8
    # the configuration names files of the data's folder as if it ran there
    in_data: bool = False

    @property
    def baseline(self) -> str:
        return f"{TESTS}/{self.log}"


_ONE_HIDDEN = ("Simple2d/OneHidden.cntk", "Simple2d/Data", ("Simple_Demo_Train=[SGD=[maxEpochs=3]]",))
# the epochs after the first quantize gradients to one bit
_MULTI_GPU = ("Simple2d/Multigpu.cntk", "Simple2d/Data", ("Multigpu_Demo_Train=[SGD=[maxEpochs=1]]",), 40)
_PARALLEL = ("ParallelTraining/SimpleMultiGPU.cntk", "ParallelTraining/Data")
_SPEECH = ("Speech/Simple/cntk.cntk", "Speech/Data")
_TEXT = (
    "Text/SequenceClassification/Config/seqcla.cntk",
    "Text/SequenceClassification/Data",
    # of Windows; both logs start from values of the CPU
    ("gaussianGenerator=msvc",),
    0,
)
RECORDED = (
    Recorded("Image/QuickE2E/baseline.txt", "Image/QuickE2E/cntk.cntk", "Image/Data", tolerance=3e-7),
    Recorded("Simple2d/OneHidden/baseline.cpu.txt", *_ONE_HIDDEN),
    Recorded("Simple2d/OneHidden/baseline.gpu.txt", *_ONE_HIDDEN[:2], (*_ONE_HIDDEN[2], _GPU)),
    Recorded("Simple2d/MultiGpu/baseline.cpu.txt", *_MULTI_GPU),
    Recorded("Simple2d/MultiGpu/baseline.gpu.txt", *_MULTI_GPU[:2], (*_MULTI_GPU[2], _GPU), 40),
    # these logs sum in double over the workers, and we in float
    Recorded("ParallelTraining/NoQuantization/SinglePrecision/baseline.cpu.txt", *_PARALLEL, tolerance=5e-6),
    Recorded("ParallelTraining/NoQuantization/SinglePrecision/baseline.gpu.txt", *_PARALLEL, (_GPU,), tolerance=5e-6),
    Recorded(
        "ParallelTraining/NoQuantization/DoublePrecision/baseline.cpu.txt",
        *_PARALLEL,
        ("precision=double",),
        tolerance=5e-7,
    ),
    Recorded(
        "ParallelTraining/NoQuantization/DoublePrecision/baseline.gpu.txt",
        *_PARALLEL,
        ("precision=double", _GPU),
        tolerance=5e-7,
    ),
    # of 400 lines over 3,950 minibatches; CNTK's own platforms differ as much
    Recorded("Speech/Simple/baseline.cpu.txt", *_SPEECH, tolerance=5e-5, differing_errors=8, epoch_error=1.5e-4),
    Recorded(
        "Speech/Simple/baseline.windows.cpu.txt", *_SPEECH, tolerance=1e-4, differing_errors=8, epoch_error=1.5e-4
    ),
    # behind its first epochs it is the averages of epochs that stay as close: the 38th line differs by 1.2e-3
    Recorded(
        "Speech/Simple/baseline.gpu.txt", *_SPEECH, (_GPU,), 35, tolerance=5e-4, differing_errors=8, epoch_error=1.5e-3
    ),
    # an LSTM over words, whose log has the epochs only
    Recorded("Text/SequenceClassification/baseline.cpu.txt", *_TEXT, tolerance=1e-6, in_data=True),
    Recorded("Text/SequenceClassification/baseline.gpu.txt", *_TEXT, tolerance=1e-6, in_data=True),
)


def test_no_recorded_run_is_left_out(vectors):
    assert {case["baseline_file"] for case in vectors["acceptance"]} == {r.baseline for r in RECORDED}


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda r: r.log.removesuffix(".txt"))
def test_losses_of_recorded_runs(recorded, cntk_tree, run_cntk, vectors):
    run = run_recorded(recorded, cntk_tree, run_cntk)
    check_lines(recorded, run, (cntk_tree / recorded.baseline).read_text(errors="replace"))
    check_epochs(recorded, run, vectors["acceptance"])


def run_recorded(recorded, cntk_tree, run_cntk):
    """CNTK's own configuration; only its folders are named."""
    configuration = cntk_tree / TESTS / recorded.configuration
    data = cntk_tree / TESTS / recorded.data
    folders = (f"DataDir={data}", f"ConfigDir={configuration.parent}", "OutputDir=$RunDir$")
    if recorded.in_data:
        folders = (*folders, f"currentDirectory={data}")
    return run_cntk(configuration, *folders, "DeviceId=-1", *recorded.overrides)


def check_lines(recorded, run, log):
    """Every progress line of the log, and its test."""
    if recorded.lines == 0:
        return
    expected = list(progress(log))[: recorded.lines]
    found = [criteria(e) for e in run.minibatches if e["minibatch"] % 10 == 0][: len(expected)]
    assert len(found) == len(expected) > 0
    np.testing.assert_allclose([f[0] for f in found], [e[0] for e in expected], rtol=0, atol=recorded.tolerance)
    differing = sum(abs(f[1] - e[1]) > 1e-8 for f, e in zip(found, expected, strict=True))
    assert differing <= recorded.differing_errors


def check_epochs(recorded, run, acceptance):
    """The losses that the vectors keep of each epoch."""
    (case,) = (c for c in acceptance if c["baseline_file"] == recorded.baseline)
    for entry, (epoch, loss, error) in zip(run.epochs, case["epochs_[index,loss,error]"], strict=False):
        assert entry["epoch"] == epoch
        found = criteria(entry)
        assert found[0] == pytest.approx(float(loss), abs=recorded.tolerance, rel=0)
        assert found[1] == pytest.approx(float(error), abs=recorded.epoch_error, rel=0)


@pytest.mark.parametrize(
    "recorded,loss,error",
    [(RECORDED[0], 2.32728577, 0.9), (RECORDED[1], 0.10953035, 31 / 603)],
    ids=["QuickE2E", "OneHidden"],
)
def test_test_results_of_recorded_runs(recorded, loss, error, cntk_tree, run_cntk):
    (final,) = run_recorded(recorded, cntk_tree, run_cntk).final
    assert criteria(final) == pytest.approx((loss, error), abs=recorded.tolerance)


def criteria(entry):
    """Loss and error of an entry of the metrics file."""
    metrics = entry["metrics"]
    (error,) = (value for name, value in metrics.items() if name.startswith(("err", "Eval")))
    return metrics.get("ce", metrics.get("CrossEntropyWithSoftmax")), error


_PROGRESS = re.compile(r" Epoch\[ *(\d+) of \d+\]-Minibatch\[ *(\d+)-[^:]*: (.*)")
_CRITERION = re.compile(r"\w+ = ([-+.\de]+)(%?) \* \d+")


def progress(log):
    """Loss and error of each progress line, of the first run in the log and its first worker."""
    seen = set()
    for line in log.splitlines():
        match = _PROGRESS.search(line)
        if match and not line.startswith(("MPI Rank 1", "MPI Rank 2", "MPI Rank 3")):
            if match.group(1, 2) in seen:
                return
            seen.add(match.group(1, 2))
            values = [float(v) / (100 if percent else 1) for v, percent in _CRITERION.findall(match.group(3))]
            yield values[0], values[1]


def test_log_reads_as_cntks(cntk_tree, run_cntk, tmp_path, capfd):
    """Line by line from the description of the network to the end of the test, but for times, paths and last digits."""
    data = cntk_tree / TESTS / "Image/Data"
    configuration = cntk_tree / TESTS / "Image/QuickE2E/cntk.cntk"
    run_cntk(configuration, f"DataDir={data}", "DeviceId=-1", "timestamping=true")
    first_run = (cntk_tree / RECORDED[0].baseline).read_text(errors="replace").partition("=== Deleting")[0]
    expected = comparable(first_run)
    assert len(expected) > 30 and comparable(capfd.readouterr().err) == expected


# what a log says of its network and its progress, from the beginning of a line on
_TOLD = (
    *("Training ", "Evaluation ", "\tNode '", "No PreCompute", "Starting ", " Epoch", "Finished Epoch"),
    *("SGD: Saving", "Action", "# t", "Final Results", "__COMPLETED__"),
)


def comparable(log):
    """The lines that matter, their numbers rounded."""
    lines = (re.sub(r"^\d\d/\d\d/\d{4} \d\d:\d\d:\d\d: ", "", line) for line in log.splitlines())
    kept = (line for line in lines if line.startswith(_TOLD))
    without_times = (
        re.sub(r"(; )?(time|epochTime|samplesPerSecond) ?= ?\S+|'[^']*/models/|e-00?", "~", x) for x in kept
    )
    return [re.sub(r"\d+\.\d{5,}", lambda m: f"{float(m[0]):.4f}", line) for line in without_times]
