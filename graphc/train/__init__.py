"""Training: initial values, update rules, compiled steps, checkpoints.

Importing it loads the XLA backend first, because that prepares the process before jax is there.
"""

from graphc import backend

backend.load("xla")
