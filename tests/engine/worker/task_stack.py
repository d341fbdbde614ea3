"""The async API, workers and the samples as processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.ports import free_port

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Process:
    """A running process and its ports by name."""

    popen: subprocess.Popen[bytes]
    ports: Mapping[str, int]

    def url(self, port: str = "http") -> str:
        return f"http://127.0.0.1:{self.ports[port]}"

    def until_ready(self, path: str, port: str, seconds: float = 30) -> None:
        """Waits until it answers 200 there; one that ended fails at once."""
        until = time.monotonic() + seconds
        while not _answers(self.url(port) + path):
            assert self.popen.poll() is None, f"it ended with {self.popen.returncode}"
            assert time.monotonic() < until, "not ready in time"
            time.sleep(0.05)

    def terminate(self, seconds: float = 30) -> int:
        """SIGTERM, and the exit code."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(seconds)

    def kill(self) -> None:
        """SIGKILL, as a node's end would."""
        self.popen.kill()
        self.popen.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@dataclass
class TaskStack:
    """Starts the processes over the engines that `environment(tier)` reaches; `close` ends what is left.

    `output` is where their logs go, as for Popen; None: where this process prints.
    """

    environment: Callable[[str], dict[str, str]]
    output: int | None = None
    processes: list[Process] = field(default_factory=list)
    workers: list[Process] = field(default_factory=list)
    sink: Process | None = None
    stub: Process | None = None

    def start_samples(self) -> None:
        self.sink = self._start(["samples.smtp_sink"], {}, ("SMTP_PORT", "HTTP_PORT"))
        self.stub = self._start(["samples.payment_stub"], {}, ("HTTP_PORT",))
        for process in (self.sink, self.stub):
            process.until_ready("/healthz", "http")

    def tier(self, name: str, *, program: str = "hcs_services", **overrides: str) -> Process:
        """Start one tier and wait until it is ready; its mails and payments go to the samples, if they run."""
        environment = self.environment(name) | {"DRAIN_SECONDS": "0.1"}
        if self.sink is not None and self.stub is not None:
            environment["EMAIL_URL"] = f"smtp://127.0.0.1:{self.sink.ports['smtp']}"
            environment["PAYMENT_URL"] = self.stub.url()
        process = self._start([program, name], environment | overrides, ("HTTP_PORT", "ADMIN_PORT"))
        if name == "worker":
            self.workers.append(process)
        process.until_ready("/readyz", "admin")
        process.until_ready("/selftest", "admin")
        return process

    def kill_workers(self) -> None:
        """Ends the workers of a test, so that they take nothing from the next one's."""
        for process in self.workers:
            if process.popen.poll() is None:
                process.kill()
        self.workers.clear()

    def close(self) -> None:
        for process in self.processes:
            if process.popen.poll() is None:
                process.kill()

    def _start(self, module: list[str], environment: dict[str, str], names: tuple[str, ...]) -> Process:
        ports = {name: free_port() for name in names}
        variables = {name: str(port) for name, port in ports.items()}
        path = os.pathsep.join(str(ROOT / folder) for folder in ("services", "examples", "."))
        environ = os.environ | environment | variables | {"PYTHONPATH": path}
        popen = subprocess.Popen([sys.executable, "-m", *module], env=environ, stdout=self.output)
        process = Process(popen, {name.removesuffix("_PORT").lower(): port for name, port in ports.items()})
        self.processes.append(process)
        return process
