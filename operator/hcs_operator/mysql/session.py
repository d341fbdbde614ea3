"""One SQL session over PyMySQL, the only module that imports the driver: the operator's by TLS, the agent's by socket.

Sessions are opened for one look or one step and closed again: nothing is pooled, so a password or certificate that was
changed is in force at once, and a dead peer costs one time-out and no more.
"""

import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import pymysql
from pymysql.cursors import DictCursor

from hcs_operator.api.database import Instance
from hcs_operator.mysql.errors import DatabaseError, Denied, NotTrusted, Refused, Unreachable

CONNECT_SECONDS = 1.0
STATEMENT_SECONDS = 2.0
ROOT = "root"
"""root@localhost has no password: it is reachable by the pod's own socket alone (names are not resolved over TCP)."""

OPENED = "hcs.opened"
"""The user lock that a session holds while it has a closed server open."""

_COM_BINLOG_DUMP_GTID = 0x1E
"""The driver knows the command and has no call for it."""

Row = Mapping[str, Any]

_DENIED = {1044, 1045, 1130, 1698, 1862, 3118, 3955}
_UNREACHABLE = {1053, 1077, 1079, 2002, 2003, 2006, 2013, 2055}


class Session:
    """Statements on one connection, in order; session variables hold from one to the next."""

    def __init__(self, connection: "pymysql.Connection[DictCursor]") -> None:
        self._connection = connection

    def query(self, sql: str, *args: object) -> list[Row]:
        """Return the rows of a statement; raises DatabaseError."""
        with _errors(), self._connection.cursor() as cursor:
            cursor.execute(sql, args or None)
            return list(cursor.fetchall())

    def one(self, sql: str, *args: object) -> Row | None:
        """Return the first row, or None."""
        return next(iter(self.query(sql, *args)), None)

    def run(self, sql: str, *args: object) -> None:
        """Execute a statement that returns nothing."""
        with _errors(), self._connection.cursor() as cursor:
            cursor.execute(sql, args or None)

    def binary_log(self, request: bytes) -> Iterator[bytes]:
        """Yield the events that COM_BINLOG_DUMP_GTID answers this payload with, each without a packet's framing."""
        driver: Any = self._connection
        with _errors():
            driver._execute_command(_COM_BINLOG_DUMP_GTID, request)  # noqa: SLF001 - it has no call of its own for this
            while not (packet := driver._read_packet()).is_eof_packet():  # noqa: SLF001
                yield packet.get_all_data()[1:]  # a zero byte stands before each event

    def launch(self, sql: str, *args: object) -> None:
        """Start a statement that takes minutes and leave it running on the server; an error at once is raised."""
        try:
            self.run(sql, *args)
        except Unreachable:
            # The time-out of the read: the server goes on with the statement, whoever listens.
            return


@contextmanager
def opened(session: Session) -> Iterator[None]:
    """Have a closed server take writes of administrators for a moment; raises DatabaseError.

    One at a time: who finds a server open and its lock free knows that nobody is at work on it any more.
    """
    if not (row := session.one(f"SELECT GET_LOCK('{OPENED}', 1) AS locked")) or not row["locked"]:
        raise Refused("somebody else has opened this server for a step")
    session.run("SET GLOBAL super_read_only = OFF")
    try:
        yield
    finally:
        session.run("SET GLOBAL super_read_only = ON")
        session.query(f"SELECT RELEASE_LOCK('{OPENED}')")


@contextmanager
def over_tls(instance: Instance, *, statement_seconds: float = STATEMENT_SECONDS) -> Iterator[Session]:
    """Open a session at an instance: to its address, with the certificate verified for its host name."""
    with _errors():
        connection = _connection(
            host=instance.host,
            user=instance.access.user,
            password=instance.access.password,
            seconds=statement_seconds,
            ssl=_trust(instance.access.ca),
        )
        channel = socket.create_connection((instance.address, instance.port), timeout=CONNECT_SECONDS)
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.connect(channel)
    with _closing(connection) as session:
        yield session


def _trust(authority: str) -> ssl.SSLContext:
    """Trust this authority (PEM); a damaged one is NotTrusted: anybody may have edited the Secret it is in."""
    try:
        return ssl.create_default_context(cadata=authority)
    except (TypeError, ValueError) as error:  # not ASCII, or no certificate at all
        raise NotTrusted(f"the stack's authority cannot be read: {error}") from error


@contextmanager
def over_socket(
    path: str, user: str = ROOT, password: str = "", *, statement_seconds: float = STATEMENT_SECONDS
) -> Iterator[Session]:
    """Open a session through the pod's own socket; accounts but root come encrypted, as their REQUIRE SSL asks."""
    with _errors():
        connection = _connection(
            unix_socket=path, user=user, password=password, seconds=statement_seconds, **_encryption(user)
        )
        connection.connect()
    with _closing(connection) as session:
        yield session


def _encryption(user: str) -> dict[str, Any]:
    if user == ROOT:
        return {"ssl_disabled": True}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # without the system's authorities, whose loading takes long
    context.check_hostname = False  # a socket in the pod's own volume has no name, and nobody in between
    context.verify_mode = ssl.CERT_NONE
    return {"ssl": context}


def _connection(*, seconds: float, password: str, **arguments: Any) -> "pymysql.Connection[DictCursor]":
    return pymysql.Connection(
        **arguments,
        password=password.encode(),  # as text the driver takes it for Latin-1
        charset="utf8mb4",
        autocommit=True,
        init_command="SET SESSION time_zone = '+00:00'",
        connect_timeout=CONNECT_SECONDS,
        read_timeout=seconds,
        write_timeout=seconds,
        defer_connect=True,
        cursorclass=DictCursor,
    )


@contextmanager
def _closing(connection: "pymysql.Connection[DictCursor]") -> Iterator[Session]:
    try:
        yield Session(connection)
    finally:
        with suppress(pymysql.Error):
            connection.close()


@contextmanager
def _errors() -> Iterator[None]:
    """Turn the driver's and the system's errors into the tree a caller can act on."""
    try:
        yield
    except ssl.SSLError as error:
        raise NotTrusted(f"TLS failed: {error}") from error
    except OSError as error:
        raise Unreachable(f"no connection: {error}") from error
    except pymysql.MySQLError as error:
        raise _translated(error) from error


def _translated(error: pymysql.MySQLError) -> DatabaseError:
    if isinstance(error.__context__, ssl.SSLError):
        return NotTrusted(f"TLS failed: {error.__context__}")
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    text = str(error.args[1]) if len(error.args) > 1 else str(error)
    if number in _DENIED:
        return Denied(text)
    if number in _UNREACHABLE or (number == 0 and isinstance(error, pymysql.InterfaceError)):
        return Unreachable(text or "the connection was lost")
    return Refused(f"error {number}: {text}", number)
