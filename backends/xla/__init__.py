"""The XLA backend: graphs to JAX.

Importing it sets the C library's allocator, loads jax and switches the persistent compilation cache on, in that order.
"""

from graphc.backends.xla import allocator

allocator.configure()

from graphc.backends.xla.xla import BACKEND  # noqa: E402  # the allocator comes before jax

__all__ = ["BACKEND"]
