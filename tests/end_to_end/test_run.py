"""Short real runs: what the log, the metrics, the files and the screen say, and that stopping changes nothing."""

from __future__ import annotations

import contextlib
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphc.cli.main import main
from graphc.train.checkpoint import load_checkpoint, load_model

DIGITS = Path(__file__).parents[2] / "models" / "digits"

# what scripts that read CNTK's log look for (CNTK 2.7)
FINISHED = re.compile(r"^Finished Epoch\[ *(\d+) of (\d+)\]: \[(Training|Validate)\] (.*)$", re.MULTILINE)
CRITERION = re.compile(r"(\S+) = ([-+.\deEinfa#]+)(%?) \* (\d+)")
RATE = re.compile(r"learningRatePerSample = (\S+); epochTime=(\S+)s")
FINAL = re.compile(r"^Final Results: Minibatch\[1-(\d+)\]: (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class DigitsRun:
    log: str
    metrics: list[dict[str, Any]]
    out: str
    folder: Path


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> DigitsRun:
    """Two epochs of logistic regression, tested and written."""
    folder = tmp_path_factory.mktemp("digits")
    arguments = ["Train=[SGD=[maxEpochs=2]]", f"RunDir={folder}", "--metrics", str(folder / "m.jsonl")]
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()):
        assert main(["run", str(DIGITS / "logistic.cntk"), *arguments]) == 0
    metrics = [json.loads(line) for line in (folder / "m.jsonl").read_text().splitlines()]
    return DigitsRun((folder / "Output/digits/logistic.log").read_text(), metrics, out.getvalue(), folder)


def test_log_is_read_by_scripts_for_cntk(digits: DigitsRun) -> None:
    epochs = FINISHED.findall(digits.log)
    assert [epoch[:3] for epoch in epochs] == [("1", "2", "Training"), ("2", "2", "Training")]
    losses = []
    for *_, rest in epochs:
        (loss, errors) = CRITERION.findall(rest)
        assert (loss[0], loss[2:], errors[0], errors[2:]) == ("ce", ("", "1438"), "errs", ("%", "1438"))
        losses.append(float(loss[1]))
        assert RATE.search(rest)
    assert losses[1] < losses[0]
    ((minibatches, criteria),) = FINAL.findall(digits.log)
    assert minibatches == "1"
    assert [c[0] for c in CRITERION.findall(criteria)] == ["errs", "ce"]
    assert digits.log.splitlines()[-1] == "COMPLETED."


def test_log_begins_as_cntk_begins_it(digits: DigitsRun) -> None:
    assert re.search(r"^Commands: Train Test Write\nprecision = \"float\"$", digits.log, re.MULTILINE)
    assert f"{'#' * 78}\n#{'':76}#\n# Train command (train action){'':47}#\n#{'':76}#\n{'#' * 78}\n" in digits.log
    assert "\nTraining criterion:   ce = CrossEntropyWithSoftmax\nEvaluation criterion: errs = Classif" in digits.log
    # the constant scale is a parameter tensor that is not trained
    assert "\nTraining 650 parameters in 2 out of 2 parameter tensors and " in digits.log


def test_progress_lines(digits: DigitsRun) -> None:
    first, second = (re.findall(rf"^ Epoch\[ {epoch} of 2\]-(.*?): ce", digits.log, re.MULTILINE) for epoch in (1, 2))
    assert first == ["Minibatch[   1-  20]", "Minibatch[  21-  40]"]
    assert second == ["Minibatch[   1-  20, 44.44%]", "Minibatch[  21-  40, 88.89%]"]


ALWAYS = {"section", "event"}
COUNTED = ALWAYS | {"minibatch", "phase", "samples", "metrics", "seconds"}
FIELDS = {
    "start": ALWAYS | {"action"},
    "params": ALWAYS | {"metrics"},
    "minibatch": COUNTED | {"epoch"},
    "epoch": COUNTED | {"epoch"},
    "final": COUNTED,
    "written": ALWAYS | {"samples", "path", "seconds"},
    "values": ALWAYS | {"values"},
}


def test_metrics_have_their_fields(digits: DigitsRun) -> None:
    for entry in digits.metrics:
        expected = FIELDS[entry["event"]]
        assert set(entry) == (expected - {"epoch"} if entry.get("phase") == "test" else expected), entry
    kinds = [(e["section"], e["event"]) for e in digits.metrics if e["event"] != "minibatch"]
    assert kinds == [
        *[("Train", "start"), ("Train", "params"), ("Train", "epoch"), ("Train", "epoch")],
        *[("Test", "start"), ("Test", "final"), ("Write", "start"), ("Write", "written"), ("Write", "values")],
    ]


def test_metrics_have_the_numbers_of_the_log(digits: DigitsRun) -> None:
    by_event = {e["event"]: e for e in digits.metrics}
    assert by_event["params"]["metrics"] == {"parameters": 650, "parameter_tensors": 2}
    logged = CRITERION.findall(FINISHED.findall(digits.log)[-1][3])
    found = by_event["epoch"]["metrics"]
    assert f"{found['ce']:.8f}" == logged[0][1]
    assert f"{100 * found['errs']:.3f}" == logged[1][1]
    assert found["learningRatePerSample"] == pytest.approx(0.05)
    assert found["totalSamplesSeen"] == 2 * 1438
    assert np.array(by_event["values"]["values"]["z"]).shape == (359, 10)


def test_scores_are_written_in_the_order_of_the_data(digits: DigitsRun) -> None:
    scores = np.loadtxt(digits.folder / "Output/digits/logistic.scores.z")
    labels = [line.split("|labels")[1].split("|")[0].split() for line in (DIGITS / "test.ctf").read_text().splitlines()]
    wrong = np.mean(scores.argmax(axis=1) != np.array(labels, float).argmax(axis=1))
    (final,) = [e for e in digits.metrics if e["event"] == "final"]
    assert wrong == pytest.approx(final["metrics"]["errs"])


def test_screen_ends_with_a_table(digits: DigitsRun) -> None:
    rows = [line.split() for line in digits.out.splitlines() if line.strip()]
    assert rows[0] == ["command", "action", "result", "samples", "samples/s", "seconds"]
    assert [row[:2] for row in rows[2:5]] == [["Train", "train"], ["Test", "test"], ["Write", "write"]]
    assert rows[5:] == [
        ["model", str(digits.folder / "Output/digits/logistic")],
        ["output", str(digits.folder / "Output/digits/logistic.scores.z")],
        ["log", str(digits.folder / "Output/digits/logistic.log")],
    ]


def test_convolutional_network_learns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["command=Train", "Train=[SGD=[maxEpochs=2]]", f"RunDir={tmp_path}"]
    assert main(["run", str(DIGITS / "convnet.cntk"), *arguments]) == 0
    first, second = (float(CRITERION.findall(epoch[3])[0][1]) for epoch in FINISHED.findall(capsys.readouterr().err))
    assert second < 0.9 * first


def test_files_of_a_training(project: Any) -> None:
    project.run("run", "m.cntk", "command=Train")
    assert project.made() == ["out/log", "out/model", "out/model.0", "out/model.1", "out/model.ckp"]


def test_all_checkpoints_are_kept_on_request(project: Any) -> None:
    project.run("run", "m.cntk", "command=Train", "Train=[SGD=[keepCheckPointFiles=true]]")
    assert [name for name in project.made() if name.endswith(".ckp")] == ["out/model.1.ckp", "out/model.ckp"]


def test_finished_work_is_not_done_again(project: Any) -> None:
    project.run("run", "m.cntk", "command=Train")
    before = Path("out/model").stat().st_mtime_ns
    outcome = project.run("run", "m.cntk", "command=Train")
    assert "\nFinal model exists: out/model\nNo further training is necessary.\n" in project.log()
    assert "already trained" in outcome.out
    assert Path("out/model").stat().st_mtime_ns == before
    project.run("run", "m.cntk", "command=Train", "makeMode=false")
    assert "Creating virgin network." in project.log()
    assert Path("out/model").stat().st_mtime_ns > before


def everything(name: str) -> dict[str, bytes]:
    """Parameters of a model and what its checkpoint remembers, to the bit."""
    values = {k: v.tobytes() for k, v in load_model(Path(name)).values.items()}
    checkpoint = load_checkpoint(Path(f"{name}.ckp"))
    learner = {f"{k}/{slot}": v.tobytes() for k, slots in checkpoint.learner.items() for slot, v in slots.items()}
    return values | learner | {"progress": json.dumps(checkpoint.progress).encode()}


def test_resumed_training_ends_where_the_whole_one_does(project: Any) -> None:
    project.edit(("maxEpochs = 2", "maxEpochs = 3 ; keepCheckPointFiles = true"))
    project.run("run", "m.cntk", "command=Train")
    whole = everything("out/model")
    for name in ("out/model", "out/model.ckp", "out/model.2", "out/model.2.ckp"):
        Path(name).unlink()
    project.run("run", "m.cntk", "command=Train")
    assert "Starting from checkpoint. Loading network from 'out/model.1'." in project.log()
    assert "totalSamplesSeen = 24;" in project.log()
    assert everything("out/model") == whole


def test_missing_checkpoint_is_told(project: Any) -> None:
    project.run("run", "m.cntk", "command=Train")
    Path("out/model").unlink()
    outcome = project.run("run", "m.cntk", "command=Train")
    assert outcome.status == 0
    assert outcome.diagnostics == (
        "warning[GC0704]: Checkpoint file is missing. Parameter-learning state (such as momentum) will be reset. "
        '(out/model.1.ckp)\n --> m.cntk:2:14\n  |\n2 | modelPath = "out/model"\n  |              ^^^^^^^^^'
    )


def test_validation_after_every_epoch(project: Any) -> None:
    reader = project.configuration.partition("    reader = {")[2].partition("\n    }\n")[0]
    project.edit(("    SGD = {", f"    cvReader = {{{reader}\n    }}\n    SGD = {{"))
    project.run("run", "m.cntk", "command=Train", "--metrics", "metrics")
    kinds = [epoch[:3] for epoch in FINISHED.findall(project.log())]
    assert kinds == [(e, "2", kind) for e in "12" for kind in ("Training", "Validate")]
    assert len(FINAL.findall(project.log())) == 2
    entries = [json.loads(line) for line in Path("metrics").read_text().splitlines()]
    phases = [(e["event"], e["phase"]) for e in entries if e["event"] in ("epoch", "final")]
    assert phases == [("epoch", "train"), ("final", "cv"), ("epoch", "cv")] * 2


def test_average_does_not_depend_on_minibatches(project: Any) -> None:
    project.run("run", "m.cntk", "command=Train")
    found = []
    for size in (1, 5, 100):
        project.run("run", "m.cntk", "command=Test", f"Test=[minibatchSize={size}]")
        ((minibatches, criteria),) = FINAL.findall(project.log())
        assert int(minibatches) == -(-12 // size)
        found.append([float(c[1]) for c in CRITERION.findall(criteria)])
    np.testing.assert_allclose(found, [found[0]] * 3, rtol=1e-6)


def test_progress_of_a_test(project: Any) -> None:
    project.run("run", "m.cntk", "Test=[numMBsToShowResult=2]")
    lines = re.findall(r"^Minibatch\[(\d+-\d+)\]: errs = .*% \* (\d+); ce = \S+ \* \d+$", project.log(), re.MULTILINE)
    assert lines == [("1-2", "10"), ("3-3", "2")]
    project.run("run", "m.cntk", "traceLevel=0", "command=Test")
    assert "\nMinibatch[" not in project.log()


def test_cntk_command_line(project: Any) -> None:
    folder = project.folder / "else where"
    folder.mkdir()
    project.run("check", "m.cntk")  # writes the files
    for name in ("m.cntk", "points.ctf"):
        Path(name).rename(folder / name)
    status = main(["cntk", "currentDirectory=else where", "configFile=m.cntk", "command=Train", "stderr="])
    found = project.capture.readouterr()
    assert (status, found.out) == (0, "")
    assert FINISHED.search(found.err)
    assert (folder / "out" / "model").exists()


def test_cntk_says_where_its_log_goes(project: Any) -> None:
    outcome = project.run("cntk", "configFile=m.cntk", "command=Train")
    assert (outcome.out, outcome.err) == ("", "Redirecting stderr to file out/log\n")


def test_cntk_names_exceptions_where_scripts_look_for_them(project: Any) -> None:
    outcome = project.run("cntk", "configFile=m.cntk", "command=Test", "stderr=")
    assert "\nEXCEPTION occurred: model file out/model does not exist\nerror[GC0001]: model file" in outcome.err
    assert "EXCEPTION" not in project.run("run", "m.cntk", "command=Test", "stderr=").err


def test_log_with_time_stamps(project: Any) -> None:
    project.run("run", "m.cntk", "timestamping=true", "command=Train")
    lines = Path("out/log_Train.log").read_text().splitlines()
    stamped = [line for line in lines if line.strip()]
    assert all(re.match(r"\d\d/\d\d/\d{4} \d\d:\d\d:\d\d: ", line) for line in stamped)
    assert stamped[-1].endswith(": __COMPLETED__")


def test_log_is_appended_to(project: Any) -> None:
    for _ in range(2):
        project.run("run", "m.cntk", "command=Train", "appendLogFile=true")
    assert project.log().count("COMPLETED.") == 2
    project.run("run", "m.cntk", "command=Train")
    assert project.log().count("COMPLETED.") == 1


def test_error_is_in_the_log(project: Any) -> None:
    project.run("run", "m.cntk", "command=Test")
    assert "\nEXCEPTION occurred: model file out/model does not exist\nerror[GC0001]: model file" in project.log()
    assert "COMPLETED" not in project.log()


def test_done_file(project: Any) -> None:
    project.run("run", "m.cntk", "command=Test", "doneFile=done")
    assert not Path("done").exists()
    project.run("run", "m.cntk", "command=Train", "doneFile=done")
    done = Path("done").read_text()
    assert re.fullmatch(r"Successfully finished at \d{4}/\d\d/\d\d \d\d:\d\d:\d\d on \S+\n", done)


def test_double_precision(project: Any) -> None:
    project.run()
    single = load_model(Path("out/model")).values
    project.run("run", "m.cntk", "precision=double", "makeMode=false")
    double = load_model(Path("out/model")).values
    assert {v.dtype for v in double.values()} == {np.dtype(np.float64)}
    assert {v.dtype for v in single.values()} == {np.dtype(np.float32)}
    for name in single:
        np.testing.assert_allclose(double[name], single[name], rtol=1e-4, atol=1e-5)


def test_outputs_to_standard_output(project: Any) -> None:
    project.run()
    written = Path("out/scores.z").read_text()
    outcome = project.run("run", "m.cntk", "command=Write", "Write=[outputPath=-]")
    assert outcome.out.startswith(written)


def test_data_with_foreign_line_ends(project: Any) -> None:
    project.run()
    written = Path("out/scores.z").read_text()
    Path("points.ctf").write_bytes(project.points.replace("\n", "\r\n").encode())
    project.points = Path("points.ctf").read_text()
    assert project.run("run", "m.cntk", "makeMode=false").status == 0
    assert Path("out/scores.z").read_text() == written
