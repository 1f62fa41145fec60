"""Forget what no root and no update needs.

Law: roots and updates stay; the symbol table, groups and places keep the names of living nodes only.
"""

from __future__ import annotations

from dataclasses import replace

from graphc.ir import Graph


def prune(graph: Graph) -> Graph:
    living = set(graph.nodes)
    names = {name: node for name, node in graph.names.items() if node in living}
    kept = names.keys() | graph.roots.keys()
    if len(names) == len(graph.names):
        return graph
    groups = {group: tuple(name for name in members if name in kept) for group, members in graph.groups.items()}
    return replace(
        graph,
        names=names,
        groups={group: members for group, members in groups.items() if members},
        spans={name: span for name, span in graph.spans.items() if name in kept},
    )
