"""MySQL, Redis and RabbitMQ for a benchmark: those of the engine tests, on the load's core.

Each starts when it is asked for.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.services.cores import LOAD
from tests.engine import mysql_servers
from tests.engine.brokers import RabbitmqServer, RedisServer, start_rabbitmq, start_redis
from tests.engine.certificates import Authority
from tests.engine.containers import Container, Engines, call
from tests.engine.mysql_servers import NAMESPACE, Mysqld, MysqldMaker, MysqlGroup

_SCHEMA = Path(__file__).parents[2] / "services" / "hcs_services" / "schema"
_DATABASE, _READERS = "bench-db-0", "bench-replica-0"
_CREDENTIALS = [f"database/{account}-password" for account in ("admin", "repl", "app", "read", "migrate")]
_CREDENTIALS += ["cache/password", "queue/password", "tokens/consistency", "tokens/task", "tokens/drain"]


class _OnLoadsCore(Engines):
    """Pins each container that it makes."""

    def create(self, image: str, name: str, command: Sequence[str], **options: Any) -> Container:
        container = super().create(image, name, command, **options)
        call("POST", f"/containers/{container.id}/update", {"CpusetCpus": str(LOAD)})
        return container


@dataclass(frozen=True)
class Beside:
    """The engines of one run, and what a tier needs to reach them. `folder` is for credentials, as mounted in a pod."""

    engines: Engines
    folder: Path

    @cached_property
    def authority(self) -> Authority:
        """The run's CA."""
        return Authority.make()

    @cached_property
    def credentials(self) -> Path:
        """Laid out as /etc/hcs in a pod."""
        for name in _CREDENTIALS:
            file = self.folder / "credentials" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(secrets.token_urlsafe(24))
        (self.folder / "credentials" / "database" / "ca.crt").write_text(self.authority.certificate)
        return self.folder / "credentials"

    @cached_property
    def mysql(self) -> MysqlGroup:
        """A group of one with the schema, durable as in a stack, and memory for the rows of a benchmark."""
        server = self._mysqld(_DATABASE, server_id=1)
        mysql_servers.bootstrap(server, (self.credentials / "database" / "repl-password").read_text())
        mysql_servers.apply_schema(server, _SCHEMA)
        return MysqlGroup(server, self.credentials, f"{_DATABASE}.{NAMESPACE}", f"{_READERS}.{NAMESPACE}")

    def start_reader(self) -> None:
        """A reader of the group that has caught up."""
        server = self._mysqld(_READERS, server_id=1001)
        repl = (self.credentials / "database" / "repl-password").read_text()
        mysql_servers.follow(server, self.mysql.primary, repl)

    def _mysqld(self, service: str, *, server_id: int) -> Mysqld:
        make = MysqldMaker(self.engines, os.environ["HCS_IMAGE_MYSQL"], self.authority)
        settings = {"innodb_buffer_pool_size": "512M"}
        server = make(f"{service}-0", service=service, settings=settings, server_id=server_id)
        mysql_servers.make_accounts(server, self.credentials)
        return server

    def add_products(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Rows of (product_id, name, price, stock, slot, ver); those that are there already stay."""
        columns = "product_id, name, price, stock, slot, ver"
        sql = f"INSERT IGNORE INTO hcs.products ({columns}) VALUES (%s, %s, %s, %s, %s, %s)"
        with self.mysql.primary.root() as cursor:
            cursor.executemany(sql, rows)

    @cached_property
    def redis(self) -> RedisServer:
        """Keeps all that a benchmark puts in."""
        password = (self.credentials / "cache" / "password").read_text()
        return start_redis(self.engines, os.environ["HCS_IMAGE_REDIS"], password, max_memory="1gb")

    @cached_property
    def rabbitmq(self) -> RabbitmqServer:
        """One node."""
        password = (self.credentials / "queue" / "password").read_text()
        return start_rabbitmq(self.engines, os.environ["HCS_IMAGE_RABBITMQ"], password)

    @cached_property
    def environment(self) -> dict[str, str]:
        """A tier's, with every engine in it."""
        return {
            "HCS_STACK": "bench",
            "HCS_NAMESPACE": "engine",
            "HCS_CREDENTIALS_DIR": str(self.credentials),
            "DATABASE_MEMBERS_HOST": self.mysql.members_host,
            "DATABASE_READERS_HOST": self.mysql.readers_host,
            "CACHE_URL": self.redis.url,
            "QUEUE_URL": self.rabbitmq.url,
        }


@contextmanager
def beside() -> Iterator[Beside]:
    """Engines in containers of the run's own, removed at the end."""
    engines = _OnLoadsCore(
        network=os.environ["HCS_ENGINE_NETWORK"],
        run=os.environ["HCS_ENGINE_RUN"],
        shared=Path(os.environ["HCS_ENGINE_SHARED"]),
        shared_outside=Path(os.environ["HCS_ENGINE_SHARED_OUTSIDE"]),
    )
    with tempfile.TemporaryDirectory() as folder:
        try:
            yield Beside(engines, Path(folder))
        finally:
            engines.remove_all()
