"""Texts of networks and configurations of any size, for benchmarks and tests."""

from __future__ import annotations


def mlp(layers: int) -> str:
    """A chain of layers, each with a name of its own as a program that writes networks gives it."""
    chain = "\n".join(
        f"h{k} = Sigmoid (W{k} * h{k - 1}) ; W{k} = ParameterTensor {{3:3}}" for k in range(1, layers + 1)
    )
    return f"""{{
        h0 = Input {{3}} ; labels = Input {{3}}
        {chain}
        ce = CrossEntropyWithSoftmax (labels, h{layers})
        criterionNodes = (ce)
    }}"""


def recursive_mlp(layers: int) -> str:
    """The same depth from a function that calls itself."""
    return f"""{{
        h (k) = if k == 0 then x else DenseLayer {{3, activation=Sigmoid}} (h (k - 1))
        x = Input {{3}} ; labels = Input {{3}}
        z = h ({layers})
        ce = CrossEntropyWithSoftmax (labels, z)
        criterionNodes = (ce)
    }}"""


def resnet(*blocks: int) -> str:
    """Bottleneck blocks of three convolutions in four stages, as ResNet-50, -101 and -152 have them."""
    stages = "\n".join(
        f"s{k} = LayerStack {{{n}, i => Block {{{2**k}, if i == 0 then {1 if k == 1 else 2} else 1}}}} (s{k - 1})"
        for k, n in enumerate(blocks, 1)
    )
    return f"""{{
        ConvBN {{c, kernel, stride}} = Sequential (
            ConvolutionalLayer {{c, kernel, stride=stride, pad=true, bias=false}} :
            BatchNormalizationLayer {{spatialRank=2}})
        Block {{c, stride}} = {{
            apply (x) = {{
                narrow = ReLU (ConvBN {{c, (1:1), 1}} (x))
                wide   = ReLU (ConvBN {{c, (3:3), stride}} (narrow))
                branch = ConvBN {{4 * c, (1:1), 1}} (wide)
                r = ReLU (branch + ConvBN {{4 * c, (1:1), stride}} (x))
            }}.r
        }}.apply
        s0 = Input {{(32:32:4)}} ; labels = Input {{5}}
        {stages}
        z = LinearLayer {{5}} (s{len(blocks)})
        ce = CrossEntropyWithSoftmax (labels, z)
        criterionNodes = (ce)
    }}"""


def configuration(lines: int) -> str:
    """A configuration of so many lines that trains and tests a network written out layer by layer."""
    layers = (lines - 24) // 4
    written = "\n".join(
        f"    # layer {k}\n"
        f"    W{k} = ParameterTensor {{256:256}}\n"
        f"    b{k} = ParameterTensor {{256}}\n"
        f"    h{k} = ReLU (W{k} * h{k - 1} + b{k})"
        for k in range(1, layers + 1)
    )
    padding = "\n" * ((lines - 24) % 4)
    reader = """reader = {
        readerType = "CNTKTextFormatReader" ; file = "train.ctf"
        input = { h0 = { dim = 256 ; format = "dense" } ; labels = { dim = 256 ; format = "dense" } }
    }"""
    return f"""command = Train:Test
modelPath = "Output/deep"
Train = {{
    action = "train"
    BrainScriptNetworkBuilder = {{
    h0 = Input {{256}}
    labels = Input {{256}}
{written}
    ce = CrossEntropyWithSoftmax (labels, h{layers})
    errs = ClassificationError (labels, h{layers})
    criterionNodes = (ce) ; evaluationNodes = (errs) ; outputNodes = (h{layers})
    }}
    SGD = {{ minibatchSize = 32 ; learningRatesPerMB = 0.1 ; maxEpochs = 2 }}
    {reader}
}}
{padding}Test = {{
    action = "test"
    {reader}
}}
"""
