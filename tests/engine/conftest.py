"""Real MySQL, Redis and RabbitMQ for tests, in containers of the run's own.

Run with `make engine-test` (all) or `make engine-test ARGS="tests/engine/cache -k lease"`: pytest then runs in the `test` image (the
images' Python), the work tree mounted read-only at /work, on a network of its own; many runs can go on at once. Everything is removed
at the end.

Fixtures (session-wide; tests keep apart by their own ids, keys, queue names; nothing is emptied between tests)
- `mysql_group`: a MySQL group of one, made without the operator, the schema `hcs` applied, accounts hcs_app, hcs_read, hcs_migrate
  with TLS from a CA that clients verify. `.members_host`, `.readers_host`, `.port`, `.credentials`, `.password("app")`,
  `.connection("app")` (PyMySQL), `.primary` (a Mysqld: `.run(sql…)`, `.ask(sql)` as root, `.container.kill()` …).
- `mysql_reader`: an asynchronous reader of that group, behind `mysql_group.readers_host`.
- `redis_server`: `.host`, `.port`, `.url`, `.password`, `.container`. `rabbitmq_server`: the same, and `.management_port`; user hcs.
- `broker`: that server as the services name it; `publisher`: one that runs (each for one test).
- `credentials`: a folder laid out as /etc/hcs in a pod, for all of them: database/*, cache/password, limits/password, queue/password, tokens/*.
- `tier_environment`: a function tier → environment variables with which `Settings()` or `python -m hcs_services <tier>` reaches them
  (asks for the engines that tier needs: only those are started).
- `mysqld`: makes bare servers (root over the socket, no accounts, not in a group), for tests of the database's own life:
  `server = mysqld("shop-db-0-0", service="shop-db-0", settings={...})`; `server.socket`, `.host`, `.run`, `.ask`, `.container`.
- `engines`: any other container: `engines.start(image, name, command, files=…, mounts=…, volumes=…)`; `engine_images` has the tags.
- `authority`: the CA, `authority.server([names]) -> (certificate, key)`.

Names on the network: `<container name>`, for MySQL also `<name>.<service>.engine.svc.cluster.local` and, one for all servers of a
service, `<service>.engine.svc.cluster.local`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.engine import mysql_servers
from tests.engine.brokers import RabbitmqServer, RedisServer, start_rabbitmq, start_redis
from tests.engine.certificates import Authority
from tests.engine.containers import Engines
from tests.engine.mysql_servers import NAMESPACE, Mysqld, MysqldMaker, MysqlGroup

from hcs_services.queue import Broker, Publisher

ROOT = Path(__file__).parents[2]
STACK = "trial"


def pytest_addoption(parser: pytest.Parser) -> None:
    """How large some tests are: `make many-tasks` and `make races` make them large."""
    parser.addoption("--tasks", type=int, default=300, help="how many tasks the tests of many tasks accept")
    parser.addoption("--checked-reads", type=int, default=5_000, help="how many reads with a token the race checks")
    parser.addoption("--offered", type=int, default=250, help="requests a second that two gateways are offered")


@dataclass(frozen=True)
class EngineImages:
    """The tags of the engines' images."""

    mysql: str
    redis: str
    rabbitmq: str


@pytest.fixture(scope="session")
def engine_images() -> EngineImages:
    """The images that the runner built."""
    if "HCS_ENGINE_RUN" not in os.environ:
        pytest.fail("engine tests run in a container beside the engines: use `make engine-test`", pytrace=False)
    return EngineImages(*(os.environ[f"HCS_IMAGE_{name}"] for name in ("MYSQL", "REDIS", "RABBITMQ")))


@pytest.fixture(scope="session")
def engines(engine_images: EngineImages) -> Iterator[Engines]:
    """Makes containers; removes them at the end."""
    environment = os.environ
    engines = Engines(
        network=environment["HCS_ENGINE_NETWORK"],
        run=environment["HCS_ENGINE_RUN"],
        shared=Path(environment["HCS_ENGINE_SHARED"]),
        shared_outside=Path(environment["HCS_ENGINE_SHARED_OUTSIDE"]),
    )
    yield engines
    engines.remove_all()


@pytest.fixture(scope="session")
def authority() -> Authority:
    """The CA of this run."""
    return Authority.make()


@pytest.fixture(scope="session")
def credentials(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Path:
    """Every credential file that a tier can ask for."""
    folder = tmp_path_factory.mktemp("credentials")
    names = [f"database/{account}-password" for account in ("admin", "repl", "app", "read", "migrate")]
    names += [
        "cache/password",
        "limits/password",
        "queue/password",
        "tokens/consistency",
        "tokens/task",
        "tokens/drain",
    ]
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(secrets.token_urlsafe(24))
    (folder / "database" / "ca.crt").write_text(authority.certificate)
    return folder


@pytest.fixture(scope="session")
def mysqld(engines: Engines, engine_images: EngineImages, authority: Authority) -> MysqldMaker:
    """Makes bare MySQL servers."""
    return MysqldMaker(engines, engine_images.mysql, authority)


@pytest.fixture(scope="session")
def mysql_group(mysqld: MysqldMaker, credentials: Path) -> MysqlGroup:
    """A group of one with schema and accounts."""
    server = mysqld(f"{STACK}-db-0-0", service=f"{STACK}-db-0", server_id=1)
    mysql_servers.make_accounts(server, credentials)
    mysql_servers.bootstrap(server, (credentials / "database" / "repl-password").read_text())
    mysql_servers.apply_schema(server, ROOT / "services" / "hcs_services" / "schema")
    return MysqlGroup(server, credentials, f"{STACK}-db-0.{NAMESPACE}", f"{STACK}-replica-0.{NAMESPACE}")


@pytest.fixture(scope="session")
def mysql_reader(mysqld: MysqldMaker, mysql_group: MysqlGroup, credentials: Path) -> Mysqld:
    """A reader of the group, caught up, read-only."""
    server = mysqld(f"{STACK}-replica-0-0", service=f"{STACK}-replica-0", server_id=1001)
    mysql_servers.make_accounts(server, credentials)
    mysql_servers.follow(server, mysql_group.primary, (credentials / "database" / "repl-password").read_text())
    return server


@pytest.fixture(scope="session")
def redis_server(engines: Engines, engine_images: EngineImages, credentials: Path) -> RedisServer:
    """Redis with a password and 64 MiB, evicting by frequency."""
    return start_redis(engines, engine_images.redis, (credentials / "cache" / "password").read_text())


@pytest.fixture(scope="session")
def rabbitmq_server(engines: Engines, engine_images: EngineImages, credentials: Path) -> RabbitmqServer:
    """RabbitMQ with user hcs and the management plugin."""
    return start_rabbitmq(engines, engine_images.rabbitmq, (credentials / "queue" / "password").read_text())


@pytest.fixture
def broker(rabbitmq_server: RabbitmqServer) -> Broker:
    return Broker(rabbitmq_server.url, lambda: rabbitmq_server.password)


@pytest.fixture
async def publisher(broker: Broker) -> AsyncIterator[Publisher]:
    publisher = Publisher(broker, "test-publisher")
    task = asyncio.create_task(publisher.run())
    yield publisher
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


_NEEDS = {
    "gateway": (),
    "migrate": ("mysql_group",),
    "write-api": ("mysql_group", "redis_server", "rabbitmq_server"),
    "read-api": ("mysql_group", "mysql_reader", "redis_server"),
    "async-api": ("mysql_group", "rabbitmq_server"),
    "worker": ("mysql_group", "redis_server", "rabbitmq_server"),
}


@pytest.fixture(scope="session")
def tier_environment(request: pytest.FixtureRequest, credentials: Path) -> Callable[[str], dict[str, str]]:
    """A tier's environment as its pod has it, over the engines that it needs."""

    def make(tier: str) -> dict[str, str]:
        environment = {
            "HCS_STACK": STACK,
            "HCS_TIER": tier,
            "HCS_NAMESPACE": "engine",
            "HCS_CREDENTIALS_DIR": str(credentials),
        }
        needs = {name: request.getfixturevalue(name) for name in _NEEDS[tier]}
        if "mysql_group" in needs:
            environment["DATABASE_MEMBERS_HOST"] = needs["mysql_group"].members_host
            environment["DATABASE_READERS_HOST"] = needs["mysql_group"].readers_host
        if "redis_server" in needs:
            environment["CACHE_URL"] = needs["redis_server"].url
        if "rabbitmq_server" in needs:
            environment["QUEUE_URL"] = needs["rabbitmq_server"].url
        return environment

    return make
