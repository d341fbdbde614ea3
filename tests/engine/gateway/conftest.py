"""A Redis for limits, and gateways as their pods run them, without upstreams: what is admitted is answered 503."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.engine.brokers import RedisServer, start_redis
from tests.engine.conftest import EngineImages
from tests.engine.containers import Engines
from tests.ports import free_port

ROOT = Path(__file__).parents[3]
CAPACITY, REFILL = 100, 100


@dataclass(frozen=True)
class Process:
    """A gateway: where it takes requests, where it shows its metrics, and its log."""

    popen: subprocess.Popen[bytes]
    port: int
    url: str
    metrics: str
    log: Path


@pytest.fixture(scope="session")
def limits_redis(engines: Engines, engine_images: EngineImages, credentials: Path) -> RedisServer:
    """A Redis of these tests' own: they freeze and kill it."""
    password = (credentials / "limits" / "password").read_text()
    return start_redis(engines, engine_images.redis, password, name="limits")


@pytest.fixture
def two_gateways(
    limits_redis: RedisServer, credentials: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[list[Process]]:
    """Two processes of one stack with one quota; the parameter is for how many milliseconds they wait for Redis."""
    config = {
        "replicas": 2,
        "upstreams": {"read-api": {"host": "127.0.0.1", "port": free_port()}},
        "routes": [{"methods": ["GET"], "path": "/thing", "upstream": "read-api"}],
        "rateLimit": {"capacity": CAPACITY, "refillPerSecond": REFILL, "scope": "global"},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    environment = os.environ | {
        "HCS_TIER": "gateway",
        "HCS_CREDENTIALS_DIR": str(credentials),
        "LIMITS_URL": limits_redis.url,
        "LIMITS_TIMEOUT_MS": str(request.param),
        "GATEWAY_CONFIG": str(tmp_path / "config.json"),
        "LOG_LEVEL": "warning",
        "PYTHONPATH": str(ROOT / "services"),
    }
    processes = []
    for number in range(2):
        http, admin = free_port(), free_port()
        own = environment | {"HTTP_PORT": str(http), "ADMIN_PORT": str(admin)}
        log = tmp_path / f"gateway-{number}.log"
        with log.open("wb") as output:
            popen = subprocess.Popen([sys.executable, "-m", "hcs_services", "gateway"], env=own, stdout=output)
        at = f"http://127.0.0.1:{http}/thing", f"http://127.0.0.1:{admin}/metrics"
        processes.append(Process(popen, http, *at, log))
    yield processes
    for process in processes:
        process.popen.kill()
        process.popen.wait()
        print(process.log.read_text())
