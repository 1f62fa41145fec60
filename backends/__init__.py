"""Lowerings of the graph IR, one module or package per target."""

if __name__ != "graphc.backends":
    raise ImportError("import graphc.backends, not backends")
