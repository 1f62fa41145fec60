"""``graphc run --check-data`` finds numbers that no run can use, and says in which sample of which sequence."""

from __future__ import annotations

import pytest

from tests.end_to_end.conftest import POINTS, Project

FIRST, *REST = POINTS.splitlines(keepends=True)
DENSE, SPARSE = 'labels = { dim = 2 ; format = "dense" }', 'labels = { dim = 2 ; format = "sparse" }'
NEITHER = "labels, the labels of ce (CrossEntropyWithSoftmax), are neither one-hot nor probabilities that add up to 1"

# first line of the data, and what is told
WRONG = {
    "a number beyond float": (
        "|features 1e39 2 |labels 0 1\n",
        "error[GC0614]: features has inf among its values: sample 1 of sequence 0 of 'points.ctf'",
    ),
    "two classes at once": ("|features 1 2 |labels 1 1\n", f"error[GC0615]: {NEITHER}: sample 1 of sequence 0 of"),
    "no class": ("|features 1 2 |labels 0 0\n", f"error[GC0615]: {NEITHER}: sample 1 of sequence 0 of 'points.ctf'"),
    "a negative probability": ("|features 1 2 |labels 1.5 -0.5\n", f"error[GC0615]: {NEITHER}: sample 1 of sequence 0"),
    "the class as a number": ("|features 1 2 |labels 3 0\n", f"error[GC0615]: {NEITHER}: sample 1 of sequence 0"),
}
RIGHT = {
    "one-hot": FIRST,
    "a distribution": "|features 1 2 |labels 0.25 0.75\n",
    "rounded thirds": "|features 1 2 |labels 0.3333 0.6666\n",
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_numbers_are_told_before_training(project: Project, name: str) -> None:
    line, told = WRONG[name]
    project.points = "".join([line, *REST])
    found = project.run("run", "--check-data", "m.cntk", "command=Train")
    assert found.status == 2
    assert told in found.diagnostics
    assert not list(project.folder.glob("out/model*"))


@pytest.mark.parametrize("name", RIGHT)
def test_right_numbers_pass(project: Project, name: str) -> None:
    project.points = "".join([RIGHT[name], *REST])
    assert project.run("run", "--check-data", "m.cntk", "command=Train").status == 0


def test_without_the_option_nothing_is_looked_at(project: Project) -> None:
    project.points = "".join(["|features 1 2 |labels 1 1\n", *REST])
    assert project.run("run", "m.cntk", "command=Train").status == 0


def test_sequences_by_their_own_numbers(project: Project) -> None:
    lines = ["17 |features 1 2 |labels 1 0\n", "17 |features 1 2 |labels 1 1\n", "17 |features 1 2 |labels 2 0\n"]
    project.points = "".join([*lines, *(f"{30 + i} {line}" for i, line in enumerate(REST))])
    found = project.run("run", "--check-data", "m.cntk").diagnostics
    assert "sample 2 of sequence 17 of 'points.ctf', and 1 more" in found


def test_sparse_labels(project: Project) -> None:
    project.edit((DENSE, SPARSE))
    sparse = [line.replace("labels 1 0", "labels 0:1").replace("labels 0 1", "labels 1:1") for line in REST]
    project.points = "".join(["|features 1 2 |labels 0:1 1:0.5\n", *sparse])
    found = project.run("run", "--check-data", "m.cntk", "command=Train").diagnostics
    assert f"{NEITHER}: sample 1 of sequence 0" in found


def test_labels_of_a_logistic_criterion(project: Project) -> None:
    project.edit(
        ("labels = Input {2}", "labels = Input {1}"),
        ("(2:2)}", "(1:2)}"),
        ("ParameterTensor {2,", "ParameterTensor {1,"),
        ("CrossEntropyWithSoftmax (labels, z)", "Logistic (labels, Sigmoid (z))"),
        ("ClassificationError (labels, z)", "SquareError (labels, z)"),
        ("labels = { dim = 2", "labels = { dim = 1"),
    )
    project.points = "|features 1 2 |labels 0.5\n|features 1 2 |labels -1\n"
    found = project.run("run", "--check-data", "m.cntk", "command=Train").diagnostics
    assert "error[GC0615]: labels, the labels of ce (Logistic), lie outside 0 to 1: sample 1 of sequence 1" in found


@pytest.mark.parametrize(
    ("labels", "told"),
    [("1 0 0 2", ""), ("2 1 2 3", ""), ("2 0 0 2", "no word"), ("0.5 0 0 2", "no word"), ("2 2 2 3", "no word")],
)
def test_labels_of_words_by_class(project: Project, labels: str, told: str) -> None:
    """Of 3 words in 2 classes: word, class, and the class's first word and its end."""
    project.edit(
        ("labels = Input {2}", "labels = Input {4}"),
        (
            "CrossEntropyWithSoftmax (labels, z)",
            "ClassBasedCrossEntropyWithSoftmax (labels, features, ParameterTensor {(2:3)}, z)",
        ),
        ("ClassificationError (labels, z)", "SumElements (z)"),
        ("labels = { dim = 2", "labels = { dim = 4"),
    )
    project.points = f"|features 1 2 |labels {labels}\n|features 1 2 |labels 0 0 0 2\n"
    found = project.run("run", "--check-data", "m.cntk", "command=Train")
    assert (found.status, told in found.diagnostics) == (2 if told else 0, True)
