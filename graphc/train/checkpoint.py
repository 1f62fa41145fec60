"""Model and checkpoint files: one safetensors file each, written whole or not at all, checked when read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_safetensors

from graphc.diagnostics import Diagnostic, DiagnosticError, RunError
from graphc.files import atomic_binary_writer, was_cut_off, why

# how CNTK's first model format begins: a byte-order mark of its own, in UTF-16
_CNTK_MARK = "BCN".encode("utf-16-le")

Array = npt.NDArray[Any]
LearnerState = Mapping[str, Mapping[str, Array]]

# what the files call themselves; the number grows when an older reader would misunderstand
MODEL_FORMAT = "graphc model 1"
CHECKPOINT_FORMAT = "graphc checkpoint 1"

_FORMAT, _NETWORK, _PROGRESS, _SHA256 = "graphc.format", "graphc.network", "graphc.progress", "graphc.sha256"


@dataclass(frozen=True, eq=False)
class Model:
    """Parameter values by name and the network's canonical text."""

    values: Mapping[str, Array]
    network: str


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a run needs beside the model to go on as if it had not stopped.

    ``learner``: parameter → what the update rule remembers of it. ``progress``: JSON values, the caller's: samples
    seen, epoch, seed, place of the reader, state of the schedules.
    """

    learner: LearnerState
    progress: Mapping[str, Any] = field(default_factory=dict)


def save_model(path: Path, values: Mapping[str, Array], network: str) -> None:
    """Write or replace a model file; raises `RunError`, and then the file is what it was."""
    _save(path, values, {_FORMAT: MODEL_FORMAT, _NETWORK: network})


def load_model(path: Path) -> Model:
    """Raises `DiagnosticError` for a missing, damaged or foreign file."""
    tensors, metadata = _load(path, MODEL_FORMAT, "model")
    return Model(tensors, metadata[_NETWORK])


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write or replace a checkpoint; raises `RunError`, and then the file is what it was."""
    tensors = {f"{name}/{slot}": x for name, slots in checkpoint.learner.items() for slot, x in slots.items()}
    progress = json.dumps(dict(checkpoint.progress), sort_keys=True)
    _save(path, tensors, {_FORMAT: CHECKPOINT_FORMAT, _PROGRESS: progress})


def load_checkpoint(path: Path) -> Checkpoint:
    """Raises `DiagnosticError` for a missing, damaged or foreign file."""
    tensors, metadata = _load(path, CHECKPOINT_FORMAT, "checkpoint")
    learner: dict[str, dict[str, Array]] = {}
    for key, x in tensors.items():
        name, _, slot = key.rpartition("/")  # a parameter's name may hold a slash, a slot's does not
        learner.setdefault(name, {})[slot] = x
    return Checkpoint(learner, json.loads(metadata[_PROGRESS]))


def _save(path: Path, tensors: Mapping[str, Array], metadata: dict[str, str]) -> None:
    # safetensors writes the memory as it lies
    owned = {name: np.array(x, order="C") for name, x in sorted(tensors.items())}
    data = to_safetensors(owned, metadata={**metadata, _SHA256: _digest(owned, metadata)})
    try:
        with atomic_binary_writer(path) as stream:
            stream.write(data)
    except OSError as error:
        hint = "choose another modelPath or free space; what was there before is unchanged"
        raise RunError(Diagnostic("GC0703", f"cannot write {path}: {why(error)}", hint=hint)) from error


def _load(path: Path, wanted: str, kind: str) -> tuple[dict[str, Array], dict[str, str]]:
    try:
        tensors, metadata = _read(path)
    except FileNotFoundError as error:
        raise _unreadable(path, f"there is no {kind} file {path}") from error
    except OSError as error:
        raise _unreadable(path, f"cannot read {path}: {why(error)}") from error
    except (SafetensorError, ValueError, TypeError) as error:
        raise _unreadable(path, _foreign(path, kind)) from error
    found = metadata.get(_FORMAT, "")
    if found != wanted:
        other = f"it calls itself {found!r}" if found else "it was not written by graphc"
        raise _unreadable(path, f"{path} is no {kind} file that this version reads: {other}")
    if metadata.pop(_SHA256, "") != _digest(tensors, metadata):
        raise _unreadable(path, f"{path} is damaged: its contents do not match their checksum")
    return tensors, metadata


def _read(path: Path) -> tuple[dict[str, Array], dict[str, str]]:
    path.open("rb").close()  # for the system's own words where the file is missing or closed to us
    with safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118


def _foreign(path: Path, kind: str) -> str:
    with path.open("rb") as file:
        head = file.read(6)
    if not head:
        return f"the {kind} file {path} is empty"
    if head == _CNTK_MARK:
        return f"{path} is a model file of CNTK itself, which is not read yet"
    return f"{path} is damaged or no {kind} file"


def _unreadable(path: Path, message: str) -> DiagnosticError:
    # nobody is told to delete it: another program may have written it
    hint = "name another file, or move this one away to train anew" if path.exists() else None
    if was_cut_off(path):
        hint = "a write of it was cut off; the models of earlier epochs, <modelPath>.<epoch>, are whole"
    return DiagnosticError(Diagnostic("GC0702", message, hint=hint))


def _digest(tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> str:
    digest = hashlib.sha256()
    for name, x in sorted(tensors.items()):
        digest.update(f"{name}\0{x.dtype.str}\0{x.shape}\0".encode())
        digest.update(x.tobytes())
    for key, text in sorted(metadata.items()):
        digest.update(f"{key}\0{text}\0".encode())
    return digest.hexdigest()
