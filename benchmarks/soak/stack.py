"""A whole stack's processes on this machine's loopback, over engines that are there: what a soak looks at."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.services import peers
from tests.engine.worker.task_stack import Process, TaskStack

from hcs_operator.build.gateway import REFERENCE_ROUTES

TIERS = ("write-api", "read-api", "async-api", "worker", "gateway")
_ROLLUP = ("Private_Clean:", "Private_Dirty:", "Swap:")


@contextmanager
def running(environment: Callable[[str], dict[str, str]], folder: Path) -> Iterator[Mapping[str, Process]]:
    """Every tier by its name, ready, with mail sink and payment stub beside them; their logs are written to nowhere.

    `environment` tells a tier where its engines are, `folder` takes the gateway's configuration.
    """
    stack, config = TaskStack(environment, output=subprocess.DEVNULL), folder / "gateway.json"
    found: dict[str, Process] = {}
    try:
        stack.start_samples()
        for tier in TIERS:
            if tier == "gateway":
                ports = {name: process.ports["http"] for name, process in found.items()}
                config.write_text(peers.product(REFERENCE_ROUTES, ports))
            found[tier] = stack.tier(tier, GATEWAY_CONFIG=str(config))
        yield found
    finally:
        stack.close()


def memory(pid: int) -> float:
    """MiB that the process has to itself, and that would be free if it ended.

    What it shares, as a library's code, changes with what other processes do, so it is left out. man 5 proc,
    /proc/pid/smaps.
    """
    words = [line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()]
    return sum(int(line[1]) for line in words if line[0] in _ROLLUP) / 1024


def descriptors(pid: int) -> int:
    """How many files, sockets and the like it has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
