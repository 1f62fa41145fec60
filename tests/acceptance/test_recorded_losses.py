"""Training follows CNTK's own runs, minibatch by minibatch, from its first random number on.

Data and logs are read from a checkout of CNTK; the losses of whole epochs are also in the vectors of this repository.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from graphc.data.randomize import BlockRandomizer, NoRandomizer

TESTS = "Tests/EndToEndTests"
STACK = Path(__file__).with_name("one_hidden_stack.cntk")
_TIME_CONSTANT = (
    "train=[SGD=[minibatchSize=128; learningRatesPerMB=; learningRatesPerSample=0.1; momentumPerMB=; "
    "momentumAsTimeConstant=2500; maxEpochs=50]]"
)
_FILE_ORDER = "train=[SGD=[maxEpochs=4]; reader=[randomize=false; input=[features=[alias=F]; labels=[alias=L]]]]"


@dataclass(frozen=True)
class Recorded:
    """A log of CNTK, and how closely a float's rounding lets us follow: the mean of its criterion and its errors.

    ``lines`` of the log are compared; the networks whose features are normalized say so by their ``minibatch_size``.
    """

    log: str
    data: str
    overrides: tuple[str, ...] = ()
    network: str = ""
    minibatch_size: int = 0
    randomized: bool = True
    features: str = "features"
    dtype: str = "float32"
    lines: int | None = None
    tolerance: float = 2e-6
    differing_errors: int = 0

    @property
    def baseline(self) -> str:
        return f"{TESTS}/{self.log}"


RECORDED = (
    Recorded("Image/QuickE2E/baseline.txt", "Image/Data", network="Image/QuickE2E/cntk.cntk", tolerance=3e-7),
    Recorded("Simple2d/OneHidden/baseline.cpu.txt", "Simple2d/Data", minibatch_size=25),
    # the epochs after the first quantize gradients to one bit
    Recorded("Simple2d/MultiGpu/baseline.cpu.txt", "Simple2d/Data", minibatch_size=25, lines=40),
    Recorded(
        "ParallelTraining/NoQuantization/SinglePrecision/baseline.cpu.txt",
        "ParallelTraining/Data",
        ("command=train", _FILE_ORDER),
        minibatch_size=25,
        randomized=False,
        features="F",
        # these logs sum in double over the workers, and we in float
        tolerance=5e-6,
    ),
    Recorded(
        "ParallelTraining/NoQuantization/DoublePrecision/baseline.cpu.txt",
        "ParallelTraining/Data",
        ("command=train", "precision=double", _FILE_ORDER),
        minibatch_size=25,
        randomized=False,
        features="F",
        dtype="float64",
        tolerance=5e-7,
    ),
    Recorded(
        "Speech/Simple/baseline.cpu.txt",
        "Speech/Data",
        ("command=train", _TIME_CONSTANT),
        minibatch_size=128,
        tolerance=5e-5,
        # of 400 lines over 3,950 minibatches; CNTK's own platforms differ as much
        differing_errors=8,
    ),
)


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda r: r.log.rpartition("/")[0])
def test_losses_of_recorded_runs(recorded, cntk_tree, run_cntk, vectors, tmp_path):
    data = cntk_tree / TESTS / recorded.data
    if recorded.minibatch_size:
        write_statistics(recorded, data / "SimpleDataTrain_cntk_text.txt", tmp_path)
    network = cntk_tree / TESTS / recorded.network if recorded.network else STACK
    run = run_cntk(network, f"DataDir={data}", f"ConfigDir={network.parent}", "DeviceId=-1", *recorded.overrides)

    check_lines(recorded, run, (cntk_tree / recorded.baseline).read_text(errors="replace"))
    check_epochs(recorded, run, vectors["acceptance"])


def check_lines(recorded, run, log):
    """Every progress line of the log, and its test."""
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
        assert found[1] == pytest.approx(float(error), abs=1.5e-4 if recorded.differing_errors else 1e-8, rel=0)


@pytest.mark.parametrize(
    "recorded,loss,error",
    [(RECORDED[0], 2.32728577, 0.9), (RECORDED[1], 0.10953035, 31 / 603)],
    ids=["QuickE2E", "OneHidden"],
)
def test_test_results_of_recorded_runs(recorded, loss, error, cntk_tree, run_cntk, tmp_path):
    data = cntk_tree / TESTS / recorded.data
    if recorded.minibatch_size:
        write_statistics(recorded, data / "SimpleDataTrain_cntk_text.txt", tmp_path)
    network = cntk_tree / TESTS / recorded.network if recorded.network else STACK
    run = run_cntk(network, f"DataDir={data}", f"ConfigDir={network.parent}", "DeviceId=-1")
    (final,) = run.final
    assert criteria(final) == pytest.approx((loss, error), abs=recorded.tolerance)


def criteria(entry):
    """Loss and error of an entry of the metrics file."""
    errors = [v for k, v in entry["metrics"].items() if k.startswith("err")]
    return entry["metrics"]["ce"], errors[0]


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


def write_statistics(recorded, data, folder):
    """Mean and inverse deviation of the features as CNTK accumulates them, a minibatch at a time."""
    pattern = re.compile(rf"\|{recorded.features} ([^|\n]*)")
    values = [[float(word) for word in row.split()] for row in pattern.findall(data.read_text())]
    n = len(values)
    order = BlockRandomizer(np.array([0, n]), np.ones(n, np.int64), 128) if recorded.randomized else NoRandomizer(n)
    x = np.array(values, recorded.dtype)[order.order(0)]
    mean, deviation = accumulated(x, recorded.minibatch_size)
    np.savetxt(folder / "mean.txt", mean[:, None], fmt="%.17g")
    np.savetxt(folder / "invstd.txt", deviation[:, None], fmt="%.17g")


def accumulated(x, size):
    number = x.dtype.type
    mean, variance = np.zeros_like(x[0]), np.zeros_like(x[0])
    for start in range(0, len(x), size):
        part = x[start : start + size]
        alpha, beta = number(1) / number(start + len(part)), number(start) / number(start + len(part))
        old, mean = mean, beta * mean + alpha * part.sum(axis=0)
        variance = beta * (variance + (old - mean) ** 2) + alpha * ((part - mean) ** 2).sum(axis=0)
    return mean, 1 / np.sqrt(np.maximum(variance, number(1e-10)))


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
