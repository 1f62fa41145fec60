"""From texts in the network description language to a network with all shapes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from graphc.diagnostics import Diagnostics, SourceText
from graphc.ir import ElementType
from graphc.network import explain
from graphc.network.inference import infer
from graphc.network.ndl.execution import Execution
from graphc.network.network import Network, NetworkNode
from graphc.network.session import Session
from graphc.ops.sources import LearnableParameter
from graphc.syntax.ndl import parse_script


@dataclass(frozen=True)
class NDLScript:
    """Texts whose macros are defined, texts that are executed as one script, and what is added to every seed."""

    macros: tuple[SourceText, ...]
    run: tuple[SourceText, ...]
    seed_offset: int = 0


def build_ndl_network(
    script: NDLScript, element: ElementType, *, session: Session, diagnostics: Diagnostics
) -> Network:
    """The network with all shapes.

    What is wrong goes to ``diagnostics``, warnings too; raises `DiagnosticError` with the errors when there are any.
    """
    found = Diagnostics()
    network = described_network(script, element, session, found)
    if not found.errors:
        infer(network, found)
    diagnostics.extend(found.found)
    found.raise_errors()
    return network


def described_network(script: NDLScript, element: ElementType, session: Session, found: Diagnostics) -> Network:
    """The network without shapes. Parameters take their seeds in the order of the statements."""
    execution = Execution(element, session, found)
    for text in script.macros:
        execution.macros.define(parse_script(text, found))
    execution.run([part for text in script.run for part in parse_script(text, found)])
    network = Network(element)
    for node in execution.nodes:
        taken = network.get(node.name)
        if taken is not None:
            found.add(explain.duplicate(node.name, taken, node, node.span))
            continue
        give_seed(node, session, script.seed_offset)
        network.add(node)
    for node, group in execution.groups:
        network.join(node, group)
    return network


def give_seed(node: NetworkNode, session: Session, offset: int = 0) -> None:
    """Let a parameter draw its values from its own seed or, if it names none, from the next."""
    op = node.op
    if isinstance(op, LearnableParameter) and op.initializer.is_random:
        seed = op.initializer.seed
        seed = offset + (seed if seed >= 0 else session.next_ndl_seed(op.element))
        node.op = replace(op, initializer=replace(op.initializer, seed=seed))
