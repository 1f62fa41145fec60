"""The NumPy reference backend: plain, slow and right."""

from graphc.backends.reference.evaluate import BACKEND, FLOAT64, ReferenceBackend
from graphc.backends.reference.gradients import gradients
from graphc.backends.reference.random import PhiloxStream

__all__ = ["BACKEND", "FLOAT64", "PhiloxStream", "ReferenceBackend", "gradients"]
