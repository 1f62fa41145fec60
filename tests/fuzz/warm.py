"""Importing this loads what every worker needs: the library, the tables of the parsers and the corpus."""

from __future__ import annotations

import contextlib
import tempfile

from tests.fuzz.kinds import KINDS, input_of
from tests.fuzz.watch import observe

# some inputs write files beside themselves
with tempfile.TemporaryDirectory() as _folder, contextlib.chdir(_folder):
    for _name, _kind in KINDS.items():
        if _kind.weight:
            observe(_kind.run, input_of(_name, 0, 0))
