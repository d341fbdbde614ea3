"""The process around a tier, run as a process: it takes signals and ports of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.ports import free_port

ROOT = Path(__file__).parents[3]
PROGRAM = """
import asyncio, sys
import uvicorn
from hcs_services.admin import Admin
from hcs_services.server import Background, Tier, run
from hcs_services.settings import Settings

async def app(scope, receive, send):
    if scope["path"] == "/slow":
        await asyncio.sleep(1.5)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})

async def start(background: Background) -> None:
    async def dies():
        await asyncio.sleep(0.2)
        raise RuntimeError("dead")
    if sys.argv[1:] == ["dies"]:
        background.spawn("dies", dies())

async def stop() -> None:
    print("stopped", flush=True)

if sys.argv[1:] == ["slow-to-listen"]:
    listen = uvicorn.Server.startup
    async def slowly(self, sockets=None):
        await asyncio.sleep(0.5 if self.config.port == Settings().http_port else 0)
        await listen(self, sockets)
    uvicorn.Server.startup = slowly

sys.exit(run(Tier(app, Admin(), start, stop), Settings()))
"""


@dataclass
class Process:
    """The program, running."""

    process: asyncio.subprocess.Process
    http: int
    admin: int

    async def get(self, path: str, port: int | None = None) -> str:
        """The whole response as text; empty if the connection is refused."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port or self.http)
        except OSError:
            return ""
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        return head.decode().lower()

    async def until_ready(self) -> None:
        """Waits for /readyz."""
        async with asyncio.timeout(15):
            while " 200 " not in await self.get("/readyz", self.admin):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.02)

    def terminate(self) -> None:
        """SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    async def exit_code(self) -> int:
        """Waits for the end."""
        async with asyncio.timeout(15):
            return await self.process.wait()


@contextlib.asynccontextmanager
async def running(*arguments: str, http: int | None = None, drain: float = 0.3) -> AsyncIterator[Process]:
    ports = http or free_port(), free_port()
    environment = os.environ | {
        "PYTHONPATH": str(ROOT / "services"),
        "HTTP_PORT": str(ports[0]),
        "ADMIN_PORT": str(ports[1]),
        "DRAIN_SECONDS": str(drain),
        "GRACE_SECONDS": "5",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, *arguments, env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        yield Process(process, *ports)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_it_is_ready_only_once_it_takes_connections() -> None:
    async with running("slow-to-listen") as process:
        await process.until_ready()
        assert " 200 " in await process.get("/")


async def test_sigterm_finishes_what_is_in_flight_and_exits_with_0() -> None:
    async with running(drain=0.0) as process:
        await process.until_ready()
        slow = asyncio.create_task(process.get("/slow"))
        await asyncio.sleep(0.5)
        process.terminate()

        answer = await slow
        assert " 200 " in answer
        assert "connection: close" in answer
        assert await process.exit_code() == 0


async def test_while_it_drains_it_is_not_ready_and_still_serves() -> None:
    async with running(drain=1.0) as process:
        await process.until_ready()
        process.terminate()
        async with asyncio.timeout(5):
            while " 503 " not in await process.get("/readyz", process.admin):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.01)

        answer = await process.get("/")
        assert " 200 " in answer
        assert "connection: close" in answer
        assert await process.exit_code() == 0


async def test_a_background_task_that_dies_ends_the_process_with_1() -> None:
    async with running("dies") as process:
        assert await process.exit_code() == 1


async def test_a_port_that_is_taken_ends_the_process_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        async with running(http=taken.getsockname()[1]) as process:
            assert await process.exit_code() != 0


@pytest.mark.parametrize("path", ["/", "/slow"])
async def test_a_serving_process_keeps_its_connections(path: str) -> None:
    async with running() as process:
        await process.until_ready()

        assert "connection: close" not in await process.get(path)
