"""The NumPy reference backend: plain, slow and right."""

from graphc.backends.reference.evaluate import BACKEND, FLOAT64, ReferenceBackend, Step
from graphc.backends.reference.gradients import gradients, numerical, pullback, sum_to
from graphc.backends.reference.random import PhiloxStream

__all__ = [
    "BACKEND",
    "FLOAT64",
    "PhiloxStream",
    "ReferenceBackend",
    "Step",
    "gradients",
    "numerical",
    "pullback",
    "sum_to",
]
