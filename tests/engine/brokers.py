"""Redis and RabbitMQ servers for tests, reached by password."""

from __future__ import annotations

import base64
import json
import socket
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

from tests.engine.containers import Container, Engines, until


@dataclass(frozen=True)
class RedisServer:
    """One Redis; `url` carries no password."""

    container: Container
    host: str
    password: str
    port: int = 6379

    @property
    def url(self) -> str:
        """As in CACHE_URL."""
        return f"redis://{self.host}:{self.port}/0"

    def command(self, *words: str) -> str:
        """A command's answer, as redis-cli prints it."""
        return self.container.run(
            "sh", "-c", 'REDISCLI_AUTH=$(cat /etc/hcs/password) exec redis-cli "$@"', "cli", *words
        ).text

    def until_answers(self, seconds: float = 30) -> None:
        """Waits until it answers PING."""
        until("Redis answers", lambda: "PONG" in self.command("PING"), seconds)


def start_redis(
    engines: Engines, image: str, password: str, *, name: str = "cache", max_memory: str = "64mb"
) -> RedisServer:
    """Starts a Redis that evicts by frequency and keeps nothing on disk."""
    configuration = (
        f'requirepass {password}\nmaxmemory {max_memory}\nmaxmemory-policy allkeys-lfu\nsave ""\nappendonly no\n'
    )
    files = {"/etc/hcs/redis.conf": configuration, "/etc/hcs/password": password}
    server = RedisServer(
        engines.start(image, name, ["redis-server", "/etc/hcs/redis.conf"], files=files), name, password
    )
    server.until_answers()
    return server


@dataclass(frozen=True)
class RabbitmqServer:
    """One RabbitMQ node, user hcs, virtual host /; `url` carries no password."""

    container: Container
    host: str
    password: str
    port: int = 5672
    management_port: int = 15672

    @property
    def url(self) -> str:
        """As in QUEUE_URL."""
        return f"amqp://{self.host}:{self.port}/"

    def management(self, path: str) -> Any:
        """The management API's answer to a GET, `/api/…`."""
        return management(self.host, self.password, path, port=self.management_port)

    def answers(self) -> bool:
        """Whether both ports take connections."""
        for port in (self.port, self.management_port):
            socket.create_connection((self.host, port), timeout=2).close()
        return True

    def until_answers(self, seconds: float = 90) -> None:
        """Waits until clients can connect."""
        until("RabbitMQ answers", self.answers, seconds)


def management(host: str, password: str, path: str, *, port: int = 15672) -> Any:
    """A broker's answer to a GET of its management API."""
    token = base64.b64encode(f"hcs:{password}".encode()).decode()
    connection = HTTPConnection(host, port, timeout=10)
    try:
        connection.request("GET", path, headers={"Authorization": f"Basic {token}"})
        answer = connection.getresponse()
        assert answer.status == 200, (path, answer.status)
        return json.loads(answer.read())
    finally:
        connection.close()


def start_rabbitmq(engines: Engines, image: str, password: str, *, name: str = "queue") -> RabbitmqServer:
    """Starts a RabbitMQ node with its data on a named volume."""
    configuration = f"default_user = hcs\ndefault_pass = {password}\nloopback_users = none\nlog.console = true\nlog.console.level = warning\n"
    files = {
        "/etc/rabbitmq/rabbitmq.conf": configuration,
        "/etc/rabbitmq/enabled_plugins": "[rabbitmq_management,rabbitmq_prometheus].\n",
    }
    environment = {"RABBITMQ_NODENAME": "rabbit@localhost", "RABBITMQ_LOGS": "-", "HOME": "/var/lib/rabbitmq"}
    container = engines.start(
        image, name, ["rabbitmq-server"], files=files, env=environment, volumes={f"data-{name}": "/var/lib/rabbitmq"}
    )
    server = RabbitmqServer(container, name, password)
    server.until_answers()
    return server
