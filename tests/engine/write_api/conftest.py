"""The write API as a process of its own, over real engines."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from tests.engine.mysql_servers import MysqlGroup
from tests.engine.write_api.cutting_proxy import CuttingProxy
from tests.ports import free_port

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Process:
    """A running tier and where it listens."""

    popen: subprocess.Popen[bytes]
    http: int
    admin: int

    def ready(self) -> bool:
        """Whether /readyz says yes."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/readyz", timeout=1) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def until_ready(self, seconds: float = 30) -> None:
        """Waits for readiness; a process that ended fails at once."""
        until = time.monotonic() + seconds
        while not self.ready():
            assert self.popen.poll() is None, f"it ended with {self.popen.returncode}"
            assert time.monotonic() < until, "not ready in time"
            time.sleep(0.05)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(timeout=20)


Start = Callable[..., Process]


@pytest.fixture(scope="session")
def start_write_api(tier_environment: Callable[[str], dict[str, str]]) -> Iterator[Start]:
    """Starts write APIs; stops what is left at the end."""
    processes: list[Process] = []

    def start(**overrides: str) -> Process:
        http, admin = free_port(), free_port()
        environment = os.environ | tier_environment("write-api") | overrides
        environment |= {"HTTP_PORT": str(http), "ADMIN_PORT": str(admin), "DRAIN_SECONDS": "0.2"}
        environment["PYTHONPATH"] = str(ROOT / "services")
        popen = subprocess.Popen([sys.executable, "-m", "hcs_services", "write-api"], env=environment)
        process = Process(popen, http, admin)
        processes.append(process)
        process.until_ready()
        return process

    yield start
    for process in processes:
        if process.popen.poll() is None:
            process.popen.kill()
            process.popen.wait()


@pytest.fixture(scope="session")
def write_api(start_write_api: Start) -> Process:
    """One write API for all tests that do not need their own."""
    return start_write_api()


def through(proxy: CuttingProxy, group: MysqlGroup) -> dict[str, str]:
    """The environment of a write API whose only member is a proxy: a name that the server's certificate covers, too."""
    name = f"proxy.{group.members_host}"
    hosts = Path("/etc/hosts")
    if name not in hosts.read_text():
        with hosts.open("a") as file:
            file.write(f"127.0.0.1 {name}\n")
    return {"DATABASE_MEMBERS_HOST": name, "DATABASE_PORT": str(proxy.port), "LOG_LEVEL": "warning"}


@pytest.fixture
def start_gateway(
    tier_environment: Callable[[str], dict[str, str]], tmp_path: Path
) -> Iterator[Callable[..., Process]]:
    """Starts a gateway whose one route leads POSTs of a path to a write API; stops it at the end."""
    processes: list[Process] = []

    def start(write_api: Process, path: str, **blocks: object) -> Process:
        route = {"methods": ["POST"], "path": path, "upstream": "write-api"}
        upstreams = {"write-api": {"host": "127.0.0.1", "port": write_api.http}}
        document = {"upstreams": upstreams, "routes": [route], "rateLimit": {"enabled": False}} | blocks
        config = tmp_path / "gateway.json"
        config.write_text(json.dumps(document))
        http, admin = free_port(), free_port()
        environment = os.environ | tier_environment("gateway")
        environment |= {"HTTP_PORT": str(http), "ADMIN_PORT": str(admin), "GATEWAY_CONFIG": str(config)}
        environment |= {"PYTHONPATH": str(ROOT / "services"), "LOG_LEVEL": "warning"}
        popen = subprocess.Popen([sys.executable, "-m", "hcs_services", "gateway"], env=environment)
        processes.append(process := Process(popen, http, admin))
        process.until_ready()
        return process

    yield start
    for process in processes:
        process.popen.kill()
        process.popen.wait()


@pytest.fixture
async def client(write_api: Process) -> AsyncIterator[aiohttp.ClientSession]:
    """HTTP to the write API; paths are given without the host."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{write_api.http}", connector=connector) as session:
        yield session


@pytest.fixture
async def admin(write_api: Process) -> AsyncIterator[aiohttp.ClientSession]:
    """HTTP to its admin port."""
    async with aiohttp.ClientSession(f"http://127.0.0.1:{write_api.admin}") as session:
        yield session
