"""Operands and arguments that no operator takes: each is told where it stands, in the author's terms."""

from __future__ import annotations

from typing import Any

import pytest

from graphc.diagnostics import Diagnostic, DiagnosticError

SECTION = """{{
    x = Input {{3}} ; y = Input {{5}} ; w = ParameterTensor {{(4:2)}} ; m = ParameterTensor {{(2:3:2)}}
    z = {}
    outputNodes = (z)
}}"""

# the value of z, what is told, and where
TOLD: dict[str, list[tuple[str, str, str]]] = {
    "wrong rank": [
        ("TransposeTimes (m, x)", "GC0201 m is [2 x 3 x 2]: only vectors and matrices can be transposed", ""),
        ("KhatriRaoProduct (m, x)", "GC0201 m is [2 x 3 x 2], a vector was expected", ""),
        ("Times (w, w, outputRank=3)", "GC0201 outputRank is 3, but w is [4 x 2]", ""),
        ("ConvolutionalLayer {4, (3:3)} (x)", "GC0201 the kernel has 2 axes, the input only 1", ""),
        ("MaxPoolingLayer {(2:2)} (x)", "GC0201 the kernel has 2 axes, the input only 1", ""),
    ],
    "axis out of range": [
        ("ReduceSum (x, axis=4)", "GC0201 axis 4 is outside [3 x *]", ""),
        ("Slice (0, 1, x, axis=3)", "GC0201 axis 3 is outside [3 x *]", ""),
        ("RowSlice (2, 2, x)", "GC0201 rows 2 to 3 are outside [3 x *]", ""),
        ("ReshapeDimension (x, 3, 4)", "GC0201 axes 3 to 3 are outside [3 x *]", ""),
        ("FlattenDimensions (x, 2, 3)", "GC0201 axes 2 to 4 are outside [3 x *]", ""),
    ],
    "incompatible broadcast": [
        ("x + y", "GC0201 shapes [3 x *] and [5 x *] do not fit: axis 1 is 3 and 5", ""),
        ("x .* w", "GC0201 shapes [3 x *] and [4 x 2] do not fit: axis 1 is 3 and 4", ""),
        ("SquareError (x, y)", "GC0201 shapes differ: x is [3 x *], y is [5 x *]", ""),
        ("w * w", "GC0201 inner dimensions differ: w is [4 x 2], w is [4 x 2]", ""),
        ("CNTK2.Reshape (x, 7)", "GC0201 the 3 elements to be reshaped, of [3 x *], do not fit [7]", ""),
    ],
    "zero-sized dimension": [
        ("Input {0}", "GC0406 the dimensions of an input must be known, one of them is 0", "0"),
        ("Input {3:0}", "GC0406 the dimensions of an input must be known, one of them is 0", "3:0"),
        ("ParameterTensor {(0:-1)} * x", "GC0406 a dimension is -1, not a whole number from 0 on", "-1"),
        ("DenseLayer {-1} (x)", "GC0406 a dimension is -1, not a whole number from 0 on", "-1"),
        # 0 asks for inference, and nothing says how many
        ("LinearLayer {0} (x)", "GC0202 the shape [? x 3] of the parameter z.W cannot be inferred", "LinearLayer {0}"),
    ],
    "unknown operator": [
        ("Tahn (x)", "GC0301 unknown identifier 'Tahn' | did you mean 'Tanh'?", "Tahn"),
        ("Relu (x)", "GC0301 unknown identifier 'Relu' | did you mean 'ReLU'?", "Relu"),
        ("BS.Sequences.Lst (x)", "GC0301 unknown identifier 'Lst' | did you mean 'Last'?", "Lst"),
        (
            "new ComputationNode [ operation = 'Tahn' ; inputs = x ]",
            "GC0401 there is no operation 'Tahn' | did you mean Tanh?",
            "",
        ),
    ],
}


@pytest.mark.parametrize(
    ("value", "told", "place"),
    [pytest.param(*case, id=f"{kind}: {case[0]}") for kind, cases in TOLD.items() for case in cases],
)
def test_it_is_told_once_where_it_stands(build: Any, value: str, told: str, place: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        build(SECTION.format(value))
    (found,) = caught.value.diagnostics
    assert _text(found, told) == told
    assert found.span is not None and found.span.text == (place or value)


def _text(found: Diagnostic, told: str) -> str:
    """The diagnostic in the words of the table, which names hints only where they name an operator."""
    return f"{found.code} {found.message}" + (f" | {found.hint}" if "|" in told else "")


@pytest.mark.parametrize("value", ["Tanh (s)", "s + x", "x .* s", "Softmax (s)", "w * RowSlice (0, 2, s)"])
def test_sparse_operands_are_never_wrong(build: Any, value: str) -> None:
    """What needs dense values is given them."""
    network = build(SECTION.format(f"{value} ; s = SparseInput {{3}}"))
    assert network["z"].type is not None and network["z"].type.is_complete
