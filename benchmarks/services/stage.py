"""Servers of a benchmark: processes pinned to a core, their logs in a scratch folder, ended with the stage."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.services import bare, cores, wrk
from benchmarks.services.measurement import Sample
from tests.engine.containers import until
from tests.ports import free_port

START_SECONDS = 60


@dataclass(frozen=True)
class Server:
    """A server that listens."""

    pid: int
    port: int

    def url(self, path: str) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}{path}"

    def loaded(self, path: str, requests: Path | None = None) -> Callable[[float], Sample]:
        """What drives it with wrk, as a Contender asks."""

        def drive(seconds: float) -> Sample:
            used, began = cores.seconds_used(self.pid), time.monotonic()
            outcome = wrk.run(self.url(path), seconds, requests)
            busy = (cores.seconds_used(self.pid) - used) / (time.monotonic() - began)
            return Sample(outcome.per_second, outcome.p50, outcome.p99, busy)

        return drive

    def steady(self, requests: Path) -> Callable[[float, float], Sample]:
        """What loads it at a fixed rate, as a Contender's `at_rate`."""

        def drive(per_second: float, seconds: float) -> Sample:
            load = bare.driven("steady", {}, per_second, self.port, requests, core=cores.LOAD)
            used = cores.seconds_used(self.pid)
            sample = load(seconds)
            return replace(sample, busy=(cores.seconds_used(self.pid) - used) / seconds)

        return drive


@dataclass(frozen=True)
class Stage:
    """Starts servers; `folder` is a scratch folder of the run."""

    folder: Path
    stack: ExitStack

    def start(
        self,
        name: str,
        command: Sequence[str],
        port: int,
        *,
        core: int = cores.SERVER,
        environment: Mapping[str, str] | None = None,
    ) -> Server:
        """A server pinned to `core`, once its port takes connections. What it prints goes to a file, as a pod's."""
        log = self.folder / f"{name}.log"
        process = subprocess.Popen(
            ["taskset", "--cpu-list", str(core), *command],
            env={**os.environ, **(environment or {})},
            stdout=self.stack.enter_context(log.open("w")),
            stderr=subprocess.STDOUT,
        )
        self.stack.callback(_end, process)

        def listens() -> bool:
            if process.poll() is not None:
                raise SystemExit(f"{name} ended with {process.returncode}: {log.read_text()[-2000:]}")
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True

        until(f"{name} listens", listens, START_SECONDS)
        return Server(process.pid, port)

    def product(self, tier: str, environment: Mapping[str, str]) -> Server:
        """A tier of the product as its pod runs it."""
        return self._tier(f"product-{tier}", ["hcs_services", tier], tier, environment)

    def untuned(self, part: str, tier: str, environment: Mapping[str, str]) -> Server:
        """The same without a part of its start-up tuning."""
        return self._tier(f"without-{part}", ["benchmarks.services.untuned", part, tier], tier, environment)

    def _tier(self, name: str, module: Sequence[str], tier: str, environment: Mapping[str, str]) -> Server:
        port, admin = free_port(), free_port()
        own = {"HTTP_PORT": str(port), "ADMIN_PORT": str(admin), "HCS_TIER": tier, **environment}
        return self.start(name, ["python", "-m", *module], port, environment=own)

    def plain(self, module: str, environment: Mapping[str, str]) -> Server:
        """One of the plain applications beside this module, under uvicorn as it comes."""
        return self.program(module, ["python", "-m", "uvicorn", f"benchmarks.services.{module}:app"], environment)

    def program(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> Server:
        """A server that is told its port as `--port=`."""
        port = free_port()
        return self.start(name, [*command, f"--port={port}"], port, environment=environment)


@contextmanager
def stage() -> Iterator[Stage]:
    """A stage; its servers are gone at the end."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        yield Stage(Path(folder), stack)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
