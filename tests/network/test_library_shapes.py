"""Every function of the library for feed-forward and convolutional models builds, with the shape that is promised."""

from __future__ import annotations

import re
from typing import Any

import pytest

from graphc.network.operations import UNSUPPORTED
from graphc.network.special import network_operator
from graphc.script.library import load_library
from graphc.syntax import ast

# An expression in x [3], y [3], q [1], m [4 x 3], i [28 x 28 x 3], s [2 x 5], L [10], n [3 x 1], and its shape.
CASES = """
Input{(2:3)}                                                     [2 x 3 x *]
Input(4)                                                         [4 x *]
Input{3, dynamicAxis='other'}                                    [3 x other]
Input{3, sparse=true}                                            [3 x *]
SparseInput{7}                                                   [7 x *]
ImageInput{28, 20, 3}                                            [28 x 20 x 3 x *]
ImageInput{28, 20, 3, imageLayout='HWC'}                         [3 x 28 x 20 x *]
SparseImageInput{4, 5, 1}                                        [4 x 5 x 1 x *]
CNTK2.Input((2:2))                                               [2 x 2 x *]
DynamicAxis()                                                    [1 x q]
Parameter{3, 4}                                                  [3 x 4]
LearnableParameter(3, 4, init='gaussian')                        [3 x 4]
ParameterTensor{(2:3:4)}                                         [2 x 3 x 4]
CNTK2._Parameter((2:3), init='uniform')                          [2 x 3]
Constant{5}                                                      [1 x 1]
Constant(5, rows=2, cols=3)                                      [2 x 3]
ConstantTensor(1, (2:3))                                         [2 x 3]
ConstantFromString('1 2 3')                                      [1 x 3]
ParameterTensor{(0), initFromLiteral='1 2'}                      [1 x 2]
x + 1                                                            [3 x *]
Plus (x, 1)                                                      [3 x *]
Minus (x, y)                                                     [3 x *]
ElementTimes (x, y)                                              [3 x *]
ElementDivide (x, y)                                             [3 x *]
Scale (2, x)                                                     [3 x *]
RowElementTimes (x, y)                                           [3 x *]
ColumnElementTimes (x, y)                                        [3 x *]
DiagTimes (ParameterTensor{(3)}, x)                              [3 x *]
LogPlus (x, y)                                                   [3 x *]
Clip (0, 1, x)                                                   [3 x *]
CNTK2.Clip (x, 0, 1)                                             [3 x *]
ReLU (x)                                                         [3 x *]
RectifiedLinear (x)                                              [3 x *]
CNTK2.Relu (x)                                                   [3 x *]
Sigmoid (x)                                                      [3 x *]
Tanh (x)                                                         [3 x *]
Log (x)                                                          [3 x *]
Exp (x)                                                          [3 x *]
Sqrt (x)                                                         [3 x *]
CNTK2.Square (x)                                                 [3 x *]
Reciprocal (x)                                                   [3 x *]
Abs (x)                                                          [3 x *]
Negate (x)                                                       [3 x *]
Floor (x)                                                        [3 x *]
Ceil (x)                                                         [3 x *]
Round (x)                                                        [3 x *]
Sin (x)                                                          [3 x *]
Cosine (x)                                                       [3 x *]
Asin (x)                                                         [3 x *]
Acos (x)                                                         [3 x *]
Sinh (x)                                                         [3 x *]
Cosh (x)                                                         [3 x *]
Pass (x)                                                         [3 x *]
CNTK2.Identity (x)                                               [3 x *]
Identity (x)                                                     [3 x *]
StopGradient (x)                                                 [3 x *]
Dropout (x)                                                      [3 x *]
Less (x, y)                                                      [3 x *]
x == y                                                           [3 x *]
Greater (x, 0)                                                   [3 x *]
GreaterEqual (x, 0)                                              [3 x *]
NotEqual (x, 0)                                                  [3 x *]
LessEqual (x, 0)                                                 [3 x *]
BS.Boolean.If (x > 0, x, 0)                                      [3 x *]
if x > 0 then x else y                                           [3 x *]
BS.Boolean.And (x, y)                                            [3 x *]
BS.Boolean.Or (x, y)                                             [3 x *]
BS.Boolean.Not (x)                                               [3 x *]
m * x                                                            [4 x *]
Times (m, x)                                                     [4 x *]
Times (ParameterTensor{(2:0)}, i, inferInputRankToMap=1)         [2 x 3 x *]
Times (ParameterTensor{(2:4:0)}, x, outputRank=2)                [2 x 4 x *]
TransposeTimes (Parameter (3, 4), x)                             [4 x *]
KhatriRaoProduct (x, y)                                          [9 x *]
ReduceSum (s)                                                    [1 x *]
ReduceSum (s, axis=2)                                            [2 x 1 x *]
ReduceLogSum (s, axis=1)                                         [1 x 5 x *]
ReduceMean (s)                                                   [1 x *]
ReduceMax (s)                                                    [1 x *]
ReduceMin (s)                                                    [1 x *]
SumElements (s)                                                  [1]
SumColumnElements (x)                                            [1 x *]
Softmax (x)                                                      [3 x *]
Softmax (s, axis=1)                                              [2 x 5 x *]
LogSoftmax (x)                                                   [3 x *]
Hardmax (x)                                                      [3 x *]
NewReshape (s, (5:0))                                            [5 x 2 x *]
CNTK2.Reshape (s, 10)                                            [10 x *]
ReshapeDimension (s, 1, (1:2))                                   [1 x 2 x 5 x *]
FlattenDimensions (s, 1, 2)                                      [10 x *]
FlattenDimensions (i, 0, 3)                                      [784 x 3 x *]
SplitDimension (x, 1, 3)                                         [1 x 3 x *]
TransposeDimensions (s, 1, 2)                                    [5 x 2 x *]
Transpose (x)                                                    [1 x 3 x *]
Slice (1, 0, x)                                                  [2 x *]
CNTK2.Slice (s, 1, 3, axis=2)                                    [2 x 2 x *]
RowSlice (1, 2, x)                                               [2 x *]
Splice ((x : y))                                                 [6 x *]
Splice ((x : y), axis=2)                                         [3 x 2 x *]
RowStack ((x : y))                                               [6 x *]
RowRepeat (x, 2)                                                 [6 x *]
Convolution (ParameterTensor{(3:3:3:8)}, i, (3:3), mapDims=8)    [28 x 28 x 8 x *]
Convolution (Parameter{8, 0}, i, (3:3), mapDims=8, autoPadding=false)   [26 x 26 x 8 x *]
Pooling (i, 'max', (2:2), stride=(2:2))                          [14 x 14 x 3 x *]
MaxPooling (i, 2, 2, 2, 2)                                       [14 x 14 x 3 x *]
AveragePooling (i, 28, 28, 1, 1)                                 [1 x 1 x 3 x *]
BatchNormalization (x, n, n, n, n)                               [3 x *]
Mean (x)                                                         [3]
InvStdDev (x)                                                    [3]
MeanVarNorm (x)                                                  [3 x *]
LogPrior (L)                                                     [10]
CrossEntropyWithSoftmax (L, LinearLayer{10} (x))                 [1]
CrossEntropyWithSoftmax (s, s, axis=1)                           [1 x 5 x *]
ClassificationError (L, LinearLayer{10} (x))                     [1]
ClassificationError (L, LinearLayer{10} (x), topN=5)             [1]
ClassificationError (L, LinearLayer{10} (x), topN=Constant (5))  [1]
ClassificationError (s, s, axis=1)                               [1 x *]
ErrorPrediction (L, L)                                           [1]
SquareError (x, y)                                               [1]
CrossEntropy (x, y)                                              [1]
Logistic (x, y)                                                  [1]
WeightedLogistic (q, Sigmoid (q), q)                             [1]
MatrixL1Reg (m)                                                  [1]
MatrixL2Reg (m)                                                  [1]
CosDistance (x, y)                                               [1 x *]
LinearLayer{7} (x)                                               [7 x *]
LinearLayer{(20:30)} (i)                                         [20 x 30 x *]
LinearLayer{7, inputRank=1} (s)                                  [7 x 5 x *]
LinearLayer{7, mapRank=1} (s)                                    [7 x 5 x *]
LinearLayer{7, bias=false} (i)                                   [7 x *]
DenseLayer{7, activation=ReLU, init='heNormal'} (x)              [7 x *]
DenseLayer{7} (x)                                                [7 x *]
EmbeddingLayer{6} (x)                                            [6 x *]
EmbeddingLayer{6, transpose=true} (x)                            [6 x *]
ConvolutionalLayer{16, (5:5)} (i)                                [24 x 24 x 16 x *]
ConvolutionalLayer{16, (5:5), pad=true, stride=2, activation=ReLU, bias=false} (i)   [14 x 14 x 16 x *]
ConvolutionTransposeLayer{4, (3:3), 3, stride=2} (i)             [57 x 57 x 4 x *]
BilinearUpsamplingLayer{3, 4, 2} (i)                             [58 x 58 x 3 x *]
MaxPoolingLayer{(3:3), stride=(2:2)} (i)                         [13 x 13 x 3 x *]
MaxPoolingLayer{(3:3), stride=2, pad=true} (i)                   [14 x 14 x 3 x *]
MaxPoolingLayer{(3:3), stride=(2:2), ceilOutDim=true} (i)        [14 x 14 x 3 x *]
AveragePoolingLayer{(28:28)} (i)                                 [1 x 1 x 3 x *]
AveragePoolingLayer{(2:2), stride=2, includePad=true} (i)        [14 x 14 x 3 x *]
BatchNormalizationLayer{} (x)                                    [3 x *]
BatchNormalizationLayer{spatialRank=2} (i)                       [28 x 28 x 3 x *]
LayerNormalizationLayer{} (s)                                    [2 x 5 x *]
StabilizerLayer{} (x)                                            [3 x *]
FeatureMVNLayer{} (x)                                            [3 x *]
LogPriorLayer{} (L)                                              [10]
RecurrentLSTMLayer{4} (x)                                        [4 x *]
RecurrentLSTMLayer{4, goBackwards=true, usePeepholes=true} (x)   [4 x *]
RecurrentLSTMLayer{4, cellShape=6, trainInitialState=true, enableSelfStabilization=true} (x)   [4 x *]
RecurrentLSTMLayerStack{(5:4), cellShapes=(6:4)} (x)             [4 x *]
DelayLayer{T=2} (x)                                              [3 x *]
DelayLayer{T=-1} (x)                                             [3 x *]
DelayLayer{T=0} (x)                                              [3 x *]
Sequential (LinearLayer{4} : Sigmoid) (x)                        [4 x *]
Sequential (Sigmoid) (x)                                         [3 x *]
(LinearLayer{4} >> Sigmoid) (x)                                  [4 x *]
Parallel ((LinearLayer{4} : Sigmoid), Splice) (x)                [7 x *]
MergeBinary ((Sigmoid : Tanh), Plus) (x, y)                      [3 x *]
LayerStack{3, i => LinearLayer{(4:5:6)[i]}} (x)                  [6 x *]
BFF (x, 4, 3).z                                                  [4 x 1 x *]
SBFF (x, 4, 3).Eh                                                [4 x 1 x *]
Embedding (5, x, sparseInput=true)                               [5 x *]
BS.Constants.Zero                                                [1]
BS.Constants.OnesTensor ((2:3))                                  [2 x 3]
BS.Constants.Range (4)                                           [4 x 1]
BS.Constants.ZeroesLike (x)                                      [1 x *]
BS.Constants.OnesLike (x)                                        [1 x *]
BS.Parameters.WeightParam (4, 3)                                 [4 x 3]
BS.Parameters.DiagWeightParam (4)                                [4]
BS.Parameters.BiasParam (4)                                      [4]
BS.Parameters.ScalarParam ()                                     [1]
BS.Parameters.Stabilize (x)                                      [3 x *]
BS.Parameters.StabilizeElements (x)                              [3 x *]
BS.Loop.Previous (x)                                             [3 x *]
BS.Loop.IsFirst (x)                                              [1 x *]
PastValue (0, x, initialState=ParameterTensor{(0)})              [3 x *]
FutureValue (3, x, timeStep=2)                                   [3 x *]
"""

SETTING = """
x = Input{3} ; y = Input{3} ; i = Input{(28:28:3)} ; s = Input{(2:5)} ; L = Input{10} ; m = Parameter{4, 3}
n = Parameter{3, 1}
"""


def _cases() -> list[Any]:
    pairs = [re.split(r"\s{2,}", line) for line in CASES.strip().splitlines()]
    return [pytest.param(expr, shape, id=expr) for expr, shape in pairs]


@pytest.mark.parametrize(("expr", "shape"), _cases())
def test_shape(build: Any, expr: str, shape: str) -> None:
    setting = SETTING + ("" if expr == "DynamicAxis()" else "q = Input{1} ; ") + "y1 = x + y"
    name = "q" if expr == "DynamicAxis()" else "z"
    network = build(f"{{ {setting} ; {name} = {expr} }}")
    # Identity gives its argument a second name, the one that sorts later
    assert str(network[name].type) == shape


def test_every_operation_of_the_library_is_known() -> None:
    named = _operations(load_library())
    assert len(named) > 80
    known = {*UNSUPPORTED, "SparseInputValue"}
    assert [name for name in named if not network_operator(name) and name not in known] == []


def _operations(record: ast.Record) -> list[str]:
    """Names in ``operation = '…'``."""
    found = []
    pending: list[Any] = [record]
    while pending:
        item = pending.pop()
        if isinstance(item, ast.Member) and item.name == "operation":
            assert isinstance(item.value, ast.String)
            found.append(item.value.value)
        if isinstance(item, (ast.Expr, ast.Member, ast.Argument, ast.Parameter)):
            pending.extend(getattr(item, slot) for slot in type(item).__dataclass_fields__)
        elif isinstance(item, tuple):
            pending.extend(item)
    return found


def test_every_registered_operation_of_feed_forward_networks_has_a_function() -> None:
    reachable = {network_operator(name) for name in _operations(load_library())}
    for name in ("Times", "Convolution", "Pooling", "BatchNormalization", "Dropout", "SquareError", "ReduceElements"):
        assert network_operator(name) in reachable
