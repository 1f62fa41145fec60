"""Holds `check` against planted faults, and prints how many it diagnoses, places and knows the remedy of, by kind.

python -m tests.faults.measure [SEED]
"""

from __future__ import annotations

import contextlib
import io
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from graphc.cli.languages import check_any
from graphc.diagnostics import Diagnostic, DiagnosticError, Severity, SourceFile, Span
from tests.faults.generate import CORPUS, Fault, faults


@dataclass(frozen=True)
class Verdict:
    """What `check` made of one fault. ``suggested``: none where there is nothing to suggest."""

    fault: Fault
    found: tuple[Diagnostic, ...]
    placed: bool
    suggested: bool | None
    crash: str = ""

    @property
    def diagnosed(self) -> bool:
        return bool(self.found) and not self.crash

    @property
    def errors(self) -> int:
        return sum(d.severity is Severity.ERROR for d in self.found)

    @property
    def is_right(self) -> bool:
        return self.diagnosed and self.placed and self.suggested is not False


def judge(fault: Fault, folder: Path) -> Verdict:
    """Check the file with the fault, in a folder that holds all valid ones."""
    valid = {path.name: path for path in CORPUS}[fault.file].read_text()
    crash = ""
    found: list[Diagnostic] = []
    (folder / fault.file).write_text(fault.text)
    try:
        # what the valid file is warned about says nothing about the fault
        found = [d for d in _diagnosed(folder / fault.entry) if (d.code, d.severity) not in _told_anyway(fault.entry)]
    except Exception:
        crash = traceback.format_exc()
    finally:
        (folder / fault.file).write_text(valid)
    placed = any(_is_placed(d, fault) for d in found)
    suggested = any(_suggests(d, fault.meant) for d in found) if fault.meant else None
    return Verdict(fault, tuple(found), placed, suggested, crash)


def measure(chosen: Iterable[Fault]) -> list[Verdict]:
    with _all_valid() as folder:
        return [judge(fault, folder) for fault in chosen]


@contextlib.contextmanager
def _all_valid() -> Iterator[Path]:
    """The corpus in a folder of its own, which is the current one: `include=` starts there."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for path in CORPUS:
            shutil.copy(path, folder)
        yield Path(folder)


def told_of(name: str) -> list[Diagnostic]:
    """What `check` says of a valid file."""
    with _all_valid() as folder:
        return _diagnosed(folder / name)


@cache
def _told_anyway(name: str) -> frozenset[tuple[str, Severity]]:
    return frozenset((d.code, d.severity) for d in told_of(name))


def _diagnosed(path: Path) -> list[Diagnostic]:
    with contextlib.redirect_stderr(io.StringIO()):
        try:
            return check_any([str(path)]).found.found
        except DiagnosticError as error:
            return list(error.diagnostics)


def report(verdicts: list[Verdict]) -> str:
    """A table by kind, and every miss."""
    lines = [f"{'kind':40} {'faults':>6} {'told':>5} {'placed':>6} {'suggested':>9} {'cascades':>8}"]
    kinds = dict.fromkeys(v.fault.kind for v in verdicts)
    for kind in [*kinds, ""]:
        of = [v for v in verdicts if kind in ("", v.fault.kind)]
        meant = [v for v in of if v.suggested is not None]
        told, placed = sum(v.diagnosed for v in of), sum(v.placed for v in of)
        right, cascades = sum(bool(v.suggested) for v in meant), sum(v.errors > 2 for v in of)
        lines.append(f"{kind or 'all':40} {len(of):6} {told:5} {placed:6} {right:4}/{len(meant):<4} {cascades:8}")
    lines += [_miss(v) for v in verdicts if not v.is_right or v.errors > 2]
    return "\n".join(lines)


def _is_placed(found: Diagnostic, fault: Fault) -> bool:
    if _starts(found.span, fault, fault.places):
        return True
    return fault.other_end and any(_starts(label.span, fault, fault.places) for label in found.labels)


def _starts(span: Span | None, fault: Fault, places: Iterable[int]) -> bool:
    file = SourceFile(fault.file, fault.text)
    wanted = [file.span(place, place + 1) for place in places]
    if span is None or Path(span.file.name).name != fault.file:
        return False
    return any((span.line, span.column) == (w.line, w.column) for w in wanted)


def _suggests(found: Diagnostic, meant: str) -> bool:
    return meant.lower() in (found.hint or "").lower()


def _miss(verdict: Verdict) -> str:
    fault = verdict.fault
    wanted = [SourceFile(fault.file, fault.text).span(p, p + 1) for p in fault.places]
    places = " or ".join(f"{w.line}:{w.column}" for w in wanted)
    head = f"\n--- {fault.kind} | {fault.file} | {fault.what!r} | at {places}"
    head += f" | meant {fault.meant}" if fault.meant else ""
    found = [
        f"  {d.severity.value} {d.code} {d.span.line if d.span else 0}:{d.span.column if d.span else 0} {d.message}"
        f" {[f'{x.message} {x.span.line}:{x.span.column}' for x in d.labels if x.span]} hint: {d.hint}"
        for d in verdict.found
    ]
    return "\n".join([head, *found, verdict.crash or ("" if found else "  nothing")])


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        print(report(measure(faults(int(sys.argv[1]) if len(sys.argv) > 1 else 0))))
