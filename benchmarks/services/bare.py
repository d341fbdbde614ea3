"""What is measured without HTTP: a module beside this one that prints its own figures."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping

from benchmarks.services import cores
from benchmarks.services.measurement import Sample


def driven(
    module: str, environment: Mapping[str, str], *arguments: object, core: int = cores.SERVER
) -> Callable[[float], Sample]:
    """What runs `module <seconds> <arguments>`, by default on the core that the service has, as a Contender asks."""
    words = ["taskset", "--cpu-list", str(core), "python", "-m", f"benchmarks.services.{module}"]

    def drive(seconds: float) -> Sample:
        command = [*words, str(seconds), *map(str, arguments)]
        with tempfile.TemporaryFile("w+") as output:  # a file, as a pod's: nobody has to read what the product logs
            subprocess.run(command, env=os.environ | environment, stdout=output, check=True)
            output.seek(0)
            return Sample(**json.loads(deque(output, 1)[0]))

    return drive


class Timed:
    """What a module prints: rate and latencies since it was made, and the share of its time that the process worked."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.begin()

    def begin(self) -> None:
        """Count from now: what was done before is no part of it."""
        self.began, self._used = time.monotonic(), time.process_time()

    def figures(self) -> str:
        """Of a Sample, as JSON; `latencies` are seconds."""
        took, ordered = time.monotonic() - self.began, sorted(self.latencies)
        sample = {
            "per_second": len(ordered) / took,
            "p50": ordered[len(ordered) // 2] * 1e3,
            "p99": ordered[len(ordered) * 99 // 100] * 1e3,
            "busy": (time.process_time() - self._used) / took,
        }
        return json.dumps(sample)
