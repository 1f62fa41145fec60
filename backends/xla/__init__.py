"""The XLA backend: graphs to JAX."""
