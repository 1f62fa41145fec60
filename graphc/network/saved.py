"""Networks in model files, as far as building needs them: the text, without loading what reads the values."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

from graphc.diagnostics import Diagnostic, DiagnosticError
from graphc.network.network import Network, Stored
from graphc.network.text import parse_network
from graphc.ops.sources import LearnableParameter

# the key of the text among the metadata of a model file (graphc/train/checkpoint.py writes them)
_TEXT = "graphc.network"

# the format's own limit
_LONGEST_HEADER = 100_000_000


def read_model_text(path: Path) -> str:
    """The network's text from the header of a model file; raises `OSError` or `DiagnosticError`.

    The checksum is left to those who read the values.
    """
    try:
        file = path.open("rb")
    except ValueError as error:  # a zero byte
        raise OSError(errno.EINVAL, "no file can have this name") from error
    with file:
        length = int.from_bytes(file.read(8), "little")
        header = file.read(length) if length <= _LONGEST_HEADER else b""
    try:
        return json.loads(header)["__metadata__"][_TEXT]
    except (ValueError, KeyError, TypeError):
        message = f"{path} is damaged or no model file of graphc"
        raise DiagnosticError(Diagnostic("GC0702", message)) from None


def loaded_network(text: str, path: str) -> Network:
    """The network of a model file, each parameter with the place of its values; raises `DiagnosticError`."""
    network = parse_network(text, name=f"{path}(graphc.network)")
    # absolute, because the current folder may be another one when the values are read
    file = os.path.abspath(path)
    for node in network:
        if isinstance(node.op, LearnableParameter) or node.is_statistic:
            node.stored = Stored(file, node.name)
        for index in node.op.updates():
            statistic = node.inputs[index]
            # training has changed it, though no gradient did
            statistic.op = replace(statistic.op, is_state=True)  # pyright: ignore[reportArgumentType, reportCallIssue]
    return network
