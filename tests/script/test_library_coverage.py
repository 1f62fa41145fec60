"""Every function that CNTK's library offers to authors exists; those with many options have CNTK's parameters."""

from __future__ import annotations

import pytest

from graphc.script.library import load_library
from graphc.syntax import ast

NAMES = {
    "inputs and parameters": """
        Input SparseInput ImageInput SparseImageInput DynamicAxis EnvironmentInput
        Parameter LearnableParameter ParameterTensor Constant ConstantTensor ConstantFromString""",
    "elementwise": """
        ReLU RectifiedLinear Sigmoid Tanh Log Exp Dropout Pass Identity Reciprocal Sqrt Abs Negate Floor Ceil Round Sin
        Cosine Asin Acos Sinh Cosh StopGradient Asinh Atanh
        Plus Minus ElementTimes Scale ColumnElementTimes RowElementTimes DiagTimes ElementDivide LogPlus
        Less Equal Greater GreaterEqual NotEqual LessEqual Clip""",
    "products and reductions": """
        Times TransposeTimes QuantizedTimes KhatriRaoProduct ColumnwiseCrossProduct Diagonal
        ReduceSum ReduceLogSum ReduceMax ReduceMean ReduceMin SumElements SumColumnElements Softmax LogSoftmax
        Hardmax""",
    "shapes": """
        NewReshape ReshapeDimension FlattenDimensions SplitDimension TransposeDimensions Transpose Slice RowSlice Splice
        RowStack RowRepeat Reshape""",
    "images": """
        Convolution ConvolutionTranspose Pooling MaxPooling AveragePooling MaxUnpooling ROIPooling""",
    "normalisation and statistics": """
        BatchNormalization Mean InvStdDev PerDimMeanVarNormalization PerDimMeanVarDeNormalization MeanVarNorm
        LogPrior""",
    "sequences": """
        PastValue FutureValue Delay Shift TimeReverse Where PackedIndex GatherPacked ScatterPacked ReconcileDynamicAxis
        ReconcileMBLayout CastAs OptimizedRNNStack RNNStack Trace""",
    "criteria": """
        CrossEntropyWithSoftmax ClassificationError ErrorPrediction SquareError CrossEntropy Logistic WeightedLogistic
        MatrixL1Reg MatrixL2Reg CosDistance CosDistanceWithNegativeSamples ClassBasedCrossEntropyWithSoftmax LambdaRank
        NDCG1Eval ForwardBackward LabelsToGraph EditDistanceError LatticeSequenceWithSoftmax GMMLogLikelihood""",
    "values that are no nodes": """
        Length Fail Print Format Replace Substr Chr Repeat Sign Min Max Fac Mod IntDiv IsSameObject IsArray IsDouble
        IsBool _AsArray _ConcatArrays _ForceResizeArray _AsNodes _AsCount None Inferred""",
    "layers": """
        LinearLayer DenseLayer EmbeddingLayer ConvolutionalLayer ConvolutionTransposeLayer BilinearUpsamplingLayer
        MaxPoolingLayer AveragePoolingLayer MaxUnpoolingLayer RecurrentLSTMLayer RecurrentLSTMLayerStack DelayLayer
        BatchNormalizationLayer LayerNormalizationLayer StabilizerLayer FeatureMVNLayer LogPriorLayer
        Sequential Parallel MergeBinary LayerStack BFF SBFF Embedding""",
    "CNTK2": """
        CNTK2.DynamicAxis CNTK2.Input CNTK2._Parameter CNTK2.Reshape CNTK2.Slice CNTK2.Splice CNTK2.TransposeDimensions
        CNTK2.Times CNTK2.Abs CNTK2.Ceil CNTK2.Clip CNTK2.ElementDivide CNTK2.ElementTimes CNTK2.Exp CNTK2.Floor
        CNTK2.Log CNTK2.Minus CNTK2.Plus CNTK2.Round CNTK2.Sqrt CNTK2.Square CNTK2.Tanh CNTK2.ReduceSum
        CNTK2.ReduceLogSum CNTK2.ReduceMean CNTK2.ReduceMin CNTK2.ReduceMax CNTK2.FutureValue CNTK2.PastValue
        CNTK2.ReLU CNTK2.Relu CNTK2.Sigmoid CNTK2.Softmax CNTK2.Dropout CNTK2.CrossEntropyWithSoftmax
        CNTK2.ClassificationError CNTK2.ErrorPrediction CNTK2.CrossEntropyWithSoftmax_new CNTK2.ClassificationError_new
        CNTK2.Less CNTK2.Equal CNTK2.Greater CNTK2.GreaterEqual CNTK2.NotEqual CNTK2.LessEqual CNTK2.Pass
        CNTK2.Identity CNTK2.GetRandomSample CNTK2.GetInclusionFrequency""",
    "BS.Constants, BS.Boolean, BS.Parameters": """
        BS.Constants.Zero BS.Constants.One BS.Constants.OnesTensor BS.Constants.Range BS.Constants.ZeroesLike
        BS.Constants.ZeroSequenceLike BS.Constants.ZeroesLike1 BS.Constants.OnesLike BS.Constants.True
        BS.Constants.False BS.Constants.None BS.Constants.IsNone
        BS.Boolean.True BS.Boolean.False BS.Boolean.And BS.Boolean.Or BS.Boolean.Xor BS.Boolean.Not BS.Boolean.Toggle
        BS.Boolean.If
        BS.Parameters.WeightParam BS.Parameters.DiagWeightParam BS.Parameters.BiasParam BS.Parameters.ScalarParam
        BS.Parameters.StabilizeElements BS.Parameters.Stabilize""",
    "BS.Loop, BS.Sequences": """
        BS.Loop.IsFirst BS.Loop.IsLast BS.Loop.IsFirstN BS.Loop.IsLastN BS.Loop.Previous BS.Loop.Next
        BS.Loop.PreviousOrDefault BS.Loop.NextOrDefault BS.Loop.Iteration BS.Loop.Count
        BS.Sequences.Gather BS.Sequences.Scatter BS.Sequences.Slice BS.Sequences.First BS.Sequences.Last
        BS.Sequences.BroadcastSequenceAs BS.Sequences.PastValueWindow BS.Sequences.FoldL BS.Sequences.FoldR
        BS.Sequences.Map""",
    "BS.RNNs, BS.Seq2Seq, BS.Network": """
        BS.RNNs.LSTMBlock BS.RNNs.LSTMP BS.RNNs.PreviousHC BS.RNNs.NextHC BS.RNNs.PreviousHCWithTrainedInitialState
        BS.RNNs.NextHCWithTrainedInitialState BS.RNNs.NoAuxInputHook BS.RNNs.RecurrentLSTMP BS.RNNs.RecurrentLSTMPStack
        BS.RNNs.RecurrentBidirectionalLSTMPStack BS.RNNs.GRU BS.RNNs.RecurrentGRU BS.RNNs.RecurrentGRUStack
        BS.RNNs.RecurrentBidirectionalGRUStack
        BS.Seq2Seq.CreateAugmentWithFixedWindowAttentionHook BS.Seq2Seq.GetTopNTensor
        BS.Seq2Seq.GreedySequenceDecoderFrom BS.Seq2Seq.BeamSearchSequenceDecoderFrom
        BS.Network.Load BS.Network.CloneFunction BS.Network.Edit BS.Network.Editing.ReplaceLinksToNode
        BS.Network.Editing.ReplaceLinksToNamedNode""",
}

# Operations that CNTK reaches only from NDL, from the record of a node, or not at all: no function of the library.
WITHOUT_FUNCTION = {
    "Crop": "written as a record by the authors who use it",
    "EpochAccumulator": "written as a record by the authors who use it",
    "StableSigmoid": "the same as Sigmoid, which is stable",
    "LookupTable": "of NDL only",
    "DummyCriterion": "of NDL only",
    "NCEBasedCrossEntropyWithSoftmax": "has no function in CNTK",
    "SequenceDecoder": "has no function in CNTK",
    "CRF": "has no function in CNTK",
    "DeconvLayer": "named by the documentation, and missing in CNTK too",
}

# How authors call what has optional parameters in between: names of required ones are of no use to them, but part of
# nodes' names.
PARAMETERS = """
BS.RNNs.LSTMBlock: outputDim cellShape= usePeepholes= init= initValueScale= enableSelfStabilization=
BS.RNNs.LSTMP: outputDim cellDim= x aux= auxDim= prevState enableSelfStabilization= inputDim=
BS.RNNs.PreviousHC: lstmState initialState= layerIndex=
BS.RNNs.NextHC: lstmState initialState= layerIndex=
BS.RNNs.PreviousHCWithTrainedInitialState: shape=
BS.RNNs.NextHCWithTrainedInitialState: shape=
BS.RNNs.NoAuxInputHook: input lstmState
BS.RNNs.RecurrentLSTMP: outputDim cellDim= x inputDim= previousHook= augmentInputHook= augmentInputDim= layerIndex= enableSelfStabilization=
BS.RNNs.RecurrentLSTMPStack: layerDims cellDims= input inputDim= previousHook= augmentInputHook= augmentInputDim= enableSelfStabilization=
BS.RNNs.RecurrentBidirectionalLSTMPStack: layerDims cellDims= input inputDim= previousHook= nextHook= enableSelfStabilization=
BS.RNNs.GRU: outputDim cellDim= x inputDim= aux= auxDim= prevState enableSelfStabilization=
BS.RNNs.RecurrentGRU: outputDim cellDim= x inputDim= previousHook= augmentInputHook= augmentInputDim= layerIndex= enableSelfStabilization=
BS.RNNs.RecurrentGRUStack: layerDims cellDims= input inputDim= previousHook= augmentInputHook= augmentInputDim= enableSelfStabilization=
BS.RNNs.RecurrentBidirectionalGRUStack: layerDims cellDims= input inputDim= previousHook= nextHook= enableSelfStabilization=
BS.Seq2Seq.CreateAugmentWithFixedWindowAttentionHook: attentionDim attentionSpan decoderDynamicAxis encoderOutput enableSelfStabilization=
BS.Seq2Seq.GetTopNTensor: D scores
BS.Seq2Seq.GreedySequenceDecoderFrom: modelAsTrained
BS.Seq2Seq.BeamSearchSequenceDecoderFrom: modelAsTrained beamDepth
BS.Sequences.PastValueWindow: N in axis=
BS.Sequences.BroadcastSequenceAs: type data1
BS.Sequences.FoldL: binaryOp x0 x
BS.Sequences.FoldR: binaryOp x0 x
BS.Sequences.Map: lambda x
BS.Loop.Previous: x initialState=
BS.Loop.PreviousOrDefault: x defaultValue=
BS.Loop.IsLastN: N x
BS.Boolean.Toggle: clk initialValue=
RecurrentLSTMLayer: outputDim cellShape= goBackwards= usePeepholes= trainInitialState= init= initValueScale= enableSelfStabilization= allowOptimizedEngine=
RecurrentLSTMLayerStack: layerDims cellShapes= usePeepholes= init= initValueScale= enableSelfStabilization= allowOptimizedEngine=
DelayLayer: T= defaultHiddenActivation=
"""  # noqa: E501


def members(record: ast.Record, prefix: str = "") -> dict[str, ast.Expr]:
    """Values of the library and of the records in it, by dotted name; a name that stands for a record is followed."""
    found: dict[str, ast.Expr] = {}
    own = {member.name: member.value for member in load_library().members}
    for member in record.members:
        value = member.value
        if isinstance(value, ast.Name) and isinstance(own.get(value.name), ast.Record):
            value = own[value.name]
        found[prefix + member.name] = value
        if isinstance(value, ast.Record):
            found |= members(value, f"{prefix}{member.name}.")
    return found


@pytest.fixture(scope="module")
def library() -> dict[str, ast.Expr]:
    return members(load_library())


@pytest.mark.parametrize("kind", NAMES)
def test_every_function_exists(kind: str, library: dict[str, ast.Expr]) -> None:
    assert [name for name in NAMES[kind].split() if name not in library] == []


def test_operations_without_function_have_none(library: dict[str, ast.Expr]) -> None:
    assert [name for name in WITHOUT_FUNCTION if name in library] == []


def test_nothing_public_is_left_out_of_the_table(library: dict[str, ast.Expr]) -> None:
    """A function of ours that CNTK does not have is a deliberate one."""
    listed = {name for names in NAMES.values() for name in names.split()}
    public = {n for n, v in library.items() if not isinstance(v, ast.Record) and "._" not in f".{n}"}
    assert public - listed == {"Debug", "SequenceWithSoftmax"}


@pytest.mark.parametrize("line", PARAMETERS.strip().splitlines(), ids=lambda line: line.partition(":")[0])
def test_parameters(line: str, library: dict[str, ast.Expr]) -> None:
    name, _, expected = line.partition(": ")
    function = library[name]
    assert isinstance(function, ast.Lambda)
    found = [p.name + ("=" if p.default is not None else "") for p in function.parameters]
    assert found == expected.split()
