"""Typed, acyclic, immutable graphs and what is needed to read, print, check and rewrite them."""
