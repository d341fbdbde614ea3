"""Loads a whole stack for twenty minutes and watches its memory and file descriptors: `python3 -m hack.soak`.

It runs in the `test` image, beside engines as the engine tests do, and leaves its figures in .artifacts/soak. They go
on into docs/soak.md only if the run was a whole one on a machine that had nothing else to do.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchmarks.soak import report
from benchmarks.soak.record import SECONDS, Record
from hack import engine
from hack.cluster import places
from hack.cluster.console import Refusal, die, say
from hack.cluster.docker import CommandFailed
from hack.fitness import unfit

_DOCS = places.ROOT / "docs"
_DEFAULTS = {"SOAK_SECONDS": SECONDS}
_PATHS = ":".join(f"/work/{folder}".rstrip("/") for folder in ("", "operator", "services", "examples"))


def main() -> int:
    """Soaks, then publishes; an exit code: 1 where something grew."""
    load = os.getloadavg()[0]
    measured = places.ARTIFACTS / "soak"
    measured.mkdir(parents=True, exist_ok=True)
    if code := _run(measured, load):
        return code
    record = Record.from_json((measured / "record.json").read_text())
    print(report.table(record), flush=True)
    if reason := unfit(load, os.environ, _DEFAULTS):
        say(f"{reason}: nothing is published")
    else:
        publish(record, _DOCS)
        say("written: docs/soak.md, docs/soak.json, docs/soak.svg")
    return 0 if record.holds else 1


def publish(record: Record, docs: Path) -> None:
    """Writes the record, its plot and its part of the page, also where something grew."""
    (docs / "soak.json").write_text(record.to_json())
    (docs / "soak.svg").write_text(report.plot(record))
    page = docs / "soak.md"
    page.write_text(report.with_record(page.read_text(), record))


def _run(measured: Path, load: float) -> int:
    runner = engine.Runner.ready()
    environment = {"SOAK_RESULTS": "/results", "SOAK_LOAD": f"{load:.2f}", "PYTHONPATH": _PATHS}
    environment |= {name: os.environ[name] for name in _DEFAULTS if name in os.environ}
    command, options = [runner.test, "python", "-m", "benchmarks.soak"], ["--volume", f"{measured}:/results"]
    return engine.beside_engines(runner, command, given=environment, options=options)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (CommandFailed, Refusal) as error:
        die(str(error))
