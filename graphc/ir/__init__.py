"""Typed, acyclic, immutable graphs and what is needed to read, print, check and rewrite them."""

from graphc.ir.graph import GROUPS, Graph, readers, topological, users
from graphc.ir.node import Context, Cost, Frames, Lanes, Node, Op, RandomStream, Sequences, check_arity, op, operator
from graphc.ir.region import Carry, Region
from graphc.ir.rewrite import RewriteError, Rule, Trace, rewrite, rule
from graphc.ir.text import equal_graphs, format_graph, parse_graph
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
from graphc.ir.verify import VerificationError, verify

__all__ = [
    "DEFAULT_AXIS",
    "GROUPS",
    "Carry",
    "Context",
    "Cost",
    "Dim",
    "DynamicAxis",
    "ElementType",
    "Frames",
    "Graph",
    "Lanes",
    "Node",
    "Op",
    "RandomStream",
    "Region",
    "RewriteError",
    "Rule",
    "Sequences",
    "Shape",
    "ShapeError",
    "Storage",
    "TensorType",
    "Trace",
    "VerificationError",
    "check_arity",
    "equal_graphs",
    "format_graph",
    "format_shape",
    "op",
    "operator",
    "parse_graph",
    "readers",
    "rewrite",
    "rule",
    "topological",
    "users",
    "verify",
]
