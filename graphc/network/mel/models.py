"""The models of an editing script by name, and the nodes that its patterns name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from graphc.diagnostics import Diagnostic, DiagnosticError, SourceText, Span, did_you_mean
from graphc.ir import ElementType
from graphc.network.mel.inline import Description
from graphc.network.network import Network, NetworkNode

# what a model without a name is called
UNNAMED = "default"


class UnknownModelError(Exception):
    """A model of which nothing is known is needed. Whoever catches it stays silent: that has been told."""


@dataclass(eq=False)
class Model:
    """A network being edited. ``network`` is none where its file cannot be read; ``is_broken``: an edit has failed.

    What a broken model lacks may be what the failed edit would have given it.
    """

    name: str
    network: Network | None
    is_broken: bool = False
    lines: Description = field(default_factory=Description)

    def known(self) -> Network:
        if self.network is None:
            raise UnknownModelError
        return self.network


@dataclass(frozen=True, eq=False)
class Pattern:
    """``[model.]name`` with at most one ``*``; ``tail`` is none where there is no star."""

    model: Model
    text: SourceText
    head: str
    tail: str | None

    @property
    def has_star(self) -> bool:
        return self.tail is not None

    def matches(self) -> list[NetworkNode]:
        """The nodes that it names, at least one; raises `DiagnosticError`."""
        network = self.model.known()
        head, tail = self.head.lower(), self.tail
        if tail is None:
            node = network.get(head)
            found = [] if node is None else [node]
        else:
            found = [n for n in network if _fits(n.name.lower(), head, tail.lower())]
        if found:
            return found
        if self.model.is_broken:
            raise UnknownModelError
        what = f"no node of the model fits '{self.text}'" if self.has_star else f"No node named '{self.head}'"
        hint = None if self.has_star else did_you_mean(self.head, network.names)
        raise DiagnosticError(Diagnostic("GC0413", what, self.text.span(), hint=hint))

    def rest(self, name: str) -> str:
        """What the star stands for in a name that fits."""
        return name[len(self.head) : len(name) - len(self.tail or "")]


def _fits(name: str, head: str, tail: str) -> bool:
    return len(name) >= len(head) + len(tail) and name.startswith(head) and name.endswith(tail)


@dataclass(eq=False)
class Models:
    """Models by name in any case. The first is the default, until another is chosen or it is gone."""

    element: ElementType | None
    default: Model | None = None
    _models: dict[str, Model] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    def get(self, name: str) -> Model | None:
        return self._models.get(name.lower())

    def add(self, model: Model) -> Model | None:
        """Enter a model; the one that had its name before is gone, and returned."""
        old = self._models.pop(model.name.lower(), None)
        self._models[model.name.lower()] = model
        if self.default is old or self.default is None:
            self.default = model
        return old

    def remove(self, model: Model) -> None:
        del self._models[model.name.lower()]
        if self.default is model:
            self.default = None

    def named(self, name: SourceText) -> Model:
        """Raises `DiagnosticError`."""
        model = self.get(name.text)
        if model is None:
            hint = did_you_mean(name.text, [m.name for m in self], "load it first: name = LoadModel (file)")
            raise DiagnosticError(Diagnostic("GC0431", f"there is no model {name}", name.span(), hint=hint))
        return model

    def chosen(self, place: Span) -> Model:
        """The default model; raises `DiagnosticError`."""
        if self.default is None:
            hint = "load one first, name = LoadModel (file), or choose one: SetDefaultModel (name)"
            raise DiagnosticError(Diagnostic("GC0431", "there is no default model", place, hint=hint))
        return self.default

    def pattern(self, text: SourceText) -> Pattern:
        """The nodes that an argument is about; raises `DiagnosticError`."""
        written = text.text
        stop = next((i for i, c in enumerate(written) if c in ".*"), len(written))
        model = self.get(written[:stop])
        if model is not None and not self._is_node_of_default(written):
            # the dot, or the star of `m1*`, which means all of m1
            written = written[stop + 1 :] or "*"
        else:
            model = self.chosen(text.span())
        head, star, tail = written.partition("*")
        if "*" in tail:
            message = f"'{text}' has more than one star"
            raise DiagnosticError(Diagnostic("GC0432", message, text.span(), hint="L1.* or *.W or L1.*.W"))
        return Pattern(model, text, head, tail if star else None)

    def _is_node_of_default(self, name: str) -> bool:
        """Whether it is a node's whole name, whatever model its beginning names too."""
        if "." not in name or self.default is None or self.default.network is None:
            return False
        return name in self.default.network


def pairs(source: Pattern, target: Pattern) -> list[tuple[NetworkNode, str]]:
    """Nodes and the names that they go to; raises `DiagnosticError` where the patterns are not alike."""
    nodes = source.matches()
    if target.has_star and not source.has_star:
        # one for all: every node that is there
        return [(nodes[0], node.name) for node in target.matches()]
    alike = source.has_star == target.has_star and bool(source.head) == bool(target.head)
    if not alike or bool(source.tail) != bool(target.tail):
        message = f"the patterns '{source.text}' and '{target.text}' are not alike: a star stands for the same in both"
        hint = "write both as L1.* and L2.*, or *.W and *.V"
        raise DiagnosticError(Diagnostic("GC0432", message, target.text.span(), hint=hint))
    if not target.has_star:
        return [(nodes[0], target.head)]
    return [(node, f"{target.head}{source.rest(node.name)}{target.tail}") for node in nodes]
