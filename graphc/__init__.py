"""graphc: a declarative model-graph compiler for BrainScript and CNTK configurations.

>>> import graphc
>>> model = graphc.compile("{ x = Input {2} ; z = 3 .* x ; outputNodes = (z) }")
>>> str(model.graph.roots["z"].type)
'[2 x *]'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphc.version import VERSION as __version__

if TYPE_CHECKING:
    from graphc.api import CommandResult, Model, compile, run
    from graphc.diagnostics import Diagnostic, DiagnosticError, RunError

__all__ = ["CommandResult", "Diagnostic", "DiagnosticError", "Model", "RunError", "__version__", "compile", "run"]

_HOMES = {"Diagnostic": "graphc.diagnostics", "DiagnosticError": "graphc.diagnostics", "RunError": "graphc.diagnostics"}


def __getattr__(name: str) -> Any:
    # `import graphc.diagnostics` must not pay for the whole compiler.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES.get(name, "graphc.api")), name)
