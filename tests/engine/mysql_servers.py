"""MySQL servers for tests: bare ones, a group of one, and a reader of it, with the settings that a stack uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
from tests.engine.certificates import Authority
from tests.engine.containers import Container, Engines, until

from hcs_operator.agent import accounts

NAMESPACE = "engine.svc.cluster.local"
GROUP_NAME = "5b4f9b3e-0f7d-4a2b-9d51-2f3e6f0a7c11"

_CONFIGURATION = """[mysqld]
datadir=/var/lib/mysql/data
socket=/run/mysqld/mysqld.sock
pid_file=/run/mysqld/mysqld.pid
mysqlx=OFF
skip_name_resolve=ON
secure_file_priv=NULL
character_set_server=utf8mb4
default_time_zone=+00:00
server_id={server_id}
report_host={host}
log_bin=binlog
relay_log=relay
gtid_mode=ON
enforce_gtid_consistency=ON
log_replica_updates=ON
skip_replica_start=ON
replica_net_timeout=3
sync_binlog=1
innodb_flush_log_at_trx_commit=1
innodb_buffer_pool_size=64M
plugin_load_add=mysql_clone.so
plugin_load_add=group_replication.so
loose-group_replication_group_name={group_name}
loose-group_replication_local_address={host}:3306
loose-group_replication_communication_stack=MYSQL
loose-group_replication_start_on_boot=OFF
loose-group_replication_bootstrap_group=OFF
loose-group_replication_paxos_single_leader=ON
loose-group_replication_ssl_mode=VERIFY_IDENTITY
loose-group_replication_recovery_use_ssl=ON
loose-group_replication_recovery_ssl_ca=/etc/hcs/tls/ca.crt
loose-group_replication_recovery_ssl_verify_server_cert=ON
ssl_ca=/etc/hcs/tls/ca.crt
ssl_cert=/etc/hcs/tls/tls.crt
ssl_key=/etc/hcs/tls/tls.key
"""

# The first server makes an empty data directory for all: to make one takes seconds of CPU, to copy it a fraction of one.
# Without auto.cnf, each server gives itself an identity of its own. Both are made in a side directory, so that a start
# that dies half-way is begun anew.
_EMPTY = "mysqld-empty"
_START = f"""set -eu
if [ ! -d /var/lib/mysql/data ]; then
  rm -rf /var/lib/mysql/new
  if [ ! -d /run/{_EMPTY}/data ]; then
    rm -rf /run/{_EMPTY}/new
    mysqld --defaults-file=/etc/hcs/mysql/my.cnf --datadir=/run/{_EMPTY}/new --initialize-insecure --super_read_only=OFF
    rm /run/{_EMPTY}/new/auto.cnf
    mv /run/{_EMPTY}/new /run/{_EMPTY}/data
  fi
  cp -r /run/{_EMPTY}/data /var/lib/mysql/new
  mv /var/lib/mysql/new /var/lib/mysql/data
fi
exec mysqld --defaults-file=/etc/hcs/mysql/my.cnf
"""


@dataclass(frozen=True)
class Mysqld:
    """One server. `host` is its full name on the network, `socket` its Unix socket as this process sees it."""

    container: Container
    host: str
    socket: Path
    port: int = 3306

    @contextmanager
    def root(self) -> Iterator[pymysql.cursors.DictCursor]:
        """A cursor as root over the socket: no password, as after --initialize-insecure."""
        connection: Any = pymysql.connect(
            unix_socket=str(self.socket), user="root", autocommit=True, cursorclass=pymysql.cursors.DictCursor,
            ssl_disabled=True,  # else each loads the system's authorities, which takes longer than all the rest
        )  # fmt: skip
        with connection, connection.cursor() as cursor:
            yield cursor

    def answers(self) -> bool:
        """Whether it runs a statement."""
        with self.root() as cursor:
            return bool(cursor.execute("SELECT 1"))

    def until_answers(self, seconds: float = 90) -> None:
        """Waits until it runs statements; a server that ended meanwhile fails at once with its log."""

        def probe() -> bool:
            if not self.container.state["Running"]:
                return False
            return self.answers()

        try:
            until(f"{self.host} answers", probe, seconds)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.container.logs(40)}") from late

    def run(self, *statements: str) -> None:
        """Runs statements as root."""
        with self.root() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def ask(self, statement: str, *arguments: object) -> list[dict[str, Any]]:
        """The rows of a query as root."""
        with self.root() as cursor:
            cursor.execute(statement, arguments)
            return list(cursor.fetchall())


@dataclass(frozen=True)
class MysqldMaker:
    """Makes servers; each has its data on a named volume, so that a new container over it finds the rows again."""

    engines: Engines
    image: str
    authority: Authority

    def __call__(
        self,
        name: str,
        *,
        service: str,
        settings: Mapping[str, str] | None = None,
        server_id: int = 1,
        command: Sequence[str] = ("bash", "-c", _START),
        files: Mapping[str, str | bytes] | None = None,
        memory_mib: int = 0,
    ) -> Mysqld:
        """Starts a server named `<name>.<service>.engine.svc.cluster.local` and waits until it answers on its socket.

        `settings` are laid over the defaults; `files` replace or join the mounted ones (/etc/hcs/mysql/my.cnf, /etc/hcs/tls/*).
        The headless name `<service>.engine.svc.cluster.local` resolves to every server of that service.
        """
        headless = f"{service}.{NAMESPACE}"
        host = f"{name}.{headless}"
        folder = f"mysqld-{name}"
        shared = self.engines.shared / folder
        for wanted in (folder, _EMPTY):
            if not (self.engines.shared / wanted).exists():
                self.engines.share(wanted)
        certificate, key = self.authority.server([host, headless, f"*.{headless}"])
        configuration = _CONFIGURATION.format(host=host, server_id=server_id, group_name=GROUP_NAME)
        configuration += "".join(f"{key}={value}\n" for key, value in (settings or {}).items())
        container = self.engines.start(
            self.image,
            name,
            command,
            files={
                "/etc/hcs/mysql/my.cnf": configuration,
                "/etc/hcs/tls/tls.crt": certificate,
                "/etc/hcs/tls/tls.key": key,
                "/etc/hcs/tls/ca.crt": self.authority.certificate,
                **(files or {}),
            },
            mounts={folder: "/run/mysqld", _EMPTY: f"/run/{_EMPTY}"},
            volumes={f"data-{name}": "/var/lib/mysql"},
            aliases=[host, headless],
            memory_mib=memory_mib,
        )
        server = Mysqld(container, host, shared / "mysqld.sock")
        server.until_answers()
        return server


@dataclass(frozen=True)
class MysqlGroup:
    """A MySQL group of one with the schema `hcs` and its accounts, and the names that services are given.

    `credentials` holds database/{app,read,migrate}-password and database/ca.crt, as mounted at /etc/hcs in a pod.
    """

    primary: Mysqld
    credentials: Path
    members_host: str
    readers_host: str
    port: int = 3306

    def password(self, account: str) -> str:
        """The password of `app`, `read` or `migrate` (user hcs_app, …)."""
        return (self.credentials / "database" / f"{account}-password").read_text()

    @contextmanager
    def connection(self, account: str = "migrate") -> Iterator[pymysql.Connection[pymysql.cursors.DictCursor]]:
        """A connection over verified TLS as one of the accounts, in schema hcs."""
        connection: Any = pymysql.connect(
            host=self.primary.host, user=f"hcs_{account}", password=self.password(account), database="hcs", autocommit=True,
            ssl_ca=str(self.credentials / "database" / "ca.crt"), ssl_verify_identity=True,
            cursorclass=pymysql.cursors.DictCursor,
        )  # fmt: skip
        with connection:
            yield connection


def bootstrap(server: Mysqld, repl_password: str) -> None:
    """Makes the server a group of one, its primary. Even alone it connects to itself, as hcs_repl."""
    with server.root() as cursor:
        cursor.execute("SET GLOBAL super_read_only = OFF")
        cursor.execute(
            "CHANGE REPLICATION SOURCE TO SOURCE_USER='hcs_repl', SOURCE_PASSWORD=%s FOR CHANNEL 'group_replication_recovery'",
            (repl_password,),
        )
        cursor.execute("SET GLOBAL group_replication_bootstrap_group = ON")
        cursor.execute("START GROUP_REPLICATION")
        cursor.execute("SET GLOBAL group_replication_bootstrap_group = OFF")
    until("the group of one is writable", lambda: not server.ask("SELECT @@super_read_only AS closed")[0]["closed"], 60)


def make_accounts(server: Mysqld, credentials: Path) -> None:
    """A stack's accounts with their very grants and limits, on this server only (nothing in the binary log)."""
    passwords = {
        account.user: (credentials / "database" / account.password_file).read_text() for account in accounts.ACCOUNTS
    }
    limit = server.ask("SELECT @@max_connections AS connections")[0]["connections"]
    with server.root() as cursor:
        cursor.execute("SET sql_log_bin = 0")
        for statement, arguments in accounts.set_up(passwords, frozenset(), limit):
            cursor.execute(statement, arguments or None)


def apply_schema(server: Mysqld, folder: Path) -> None:
    """Runs the numbered migrations in order, each one statement."""
    with server.root() as cursor:
        cursor.execute("CREATE DATABASE IF NOT EXISTS hcs")
        cursor.execute("USE hcs")
        for file in sorted(folder.glob("[0-9]*.sql")):
            cursor.execute(file.read_text())


def follow(reader: Mysqld, primary: Mysqld, password: str) -> None:
    """Makes the server an asynchronous reader of the primary from its first transaction on, and waits until it replicates."""
    with reader.root() as cursor:
        cursor.execute(
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST=%s, SOURCE_PORT=3306, SOURCE_USER='hcs_repl', SOURCE_PASSWORD=%s, "
            "SOURCE_AUTO_POSITION=1, SOURCE_SSL=1, SOURCE_SSL_CA='/etc/hcs/tls/ca.crt', SOURCE_SSL_VERIFY_SERVER_CERT=1, "
            "SOURCE_CONNECT_RETRY=1, SOURCE_HEARTBEAT_PERIOD=1",
            (primary.host, password),
        )
        cursor.execute("START REPLICA")
    reader.run("SET GLOBAL super_read_only = ON")
    executed = primary.ask("SELECT @@GLOBAL.gtid_executed AS gtids")[0]["gtids"]
    caught_up = "SELECT GTID_SUBSET(%s, @@GLOBAL.gtid_executed) AS done"
    until("the reader has caught up", lambda: reader.ask(caught_up, executed)[0]["done"], 60)
