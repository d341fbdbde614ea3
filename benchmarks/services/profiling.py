"""Where a row's product spends its time: `make bench ARGS="profile gateway"`, or the name of another group of rows.

py-spy samples it for 15 s while the row's load is on it, and the functions with the greatest shares of the samples are
printed: in all, and alone.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from benchmarks.services import cores
from benchmarks.services.rounds import Comparison

PROFILE = "profile"
SECONDS, A_SECOND, SHOWN = 15, 200, 40
_WORKS = 0.05
"""CPU seconds a second from which on a process on the server's core is the one under load."""


def profile(comparison: Comparison) -> str:
    """Loads the product and samples it; a table."""
    product = comparison.contenders[0]
    load = threading.Thread(target=product.drive, args=(SECONDS + 5,), daemon=True)
    load.start()
    raw = Path(f"/tmp/{comparison.name}.raw")
    words = ["py-spy", "record", "--pid", str(_under_load(load)), "--duration", str(SECONDS), "--rate", str(A_SECOND)]
    subprocess.run([*words, "--format", "raw", "--output", str(raw)], check=True, stdout=subprocess.DEVNULL)
    load.join()
    product.settle()
    return shares(raw.read_text().splitlines())


def shares(stacks: Iterable[str]) -> str:
    """A Markdown table of py-spy's raw stacks, `outer (file:line);inner (file:line) samples`: by the share in all."""
    in_all, alone = Counter[str](), Counter[str]()
    for stack in stacks:
        frames, _, samples = stack.rpartition(" ")
        names = [frame.rpartition(":")[0] + ")" for frame in frames.split(";")]
        in_all.update(dict.fromkeys(names, int(samples)))
        alone[names[-1]] += int(samples)
    total = alone.total()
    lines = [f"{total:,} samples", "", "| in all | alone | what |", "|---|---|---|"]
    lines += [
        f"| {count / total:.1%} | {alone[name] / total:.1%} | `{name}` |" for name, count in in_all.most_common(SHOWN)
    ]
    return "\n".join(lines) + "\n"


def _under_load(load: threading.Thread) -> int:
    """The child on the server's core that works, once there is one."""
    while load.is_alive():
        before = {pid: cores.seconds_used(pid) for pid in _children()}
        time.sleep(1)
        used = {pid: cores.seconds_used(pid) - before.get(pid, 0) for pid in _children()}
        pid = max(used, key=lambda pid: used[pid], default=0)
        if used.get(pid, 0) > _WORKS:
            return pid
    raise RuntimeError("the load has ended, and nothing on the server's core worked")


def _children() -> list[int]:
    return [pid for pid in cores.children(os.getpid()) if os.sched_getaffinity(pid) == {cores.SERVER}]
