"""Measures the services beside others: `python3 -m hack.bench [gateway|reads|misses|orders|tasks|startup|servers …]`.

It runs in the `bench` image, beside engines as the engine tests do, and leaves its figures in .artifacts/bench. They
go on into benchmarks/services/results and docs/performance.md only if the run was a whole one, on a machine that had
nothing else to do.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchmarks.services.measurement import Result
from benchmarks.services.profiling import PROFILE
from benchmarks.services.report import plot, with_table
from benchmarks.services.rounds import ROUNDS, SECONDS
from hack import engine
from hack.cluster import choice, images, places
from hack.cluster.console import Refusal, die, say
from hack.cluster.docker import CommandFailed
from hack.cluster.lock import one_at_a_time
from hack.fitness import unfit

_RESULTS = places.ROOT / "benchmarks" / "services" / "results"
_PAGE = places.ROOT / "docs" / "performance.md"
_DEFAULTS = {"BENCH_ROUNDS": ROUNDS, "BENCH_SECONDS": SECONDS}


def main(arguments: list[str]) -> int:
    """Measures, then publishes; an exit code."""
    load = os.getloadavg()[0]
    measured = places.ARTIFACTS / "bench"
    measured.mkdir(parents=True, exist_ok=True)
    for old in measured.glob("*.json"):
        old.unlink()
    code = _run(arguments, measured, load)
    if code or PROFILE in arguments:
        return code
    if reason := unfit(load, os.environ, _DEFAULTS):
        say(f"{reason}: nothing is published")
        return 0
    publish(measured, _RESULTS, _PAGE)
    say(f"written: {_RESULTS.relative_to(places.ROOT)}, {_PAGE.relative_to(places.ROOT)}")
    return 0


def publish(measured: Path, results: Path, page: Path) -> None:
    """Puts new figures and plots among the `results`, and a table of all of them on the page."""
    results.mkdir(parents=True, exist_ok=True)
    for file in measured.glob("*.json"):
        result = Result.from_json(file.read_text())
        (results / file.name).write_text(result.to_json())
        (results / f"{result.name}.svg").write_text(plot(result))
    known = [Result.from_json(file.read_text()) for file in sorted(results.glob("*.json"))]
    page.write_text(with_table(page.read_text(), known))


def _run(arguments: list[str], measured: Path, load: float) -> int:
    runner = engine.Runner.ready()
    with one_at_a_time():
        official = choice.docker_only().official
        image = images.ours(runner.docker, images.BENCH, official=official, arguments={"TEST_IMAGE": runner.test})
    environment = {"BENCH_RESULTS": "/results", "BENCH_LOAD": f"{load:.2f}"}
    environment |= {name: os.environ[name] for name in _DEFAULTS if name in os.environ}
    command = [image, "python", "-m", "benchmarks.services", *arguments]
    # Access logs go to memory: no contender waits for a disk. A load at a fixed rate runs before what shares its core,
    # and a profiler reads the memory of others.
    options = [
        "--volume",
        f"{measured}:/results",
        "--tmpfs",
        "/tmp",
        "--cap-add",
        "SYS_NICE",
        "--cap-add",
        "SYS_PTRACE",
    ]
    return engine.beside_engines(runner, command, given=environment, options=options)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (CommandFailed, Refusal) as error:
        die(str(error))
