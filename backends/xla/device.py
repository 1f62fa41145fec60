"""Which device a program runs on: what the user wrote, turned into one of JAX's devices."""

from __future__ import annotations

from typing import Any

import jax

from graphc.diagnostics import Diagnostic, DiagnosticError, did_you_mean

# JAX's class of devices is no name that type checkers know
Device = Any

# the user's word → JAX's platform name; JAX gives each vendor's devices its own under "gpu" as well
PLATFORMS = {"cpu": "cpu", "gpu": "gpu", "cuda": "gpu", "tpu": "tpu"}


def resolve(device: str | int) -> Device:
    """``auto``: the best there is; ``cpu``, ``gpu``, ``tpu``, also ``gpu:1``; a number as CNTK's ``deviceId``.

    ``deviceId`` is negative for the CPU and n for the n-th accelerator.
    """
    word = str(device).strip().lower()
    if word in ("", "auto"):
        return jax.devices()[0]
    if word.lstrip("-").isdigit():
        return _numbered(int(word))
    platform, _, number = word.partition(":")
    if platform not in PLATFORMS or (number and not number.isdigit()):
        raise _unknown(word)
    return _pick(devices(PLATFORMS[platform]), int(number or 0), word)


def _numbered(number: int) -> Device:
    if number < 0:
        return _pick(devices("cpu"), 0, "cpu")
    return _pick([d for d in jax.devices() if d.platform != "cpu"], number, str(number))


def is_cuda(device: Device) -> bool:
    return device in devices("cuda")


def devices(platform: str) -> list[Device]:
    """Those of a platform in JAX's names, which may be none."""
    try:
        return jax.devices(platform)
    except RuntimeError:
        return []  # how JAX says that it has no such platform


def _pick(found: list[Device], number: int, word: str) -> Device:
    if number < len(found):
        return found[number]
    there = ", ".join(dict.fromkeys(f"{d.platform}:{d.id}" for d in [*jax.devices(), *devices("cpu")]))
    hint = f"there are {there}; a GPU needs a jax with its plugin, such as jax[cuda13]"
    raise DiagnosticError(Diagnostic("GC0803", f"there is no device {word!r}", hint=hint))


def _unknown(word: str) -> DiagnosticError:
    otherwise = "give auto, cpu, gpu, tpu, gpu:1 or a number (negative: the CPU)"
    hint = did_you_mean(word, ["auto", *PLATFORMS], otherwise)
    return DiagnosticError(Diagnostic("GC0803", f"{word!r} names no device", hint=hint))
