"""Importing this loads what every worker needs: the library, the tables of the parsers and the corpus."""

from __future__ import annotations

from tests.fuzz.kinds import KINDS, input_of
from tests.fuzz.watch import observe

for _name, _kind in KINDS.items():
    if _kind.weight:
        observe(_kind.run, input_of(_name, 0, 0))
