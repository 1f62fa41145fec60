"""Offsets of crops that their author left to the compiler: found through the network, or the reason why not."""

from __future__ import annotations

from typing import Any

import pytest

from graphc.diagnostics import DiagnosticError
from graphc.ops.regions import Crop

DEFINITIONS = """
    Crop (a, b) = new ComputationNode [ operation = 'Crop' ; inputs = (a : b) ; tag = '' ]
    CropAt (a, b, eqA, eqB) = new ComputationNode [ operation = 'Crop' ; inputs = (a : b : eqA : eqB) ; tag = '' ]
    Conv (k, s, pad, x) = ConvolutionalLayer {2, (k:k), stride=s, pad=pad} (x)
    Up (k, s, x) = ConvolutionTransposeLayer {2, (k:k), 2, stride=s, pad=false} (x)
    Half (x) = MaxPoolingLayer {(2:2), stride=2} (x)
    x = Input {(32:24:2)}
"""

# members -> shape of z, xOffset and yOffset
DERIVED = """
z = Crop (x, x) -> [32 x 24 x 2 x *] 0 0
z = Crop (x, Conv (3, 1, true, x)) -> [32 x 24 x 2 x *] 0 0
z = Crop (x, Conv (3, 1, false, x)) -> [30 x 22 x 2 x *] 1 1
z = Crop (x, ReLU (Conv (5, 1, false, x) + ParameterTensor{(1:1:2)})) -> [28 x 20 x 2 x *] 2 2
z = Crop (x, Conv (3, 1, false, Conv (5, 1, false, x))) -> [26 x 18 x 2 x *] 3 3
z = Crop (Conv (3, 1, false, x), Conv (7, 1, false, x)) -> [26 x 18 x 2 x *] 2 2
p = Half (x) ; z = Crop (x, Up (2, 2, p)) -> [32 x 24 x 2 x *] 0 0
p = Half (x) ; z = Crop (x, Up (2, 2, Conv (3, 1, false, p))) -> [28 x 20 x 2 x *] 2 2
p = Half (x) ; z = Crop (Conv (3, 1, false, x), Up (2, 2, Conv (3, 1, false, p))) -> [28 x 20 x 2 x *] 1 1
c = Crop (x, Conv (3, 1, false, x)) ; z = Crop (c, Conv (3, 1, false, c)) -> [28 x 20 x 2 x *] 1 1
c = Crop (x, Conv (3, 1, false, x)) ; z = Crop (x, Conv (3, 1, false, c)) -> [28 x 20 x 2 x *] 2 2
b = BatchNormalizationLayer{spatialRank=2} (Conv (3, 1, false, x)) ; z = Crop (x, b) -> [30 x 22 x 2 x *] 1 1
y = Input {(32:24:2)} ; z = CropAt (x, Conv (3, 1, false, y), x, y) -> [30 x 22 x 2 x *] 1 1
"""

# members -> what the only diagnostic says
REFUSED = """
y = Input {(8:8:2)} ; z = Crop (x, y) -> the operands do not come from one image
z = Crop (x, Conv (3, 2, true, x)) -> along axis 1, a step in the second operand is 2 steps in the first
z = Crop (Conv (3, 1, false, x), x) -> along axis 1, the second operand begins at position -1 of the first
t = TransposeDimensions (x, 1, 2) ; z = Crop (x, t) -> the operands do not come from one image
y = Input {(9:9:2)} ; z = CropAt (x, y, x, x) -> the operands do not come from eqA and eqB
s = Slice (1, 0, x, axis=1) ; z = Crop (x, s) -> the operands do not come from one image
"""


def lines(table: str) -> list[Any]:
    rows = (line.partition(" -> ") for line in table.strip().splitlines())
    return [pytest.param(members.strip(), fact.strip(), id=members.strip()) for members, _, fact in rows]


@pytest.mark.parametrize(("members", "fact"), lines(DERIVED))
def test_derived(build: Any, members: str, fact: str) -> None:
    z = build(f"{{ {DEFINITIONS} {members} ; outputNodes = (z) }}")["z"]
    assert isinstance(z.op, Crop)
    assert f"{z.type} {z.op.x_offset} {z.op.y_offset}" == f"{fact}"


@pytest.mark.parametrize(("members", "reason"), lines(REFUSED))
def test_refused(build: Any, members: str, reason: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        build(f"{{ {DEFINITIONS} {members} ; outputNodes = (z) }}")
    (found,) = caught.value.diagnostics
    assert found.code == "GC0201"
    assert reason in found.message


def test_two_ways_that_move_the_image_differently_are_refused(build: Any) -> None:
    members = """
        small = Conv (5, 1, false, x)
        At (n) = new ComputationNode [ operation='Crop' ; inputs=(x : small) ; xOffset=n ; yOffset=n ; tag='' ]
        z = Crop (x, At (0) + At (4))
    """
    with pytest.raises(DiagnosticError, match="two ways from x move the image differently"):
        build(f"{{ {DEFINITIONS} {members} ; outputNodes = (z) }}")
