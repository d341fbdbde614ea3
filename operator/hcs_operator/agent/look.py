"""Gathers what the agent decides on: over the pod's own socket, from the mounted files, and by name look-up."""

import hashlib
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from hcs_operator.agent.accounts import ACCOUNTS, REPLICATION
from hcs_operator.agent.peers import others
from hcs_operator.agent.seen import OLD_PASSWORD_SECONDS, Local, Memory, Others, Started
from hcs_operator.agent.settings import Settings
from hcs_operator.api.database import Role
from hcs_operator.mysql import facts
from hcs_operator.mysql.errors import DatabaseError, Denied
from hcs_operator.mysql.session import over_socket

STOPPING = "stopping"
"""File beside the socket: mysqld's preStop hook makes it, mysqld's start removes it."""

_STATE = """
SELECT @@GLOBAL.group_replication_bootstrap_group AS bootstrap_flag,
       @@GLOBAL.group_replication_member_expel_timeout AS expel_timeout,
       (SELECT COUNT(*) FROM performance_schema.clone_status WHERE STATE = 'In Progress') AS cloning
"""

_OLD_PASSWORDS = """
SELECT User AS user FROM mysql.user
 WHERE JSON_EXTRACT(User_attributes, '$.additional_password') IS NOT NULL
   AND password_last_changed < NOW() - INTERVAL %s SECOND
"""

_CHANNEL = """
SELECT connection.SERVICE_STATE = 'ON' AND applier.SERVICE_STATE = 'ON' AS replicating, source.User_password AS password
  FROM performance_schema.replication_connection_status AS connection
  JOIN performance_schema.replication_applier_status AS applier USING (CHANNEL_NAME)
  JOIN mysql.slave_master_info AS source ON source.Channel_name = connection.CHANNEL_NAME AND source.Host <> ''
 WHERE connection.CHANNEL_NAME = ''
"""

_RECOVERY_CHANNEL = """
SELECT FALSE AS replicating, User_password AS password
  FROM mysql.slave_master_info WHERE Channel_name = 'group_replication_recovery'
"""


def passwords(settings: Settings) -> dict[str, str]:
    """Read the mounted passwords, by user."""
    return {it.user: (settings.credentials / it.password_file).read_text().strip() for it in ACCOUNTS}


def look(settings: Settings, memory: Memory) -> Local:
    """Look once; raises DatabaseError while mysqld does not answer, OSError while a mounted file is missing."""
    mounted = passwords(settings)
    run = settings.socket.stat() if settings.socket.exists() else None
    now = Started(f"{run.st_ino}.{run.st_mtime_ns}" if run else "", _fingerprint(p.encode() for p in mounted.values()))
    with over_socket(str(settings.socket)) as session:
        state = session.query(_STATE)[0]
        group = facts.group(session)
        member_group = facts.member_group(session)
        channel = session.one(_CHANNEL if settings.role is Role.READER else _RECOVERY_CHANNEL)
        old = session.query(_OLD_PASSWORDS, OLD_PASSWORD_SECONDS) if group.leads else []
    outside = settings.role is Role.MEMBER and group.state == "OFFLINE"
    alone = not group.online and member_group is not None
    return Local(
        role=settings.role,
        now=now,
        group=group,
        member_group=member_group,
        bootstrap_flag=bool(state["bootstrap_flag"]),
        cloning=bool(state["cloning"]),
        stopping=(settings.socket.parent / STOPPING).exists(),
        named=not outside or _named(settings),
        others=others(settings) if settings.role is Role.MEMBER and alone else Others(),
        clock=time.monotonic(),
        certificate=_fingerprint(_contents(settings.certificates)),
        denied=frozenset() if memory.settled == now else _denied(settings, mounted),
        old_passwords=frozenset(row["user"] for row in old),
        expel_timeout=state["expel_timeout"],
        replicating=bool(channel and channel["replicating"]),
        channel_password_current=channel is None or channel["password"] == mounted[REPLICATION],
    )


def _denied(settings: Settings, mounted: dict[str, str]) -> frozenset[str]:
    """Try each account; an account that is at its connection limit (1226) has taken its password."""
    denied = set()
    for user, password in mounted.items():
        try:
            with over_socket(str(settings.socket), user, password):
                continue
        except Denied:
            denied.add(user)
        except DatabaseError:
            continue
    return frozenset(denied)


def _named(settings: Settings) -> bool:
    with suppress(OSError):
        found = socket.getaddrinfo(settings.pod_fqdn, None, type=socket.SOCK_STREAM)
        return settings.pod_ip in {address[4][0] for address in found}
    return False


def _contents(folder: Path) -> Iterable[bytes]:
    return [(folder / name).read_bytes() for name in ("ca.crt", "tls.crt")]


def _fingerprint(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()
