"""The passes in their order, and the one function that runs them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from graphc.diagnostics import Diagnostic, DiagnosticError, did_you_mean
from graphc.ir import Graph, equal_graphs
from graphc.ir import verify as verify_graph
from graphc.passes.bodies import bodies
from graphc.passes.canonicalise import canonicalise
from graphc.passes.cudnn import cudnn
from graphc.passes.fold import fold
from graphc.passes.hoist import hoist
from graphc.passes.masks import masks
from graphc.passes.pack import pack
from graphc.passes.prune import prune
from graphc.passes.repeats import repeats
from graphc.passes.simplify import simplify
from graphc.passes.stacks import stacks
from graphc.passes.trim import trim
from graphc.passes.windows import windows

Pass = Callable[[Graph], Graph]
Dump = Callable[[str, Graph], None]

# In this order, again until none of them changes anything: what simplify leaves out can show fold more constants.
PASSES: tuple[Pass, ...] = (
    *(trim, bodies, masks, repeats, windows, cudnn, pack, hoist, stacks),
    *(canonicalise, fold, simplify, prune),
)

# these run only where the caller names them: what they make is good for some devices only
ON_DEMAND = frozenset({"cudnn"})

# Each round is sound, so stopping early costs nothing but a little of the gain.
_MOST_ROUNDS = 10


def pass_names() -> tuple[str, ...]:
    return tuple(_name(each) for each in PASSES)


def check_pass_name(name: str) -> str:
    """The name itself; raises `DiagnosticError` where no pass has it."""
    if name in pass_names():
        return name
    hint = did_you_mean(name, pass_names(), f"the passes are {', '.join(pass_names())}")
    raise DiagnosticError(Diagnostic("GC0905", f"there is no pass {name!r}", hint=hint))


def optimise(
    graph: Graph,
    *,
    also: Collection[str] = (),
    dump_after: Sequence[str] = (),
    dump: Dump | None = None,
    verify: bool = False,
) -> Graph:
    """The graph after all passes: the same roots and updates by name, with the same values and gradients.

    Of those `ON_DEMAND` only the passes that ``also`` names run.

    ``dump`` is given the graph after each run of the passes named in ``dump_after``; repetitions that change nothing
    are left out. With ``verify`` the invariants are checked after each. Raises `DiagnosticError` for an unknown pass.
    """
    assert ON_DEMAND.issuperset(also), also
    wanted = {check_pass_name(name) for name in dump_after}
    passes = [each for each in PASSES if _name(each) not in ON_DEMAND or _name(each) in also]
    if verify:
        verify_graph(graph)
    for round in range(_MOST_ROUNDS):
        before = graph
        for each in passes:
            after = each(graph)
            changed = not equal_graphs(graph, after)
            graph = after
            if verify and changed:
                verify_graph(graph)
            if dump is not None and _name(each) in wanted and (changed or round == 0):
                dump(_name(each), graph)
        if equal_graphs(before, graph):
            break
    return graph


def _name(each: Pass) -> str:
    return each.__name__  # pyright: ignore[reportFunctionMemberAccess]
