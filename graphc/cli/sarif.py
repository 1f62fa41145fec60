"""Diagnostics in SARIF 2.1.0, the form that editors and code hosts read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.diagnostics import CODES, Diagnostic, Span
from graphc.version import VERSION

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def sarif(diagnostics: Sequence[Diagnostic]) -> dict[str, Any]:
    """One log with one run; its rules are the codes that occur."""
    codes = sorted({d.code for d in diagnostics})
    rules = [{"id": code, "shortDescription": {"text": CODES.get(code, code)}} for code in codes]
    driver = {"name": "graphc", "version": VERSION, "rules": rules}
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": [_result(d) for d in diagnostics]}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(diagnostic: Diagnostic) -> dict[str, Any]:
    text = diagnostic.message if diagnostic.hint is None else f"{diagnostic.message} (hint: {diagnostic.hint})"
    result: dict[str, Any] = {
        "ruleId": diagnostic.code,
        "level": diagnostic.severity.value,
        "message": {"text": text},
        "locations": [] if diagnostic.span is None else [_location(diagnostic.span)],
    }
    related = [{**_location(x.span), "message": {"text": x.message}} for x in diagnostic.notes if x.span is not None]
    if related:
        result["relatedLocations"] = related
    return result


def _location(span: Span) -> dict[str, Any]:
    region = {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }
    return {"physicalLocation": {"artifactLocation": {"uri": span.file.name}, "region": region}}
