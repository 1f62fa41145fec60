"""Puts a network together from the members of its record, naming nodes as CNTK does (language.md 6.2)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable

from graphc.diagnostics import Diagnostic, DiagnosticError, Diagnostics, slips, suggest
from graphc.network import explain
from graphc.network.network import Network, NetworkNode
from graphc.script.host import HostRecord
from graphc.script.values import PoisonError, describe, flatten, leaf_spans, use_of

# The members that fill the groups, in the order in which they are read.
GROUP_MEMBERS = {f"{group}Nodes": group for group in ("criterion", "evaluation", "feature", "label", "output")}
_LOOKALIKES = ("criteria", "evaluations", "features", "labels", "outputs", "eval", *GROUP_MEMBERS.values())


class Assembly:
    """One network being put together. What fails is reported and left out; `run` raises `PoisonError` at the end."""

    def __init__(
        self,
        network: Network,
        record: HostRecord,
        diagnostics: Diagnostics,
        implicit: Collection[NetworkNode],
        links: Callable[[NetworkNode], list[NetworkNode]],
    ) -> None:
        self._network = network
        self._record = record
        self._diagnostics = diagnostics
        self._implicit = implicit
        self._links = links
        self._failed = False
        self._work: deque[NetworkNode] = deque()
        self.added: set[NetworkNode] = set()

    def run(self) -> None:
        names = sorted(self._record.own_names())
        self._warn_about_lookalikes(names)
        for name in filter(GROUP_MEMBERS.get, names):
            self._attempt(lambda name=name: self._group(name))
        for name in names:
            self._attempt(lambda name=name: self._member(name))
        self._finish()

    def run_from(self, roots: Iterable[NetworkNode]) -> None:
        """Put the network together from these nodes instead of the record's members."""
        self._work.extend(roots)
        self._finish()

    def _finish(self) -> None:
        while self._work:
            self._add(self._work.popleft())
        if self._failed:
            raise PoisonError

    def _attempt(self, step: Callable[[], None]) -> None:
        """Every member by itself, so that all independent errors come out."""
        try:
            step()
        except PoisonError:
            self._failed = True
        except DiagnosticError as error:
            self._diagnostics.extend(error.diagnostics)
            self._failed = True

    def _group(self, name: str) -> None:
        group, listed, span = GROUP_MEMBERS[name], self._record.lookup(name), self._record.use_span(name)
        values = flatten(listed, span)
        for value, place in zip(values, leaf_spans(listed, span, use_of), strict=True):
            if not isinstance(value, NetworkNode):
                message = f"{name} holds {describe(value)}, not only nodes"
                raise DiagnosticError(Diagnostic("GC0404", message, place))
            self._network.listed.setdefault((group, value), place)
            if group not in value.tags:
                value.tags = (*value.tags, group)
            self._work.append(value)

    def _member(self, name: str) -> None:
        value = self._record.lookup(name)
        if not isinstance(value, NetworkNode) or name in GROUP_MEMBERS:
            return
        # `inputNodes = (f)` looks like a group to its author, who still calls the node f
        if name != "inputNodes":
            value.name = name
        self._work.append(value)

    def _add(self, node: NetworkNode) -> None:
        if node in self.added:
            return
        self.added.add(node)
        self._settle_name(node)
        self._network.add(node)
        self._attempt(lambda: self._work.extend(self._links(node)))
        for tag in node.tags:
            self._network.join(node, tag)

    def _settle_name(self, node: NetworkNode) -> None:
        taken = self._network.get(node.name)
        if taken is None:
            return
        if not (node in self._implicit or any(c in node.name for c in ".[]")):
            is_member = node.name in self._record.own_names()
            place = self._record.name_span(node.name) if is_member else node.span
            self._diagnostics.add(explain.duplicate(node.name, taken, node, place))
            self._failed = True
        while node.name in self._network:
            node.name = "_" + node.name

    def _warn_about_lookalikes(self, names: Iterable[str]) -> None:
        folded = {m.lower(): m for m in GROUP_MEMBERS}
        lookalikes = {f"{stem}node{end}": stem for stem in _LOOKALIKES for end in ("", "s")}
        for name in names:
            stem = lookalikes.get(name.lower())
            if name in GROUP_MEMBERS:
                continue
            meant = _misspelt_group(name) if stem is None else folded.get(f"{stem}nodes") or _group_member(stem)
            if meant is None:
                continue
            message = f"{name} is an ordinary member, not a group of nodes"
            hint = f"did you mean {meant}?"
            place = self._record.name_span(name)
            self._diagnostics.add(explain.warning("GC0409", message, place, hint))
            self._network.lookalikes.setdefault(GROUP_MEMBERS.get(meant, ""), place)


def _misspelt_group(name: str) -> str | None:
    """The group that two slips of the finger lead from."""
    near = {meant: slips(name.lower(), meant.lower(), 2) for meant in GROUP_MEMBERS}
    meant = min(near, key=lambda m: near[m])
    return meant if near[meant] <= 2 else None


def _group_member(stem: str) -> str:
    return {"criteria": "criterionNodes", "eval": "evaluationNodes"}.get(stem) or suggest(stem, GROUP_MEMBERS) or ""
