"""The text form of written outputs, as its format section says."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from graphc.actions.text_output import Place, TextOutput
from graphc.config.commands import OutputFormat

DEFAULTS = {
    "type": "real",
    "label_mapping_file": None,
    "transpose": True,
    "prologue": "",
    "epilogue": "",
    "sequence_separator": "",
    "sequence_prologue": "",
    "sequence_epilogue": "\\n",
    "element_separator": " ",
    "sample_separator": "\\n",
    "precision_format": "",
}
# two sequences of a node of 3 elements: two steps, one step
SEQUENCES = [np.array([[1, -0.5, 0], [0, 2, -0.0]]), np.array([[0.25, 0.25, 1e-9]])]
NAMES = ("zero", "one", "two")


def written(sequences: list[Any], dims: tuple[int, ...] = (3,), labels: tuple[str, ...] = (), **format: Any) -> str:
    stream = io.StringIO()
    output = TextOutput(stream, "z", dims, OutputFormat(**{**DEFAULTS, **format}, spans={}), labels)
    for number, values in enumerate(sequences):
        output.write(values, Place(number, 7, f"utt{number}"))
    output.close()
    return stream.getvalue()


@pytest.mark.parametrize(
    ("format", "shown"),
    [
        ({}, "1.000000 -0.500000 0.000000\n0.000000 2.000000 0.000000\n0.250000 0.250000 0.000000\n"),
        ({"precision_format": ".1"}, "1.0 -0.5 0.0\n0.0 2.0 0.0\n0.2 0.2 0.0\n"),
        ({"precision_format": "5.1"}, "  1.0  -0.5   0.0\n  0.0   2.0   0.0\n  0.2   0.2   0.0\n"),
        ({"precision_format": ".0", "element_separator": ",", "sample_separator": " ; "}, "1,-0,0 ; 0,2,0\n0,0,0\n"),
        ({"precision_format": ".1", "transpose": False}, "1.0 0.0\n-0.5 2.0\n0.0 0.0\n0.2\n0.2\n0.0\n"),
        ({"type": "category"}, "0\n1\n1\n"),  # of equal values the last
        ({"type": "category", "transpose": False}, "0 1\n1\n"),
        ({"type": "category", "labels": NAMES}, "zero\none\none\n"),
        ({"type": "category", "labels": ("a",)}, "0\n1\n1\n"),  # a mapping that does not fit is not used
        ({"type": "sparse", "precision_format": ".1"}, "[0;0]\n-0.5[1;0]\n2.0[1;1]\n0.2[0]\n0.2[1]\n0.0[2]\n"),
        (
            {"type": "sparse", "precision_format": ".1", "transpose": False},
            "[0;0] -0.5[1;0] 2.0[1;1]\n0.2[0] 0.2[1] 0.0[2]\n",
        ),
        (
            {"type": "sparse", "precision_format": ".1", "labels": NAMES},
            "[0=zero;0]\n-0.5[1=one;0]\n2.0[1=one;1]\n0.2[0=zero]\n0.2[1=one]\n0.0[2=two]\n",
        ),
        (
            {"type": "category", "prologue": "<%s>", "epilogue": "</%s>", "sequence_separator": "--\\n"},
            "<%s>0\n1\n--\n1\n</%s>",
        ),
        ({"type": "category", "sequence_prologue": "%s\\t%n\\s%d|%k|%x:"}, "z\t7 0|utt0|3 2:0\n1\nz\t7 1|utt1|3 1:1\n"),
        ({"type": "category", "sequence_epilogue": "\\t// %s\\n"}, "0\n1\t// z\n1\t// z\n"),
        ({"type": "category", "sample_separator": "%d-"}, "00-1\n1\n"),
    ],
)
def test_format(format: dict[str, Any], shown: str) -> None:
    assert written(SEQUENCES, **format) == shown


def test_matrices_are_flattened_first_axis_fastest() -> None:
    values = np.arange(6.0).reshape(1, 3, 2)  # a [2 x 3] node: axes reversed
    assert written([values], dims=(2, 3), precision_format=".0") == "0 1 2 3 4 5\n"


def test_rows_of_matrices_are_numbered() -> None:
    values = np.arange(4.0).reshape(1, 2, 2)
    shown = written([values], dims=(2, 2), precision_format=".0", transpose=False)
    assert shown == "[0,0]\t0\n[1,0]\t1\n[0,1]\t2\n[1,1]\t3\n"


def test_numbers_that_are_none() -> None:
    values = np.array([[np.nan, np.inf, -np.inf]])
    assert written([values]) == "nan inf -inf\n"
