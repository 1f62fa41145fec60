"""Networks out of networks: loaded, cloned and edited (language.md 8), as far as names, links and parameters go."""

from __future__ import annotations

import math

import pytest

from graphc.diagnostics import DiagnosticError, Diagnostics
from graphc.network.network import Network
from graphc.network.session import Session

MODEL = """{
    features = Input {3}
    labels = Input {2, tag = 'label'}
    h = Sigmoid (W1 * features + b1) ; W1 = ParameterTensor {(3:3)} ; b1 = ParameterTensor {3, initValue = 0}
    z = W2 * h ; W2 = ParameterTensor {(2:3)}
    half = Constant (0.5) .* features
    ce = CrossEntropyWithSoftmax (labels, z)
    criterionNodes = (ce) ; outputNodes = (z)
}"""
NORMALIZED = """{
    x = Input {3}
    z = BatchNormalizationLayer {} (x)
    outputNodes = (z)
}"""


@pytest.fixture
def with_model(build):
    """Build the network of a text that may load ``m``, the model above, or another one."""

    def run(text: str, model: str = MODEL, **options) -> Network:
        session = Session(**options)
        session.promise("m", build(model))
        return build(text, session=session)

    return run


def lines(network: Network) -> dict[str, str]:
    return {n.name: f"{n.operation}({', '.join(s.name for s in n.inputs)})" for n in network}


def stored(network: Network) -> dict[str, str]:
    return {n.name: n.stored.name for n in network if n.stored}


def failure(work) -> str:
    with pytest.raises(DiagnosticError) as error:
        work()
    return "\n".join(f"{d.code} {d.message}" for d in error.value.diagnostics)


# --- loading


def test_a_whole_model(with_model):
    network = with_model("(BS.Network.Load ('m'))")
    assert lines(network) == lines(with_model(MODEL))
    assert [n.name for n in network.groups["criterion"]] == ["ce"]
    assert set(stored(network)) >= {"W1", "b1", "W2"}


def test_a_node_brings_what_it_reads_and_nothing_else(with_model):
    network = with_model("{ net = BS.Network.Load ('m') ; top = Tanh (net.H) ; outputNodes = (top) }")
    assert set(lines(network)) == {"top", "h", "h._", "h._.PlusArgs[0]", "W1", "features", "b1"}
    assert stored(network) == {"W1": "W1", "b1": "b1"}


def test_dots_of_a_name_are_written_as_underscores(with_model):
    network = with_model("{ net = BS.Network.Load ('m') ; logit = net.h__ ; outputNodes = (logit) }")
    assert lines(network)["logit"] == "Plus(h._.PlusArgs[0], b1)"


def test_a_name_that_is_free_no_more(with_model):
    text = "{ net = BS.Network.Load ('m') ; features = Input {3} ; s = net.half + features ; outputNodes = (s) }"
    assert "GC0402" in failure(lambda: with_model(text))


def test_an_unknown_node(with_model):
    assert "GC0301" in failure(lambda: with_model("{ z = BS.Network.Load ('m').y ; outputNodes = (z) }"))


def test_the_model_of_an_epoch(with_model):
    assert "W1" in with_model("(BS.Network.Load ('m.3'))")


def test_precision_must_be_that_of_the_model(build):
    session = Session()
    session.promise("m", build(MODEL, precision="double"))
    assert "GC0417" in failure(lambda: build("(BS.Network.Load ('m'))", session=session))


def test_a_missing_file_is_an_error(build):
    assert failure(lambda: build("(BS.Network.Load ('none'))")) == "GC0001 model file none does not exist"


def test_a_missing_file_is_a_warning_where_it_may_come_later(build):
    found = Diagnostics()
    text = "{ x = Input {2} ; z = BS.Network.Load ('none').z + x ; outputNodes = (z) }"
    assert not failure(lambda: build(text, session=Session(files_required=False), diagnostics=found))
    assert [d.code for d in found.found] == ["GC0526"]


def test_a_file_that_is_no_model(build, tmp_path):
    (tmp_path / "m").write_text("not a model")
    assert "GC0702" in failure(lambda: build(f"(BS.Network.Load ('{tmp_path / 'm'}'))"))


def test_statistics_of_a_loaded_model_are_no_constants(with_model):
    network = with_model("(BS.Network.Load ('m'))", NORMALIZED)
    (normalization,) = (n for n in network if n.operation == "BatchNormalization")
    assert all(source.op.constant is None for source in normalization.inputs[3:])


# --- cloning

CLONE = """{
    net = BS.Network.Load ('m')
    f = BS.Network.CloneFunction (net.features, net.z, parameters = '%s')
    x = Input {3}
    a = f (x)
    b = f (x)
    outputNodes = (a:b)
}"""


@pytest.mark.parametrize("treatment,rate", [("learnable", 1.0), ("constant", 0.0)])
def test_every_call_makes_a_copy_with_the_values_of_the_model(treatment, rate, with_model):
    network = with_model(CLONE % treatment)
    assert lines(network)["a"] == "Times(a.W2, a.h)"
    assert lines(network)["a.h._.PlusArgs[0]"] == "Times(a.W1, x)"
    assert stored(network) == {f"{p}.{w}": w for p in "ab" for w in ("W1", "b1", "W2")}
    assert {network[name].op.learning_rate_multiplier for name in stored(network)} == {rate}
    # of a frozen copy, only training knows the value
    assert all(network[name].op.constant is None for name in stored(network))
    assert "features" not in network


def test_shared_parameters_are_the_originals(with_model):
    network = with_model(CLONE % "shared")
    assert lines(network)["a"] == "Times(W2, a.h)" and lines(network)["b"] == "Times(W2, b.h)"
    assert stored(network) == {w: w for w in ("W1", "b1", "W2")}


def test_a_record_of_outputs_and_several_inputs(with_model):
    text = """{
        net = BS.Network.Load ('m')
        f = BS.Network.CloneFunction ((net.features:net.labels), { loss = net.ce ; scores = net.z })
        x = Input {3} ; y = Input {2}
        out = f (x, y)
        ce = out.loss ; z = out.scores
        criterionNodes = (ce)
    }"""
    network = with_model(text)
    assert lines(network)["ce"] == "CrossEntropyWithSoftmax(y, z)"
    assert {"features", "labels"}.isdisjoint(network.names)


def test_the_part_between_an_inner_node_and_the_output(with_model):
    text = """{
        net = BS.Network.Load ('m')
        f = BS.Network.CloneFunction (net.h, net.z)
        x = Input {3} ; top = f (x)
        outputNodes = (top)
    }"""
    assert lines(with_model(text)) == {"top": "Times(top.W2, x)", "x": "InputValue()", "top.W2": "LearnableParameter()"}


def test_nodes_of_the_network_itself_are_cloned_too(with_model):
    text = """{
        x = Input {3} ; y = Input {3}
        W = ParameterTensor {(2:3)}
        z = W * x
        f = BS.Network.CloneFunction (x, z)
        other = f (y)
        outputNodes = (z:other)
    }"""
    network = with_model(text)
    assert lines(network)["other"] == "Times(other.W, y)"
    assert network["other.W"].original is network["W"]


def test_frozen_normalization(with_model):
    text = """{
        net = BS.Network.Load ('m') ; x = Input {3}
        f = BS.Network.CloneFunction (net.x, net.z, parameters = 'constant')
        z = f (x) ; outputNodes = (z)
    }"""
    network = with_model(text, NORMALIZED)
    (normalization,) = (n for n in network if n.operation == "BatchNormalization")
    op = normalization.op
    assert op.normalization_time_constant == op.blend_time_constant == math.inf
    assert not network.parameters


@pytest.mark.parametrize(
    "clone,said",
    [
        ("(net.features, net.z, parameters = 'frozen')", "GC0417 parameters is the string 'frozen'"),
        ("(net.labels, net.z)", "GC0417 no output of the function depends on its input labels"),
        ("(net.features, {})", "GC0417 outputNodes must hold at least one node"),
        ("((net.features:net.h), net.inside)", "GC0301"),
        ("(3, net.z)", "GC0404 inputNodes holds the number 3, not only nodes"),
        ("(net.features, 'z')", "GC0404 outputNodes is the string 'z', not a node or a record of nodes"),
        ("(net.features, { z = 1 })", "GC0404 z in outputNodes is the number 1, not a node"),
    ],
)
def test_what_cannot_be_cloned(clone, said, with_model):
    text = f"{{ net = BS.Network.Load ('m') ; x = Input {{3}} ; z = BS.Network.CloneFunction {clone} (x) }}"
    assert failure(lambda: with_model(text)).startswith(said)


def test_an_input_must_not_depend_on_what_is_copied(with_model):
    text = """{
        x = Input {3} ; W = ParameterTensor {(3:3)} ; h = W * x ; z = W * h
        f = BS.Network.CloneFunction (h, z) ; y = f (x) ; outputNodes = (y)
    }"""
    assert failure(lambda: with_model(text)) == (
        "GC0417 the input h of the function depends on W, which is inside of it"
    )


@pytest.mark.parametrize("call,code", [("f (x, x)", "GC0302"), ("f (3)", "GC0404")])
def test_wrong_arguments_of_a_clone(call, code, with_model):
    clone = "f = BS.Network.CloneFunction (net.features, net.z)"
    text = f"{{ net = BS.Network.Load ('m') ; {clone} ; x = Input {{3}} ; z = {call} }}"
    assert failure(lambda: with_model(text)).startswith(code)


# --- editing


def edit(functions: str, more: str = "", roots: str = "BS.Constants.None") -> str:
    return f"""({{
        net = BS.Network.Load ('m')
        {more}
        result = BS.Network.Edit (net, {functions}, {roots})
    }}.result)"""


def test_users_of_a_replaced_node_are_duplicated_under_their_names(with_model):
    network = with_model(edit("BS.Network.Editing.ReplaceLinksToNode (net.h, other)", "other = Tanh (net.half)"))
    before, after = lines(with_model(MODEL)), lines(network)
    new = after["z"].removeprefix("Times(W2, ").removesuffix(")")
    assert after[new] == "Tanh(half)" and after["ce"] == before["ce"]
    # the old node is read by nobody any more
    assert "h" not in network and "W1" not in network
    assert [n.name for n in network.groups["criterion"]] == ["ce"]
    assert [n.name for n in network.groups["output"]] == ["z"]


def test_by_name(with_model):
    network = with_model(edit("BS.Network.Editing.ReplaceLinksToNamedNode ('W2', P)", "P = ParameterTensor {(2:3)}"))
    assert "W2" not in network and network["z"].inputs[0].type.dims == (2, 3)
    assert not network["z"].inputs[0].stored and network["W1"].stored


def test_a_node_put_in_between_reads_the_one_it_replaces(with_model):
    network = with_model(edit("BS.Network.Editing.ReplaceLinksToNode (net.h, d)", "d = Dropout (net.h)"))
    dropout = network["z"].inputs[1]
    assert dropout.operation == "Dropout" and dropout.inputs == [network["h"]]


def test_the_first_function_that_changes_a_node_wins_and_chains_are_followed(with_model):
    functions = "(Named ('h', a) : Named ('h', b) : Named ('half', c))"
    more = """
        Named = BS.Network.Editing.ReplaceLinksToNamedNode
        a = net.half ; b = Exp (net.h) ; c = Tanh (net.features)
    """
    network = with_model(edit(functions, more))
    # half itself had become c
    assert network["z"].inputs[1].operation == "Tanh"
    assert "half" not in network


def test_additional_roots_read_the_edited_nodes(with_model):
    more = "d = Dropout (net.h) ; extra = Softmax (net.z)"
    network = with_model(edit("(n => if n.name == 'h' then d else n)", more, "extra"))
    (softmax,) = (n for n in network if n.operation == "Softmax")
    assert softmax.inputs == [network["z"]] and network["z"].inputs[1].operation == "Dropout"


def test_a_replaced_criterion_is_criterion_no_more_but_its_replacement_is(with_model):
    more = "other = SquareError (net.labels, net.z)"
    network = with_model(edit("BS.Network.Editing.ReplaceLinksToNode (net.ce, other)", more))
    assert [n.operation for n in network.groups["criterion"]] == ["SquareError"]


def test_no_edit_gives_the_same_network(with_model):
    assert lines(with_model(edit("(n => n)"))) == lines(with_model(MODEL))


@pytest.mark.parametrize(
    "functions,said",
    [
        ("(n => 3)", "GC0417 the edit function gives the number 3"),
        ("3", "GC0417 editFunctions holds the number 3, not only functions"),
        ("(n => if n.name == 'h' then net.z else if n.name == 'z' then net.h else n)", "GC0417 nodes are replaced by"),
        ("IsSameObject", "GC0302"),
    ],
)
def test_what_cannot_be_edited(functions, said, with_model):
    assert failure(lambda: with_model(edit(functions))).startswith(said)
