"""Typed, acyclic, immutable graphs and what is needed to read, print, check and rewrite them."""

from graphc.ir.graph import GROUPS, Graph, topological, users
from graphc.ir.node import Context, Cost, Frames, Node, Op, RandomStream, check_arity, op, operator
from graphc.ir.types import (
    DEFAULT_AXIS,
    Dim,
    DynamicAxis,
    ElementType,
    Shape,
    ShapeError,
    Storage,
    TensorType,
    format_shape,
)

__all__ = [
    "DEFAULT_AXIS",
    "GROUPS",
    "Context",
    "Cost",
    "Dim",
    "DynamicAxis",
    "ElementType",
    "Frames",
    "Graph",
    "Node",
    "Op",
    "RandomStream",
    "Shape",
    "ShapeError",
    "Storage",
    "TensorType",
    "check_arity",
    "format_shape",
    "op",
    "operator",
    "topological",
    "users",
]
