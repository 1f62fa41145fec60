"""Model files that ship with graphc, one folder a model."""

if __name__ != "graphc.models":
    raise ImportError("import graphc.models, not models")
