"""Every configuration key that CNTK's actions read: type, default, meaning, and what this compiler makes of it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from graphc.config.kinds import (
    Kind,
    boolean,
    choice,
    choices,
    device,
    exactly,
    integer,
    integers,
    number,
    schedule,
    section,
    sizes,
    string,
    strings,
    switch,
)
from graphc.config.schedule import Schedule
from graphc.syntax.configuration_records import REQUIRED


class Support(Enum):
    """What happens to a key: it is used; it changes nothing by its nature; or it is not implemented yet."""

    USED = "used"
    NO_EFFECT = "no effect"
    PLANNED = "planned"


@dataclass(frozen=True, slots=True)
class Key:
    """One key of one kind of section."""

    name: str
    kind: Kind
    default: Any
    meaning: str
    support: Support = Support.USED
    # looked for in the section itself only, not further out
    own: bool = False

    @property
    def field(self) -> str:
        """Name of the attribute that holds it: ``numMBsToShowResult`` is ``num_mbs_to_show_result``."""
        name = self.name.replace("MBs", "Mbs")
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _no_effect(kind: Kind, meaning: str, *names: str) -> tuple[Key, ...]:
    return tuple(Key(name, kind, None, meaning, Support.NO_EFFECT) for name in names)


def _planned(name: str, kind: Kind, default: Any, meaning: str) -> Key:
    return Key(name, kind, default, meaning, Support.PLANNED)


ROOT = (
    Key("command", strings, ("train",), "sections to execute, in order"),
    Key("precision", exactly("float", "double", "half", "bfloat16"), "float", "element type of all values"),
    Key("deviceId", device, "auto", "auto, cpu, or the number of a GPU; negative means CPU"),
    Key("traceLevel", integer(), 0, "how much the log tells: 0 results, 1 progress, 2 all"),
    Key("stderr", string, "", "log file, or the beginning of its name"),
    Key("appendLogFile", boolean, False, "append to the log file instead of replacing it"),
    Key("timestamping", boolean, False, "begin log lines with date and time"),
    Key("progressTracing", boolean, False, "print PROGRESS and EVALERR lines for a cluster's monitor"),
    Key("doneFile", string, "", "file written when all commands have succeeded"),
    Key("modelPath", string, None, "model file of commands that name none"),
    Key("makeMode", boolean, True, "resume or skip work that is already done"),
    Key("numCPUThreads", integer(), 0, "threads of the CPU; 0 means all, negative leaves that many idle"),
    Key("forceDeterministicAlgorithms", boolean, False, "never use an algorithm whose result varies"),
    Key(
        "recurrenceEngine",
        choice("loop", "cudnn"),
        "loop",
        "what runs LSTMs on an NVIDIA GPU (cudnn was never tried on one); double, truncated, deterministic runs loop",
    ),
    Key("forceConstantRandomSeed", boolean, False, "the cntk generator draws every parameter from seed 1"),
    Key("randomGenerator", choice("jax", "cntk"), "jax", "whose random numbers initialise and drop out"),
    Key("randomSeed", integer(0), 0, "seed of the run: initial values, order of the data, dropout"),
    Key(
        "gaussianGenerator", choice("ziggurat", "msvc", "libstdcxx"), "ziggurat", "the cntk generator's normal numbers"
    ),
    Key("initDevice", choice("cpu", "gpu"), "cpu", "device whose random numbers the cntk generator reproduces"),
    _planned("parallelTrain", boolean, False, "train with several processes"),
    *_no_effect(boolean, "memory use only", "shareNodeValueMatrices", "optimizeGradientAccumulation"),
    *_no_effect(boolean, "memory use only", "hyperCompressMemory", "lockGPU", "traceGPUMemoryAllocations"),
    *_no_effect(string, "accepted and ignored", "excludedDevices", "WorkDir", "RunDir"),
    *_no_effect(string, "accepted and ignored", "profilerEnabled", "profilerBufferSize", "profilerSyncGpu"),
    *_no_effect(string, "convention only, used as $name$", "rootDir", "configDir", "dataDir", "outputDir", "modelDir"),
    *_no_effect(string, "where relative paths start", "currentDirectory", "configFile"),
    *_no_effect(string, "read by the NDL network builder", "ndlMacros"),
)

_TRACED = tuple(
    Key(f"traceNodeNames{form}", strings, (), f"nodes whose values are printed for each minibatch, {how}")
    for form, how in (("Real", "as numbers"), ("Category", "as the place of the largest"), ("Sparse", "if not 0"))
)

_BUILDERS = {
    "SimpleNetworkBuilder": "network from the sizes of its layers",
    "NDLNetworkBuilder": "network in NDL",
    "BrainScriptNetworkBuilder": "network in BrainScript: {…}, […] or (…)",
    "ExperimentalNetworkBuilder": "an older name of BrainScriptNetworkBuilder",
}

COMMAND = (
    Key("action", strings, ("train",), "what to do: train, test, eval, write, …"),
    Key("modelPath", string, None, "model file to write or read"),
    Key("traceLevel", integer(), 0, "how much the log tells"),
    *(Key(name, section, None, meaning) for name, meaning in _BUILDERS.items()),
    *_no_effect(section, "network of the command", "createNetwork"),
)

TRAIN = (
    *COMMAND,
    Key("makeMode", boolean, True, "resume from the newest checkpoint, skip finished training"),
    Key("reader", section, REQUIRED, "training data"),
    Key("SGD", section, REQUIRED, "learner and its schedules"),
    Key("cvReader", section, None, "data that every epoch is validated on"),
)

TEST = (
    *COMMAND,
    Key("reader", section, REQUIRED, "test data"),
    Key("minibatchSize", sizes(), Schedule((40960,)), "samples a minibatch; only the first value counts"),
    Key("epochSize", integer(0), 0, "samples to test; 0 means all"),
    *_TRACED,
    Key("evalNodeNames", strings, (), "nodes to score; default: all evaluation and criterion nodes"),
    Key("numMBsToShowResult", integer(0), 100, "minibatches between progress lines"),
    Key("firstMBsToShowResult", integer(0), 0, "first minibatches that get a line each"),
    *_no_effect(string, "memory use only", "maxSamplesInRAM", "numSubminibatches", "distributedMBReading"),
)

WRITE = (
    *COMMAND,
    Key("reader", section, None, "data to evaluate the network on"),
    Key("minibatchSize", sizes(), Schedule((2048,)), "samples a minibatch"),
    Key("epochSize", integer(0), 0, "samples to write; 0 means all"),
    *_TRACED,
    Key("outputNodeNames", strings, (), "nodes to write; default: the network's output nodes"),
    Key("outputPath", string, None, "beginning of the names of the written files; - means standard output"),
    Key("format", section, None, "text format of the written files"),
    Key("writeSequenceKey", boolean, False, "make the keys of sequences available as %k"),
    *_no_effect(section, "binary writers; an error until they exist", "writer"),
    _planned("nodeUnitTest", boolean, False, "also write gradients"),
)

SGD = (
    Key("maxEpochs", integer(1), REQUIRED, "number of epochs"),
    Key("epochSize", integer(0), 0, "samples an epoch; 0 means one sweep over the data"),
    Key("minibatchSize", sizes(), Schedule((256,)), "samples a minibatch"),
    Key("learningRatesPerSample", schedule(0), None, "learning rate for the sum of the samples' gradients"),
    Key("learningRatesPerMB", schedule(0), None, "learning rate, divided by minibatchSize"),
    Key("minLearningRatePerSample", number(0), 1e-9, "training stops below this rate"),
    Key("momentumPerMB", schedule(0, 1), None, "momentum of a whole minibatch"),
    Key("momentumAsTimeConstant", schedule(0), None, "momentum as the number of samples in which it decays to 1/e"),
    Key("momentumPerSample", schedule(0, 1), None, "momentum of one sample"),
    Key("useNAG", boolean, False, "Nesterov's variant of momentum"),
    Key("dropoutRate", schedule(0, 1), Schedule((0.0,)), "fraction that dropout nodes set to zero"),
    Key("L2RegWeight", number(0), 0.0, "weight of the squared parameters, per sample"),
    Key("L1RegWeight", number(0), 0.0, "weight of the absolute parameters, per sample"),
    Key("gradientClippingWithTruncation", boolean, True, "clip element by element instead of by norm"),
    Key("clippingThresholdPerSample", number(0), math.inf, "gradients are clipped at this times the samples"),
    Key(
        "gradUpdateType",
        choice("None", "AdaGrad", "RmsProp", "FSAdaGrad", normal="None", simple="None"),
        "None",
        "update rule: None (plain with momentum), AdaGrad, RmsProp, FSAdaGrad",
    ),
    Key("gaussianNoiseInjectStd", schedule(0), Schedule((0.0,)), "noise added to the parameters after each update"),
    Key("normWithAveMultiplier", boolean, True, "AdaGrad and RmsProp divide by their average factor"),
    Key("rms_wgt_inc", number(0), 1.2, "RmsProp: growth of a step"),
    Key("rms_wgt_dec", number(0), 0.75, "RmsProp: shrinking of a step"),
    Key("rms_wgt_max", number(0), 10.0, "RmsProp: largest step"),
    Key("rms_wgt_min", number(0), 0.1, "RmsProp: smallest step"),
    Key("rms_gamma", number(0), 0.99, "RmsProp: decay of the squared gradients"),
    Key("varianceTimeConstant", number(0), 720000.0, "FSAdaGrad: samples in which the variance decays to 1/e"),
    Key("fsAdagradTargetAvDenom", number(0), 1.0, "FSAdaGrad: target of the average denominator"),
    Key("useAdagrad", boolean, False, "older spelling of gradUpdateType=AdaGrad"),
    Key("disableRegInBatchNormalization", boolean, False, "no L1 or L2 for scale and bias of batch normalisation"),
    Key("batchNormalizationTimeConstant", schedule(), None, "samples in which running statistics decay to 1/e"),
    Key("batchNormalizationBlendTimeConstant", schedule(), None, "weight of running statistics in training"),
    Key("keepCheckPointFiles", boolean, False, "keep the checkpoints of earlier epochs"),
    Key("useAllDataForPreComputedNode", boolean, True, "statistics are of all data, not of one epoch"),
    Key("trainCriterionNodeName", string, "", "criterion to train instead of the network's"),
    Key("evalCriterionNodeName", string, "", "criterion to report instead of the network's"),
    Key("traceLevel", integer(), 0, "how much the log tells"),
    Key("numMBsToShowResult", integer(0), 10, "minibatches between progress lines; 0 for none"),
    Key("firstMBsToShowResult", integer(0), 0, "first minibatches that get a line each"),
    Key("truncated", boolean, False, "the reader cuts sequences: rates per minibatch are those of a row, not of all"),
    _planned("saveBestModelPerCriterion", boolean, False, "keep the best epoch's model for each criterion"),
    _planned("autoAdjust", section, None, "adapt learning rate and minibatch size while training"),
    *_no_effect(section, "how processes share the work; the root's parallelTrain turns it on", "parallelTrain"),
    _planned("gradientcheck", boolean, False, "compare gradients with central differences"),
    _planned("adaptationRegType", choice("None", "kl"), "None", "regularise towards a reference model"),
    _planned("unitTest", boolean, False, "test mode of the learner"),
    _planned("tensorBoardLogDir", string, "", "folder of TensorBoard logs"),
    _planned("hSmoothingWeight", number(), 0.95, "lattice training: weight of the sequence criterion"),
    *_TRACED,
    *_no_effect(number(), "lattice training", "frameDropThresh", "seqGammarAMF", "seqGammarLMF", "seqGammarBMMIFactor"),
    *_no_effect(string, "lattice training", "doReferenceAlign", "seqGammarUsesMBR", "seqGammarWordPen"),
    *_no_effect(string, "memory and speed only", "numSubminibatches", "maxSamplesInRAM", "executionEngine"),
    *_no_effect(
        string, "memory and speed only", "maxTempMemSizeInSamplesForCNN", "packThresholdSizeInKB", "numMBsToCUDAProfile"
    ),
    *_no_effect(string, "accepted and ignored", "sigFigs", "adaptationRegWeight"),
    *_no_effect(string, "accepted and ignored", "tensorBoardNumMBsToLogResult", "modelPath", "syncStats"),
)

READER = (
    Key("readerType", string, "CNTKTextFormatReader", "which reader"),
    Key("file", string, REQUIRED, "data file"),
    Key("input", section, REQUIRED, "streams of the file", own=True),
    Key("randomize", switch, True, "shuffle the sequences in every sweep"),
    Key("randomizationWindow", integer(0), None, "how far shuffling moves, in chunks (or samples)"),
    Key("sampleBasedRandomizationWindow", boolean, False, "randomizationWindow counts samples"),
    Key("randomizationSeed", integer(0), None, "seed of the first sweep; default: randomSeed"),
    Key("skipSequenceIds", boolean, False, "every line is a sequence"),
    Key("maxErrors", integer(0), 0, "malformed places that are tolerated"),
    Key("traceLevel", integer(), 1, "what the reader tells: 0 errors, 1 warnings, 2 all"),
    Key("chunkSizeInBytes", integer(1), 33554432, "size of the pieces that are shuffled as wholes"),
    Key("keepDataInMemory", boolean, False, "never read a chunk twice"),
    Key("frameMode", boolean, False, "every sequence is one frame"),
    Key("cacheIndex", boolean, False, "keep an index beside the file"),
    Key("precision", exactly("float", "double", "half", "bfloat16"), "float", "element type"),
    Key("type", string, "", "type of a deserializer", own=True),
    Key("module", string, "", "library of a deserializer; not read", own=True),
    Key("truncated", boolean, False, "with deserializers: cut sequences into pieces, between which gradients stop"),
    Key("truncationLength", integer(0), 0, "with truncated: frames of a row; a minibatch has as many rows as fit"),
    Key("deserializers", section, None, "instead of readerType: a single one, of type CNTKTextFormatDeserializer"),
    *_no_effect(string, "speed and messages only", "prefetch", "verbosity", "numCPUThreads"),
    *_no_effect(string, "older readers only", "miniBatchMode", "readMethod", "rollingWindow", "features", "labels"),
    *_no_effect(string, "older readers only", "nbruttsineachrecurrentiter", "useMersenneTwisterRand", "minibatchSize"),
)

INPUT = (
    Key("dim", integer(1), REQUIRED, "elements of one sample", own=True),
    Key("format", choice("dense", "sparse"), REQUIRED, "dense numbers or index:value pairs", own=True),
    Key("alias", string, None, "name in the file; default: the stream's own", own=True),
    Key("definesMBSize", boolean, False, "this stream's length is the length of a sequence", own=True),
    *_no_effect(string, "older readers only", "start", "labelDim", "labelMappingFile", "labelType"),
)

FORMAT = (
    Key("type", choice("real", "category", "sparse"), "real", "values, index of the largest, or non-zero elements"),
    Key("labelMappingFile", string, None, "names of the categories, one a line"),
    Key("transpose", boolean, True, "one line a sample instead of one an element"),
    Key("prologue", string, "", "text at the beginning of a file"),
    Key("epilogue", string, "", "text at the end of a file"),
    Key("sequenceSeparator", string, "", "text between sequences"),
    Key("sequencePrologue", string, "", "text before each sequence"),
    Key("sequenceEpilogue", string, "\\n", "text behind each sequence"),
    Key("elementSeparator", string, " ", "text between elements"),
    Key("sampleSeparator", string, "\\n", "text between samples"),
    Key("precisionFormat", string, "", "width and precision of numbers, as in printf"),
)

EDIT = (
    *(key for key in COMMAND if key.name != "modelPath"),
    Key("makeMode", boolean, True, "do nothing if outputModelPath exists"),
    Key("outputModelPath", string, REQUIRED, "model file to write"),
    *_no_effect(string, "scripts of edits (MEL), for commands without a builder", "editPath", "ndlMacros"),
)

EDIT_SCRIPT = (
    *(key for key in COMMAND if key.name != "modelPath"),
    Key("editPath", string, REQUIRED, "script of edits (MEL)"),
    Key("ndlMacros", string, None, "files of NDL macros that the script may call, joined by +"),
    *_no_effect(string, "commands with a builder only: the script says what is saved", "outputModelPath", "makeMode"),
)

BEAM_SEARCH = (
    *(key for key in COMMAND if key.name in ("action", "traceLevel")),
    Key("modelPath", string, REQUIRED, "model file to decode with"),
    Key("reader", section, REQUIRED, "what to decode and, where it has them, the labels to compare with"),
    Key("minibatchSize", sizes(), Schedule((2048,)), "samples a minibatch; its sequences are decoded at once"),
    Key("epochSize", integer(0), 0, "samples to decode; 0 means all"),
    Key("beamDepth", integer(1), 5, "histories that are followed in each sequence; 1 is greedy decoding"),
    Key("nBest", integer(0), 0, "hypotheses of each sequence to write, with scores; 0: the best one, words only"),
    Key("startSymbol", string, "", "what the decoder reads first; default: the first of each sequence's labels"),
    Key("endSymbol", string, "", "ends a hypothesis; default: hypotheses are as long as the labels"),
    Key("maxLength", integer(0), 0, "most words of a hypothesis, its end included; 0: twice the input's, and 10"),
    Key("labelMappingFile", string, None, "names of the symbols, one a line"),
    Key("outputPath", string, REQUIRED, "text file to write; - means standard output"),
    *_no_effect(section, "a saved model decodes, whatever builders stand further out", *_BUILDERS, "createNetwork"),
)

DUMP = (
    *COMMAND,
    Key("nodeName", string, "", "node to print; default: all of them"),
    Key("nodeNameRegex", string, "", "regular expression for the whole names of the nodes to print"),
    Key("outputFile", string, None, "text file to write; default: <modelPath>.<nodeName>.txt"),
    Key("printValues", boolean, True, "print the values of parameters"),
    Key("printMetadata", boolean, True, "print operations, inputs and attributes"),
)

# what a network of a SimpleNetworkBuilder can be trained by, and what CNTK names beside that
SIMPLE_CRITERIA = ("CrossEntropyWithSoftmax", "SquareError", "Logistic", "ClassCrossEntropyWithSoftmax")
UNSUPPORTED_CRITERIA = ("NoiseContrastiveEstimation", "SequenceWithSoftmax")

SIMPLE_NETWORK = (
    Key("layerSizes", integers(1), (100,), "dimensions of the input, of every hidden layer and of the output"),
    Key(
        "trainingCriterion",
        choice(*SIMPLE_CRITERIA, *UNSUPPORTED_CRITERIA),
        REQUIRED,
        "what training makes small",
    ),
    Key(
        "evalCriterion",
        choice("ClassificationError", *SIMPLE_CRITERIA, *UNSUPPORTED_CRITERIA, errorPrediction="ClassificationError"),
        REQUIRED,
        "what is reported beside it",
    ),
    Key(
        "layerTypes",
        choices("Sigmoid", "Tanh", "RectifiedLinear", "None"),
        ("Sigmoid",),
        "nonlinearity of each hidden layer; the last holds for all others",
    ),
    Key("initValueScale", number(), 1.0, "weights are drawn this many times as wide"),
    Key("uniformInit", boolean, True, "draw weights from a uniform distribution, not a normal one"),
    Key("applyMeanVarNorm", boolean, False, "give the features mean 0 and variance 1"),
    Key("needPrior", boolean, False, "output the logarithm of the likelihood: scores less those of the labels' shares"),
    Key("addDropoutNodes", boolean, False, "drop out elements of every hidden layer"),
    Key(
        "rnnType",
        strings,
        ("SIMPLENET",),
        "SIMPLENET (feed-forward), SIMPLERNN, LSTM, CLASSLM, CLASSLSTM, CLSTM, LBLM or NPLM, spelt so",
    ),
    Key("recurrentLayer", integers(0), (), "hidden layers that read their own past, counted from 1 (LSTM: from 0)"),
    Key("defaultHiddenActivity", number(), 0.1, "what layers read before the first frame of a sequence"),
    Key("lookupTableOrder", integer(0), 0, "words that an input holds, each looked up in a table; 0 for no table"),
    Key("vocabSize", integer(), -1, "words of a CLASSLM: the size of the output layer"),
    Key("nbrClass", integer(), -1, "classes of words of CLASSLM, CLASSLSTM and CLSTM"),
    Key("sparseinput", boolean, False, "LSTM: the input is sparse, as that of the other recurrent networks always is"),
    Key("maOrder", integer(0), 0, "LBLM: earlier inputs that are added to each"),
    Key("auxfeatdim", integer(1), 20, "CLSTM: size of its second input"),
    *(
        Key(f"const{gate}GateValue", boolean, False, f"LSTM layers have no {gate.lower()} gate")
        for gate in ("Forget", "Input", "Output")
    ),
    *(
        Key(f"{gate}GateInitVal", number(), -1.0, f"first bias of the {gate} gates of LSTM layers")
        for gate in ("forget", "input", "output")
    ),
    *_no_effect(string, "read from the files of older programs only", "outputLayerSize"),
    *_no_effect(string, "networks with noise-contrastive estimation only", "noise_number", "directConnect"),
    *_no_effect(string, "CNTK itself reads it and uses it nowhere", "word2cls", "cls2index", "streamSizes"),
    *_no_effect(string, "CNTK itself reads it and uses it nowhere", "lookupTableOrderSizes", "labelEmbeddingSize"),
)

NDL_NETWORK = (
    Key("randomSeedOffset", integer(), 0, "added to the seed of every parameter"),
    Key("networkDescription", string, None, "file that describes the network"),
    Key("ndlMacros", string, None, "files of macros, joined by +"),
    Key("load", strings, (), "sections that are read first, in that file or, without one, in the configuration"),
    Key("run", strings, (), "sections to execute; default: those that the file names, or all of it"),
    *_no_effect(string, "accepted and ignored", "dumpFileName"),
)

SECTIONS: Mapping[str, tuple[Key, ...]] = {
    "root": ROOT,
    "train": TRAIN,
    "test": TEST,
    "write": WRITE,
    "beamSearch": BEAM_SEARCH,
    "edit": EDIT,
    "editScript": EDIT_SCRIPT,
    "dump": DUMP,
    "SGD": SGD,
    "reader": READER,
    "input": INPUT,
    "format": FORMAT,
    "SimpleNetworkBuilder": SIMPLE_NETWORK,
    "NDLNetworkBuilder": NDL_NETWORK,
}

# what a section of each kind may hold for the sections inside it, which look outward
_INNER = {
    "root": ("train", "test", "write", "beamSearch", "edit", "editScript", "dump", "SGD", "reader", "format"),
    "train": ("SGD", "reader"),
    "test": ("reader",),
    "write": ("reader", "format"),
    "beamSearch": ("reader",),
}


def known_keys(kind: str) -> tuple[str, ...]:
    """Names that mean something in a section of this kind, to itself or to the sections inside it."""
    kinds = (kind, *_INNER.get(kind, ()))
    return tuple(dict.fromkeys(key.name for k in kinds for key in SECTIONS[k]))


ALL_KEYS = frozenset(key.name.lower() for keys in SECTIONS.values() for key in keys)
