"""From the text of a ``BrainScriptNetworkBuilder`` section to a network with all shapes."""

from __future__ import annotations

import re
from functools import partial

from graphc.diagnostics import Diagnostic, DiagnosticError, Diagnostics, Piece, SourceText
from graphc.ir import ElementType
from graphc.network import explain
from graphc.network.builder import NetworkBuilder
from graphc.network.inference import infer
from graphc.network.network import Network
from graphc.network.session import Session
from graphc.script.evaluator import Evaluator
from graphc.script.library import load_library
from graphc.script.values import PoisonError, describe
from graphc.syntax import ast
from graphc.syntax.brainscript import IncludePath, parse_expression, parse_members
from graphc.syntax.cache import cached_expression, cached_parse

_PREAMBLE = re.compile(r"(?:\s|#[^\n]*|//[^\n]*|/\*[\s\S]*?\*/)*")

# in half precision values are kept in float32 and computed in less (graphc.ir.arithmetic)
ELEMENTS = {
    "float": ElementType.FLOAT32,
    "double": ElementType.FLOAT64,
    "half": ElementType.FLOAT32,
    "bfloat16": ElementType.FLOAT32,
}


def build_network(
    text: SourceText,
    *,
    precision: str = "float",
    device_id: int = -1,
    trace_level: int = 0,
    session: Session,
    diagnostics: Diagnostics,
    includes: IncludePath | None = None,
) -> Network:
    """The network that a builder section describes: ``{…}`` or ``[…]``, its members, or ``(…)``, an expression.

    What is wrong goes to ``diagnostics``, warnings too; raises `DiagnosticError` with the errors when there are any.
    """
    own = Diagnostics()
    network = own.keep(lambda: _build(text, precision, device_id, trace_level, session, own, includes))
    diagnostics.extend(own.found)
    own.raise_errors()
    if network is None:
        # nothing is wrong but that a model file is not there yet, of which there is a warning
        raise DiagnosticError
    return network


def check_definitions(text: SourceText) -> list[Diagnostic]:
    """Warnings about a list of definitions that stands alone, by names only; raises `DiagnosticError`."""
    record = cached_parse(text, parse_members)
    diagnostics = Diagnostics()
    evaluator = Evaluator(load_library(), NetworkBuilder(ElementType.FLOAT32, Session(), diagnostics))
    return evaluator.check_names(record)


def _build(
    text: SourceText,
    precision: str,
    device_id: int,
    trace_level: int,
    session: Session,
    diagnostics: Diagnostics,
    includes: IncludePath | None,
) -> Network | None:
    program = _program(_with_booleans(text, diagnostics), includes)
    builder = NetworkBuilder(ELEMENTS[precision], session, diagnostics)
    settings = {"precision": precision, "deviceId": float(device_id), "traceLevel": float(trace_level)}
    evaluator = Evaluator(load_library(), builder, settings=settings, write=session.write)
    try:
        network = evaluator.run(lambda: evaluator.evaluate(program, "network"))
    except PoisonError:
        network = None
    diagnostics.extend(evaluator.diagnostics.found)
    diagnostics.extend(evaluator.check_names(program))
    if network is None:
        _report_shapes(builder, diagnostics)
        return None
    if not isinstance(network, Network):
        message = f"the section gives {describe(network)}, not a ComputationNetwork"
        raise DiagnosticError(Diagnostic("GC0414", message, program.span))
    infer(network, diagnostics)
    return network


def without_preamble(text: SourceText) -> SourceText:
    """The text from its first token on: a file may begin with comments."""
    match = _PREAMBLE.match(text.text)
    assert match is not None
    return text[match.end() :].strip()


def _with_booleans(text: SourceText, diagnostics: Diagnostics) -> SourceText:
    """The text where a ``$flag$`` that a configuration writes ``True`` stands for ``true``, with a warning."""
    if len(text.pieces) == 1 or not any(map(_boolean, text.pieces)):
        return text
    parts = []
    for piece in text.pieces:
        part, meant = SourceText((piece,)), _boolean(piece)
        if meant is not None:
            message = f"{part.text} is taken for {meant}: BrainScript knows it in lower case only"
            diagnostics.add(explain.warning("GC0301", message, part.span(), f"write {meant}"))
        parts.append(part if meant is None else SourceText.from_string(meant, part.span().file.name))
    return SourceText.join(parts)


def _boolean(piece: Piece) -> str | None:
    """What a value that is a boolean of configurations, and nothing else, is in BrainScript."""
    text = piece.file.text[piece.offset : piece.offset + piece.length] if piece.length <= len("false") else ""
    return text.lower() if text in ("True", "TRUE", "False", "FALSE") else None


def _program(text: SourceText, includes: IncludePath | None) -> ast.Expr:
    source = without_preamble(text)
    expr = cached_expression(source, partial(parse_expression, includes=includes))
    if source.text[:1] in ("{", "["):
        return ast.New(expr.span, "ComputationNetwork", expr, expr.span)
    if source.text[:1] != "(":
        hint = "it begins with {, [ or ("
        raise DiagnosticError(Diagnostic("GC0414", "not the description of a network", source.span(0, 1), hint=hint))
    return expr


def _report_shapes(builder: NetworkBuilder, diagnostics: Diagnostics) -> None:
    """Broken shape rules in the parts that could be put together, beside the errors that were found already."""
    for network in builder.assembled:
        found = Diagnostics()
        infer(network, found)
        # a dimension may be unknown only because its user is missing
        diagnostics.extend(d for d in found.errors if d.code != "GC0202")
