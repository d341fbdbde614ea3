"""`hcs-tasks` as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.engine.async_api.waiting import eventually

SERVICES = Path(__file__).parents[3] / "services"
LONG = 1200.0


class HcsTasks:
    """The command with a worker's settings."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = os.environ | environment | {"PYTHONPATH": str(SERVICES)}

    def start(self, *words: str, said: int | None = None) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(SERVICES / "bin" / "hcs-tasks"), *words]
        return subprocess.Popen(command, env=self._environment, stdout=said)

    async def run(self, *words: str) -> str:
        """To its end; prints what that took, and answers what it said."""
        with tempfile.TemporaryFile() as said:
            started, process, peak = time.monotonic(), self.start(*words, said=said.fileno()), 0
            while process.poll() is None:
                peak = max(peak, peak_kib(process.pid))
                await asyncio.sleep(0.05)
            print(f"{words[0]}: {time.monotonic() - started:.1f} s, {peak / 1024:.0f} MiB at the most")
            assert process.returncode == 0
            said.seek(0)
            return said.read().decode()

    async def redrive_until(self, left: dict[str, tuple[str, int]], letters: Callable[[], Any], *options: str) -> None:
        """As often as it takes until `letters()` are those: the broker may still be giving back what others held."""

        async def only_those() -> bool:
            await self.run("redrive", *options)
            return bool(await letters() == left)

        await eventually("the other letters are gone", only_those, LONG)

    async def redrive_and_be_killed(self, when: Callable[[], Any], *options: str) -> None:
        """Killed as soon as `when` says so, which it must before the end."""
        process = self.start("redrive", *options)
        await eventually("it has begun", when, LONG)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL


def peak_kib(pid: int) -> int:
    """The most memory that a process has had, in KiB; 0 once it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0
