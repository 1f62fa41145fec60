"""Scripts of edits (MEL): what every command makes of a model, and what is said of wrong ones (language.md 10)."""

from __future__ import annotations

import pytest

from graphc.diagnostics import Diagnostics, SourceFile, SourceText
from graphc.ir import ElementType
from graphc.network.mel.interpreter import DumpedNodes, run_script
from graphc.network.ndl.build import NDLScript, build_ndl_network
from graphc.network.session import Session
from graphc.network.text import format_network, parse_network
from graphc.ops.normalization import NEVER
from graphc.syntax.configuration_text import strip_comments

MACROS = """
FF (x, r, c) {
    W = Parameter (r, c)
    B = Parameter (r, init=fixedValue, value=0)
    T = Times (W, x)
    P = Plus (T, B)
    S = Sigmoid (P)
}
"""
BASE = """
features = Input (4, tag=feature)
labels = Input (3, tag=label)
L1 = FF (features, 5, 4)
L2 = FF (L1, 5, 5)
Out = FF (L2, 3, 5)
CE = CrossEntropyWithSoftmax (labels, Out.P, tag=criterion)
Err = ClassificationError (labels, Out.P, tag=eval)
OutputNodes = (Out.P)
"""
OTHER = "x = Input (4, tag=feature)\nL1 = FF (x, 5, 4)\nOutputNodes = (L1)"


def text(source):
    return strip_comments(SourceText.of(SourceFile("e.mel", source)))


def network(description):
    macros = (SourceText.from_string(MACROS),)
    script = NDLScript(macros, (SourceText.from_string(description),))
    return build_ndl_network(script, ElementType.FLOAT32, session=Session(), diagnostics=Diagnostics())


@pytest.fixture(scope="module")
def models():
    return {"base": network(BASE), "other": network(OTHER)}


@pytest.fixture
def run(models):
    """Outputs and diagnostics of a script that can load the two models."""

    def go(source, files_required=True):
        session, found = Session(files_required=files_required), Diagnostics()
        for path, model in models.items():
            session.promise(path, model)
        outputs = run_script(text(source), session, found, ElementType.FLOAT32, (SourceText.from_string(MACROS),))
        return outputs, found.found

    return go


@pytest.fixture
def edit(run):
    """The model ``m``, loaded from ``base`` and saved after some commands."""

    def go(commands):
        outputs, found = run(f"m = LoadModel (base)\n{commands}\nSaveModel (m, out)\n")
        assert not found, [d.render() for d in found]
        return outputs[-1].network

    return go


def shown(network, name):
    """``Operation(inputs)`` of a node."""
    node = network.get(name)
    return None if node is None else f"{node.operation}({', '.join(source.name for source in node.inputs)})"


# commands → nodes as they are then
EDITS = {
    "SetInput (L2.T, 1, L1.P)": {"L2.T": "Times(L2.W, L1.P)", "L2.P": "Plus(L2.T, L2.B)"},
    "SETINPUT (m.L2.T, 1, m.L1.P)": {"L2.T": "Times(L2.W, L1.P)"},
    "SetNodeInput (*2.S, 0, L1.P)": {"L2.S": "Sigmoid(L1.P)"},
    "SetInput (*.S, 0, L1.P)": {"L1.S": "Sigmoid(L1.P)", "Out.S": "Sigmoid(L1.P)"},
    "SetInputs (L2.P, L2.B, L2.T)": {"L2.P": "Plus(L2.B, L2.T)"},
    "SetNodeInp (L2.S, 0, L2.T)": {"L2.S": "Sigmoid(L2.T)"},
    "CopyInputs (L2.S, Out.S)": {"Out.S": "Sigmoid(L2.P)"},
    "CopyInputs (L1.*, m.L1.*)": {"L1.S": "Sigmoid(L1.P)"},
    "CopyNode (L2.*, L3.*)": {"L3.T": "Times(L3.W, L1.S)", "L3.S": "Sigmoid(L3.P)", "L2.S": "Sigmoid(L2.P)"},
    "Copy (L2.*, L3.*) ; SetInput (L3.T, 1, L2.S) ; SetInput (Out.T, 1, L3.S)": {
        "L3.T": "Times(L3.W, L2.S)",
        "Out.T": "Times(Out.W, L3.S)",
    },
    "CopyNode (L2.S, Twin)": {"Twin": "Sigmoid(L2.P)"},
    "CopyNode (L2.S, Twin, copy=value) ; SetInput (Twin, 0, L1.P)": {"Twin": "Sigmoid(L1.P)"},
    "CopyNode (L2.P, L1.P, copyFlag=value)": {"L1.P": "Plus(L1.T, L1.B)"},
    "CopyNode (L1.P, L2.P)": {"L2.P": "Plus(L1.T, L1.B)"},
    "CopyNode (L1.W, V) ; CopyNode (V, L*.W) ; SetInput (L2.T, 1, features)": {"L2.T": "Times(L2.W, features)"},
    "CopySubTree (L1.S, m, b.)": {"b.L1.S": "Sigmoid(b.L1.P)", "b.L1.T": "Times(b.L1.W, b.features)"},
    "CopySubTree (L1.S, m, b., copy=value) ; RemoveNode (b.L1.T, b.L1.P, b.L1.S)": {
        "b.L1.W": "LearnableParameter()",
        "b.L1.S": None,
    },
    "Rename (L2.*, Hidden.*)": {"L2.S": None, "Hidden.S": "Sigmoid(Hidden.P)", "Out.T": "Times(Out.W, Hidden.S)"},
    "Rename (*.W, *.Weights)": {"L1.T": "Times(L1.Weights, features)", "L1.W": None},
    "Rename (CE, ce)": {"ce": "CrossEntropyWithSoftmax(labels, Out.P)"},
    "DeleteNode (CE, Err)": {"CE": None, "Err": None, "Out.P": "Plus(Out.T, Out.B)"},
    "Remove (L2.*) ; SetInput (Out.T, 1, L1.S)": {"L2.S": None, "Out.T": "Times(Out.W, L1.S)"},
    "Delete (Out.S)": {"Out.S": None},
    "n = LoadModel (other) ; CopyNode (n.x, m.y)": {"y": "InputValue()"},
    "n = LoadModel (other) ; CopySubTree (n.L1.S, m, o.) ; SetInput (L2.T, 1, o.L1.S)": {
        "L2.T": "Times(L2.W, o.L1.S)",
        "o.L1.T": "Times(o.L1.W, o.x)",
    },
    "n = LoadModel (other) ; CopyNode (n.L1.*, o.*) ; SetInput (o.T, 1, features)": {
        "o.T": "Times(o.W, features)",
        "o.S": "Sigmoid(o.P)",
    },
    "UnloadModel (m) ; m = LoadModel (other)": {"L1.T": "Times(L1.W, x)", "CE": None},
    "k = LoadModel (base) ; SetDefaultModel (k) ; Rename (CE, Loss)": {"CE": "CrossEntropyWithSoftmax(labels, Out.P)"},
    "H = 5 ; L3 = FF (L2.S, H, H) ; SetInput (Out.T, 1, L3.S)": {
        "L3.S": "Sigmoid(L3.P)",
        "Out.T": "Times(Out.W, L3.S)",
    },
    "z = Tanh (g) ; g = Sigmoid (L1.S)": {"z": "Tanh(g)", "g": "Sigmoid(L1.S)"},
    "L3 = FF (L2.S, 5, 5) ; Rename (CE, Loss) ; z = Tanh (L3)": {"z": "Tanh(L3.S)"},
    "s = Scale (Constant (2), CE) ; Rename (s, t) ; u = Scale (Constant (3), Err)": {
        "t": "ElementTimes(unnamed1, CE)",
        "u": "ElementTimes(unnamed2, Err)",
    },
    "unnamedX = Tanh (L1.S)": {"unnamedX": "Tanh(L1.S)"},
    "Loss = CE": {"CE": None, "Loss": "CrossEntropyWithSoftmax(labels, Out.P)"},
}


@pytest.mark.parametrize("commands", EDITS)
def test_edits(commands, edit):
    network = edit(commands)
    assert {name: shown(network, name) for name in EDITS[commands]} == EDITS[commands]
    # what is saved is read again as it is
    assert format_network(parse_network(format_network(network))) == format_network(network)


@pytest.mark.parametrize(
    "commands,groups",
    [
        ("SetProperty (Err, criterion, true)", {"criterion": ["CE", "Err"], "evaluation": ["Err"]}),
        ("SetProperty (CE, Criteria, false)", {"criterion": []}),
        ("SetProperty (CE, finalCriterion, f)", {"criterion": []}),
        ("SetProperty (CE, eval, 1)", {"evaluation": ["Err", "CE"]}),
        ("SetProperty (*.S, output, true)", {"output": ["Out.P", "L1.S", "L2.S", "Out.S"]}),
        ("SetProperty (labels, feature, true) ; SetProperty (labels, label, false)", {"label": []}),
        ("Remove (CE)", {"criterion": []}),
        ("Rename (CE, Loss)", {"criterion": ["Loss"]}),
        ("CopyNode (CE, Twin)", {"criterion": ["CE"]}),
        ("Sum = Plus (CE, Err, tag=Criteria)", {"criterion": ["CE", "Sum"]}),
        ("SetProperty (CE, MultiSeq, true) ; SetProperty (CE, recurrent, true)", {"criterion": ["CE"]}),
    ],
)  # fmt: skip
def test_groups(commands, groups, edit):
    network = edit(commands)
    assert {group: [node.name for node in network.groups[group]] for group in groups} == groups


@pytest.mark.parametrize(
    "commands,rates",
    [
        ("SetProperty (L1.*, learningRateMultiplier, 0)", {"L1.W": 0, "L1.B": 0, "L2.W": 1}),
        ("SetProperty (*.W, learningRateMult, 0.5)", {"L1.W": 0.5, "L1.B": 1}),
        ("SetProperty (L1.W, needGradient, false)", {"L1.W": 0, "L1.B": 1}),
        ("SetProperty (m, needsGradient, false) ; SetProperty (L2.*, computeGradient, true)", {"L1.W": 0, "L2.W": 1}),
        ("SetPropertyForSubTree (L2.S, learningRateMultiplier, 0)", {"L1.W": 0, "L2.B": 0, "Out.W": 1}),
        ("SetPropertyForSubTree (L1.P, needGr, F)", {"L1.W": 0, "L2.W": 1}),
        ("SetProperty (L1.W, freezeParameters, true)", {"L1.W": 0}),
        ("CopyNode (L1.W, V) ; SetProperty (V, learningRateMultiplier, 0.25) ; Rename (V, U)", {"U": 0.25, "L1.W": 1}),
    ],
)  # fmt: skip
def test_learning_rates(commands, rates, edit):
    network = edit(commands)
    assert {name: network[name].op.learning_rate_multiplier for name in rates} == rates


def test_frozen_values_are_not_taken_for_those_of_the_initializer(edit):
    """The bias starts at 0 and was trained since: no pass may fold it."""
    frozen = edit("SetProperty (L1.B, needGradient, false)")["L1.B"].op
    assert not frozen.is_trained and frozen.constant is None
    assert edit("c = Constant (2)")["c"].op.constant == 2.0


def test_freezing_a_batch_normalization(edit):
    commands = "s = Parameter (5) ; v = Parameter (5, needGradient=false)"
    commands += " ; n = BatchNormalization (L1.S, s, s, v, v) ; SetProperty (n, freezeParameters, true)"
    op = edit(commands)["n"].op
    assert (op.normalization_time_constant, op.blend_time_constant) == (NEVER, NEVER)


def test_a_model_is_saved_as_it_is_then(run):
    script = "m = LoadModel (base) ; SaveModel (m, a) ; Rename (CE, Loss) ; SaveDefaultModel (b) ; n = LoadModel (a)"
    outputs, found = run(f"{script} ; Rename (n.CE, n.Cost) ; SaveModel (n, a)")
    assert not found
    names = [(o.path, [n for n in ("CE", "Loss", "Cost") if n in o.network]) for o in outputs]
    assert names == [("a", ["CE"]), ("b", ["Loss"]), ("a", ["Cost"])]


def test_values_are_those_of_the_file_whatever_the_name(run):
    outputs, _ = run("m = LoadModel (base) ; CopySubTree (L1.S, m, b.) ; Rename (b.L1.W, V) ; SaveModel (m, out)")
    (saved,) = outputs
    assert {saved.network[name].stored.name for name in ("L1.W", "V")} == {"L1.W"}


def test_models_from_network_description(run, tmp_path):
    file = tmp_path / "snippets.ndl"
    file.write_text("a = [ x = Input (2) ; z = Tanh (x) ]\nb = [ x = Input (2) ; z = FF (x, 5, 2) ]\n")
    made = f"m = [ x = Input (3) ; y = Sigmoid (x) ] ; LoadNDLSnippet (n, {file}, section=b)"
    saved = "SaveModel (m, 1) ; SaveModel (n, 2) ; SetDefaultModel (n) ; x2 = Tanh (z.S) ; SaveDefaultModel (3)"
    outputs, found = run(f"{made} ; {saved}")
    assert not found, [d.render() for d in found]
    names = [[node.name for node in o.network] for o in outputs]
    assert names[0] == ["x", "y"] and names[1] == ["x", "z.W", "z.B", "z.T", "z.P", "z.S"]
    assert names[2] == [*names[1], "x2"]


def test_an_empty_model_is_filled(run):
    outputs, found = run("m = CreateModel () ; x = Input (3) ; y = Tanh (x) ; SaveModel (m, out)")
    assert not found and outputs[0].network.names == ["x", "y"]


def test_dumps_are_of_all_nodes_by_name_or_of_those_named(run):
    script = "m = LoadModel (other) ; Dump (m, a) ; DumpNode (L1.*, b, includeData=true)"
    outputs, found = run(script)
    assert not found and all(isinstance(o, DumpedNodes) for o in outputs)
    shown = [(o.path, [node.name for node in o.nodes], o.with_values) for o in outputs]
    names = ["L1.B", "L1.P", "L1.S", "L1.T", "L1.W"]
    assert shown[0] == ("a", [*names, "x"], False)
    assert shown[1][0] == "b" and sorted(shown[1][1]) == names and shown[1][2]


def test_sections_of_a_file(run):
    source = """
        load = macros ; edit = first:second
        macros = [ Top (x) { T = Tanh (x) } ]
        second = [ z = Top (CE) ; SaveModel (m, out) ]
        first = [ m = LoadModel (base) ]
        third = [ SaveModel (m, other) ]
    """
    outputs, found = run(source)
    assert not found and [o.path for o in outputs] == ["out"]
    assert shown(outputs[0].network, "z.T") == "Tanh(CE)"


# script → code, what is marked, and what is said
WRONG = [
    ("SetInptu (CE, 1, L2.S)", "GC0430", "SetInptu", "did you mean SetInput?"),
    ("Frobnicate (CE)", "GC0430", "Frobnicate", "there are CreateModel"),
    ("Set (CE, 1)", "GC0430", "Set", "there is no editing command Set"),
    ("SetInput (CE, 1)", "GC0432", "SetInput (CE, 1)", "takes 3 arguments, not 2"),
    ("SetInputs (CE)", "GC0432", "SetInputs (CE)", "takes 2 to 4 arguments, not 1"),
    ("Remove ()", "GC0432", "Remove ()", "takes at least 1 argument, not 0"),
    ("n = LoadModel ()", "GC0432", "n = LoadModel ()", "write n = LoadModel (file, "),
    ("SaveModel (m, a, format=cnkt)", "GC0432", "format=cnkt", "format is 'cnkt'"),
    ("SaveModel (m, a, fromat=cntk)", "GC0432", "fromat", "did you mean format?"),
    ("Dump (m, a, b)", "GC0432", "Dump (m, a, b)", "takes 2 arguments, not 3"),
    ("SetInput (CE, one, L2.S)", "GC0432", "one", "'one' is not the number of an input"),
    ("SetProperty (CE, learnRate, 1)", "GC0432", "learnRate", "there is no property learnRate"),
    ("SetPropertyForSubTree (CE, criterion, true)", "GC0432", "criterion", "there are needGradient"),
    ("SetProperty (L1.W, needGradient, maybe)", "GC0432", "maybe", "'maybe' is not a boolean"),
    ("SetProperty (L1.W, learningRateMultiplier, -1)", "GC0432", "-1", "'-1' is no rate"),
    ("SetProperty (CE, freezeParameters, true)", "GC0433", "SetProperty (CE, freezeParameters, true)", "owns nothing"),
    ("SetInput (CE, 1, L22.S)", "GC0413", "L22.S", "did you mean L2.S?"),
    ("Rename (L9.*, L8.*)", "GC0413", "L9.*", "no node of the model fits 'L9.*'"),
    ("Rename (L1.*, *.L8)", "GC0432", "*.L8", "are not alike"),
    ("Rename (L1.S, L8.*)", "GC0432", "L8.*", "more than one name for L1.S"),
    ("Rename (L1.*, L2.*)", "GC0402", "Rename (L1.*, L2.*)", "there is a node of that name"),
    ("CopyNode (*.*.W, V)", "GC0432", "*.*.W", "has more than one star"),
    ("CopyNode (L2.S, L1.P)", "GC0433", "CopyNode (L2.S, L1.P)", "L2.S is a Sigmoid and L1.P a Plus"),
    ("CopyNode (L2.S, L2.S)", "GC0433", "CopyNode (L2.S, L2.S)", "would be copied to itself"),
    ("CopyNode (L1.*, Other.*, copy=some)", "GC0432", "copy=some", "there are all, value"),
    ("CopyInputs (L2.S, L9.S)", "GC0433", "CopyInputs (L2.S, L9.S)", "L9.S does not exist"),
    ("SetInput (CE, 2, L2.S)", "GC0433", "SetInput (CE, 2, L2.S)", "takes 2 inputs, 3 were given"),
    ("SetInput (CE, 7, L2.S)", "GC0433", "SetInput (CE, 7, L2.S)", "CE has inputs 0 to 1, not 7"),
    ("SetInput (L1.W, 0, L2.S)", "GC0433", "SetInput (L1.W, 0, L2.S)", "LearnableParameter takes 0 inputs"),
    ("SetInput (CE, 1, L2.*)", "GC0432", "L2.*", "names 5 nodes, one is needed"),
    ("SetInputs (L2.*, L1.S)", "GC0432", "L2.*", "names 5 nodes, one is needed"),
    ("Remove (L2.*)", "GC0433", "Remove (L2.*)", "input 1 of Out.T leads nowhere: it was L2.S"),
    ("CopyNode (L1.S, T, copy=value)", "GC0433", "CopyNode (L1.S, T, copy=value)", "input 0 of T leads nowhere"),
    ("n = LoadModel (other) ; CopyNode (n.L1.*, o.*)", "GC0433", "CopyNode (n.L1.*, o.*)", "it was x before this line"),
    ("n = LoadModel (other) ; SetInput (CE, 1, n.L1.S)", "GC0432", "n.L1.S", "CE is of the model m, n.L1.S of n"),
    ("SaveModel (n, a)", "GC0431", "n", "there is no model n"),
    ("SetDefaultModel (mm)", "GC0431", "mm", "there is no model mm"),
    ("CopySubTree (CE, n, p.)", "GC0431", "n", "there is no model n"),
    ("UnloadModel (m) ; Rename (CE, Loss)", "GC0431", "CE", "there is no default model"),
    ("UnloadModel (m) ; x = Input (3)", "GC0431", "x", "there is no default model"),
    ("n = LoadModel (nowhere)", "GC0001", "nowhere", "model file nowhere does not exist"),
    ("ReviseParameter (L1.W, nowhere)", "GC0411", "nowhere", "parameter file 'nowhere' cannot be read"),
    ("SetInput (L2.T, 1, features)", "GC0201", "SetInput (L2.T, 1, features)", "inner dimensions differ"),
    ("SetInput (L1.T, 1, L1.S)", "GC0407", "SetInput (L1.T, 1, L1.S)", "a cycle has no delay: L1.T, which reads L1.S"),
    ("CE = Tanh (L2.S)", "GC0402", "Tanh (L2.S)", "CE"),
    ("z = Tanh (L9.S)", "GC0301", "L9.S", "L9.S"),
    ("z = Tnah (L1.S)", "GC0301", "Tnah", "Tnah"),
    ("z = Tanh (L1.S) ; Remove (z) ; y = Sigmoid (z)", "GC0413", "Sigmoid (z)", "No node named 'z': it was removed"),
    ("L1.S = L2.S", "GC0402", "L1.S = L2.S", "there is a node of that name"),
    ("SaveDefaultModel out", "GC0170", "SaveDefaultModel out", "is neither a command"),
    ("[ x = 1 ]", "GC0170", "[ x = 1 ]", "an editing script holds commands"),
    ("x =", "GC0103", "x", "no value given for 'x'"),
    ("SetInput (CE, 1, L2.S", "GC0102", "(", "no closing ')'"),
    ("LoadNDLSnippet (n, nowhere.ndl)", "GC0001", "nowhere.ndl", "does not exist"),
]  # fmt: skip


@pytest.mark.parametrize("commands,code,place,words", WRONG)
def test_what_is_wrong_is_told_at_its_place_and_nothing_is_saved(commands, code, place, words, run):
    outputs, found = run(f"m = LoadModel (base)\nSaveModel (m, before)\n{commands}\nSaveModel (m, out)\n")
    errors = [d for d in found if d.severity.value == "error"]
    assert [(d.code, d.span and d.span.text) for d in errors][:1] == [(code, place)], [d.render() for d in found]
    assert words in " ".join([errors[0].message, errors[0].hint or ""])
    assert errors[0].span.line == 3 and not outputs
