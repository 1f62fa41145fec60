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
        ("CrossEntropyWithSoftmax (x, 3)", "GC0201 shapes differ: x is [3 x *], 3 is [1]", ""),
        ("ConvolutionalLayer {4, (3:3)} (x)", "GC0201 the kernel has 2 axes, the input only 1", ""),
        ("MaxPoolingLayer {(2:2)} (x)", "GC0201 the kernel has 2 axes, the input only 1", ""),
    ],
    "no frames, in several operations of one function": [
        (
            "BS.Sequences.First (w)",
            "GC0201 only values that depend on an input have other frames: BS.Sequences.First (w) is [1]",
            "",
        ),
        (
            "MeanVarNorm (w)",
            "GC0201 Mean sums over frames, but no operand depends on an input: w is [4 x 2]",
            "",
        ),
        (
            "RecurrentLSTMLayer {3} (m)",
            "GC0201 only values that depend on an input have other frames: z is [3 x 3 x 2]",
            "",
        ),
    ],
    "axis out of range": [
        ("ReduceSum (x, axis=4)", "GC0201 axis 4 is outside [3 x *]", ""),
        ("Slice (0, 1, x, axis=3)", "GC0201 axis 3 is outside [3 x *]", ""),
        ("RowSlice (2, 2, x)", "GC0201 rows 2 to 3 are outside [3 x *]", ""),
        ("ReshapeDimension (x, 3, 4)", "GC0201 axes 3 to 3 are outside [3 x *]", ""),
        ("NewReshape (x, 3, beginAxis=3)", "GC0201 axis 3 is outside [3 x *]", ""),
        ("NewReshape (x, 3, beginAxis=-1)", "GC0201 beginAxis is -1, expected 0 or more", ""),
        ("NewReshape (x, 3, beginAxis=2, endAxis=1)", "GC0201 endAxis is 1, which is before beginAxis, 2", ""),
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
    "wrong attribute": [
        ("Pooling (x, 'max', 2, stride=(1:1))", "GC0201 stride has 2 entries, the input only 1 axes", ""),
        ("Convolution (w, w, 2, mapDims=-3)", "GC0201 mapDims is -3: it must be the number of kernels", ""),
        ("ConvolutionalLayer {4, 2, lowerPad=-1} (w)", "GC0201 lowerPad is -1, expected 0 or more", ""),
        (
            "ConvolutionalLayer {4, (3:3), pad=true, dilation=1000000} (Input {4:4:1})",
            "GC0201 with its pads the input has 4.0e+12 elements, which no memory holds: z.x is [4 x 4 x 1]",
            "",
        ),
        ("Times (w, y, inferInputRankToMap=-2)", "GC0201 inferInputRankToMap is -2, expected -1 or more", ""),
        ("EditDistanceError (x, x, insPen=-1)", "GC0201 insPen is -1, expected 0 or more", ""),
        (
            "ROIPooling (Input {4:4:1}, Input {4}, (2:2), spatialScale=0)",
            "GC0201 spatialScale is 0, expected more than 0",
            "",
        ),
        ("ClassificationError (x, x, topN=y)", "GC0201 topN is [5 x *], expected one constant", ""),
        (
            "ClassificationError (x, x, topN='a')",
            "GC0404 input 3 of ClassificationError is the string 'a', not a node",
            "'a'",
        ),
        (
            "ReduceSum (x, axis=(1:2))",
            "GC0406 the attribute axis of ReduceElements is (1, 2), not a whole number",
            "1:2",
        ),
        (
            "ParameterTensor {(3:3:2:1), init='bilinear'} + x",
            "GC0411 the parameter z.PlusArgs[0] [3 x 3 x 2 x 1] cannot be initialised: bilinear needs a square "
            "kernel and as many input as output channels",
            "ParameterTensor {(3:3:2:1), init='bilinear'}",
        ),
        (
            "ParameterTensor {3, initFilterRank=-1} + x",
            "GC0411 the parameter z.PlusArgs[0] [3] cannot be initialised: initFilterRank -1 and initOutputRank 1 do "
            "not fit rank 1",
            "ParameterTensor {3, initFilterRank=-1}",
        ),
    ],
    "unknown operator": [
        ("If (x, 1, 0)", "GC0301 unknown identifier 'If' | did you mean 'BS.Boolean.If'?", "If"),
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
