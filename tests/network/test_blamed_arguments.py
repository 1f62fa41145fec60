"""What the library cannot take is told at the argument that handed it in, or at the literal that a name stands for."""

from __future__ import annotations

import pytest

from graphc.diagnostics import DiagnosticError, Diagnostics, SourceText
from graphc.network.build import build_network
from graphc.network.session import Session


@pytest.mark.parametrize(
    "members,at",
    [
        ("z = LinearLayer {'a'} (x)", "'a'"),
        ("n = 'a' ; z = LinearLayer {n} (x)", "'a'"),
        ("n = 'a' ; z = LinearLayer {2 : n} (x)", "'a'"),
        ("n = 2.5 ; z = Parameter (n, 2) * x ; y = Parameter (n, 2) * x", "2.5"),
        ("m = 'a' ; f (n) = Parameter (n, 2) ; z = f (m) * x", "'a'"),
        ("n = 5 ; z = Parameter (n / 2, 2) * x", "n / 2"),
        ("z = LinearLayer {x => x} (x)", "x => x"),
        ("z = DenseLayer {2, activation = 'Tanh'} (x)", "'Tanh'"),
        ("z = LayerStack {'2', i => Tanh} (x)", "'2'"),
        ("z = Plus (x, 'a')", "'a'"),
        ("t = 'a' ; z = Plus (x, t)", "t"),
        ("z = Tanh (Tanh)", "Tanh"),
        ("z = ClassificationError (x, x, topN = 'five')", "'five'"),
        ("y = Input {2, sparse = 1}", "1"),
        ("i = 'unifrom' ; z = Parameter (2, 2, init = i) * x", "'unifrom'"),
        ("z = LinearLayer {2, inputRank = 1, mapRank = 1} (x)", "LinearLayer {2, inputRank = 1, mapRank = 1}"),
        ("z = x.nmae", "nmae"),
        ("m = x => x ; z = m.y", "m"),
        ("c = x ; outputNodes = (x : 3)", "3"),
        ("n = 3 ; outputNodes = n", "n"),
    ],
)
def test_place(members: str, at: str) -> None:
    found = Diagnostics()
    with pytest.raises(DiagnosticError):
        section = SourceText.from_string(f"{{ x = Input {{2}} ; {members} }}")
        build_network(section, session=Session(), diagnostics=found)
    assert [d.span and d.span.text for d in found.errors] == [at]
