"""A builder at the root serves every command, as in CNTK; who thereby tests an untrained network is told."""

from __future__ import annotations

import pytest

from graphc.actions.check import check
from graphc.syntax.configuration import configuration_from_text

BUILDER = "BrainScriptNetworkBuilder = { x = Input {3} ; c = ReduceSum (LinearLayer {2} (x)) ; criterionNodes = (c) }"
TEXT = """
command = Train:Test:Write
modelPath = "m"
ROOT
Train = [ TRAIN ; action = train ; SGD = [ maxEpochs = 1 ; learningRatesPerMB = 1 ] ; READER ]
Test = [ TEST ; action = test ; READER ]
Write = [ action = write ; outputPath = "out" ; READER ]
"""
READER = 'reader = [ file = "f" ; input = [ x = [ dim = 3 ; format = "dense" ] ] ]'


@pytest.mark.parametrize(
    ("places", "warned"),
    [({"ROOT"}, ["Test", "Write"]), ({"TRAIN"}, []), ({"ROOT", "TEST"}, ["Write"]), ({"TRAIN", "TEST"}, [])],
    ids=["at the root", "where it trains", "at the root, and the test has its own", "each has its own"],
)
def test_an_untrained_network_is_told(places: set[str], warned: list[str]) -> None:
    text = TEXT.replace("READER", READER)
    for place in ("ROOT", "TRAIN", "TEST"):
        text = text.replace(place, BUILDER if place in places else "")
    found = check(configuration_from_text(text)).found.found
    assert [(d.code, d.message.split()[0]) for d in found] == [("GC0527", name) for name in warned]
