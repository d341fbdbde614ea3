"""The read API as its pod runs it, beside a write API."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.engine.read_api.conftest import eventually
from tests.ports import free_port

pytestmark = [pytest.mark.engine, pytest.mark.timeout(120)]
ROOT = Path(__file__).parents[3]
Environment = Callable[[str], dict[str, str]]


@dataclass(frozen=True)
class Process:
    popen: subprocess.Popen[bytes]
    http: str
    admin: str

    async def selftest(self) -> dict[str, Any]:
        async with aiohttp.ClientSession() as client, client.get(f"{self.admin}/selftest") as answer:
            return {"status": answer.status, **await answer.json()}

    async def ready(self) -> bool:
        try:
            async with aiohttp.ClientSession() as client, client.get(f"{self.admin}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False


@pytest.fixture
def start(tier_environment: Environment) -> Iterator[Callable[[str], Process]]:
    processes: list[Process] = []

    def run(tier: str) -> Process:
        http, admin = free_port(), free_port()
        environment = os.environ | tier_environment(tier) | {"HTTP_PORT": str(http), "ADMIN_PORT": str(admin)}
        environment |= {"DRAIN_SECONDS": "0.2", "PYTHONPATH": str(ROOT / "services")}
        popen = subprocess.Popen([sys.executable, "-m", "hcs_services", tier], env=environment)
        processes.append(Process(popen, f"http://127.0.0.1:{http}/api/v1", f"http://127.0.0.1:{admin}"))
        return processes[-1]

    yield run
    for process in processes:
        if process.popen.poll() is None:
            process.popen.kill()
            process.popen.wait()


async def test_what_the_write_api_acknowledged_is_read_with_its_token(start: Callable[[str], Process]) -> None:
    write, read = start("write-api"), start("read-api")
    await eventually("both are ready", lambda: both_ready(write, read), 30)
    product = f"p-{secrets.token_hex(6)}"
    async with aiohttp.ClientSession() as client:
        body = {"product_id": product, "name": "A book", "price": "19.90", "stock": 50}
        async with client.post(f"{write.http}/products", json=body) as answer:
            assert answer.status == 201
        sources = set()
        for _ in range(20):
            order = {"user_id": "ada", "product_id": product, "quantity": 1}
            async with client.post(f"{write.http}/orders", json=order) as answer:
                assert answer.status == 201
                placed, token = await answer.json(), answer.headers["X-Consistency-Token"]
            headers = {"X-Consistency-Token": token}
            async with client.get(f"{read.http}/orders/{placed['order_id']}", headers=headers) as answer:
                sources.add(answer.headers["X-Data-Source"])
                assert (200, placed) == (answer.status, await answer.json())
            async with client.get(f"{read.http}/users/ada/orders", params={"limit": 1}, headers=headers) as answer:
                assert [placed] == (await answer.json())["items"]
            async with client.get(f"{read.http}/products/{product}", headers=headers) as answer:
                left = (await answer.json())["stock"]
        assert left == 30
        assert "cache" in sources


async def both_ready(*processes: Process) -> bool:
    return all([await process.ready() for process in processes])


async def test_it_tests_itself_shows_its_counters_and_ends_quietly(start: Callable[[str], Process]) -> None:
    read = start("read-api")
    await eventually("it is ready", read.ready, 30)
    result = await read.selftest()
    assert (result["status"], result["ok"]) == (200, True)
    async with aiohttp.ClientSession() as client, client.get(f"{read.admin}/metrics") as answer:
        metrics = await answer.text()
    assert 'hcs_cache_reads_total{result="hit"} 0.0' in metrics
    assert "hcs_cache_inconsistent_total 0.0" in metrics
    read.popen.send_signal(signal.SIGTERM)
    assert read.popen.wait(timeout=20) == 0
