"""The functions of the network description language: what their arguments are, and the operators that they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import graphc.ops  # noqa: F401  (fills the registry)
from graphc.ir import DEFAULT_AXIS, ElementType, Op, Storage
from graphc.network.operations import UNSUPPORTED
from graphc.network.reading import make
from graphc.network.special import network_operator
from graphc.ops.initializers import Initializer
from graphc.ops.sources import InputValue, LearnableParameter

ALIASES = {
    "Input": "InputValue",
    "SparseInput": "SparseInputValue",
    "Image": "ImageInput",
    "SparseImage": "SparseImageInput",
    "Parameter": "LearnableParameter",
    "Const": "Constant",
    "Delay": "PastValue",
    "ReLU": "RectifiedLinear",
    "ErrorPrediction": "ClassificationError",
    "CEWithSM": "CrossEntropyWithSoftmax",
    "CBCEWithSM": "ClassBasedCrossEntropyWithSoftmax",
    "SEWithSM": "SequenceWithSoftmax",
    "SE": "SquareError",
    "Cos": "Cosine",
    "CosDist": "CosDistance",
    "CosWithNegSamples": "CosDistanceWithNegativeSamples",
    "Convolve": "Convolution",
    "ColumnwiseCrossProduct": "KhatriRaoProduct",
    "L1Reg": "MatrixL1Reg",
    "L2Reg": "MatrixL2Reg",
    "PerDimMVNorm": "PerDimMeanVarNormalization",
    "PerDimMVDeNorm": "PerDimMeanVarDeNormalization",
    "GMMLL": "GMMLogLikelihood",
}
# operations whose arguments are all nodes, and which have no options but the tag
_PLAIN = """
    Abs Acos Asin Asinh Atanh ClassBasedCrossEntropyWithSoftmax ClassificationError Clip ColumnElementTimes Cosh Cosine
    CosDistance CrossEntropy CrossEntropyWithSoftmax DiagTimes Diagonal Dropout DummyCriterion EditDistanceError
    ElementTimes Equal Exp Floor ForwardBackward GMMLogLikelihood Greater GreaterEqual Hardmax If InvStdDev
    KhatriRaoProduct LabelsToGraph LatticeSequenceWithSoftmax Less LessEqual Log LogPlus LogSoftmax Logistic LookupTable
    MatrixL1Reg MatrixL2Reg Mean Minus Negate NotEqual Pass PerDimMeanVarDeNormalization PerDimMeanVarNormalization Plus
    ROIPooling Reciprocal ReconcileDynamicAxis RectifiedLinear RowElementTimes RowStack Scale SequenceWithSoftmax
    Sigmoid Sin Sinh Softmax Sqrt SquareError StopGradient SumColumnElements SumElements Tanh Times Transpose
    TransposeTimes
""".split()  # noqa: SIM905  (a list literal of these would be 70 lines)

COMMON_OPTIONS = ("tag",)
# arguments of a call; no text has more
_MANY = 1 << 30
_ANY = range(_MANY)
_FROZEN = ("needGradient", "needsGradient", "computeGradient")
_KINDS = ("uniform", "gaussian", "heNormal", "fixedValue", "fromFile", "bilinear")


class Arguments(Protocol):
    """The arguments of one call, as functions read them; everything raises `DiagnosticError` at the right place."""

    @property
    def name(self) -> str: ...
    @property
    def element(self) -> ElementType: ...
    @property
    def count(self) -> int: ...

    def is_number(self, index: int) -> bool: ...
    def number(self, index: int) -> float: ...
    def integer(self, index: int) -> int: ...
    def integers(self, index: int) -> tuple[int, ...]: ...
    def word(self, index: int) -> str: ...
    def text(self, option: str, default: str) -> str: ...
    def choice(self, option: str, default: str, options: Mapping[str, str]) -> str: ...
    def real(self, option: str, default: float) -> float: ...
    def whole(self, option: str, default: int) -> int: ...
    def dimension(self, option: str, default: int) -> int: ...
    def wholes(self, option: str, default: int) -> tuple[int, ...]: ...
    def flag(self, option: str, default: bool) -> bool: ...
    def flags(self, option: str, default: bool) -> tuple[bool, ...]: ...
    def matrix(self, option: str, shape: tuple[int | None, ...]) -> tuple[str, tuple[int | None, ...]]: ...


Make = Callable[[Arguments], Op]


def _all(call: Arguments) -> range:
    return range(call.count)


@dataclass(frozen=True)
class Function:
    """``counts`` are the possible numbers of positional arguments, from the first to the last if there is a range.

    ``inputs`` tells which of the positional arguments are nodes; the others are numbers that ``make`` reads.
    ``lacking`` says why no operator can be made.
    """

    name: str
    counts: Sequence[int]
    make: Make
    inputs: Callable[[Arguments], Sequence[int]] = _all
    options: tuple[str, ...] = ()
    lacking: str | None = None


def function(name: str) -> Function | None:
    """The function of that name or alias, in any case; none where there is none."""
    return _FUNCTIONS.get(_CANONICAL.get(name.lower(), ""))


def is_reserved(name: str) -> bool:
    return name.lower() in _CANONICAL


def function_names() -> list[str]:
    return [*_FUNCTIONS, *ALIASES]


def _operation(name: str, call: Arguments, **attributes: Any) -> Op:
    cls = network_operator(name)
    assert cls is not None, name
    return make(cls, attributes, call.name)


def _plain(name: str) -> Function:
    cls = network_operator(name)
    if cls is None:
        return Function(name, _ANY, lambda call: _operation(name, call), lacking=UNSUPPORTED[name])
    least, most = cls.arity
    counts = range(least, _MANY if most is None else most + 1)
    return Function(name, counts, lambda call: _operation(name, call))


def _none(call: Arguments) -> range:
    return range(0)


def _first(count: int) -> Callable[[Arguments], range]:
    return lambda call: range(min(count, call.count))


def _last(call: Arguments) -> range:
    return range(call.count - 1, call.count)


# --- inputs and parameters


def _input(storage: Storage, is_image: bool) -> Make:
    def make_input(call: Arguments) -> Op:
        shape = _image(call, 0) if is_image else tuple(call.integer(k) for k in range(call.count))
        axis = call.text("dynamicAxis", "") or DEFAULT_AXIS.name
        return InputValue(call.name, shape, axis, call.element, storage)

    return make_input


def _image(call: Arguments, start: int) -> tuple[int, ...]:
    width, height, channels = (call.integer(start + k) for k in range(3))
    return (channels, width, height) if _layout(call, "HWC") == "HWC" else (width, height, channels)


def _layout(call: Arguments, default: str) -> str:
    return call.choice("imageLayout", default, {"hwc": "HWC", "legacy": "HWC", "chw": "CHW", "cudnn": "CHW"})


def _parameter(call: Arguments) -> Op:
    return _learnable(call, tuple(call.integer(k) or None for k in range(call.count)))


def _image_parameter(call: Arguments) -> Op:
    leading = tuple(call.integer(k) for k in range(call.count - 3))
    shape = (*leading, *_image(call, call.count - 3))
    return _learnable(call, tuple(dim or None for dim in shape))


def _learnable(call: Arguments, shape: tuple[int | None, ...]) -> Op:
    kind, literal = call.choice("init", "uniform", {kind.lower(): kind for kind in _KINDS}), ""
    if kind == "fromFile":
        literal, shape = call.matrix("initFromFilePath", shape)
    initializer = Initializer(
        kind=kind,
        scale=call.real("initValueScale", 1.0),
        value=call.real("value", 0.0),
        seed=call.whole("randomSeed", -1),
        on_cpu_only=call.flag("initOnCPUOnly", False),
        literal=literal,
    )
    rate = call.real("learningRateMultiplier", 1.0)
    if not all(call.flag(name, True) for name in _FROZEN):
        rate = 0.0
    return LearnableParameter(call.name, shape, rate, initializer, call.element)


def _constant(call: Arguments) -> Op:
    shape = (call.dimension("rows", 1), call.dimension("cols", 1))
    initializer = Initializer("fixedValue", value=call.number(0), on_cpu_only=False)
    return LearnableParameter(call.name, shape, 0.0, initializer, call.element)


# --- operations with numbers among their arguments


def _delay(name: str) -> Make:
    def make_delay(call: Arguments) -> Op:
        # a step of 1 is taken for one that is not given
        step = call.whole("timeStep", 1)
        step = call.whole("delayTime", 1) if step == 1 else step
        activity = call.real("defaultHiddenActivity", 0.1)
        return _operation(name, call, shape=call.integer(0), timeStep=step, defaultHiddenActivation=activity)

    return make_delay


def _row_slice(call: Arguments) -> Op:
    begin = call.integer(0)
    return _operation("Slice", call, beginIndex=begin, endIndex=begin + call.integer(1), axis=1)


def _reshape(call: Arguments) -> Op:
    sizes = {size: call.whole(size, 0) for size in ("imageWidth", "imageHeight", "imageChannels")}
    return _operation("LegacyReshape", call, numRows=call.integer(1), imageLayout=_layout(call, "HWC"), **sizes)


def _convolution(call: Arguments) -> Op:
    if call.count == 3:
        return _operation(
            "Convolution",
            call,
            kernelDims=call.integers(2),
            mapDims=call.wholes("mapCount", 0),
            sharing=call.flags("sharing", True),
            transpose=call.flag("transpose", False),
            outputShape=call.wholes("outputShape", 0),
            **_windows(call),
        )
    width, height, maps, horizontal, vertical = (call.integer(k) for k in range(2, 7))
    padding = call.flag("zeroPadding", False)
    if _layout(call, "HWC") == "HWC":
        sizes = {"kernelWidth": width, "kernelHeight": height, "mapCount": maps}
        strides = {"horizontalStride": horizontal, "verticalStride": vertical}
        return _operation("LegacyConvolution", call, **sizes, **strides, zeroPadding=padding)
    return _operation(
        "Convolution",
        call,
        kernelDims=(width, height),
        mapDims=maps,
        stride=(horizontal, vertical),
        # channels are never padded
        autoPadding=(padding, padding, False),
    )


def _pooling(call: Arguments) -> Op:
    return _operation("Pooling", call, poolKind=call.word(1), kernelDims=call.integers(2), **_windows(call))


def _unpooling(call: Arguments) -> Op:
    return _operation("MaxUnpooling", call, kernelDims=call.integers(2), **_windows(call))


def _windows(call: Arguments) -> dict[str, Any]:
    return {
        "stride": call.wholes("stride", 1),
        "autoPadding": call.flags("autoPadding", True),
        "lowerPad": call.wholes("lowerPad", 0),
        "upperPad": call.wholes("upperPad", 0),
        "imageLayout": _layout(call, "CHW"),
    }


def _image_pooling(name: str) -> Make:
    sizes = ("windowWidth", "windowHeight", "horizontalSubsample", "verticalSubsample")
    return lambda call: _operation(
        name, call, imageLayout=_layout(call, "HWC"), **{size: call.integer(k) for k, size in enumerate(sizes, 1)}
    )


def _crop(call: Arguments) -> Op:
    if not _has_offsets(call):
        return _operation("Crop", call)
    return _operation("Crop", call, xOffset=call.integer(2), yOffset=call.integer(3))


def _has_offsets(call: Arguments) -> bool:
    return call.count == 4 and call.is_number(2)


def _negative_samples(call: Arguments) -> Op:
    name = "CosDistanceWithNegativeSamples"
    return _operation(name, call, numShifts=call.integer(2), numNegSamples=call.integer(3))


def _normalization(call: Arguments) -> Op:
    return _operation(
        "BatchNormalization",
        call,
        spatial=call.flag("spatial", False),
        normalizationTimeConstant=call.real("normalizationTimeConstant", 0.0),
        blendTimeConstant=call.real("blendTimeConstant", 0.0),
        epsilon=call.real("epsilon", 1e-5),
        useCntkEngine=call.choice("engine", "cntk", {"cntk": "cntk", "cudnn": "cudnn"}) == "cntk",
        disableRegularization=call.flag("disableRegularization", False),
        imageLayout=_layout(call, "CHW"),
    )


_LEARNING = (
    *("init", "initValueScale", "value", "initFromFilePath", "initOnCPUOnly", "randomSeed", "learningRateMultiplier"),
    *("kernelWidth", "kernelHeight"),
    *_FROZEN,
)
_SHIFT = ("timeStep", "delayTime", "defaultHiddenActivity")
_WINDOWS = ("stride", "autoPadding", "lowerPad", "upperPad", "imageLayout")
_CONVOLUTION = (
    *("mapCount", "sharing", "transpose", "outputShape", "zeroPadding", "maxTempMemSizeInSamples"),
    *_WINDOWS,
)
_NORMALIZATION = (
    *("spatial", "normalizationTimeConstant", "blendTimeConstant", "epsilon", "engine", "imageLayout"),
    "disableRegularization",
)
_SIZES = ("imageWidth", "imageHeight", "imageChannels", "imageLayout")

_AT_LEAST_1, _AT_LEAST_3 = range(1, _MANY), range(3, _MANY)

_ALL = (
    *map(_plain, _PLAIN),
    Function("InputValue", _AT_LEAST_1, _input(Storage.DENSE, False), _none, ("dynamicAxis",)),
    Function("SparseInputValue", _AT_LEAST_1, _input(Storage.SPARSE, False), _none, ("dynamicAxis",)),
    Function("ImageInput", range(3, 5), _input(Storage.DENSE, True), _none, ("dynamicAxis", "imageLayout")),
    Function("SparseImageInput", range(3, 5), _input(Storage.SPARSE, True), _none, ("dynamicAxis", "imageLayout")),
    Function("LearnableParameter", _AT_LEAST_1, _parameter, _none, _LEARNING),
    Function("ImageParameter", _AT_LEAST_3, _image_parameter, _none, (*_LEARNING, "imageLayout")),
    Function("Constant", (1,), _constant, _none, ("rows", "cols")),
    Function("PastValue", range(2, 4), _delay("PastValue"), _last, _SHIFT),
    Function("FutureValue", range(2, 4), _delay("FutureValue"), _last, _SHIFT),
    Function("RowSlice", (3,), _row_slice, _last),
    Function("RowRepeat", (2,), lambda call: _operation("RowRepeat", call, numRepeats=call.integer(1)), _first(1)),
    Function("Reshape", (2,), _reshape, _first(1), _SIZES),
    Function("Convolution", (3, 7), _convolution, _first(2), _CONVOLUTION),
    Function("Pooling", (3,), _pooling, _first(1), _WINDOWS),
    Function("MaxUnpooling", (3,), _unpooling, _first(2), _WINDOWS),
    Function("MaxPooling", (5,), _image_pooling("MaxPooling"), _first(1), ("imageLayout",)),
    Function("AveragePooling", (5,), _image_pooling("AveragePooling"), _first(1), ("imageLayout",)),
    Function("BatchNormalization", range(5, 7), _normalization, _first(6), _NORMALIZATION),
    Function("Crop", (2, 4), _crop, lambda call: range(2 if _has_offsets(call) else call.count)),
    Function("CosDistanceWithNegativeSamples", (4,), _negative_samples, _first(2)),
)
_FUNCTIONS = {f.name: f for f in _ALL}
_CANONICAL = {name.lower(): name for name in _FUNCTIONS} | {a.lower(): name for a, name in ALIASES.items()}
