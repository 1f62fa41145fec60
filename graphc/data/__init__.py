"""Readers: files to minibatches."""
