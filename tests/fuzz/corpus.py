"""The valid texts that mutation starts from: what is shipped and what the tests hold.

With ``GRAPHC_CNTK_TREE`` the configurations of a CNTK checkout too, so a seed then means other inputs.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]

_LARGEST = 20_000


@cache
def scripts() -> tuple[bytes, ...]:
    """BrainScript: networks, definitions and expressions."""
    library = [p.read_bytes() for p in sorted((ROOT / "graphc/script/library").glob("*.bs"))]
    sections = [section for text in configurations() for section in _networks(text)]
    cases = [c for name in ("evaluation.txt", "networks.txt", "parsing.txt") for c in _cases(name)]
    return (*sections, *cases, *_cases("language.txt", 1), *library)


@cache
def configurations() -> tuple[bytes, ...]:
    """Configuration files, and the small cases of the tests."""
    own = [*(ROOT / "models").rglob("*.cntk"), *(ROOT / "tests").rglob("*.cntk")]
    files = [p.read_bytes() for p in [*sorted(own), *_checkout("*.cntk")]]
    return (*(f for f in files if len(f) <= _LARGEST), *_cases("configuration.txt"))


@cache
def small_configurations() -> tuple[bytes, ...]:
    return _cases("configuration.txt")


@cache
def everything() -> tuple[bytes, ...]:
    """Texts of every language, and two that are none."""
    return (
        *scripts(),
        *configurations(),
        *descriptions(),
        *edits(),
        *networks(),
        *graphs(),
        *data(),
        b"",
        bytes(range(256)),
    )


@cache
def descriptions() -> tuple[bytes, ...]:
    """Networks in the description language."""
    files = [p.read_bytes() for p in [*sorted((ROOT / "models").rglob("*.ndl")), *_checkout("*.ndl")]]
    return (*_cases("ndl.txt", 1), *(f for f in files if len(f) <= _LARGEST), _DESCRIPTION)


@cache
def edits() -> tuple[bytes, ...]:
    """Scripts of edits, on the models ``base`` and ``other``."""
    files = [p.read_bytes() for p in _checkout("*.mel")]
    return (*(f"m = LoadModel (base)\n{edit}\nSaveModel (m, out)\n".encode() for edit in _EDITS), *files)


@cache
def networks() -> tuple[bytes, ...]:
    """Networks as model files hold them, of operators with all kinds of attributes."""
    from graphc.actions.check import check_script
    from graphc.diagnostics import SourceFile
    from graphc.network.text import format_network

    checked = [c for text in _NETWORKS for c in check_script(SourceFile("seed", text)).networks]
    assert len(checked) == len(_NETWORKS)
    return tuple(format_network(c.network).encode() for c in checked)


@cache
def graphs() -> tuple[bytes, ...]:
    """Graphs as `compile --emit ir` prints them, and the fixtures of the passes."""
    from graphc.ir import format_graph
    from graphc.network.lower import to_graph
    from graphc.network.text import parse_network

    lowered = [format_graph(to_graph(parse_network(text.decode()))).encode() for text in networks()[:3]]
    fixtures = [p.read_bytes() for p in sorted((ROOT / "tests/passes").glob("*.txt"))]
    halves = [half for text in fixtures for half in re.split(rb"^---.*\n|^#.*\n|\n\n", text, flags=re.MULTILINE)]
    return (*lowered, *(h for h in halves if len(h) > 20))


@cache
def data() -> tuple[bytes, ...]:
    """Files of the text format."""
    digits = (ROOT / "models/digits/test.ctf").read_bytes().splitlines(keepends=True)
    return (b"".join(digits[:3]), *_DATA)


def _networks(text: bytes) -> list[bytes]:
    """The sections with networks, found by their indentation."""
    found = re.findall(rb"NetworkBuilder[ \t]*=[ \t]*([\[{].*?^[ \t]{0,4}[\]}])", text, re.DOTALL | re.MULTILINE)
    return [f for f in found if len(f) <= _LARGEST]


def _cases(name: str, field: int = 0) -> tuple[bytes, ...]:
    """One field of each line of a conformance file; fields are separated by tabs, or columns by bars."""
    lines = (ROOT / "tests/conformance" / name).read_text("utf-8").splitlines()
    rows = [re.split(r"\t|\s{2,}\|\|", line) for line in lines if line.strip() and not line.startswith("#")]
    texts = (re.sub(r"^(?:members |N\d+[\w ]*: |[\w-]+ {2,})", "", row[field]) for row in rows if len(row) > field)
    return tuple(dict.fromkeys(text.replace("⏎", "\n").encode() for text in texts))


def _checkout(pattern: str) -> list[Path]:
    tree = os.environ.get("GRAPHC_CNTK_TREE")
    if not tree:
        return []
    return sorted(p for folder in ("Examples", "Tutorials") for p in (Path(tree) / folder).rglob(pattern))


_NETWORKS = (
    "{ x = Input{5} ; y = Input{2} ; z = LinearLayer{2}(DenseLayer{3, activation=Tanh}(x)) ;"
    " c = CrossEntropyWithSoftmax (y, z) ; e = ClassificationError (y, z) ;"
    " criterionNodes = (c) ; evaluationNodes = (e) ; outputNodes = (z) }",
    "{ x = Input{6:6:2} ; h = ConvolutionalLayer{4, (3:3), pad=true, activation=ReLU}(x) ;"
    " p = MaxPoolingLayer{(2:2), stride=2}(BatchNormalizationLayer{spatialRank=2}(h)) ;"
    " z = LinearLayer{2}(Dropout(p)) ; outputNodes = (z) }",
    "{ x = Input{4} ; a = RowSlice (1, 2, x) ; b = Splice (a : ReduceSum (x), axis=1) ;"
    " z = Clip (0, 1, NewReshape (b .* 2 - 1, (3:1))) ; outputNodes = (z) }",
    "{ x = Input{3} ; h = Tanh (LinearLayer{4}(x) + PastValue (4, h)) ; z = BS.Sequences.Last (h) ;"
    " outputNodes = (z) }",
)
_DESCRIPTION = b"""
FF (x, r, c) {
    W = Parameter (r, c)
    B = Parameter (r, init=fixedValue, value=0)
    T = Times (W, x)
    P = Plus (T, B)
    S = Sigmoid (P)
}
features = Input (4, tag=feature)
labels = Input (3, tag=label)
L1 = FF (features, 5, 4)
Out = FF (L1, 3, 5)
CE = CrossEntropyWithSoftmax (labels, Out.P, tag=criterion)
OutputNodes = (Out.P)
"""
_EDITS = (
    "SetInput (Out.T, 1, L1.P) ; SetInputs (Out.P, Out.B, Out.T) ; SetNodeInput (*.S, 0, L1.T)",
    "CopyNode (L1.*, L3.*) ; CopyInputs (L1.S, Out.S) ; CopyNode (L1.S, Twin, copy=value) ; SetInput (Twin, 0, L1.P)",
    "CopySubTree (L1.S, m, b.) ; Rename (L1.*, Hidden.*) ; Rename (CE, ce) ; DeleteNode (CE)",
    "n = LoadModel (other) ; CopyNode (n.features, m.y) ; SetDefaultModel (n) ; UnloadModel (n)",
    "H = 5 ; z = Tanh (g) ; g = Sigmoid (L1.S) ; s = Scale (Constant (2), CE)",
    "SetProperty (Out.S, output, true) ; SetProperty (L1.*, learningRateMultiplier, 0) ; Remove (CE)",
    "DumpModel (m, dump, includeData=true) ; SaveDefaultModel (out2)",
)
_DATA = (
    b"|x 1 2.5 -3e-2 |y 0:1 3:1\n|x 0 0 0 |y 1:1\n",
    b"0 |x 1 2 3 |# a comment\n0 |y 2:1\n1 |x 4 5 6 |y 3:0.5 1:2\n",
    b"17\t|y 1:1\t|x 1 2 3\n17 |x 7 8 9\n",
)
