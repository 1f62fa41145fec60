"""How long networks of growing depth take from text to verified graph, in process, with the library's trees cached.

    python -m benchmarks.depth [REPETITIONS]

*network* is parsing, evaluation and all shapes; *graph* what the passes start from, with the verifier. Times are of the
processor, the least of several, so that other work on the machine counts little. The limit is for ResNet-152.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from benchmarks.networks import mlp, recursive_mlp, resnet
from graphc.diagnostics import Diagnostics, SourceText
from graphc.ir import verify
from graphc.network.build import build_network
from graphc.network.lower import to_graph
from graphc.network.network import Network
from graphc.network.session import Session

REPETITIONS = 3
LIMIT = 1.5
DEPTHS = (50, 100, 200, 400, 800)
FAMILIES: dict[str, Callable[[int], str]] = {
    "MLP, layer by layer": mlp,
    "MLP, a recursive function": recursive_mlp,
    # a block is three layers deep; first and last layer are beside them
    "ResNet of one stage": lambda layers: resnet(max(1, (layers - 2) // 3)),
}


def build(text: str) -> Network:
    diagnostics = Diagnostics()
    network = build_network(SourceText.from_string(text), session=Session(), diagnostics=diagnostics)
    diagnostics.raise_errors()
    return network


def least_times(text: str, repetitions: int) -> tuple[float, float, int]:
    """Seconds to the network, seconds from there to the verified graph, and how many nodes it has."""
    times = []
    for _ in range(repetitions):
        fresh = f"{text} # {time.time_ns()}"  # a text that is not in the cache: only the library is
        started = time.process_time()
        network = build(fresh)
        built = time.process_time()
        verify(to_graph(network))
        times.append((built - started, time.process_time() - built, len(list(network))))
    return min(t for t, _, _ in times), min(t for _, t, _ in times), times[0][2]


def main(arguments: list[str]) -> int:
    repetitions = int(arguments[0]) if arguments else REPETITIONS
    build(mlp(1))  # loads the library
    for name, family in FAMILIES.items():
        print(name)
        for layers in DEPTHS:
            report(f"{layers} layers", *least_times(family(layers), repetitions), layers)
    print("as people write them")
    seconds = least_times(resnet(3, 8, 36, 3), repetitions)
    report("ResNet-152", *seconds, 152)
    report("1,000 layers", *least_times(mlp(1000), repetitions), 1000)
    if sum(seconds[:2]) > LIMIT:
        print(f"FAILED: ResNet-152 takes {sum(seconds[:2]):.2f} s, the limit is {LIMIT} s")
        return 1
    return 0


def report(name: str, network: float, graph: float, nodes: int, layers: int) -> None:
    each = 1000 * (network + graph) / layers
    print(f"  {name:12} network {network:6.3f} s  graph {graph:6.3f} s  {nodes:6} nodes  {each:5.2f} ms a layer")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
