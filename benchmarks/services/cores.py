"""Which core does what: the server that is measured has one to itself, load and engines share the other."""

from __future__ import annotations

import os
from pathlib import Path

_ALLOWED = sorted(os.sched_getaffinity(0))
SERVER, LOAD = _ALLOWED[0], _ALLOWED[-1]
"""As seen by whoever may use both. A process that was given one has to be told of the other."""
_TICK = os.sysconf("SC_CLK_TCK")


def seconds_used(pid: int) -> float:
    """CPU time of a process so far, its threads' included, user and system."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / _TICK
