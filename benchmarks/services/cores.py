"""Which core does what: the server that is measured has one to itself, load and engines share the other."""

from __future__ import annotations

import os
from pathlib import Path

_ALLOWED = sorted(os.sched_getaffinity(0))
SERVER, LOAD = _ALLOWED[0], _ALLOWED[-1]
"""As seen by whoever may use both. A process that was given one has to be told of the other."""
_TICK = os.sysconf("SC_CLK_TCK")


def seconds_used(pid: int) -> float:
    """CPU time of a process so far, user and system, with its threads' and that of the processes it has started."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = (int(after_name[11]) + int(after_name[12])) / _TICK
    return own + sum(seconds_used(child) for child in children(pid))


def children(pid: int) -> list[int]:
    """The processes that a process has started and that are there."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for thread in threads for child in (thread / "children").read_text().split()]
