"""The operations that CNTK knows: one of them that is not registered is not implemented yet, others are misspelt."""

CNTK_OPERATIONS = frozenset(
    """
    Abs Acos Asin Asinh Atanh AveragePooling BatchNormalization ClassBasedCrossEntropyWithSoftmax
    ClassificationError Clip ColumnElementTimes Convolution CosDistance CosDistanceWithNegativeSamples Cosh
    Cosine CRF Crop CrossEntropy CrossEntropyWithSoftmax Delay Diagonal DiagTimes Dropout DummyCriterion
    DynamicAxis EditDistanceError ElementTimes EnvironmentInput EpochAccumulator Equal ErrorPrediction Exp Floor
    ForwardBackward FutureValue GatherPacked GMMLogLikelihood Greater GreaterEqual Hardmax If InputValue
    InvStdDev KhatriRaoProduct LabelsToGraph LambdaRank LatticeSequenceWithSoftmax LearnableParameter
    LegacyReshape Less LessEqual Log Logistic LogPlus LogSoftmax LookupTable MatrixL1Reg MatrixL2Reg MaxPooling
    MaxUnpooling Mean Minus NCEBasedCrossEntropyWithSoftmax NDCG1Eval Negate NotEqual OptimizedRNNStack
    PackedIndex Pass PastValue PerDimMeanVarDeNormalization PerDimMeanVarNormalization Plus Pooling
    QuantizedTimes RandomSample RandomSampleInclusionFrequency Reciprocal ReconcileDynamicAxis ReconcileMBLayout
    RectifiedLinear ReduceElements Reshape RNN ROIPooling RowElementTimes RowRepeat RowSlice RowStack Scale
    ScatterPacked SequenceDecoder SequenceWithSoftmax Shift Sigmoid Sin Sinh Slice Softmax SparseInputValue Sqrt
    SquareError StableSigmoid StopGradient SumColumnElements SumElements Tanh TimeReverse Times Trace Transpose
    TransposeDimensions TransposeTimes Where
    """.split()  # noqa: SIM905  (a list literal of these would be 110 lines)
)
