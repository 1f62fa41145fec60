"""Lark grammars, read as package data."""

if __name__ != "graphc.grammar":
    raise ImportError("import graphc.grammar, not grammar")
